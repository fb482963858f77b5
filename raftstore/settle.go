package raftstore

import (
	"time"

	"drawdown/engine/ledger"
)

// settle writes a Settle when time alone has changed an account: credit expires or
// becomes effective. Only the leader does, and never twice for the same state
// without a pause.
func (s *Store) settle() {
	timer := time.NewTimer(pollEvery)
	defer timer.Stop()
	for {
		timer.Reset(s.untilDue())
		select {
		case <-timer.C:
		case <-s.ctx.Done():
			return
		}
		for first := uint32(0); s.leading(); {
			next, more := s.settleDue()
			// The same account again: nothing has moved, or it came due again at once.
			if !more || next == first {
				break
			}
			first = next
		}
	}
}

// untilDue is how long nothing can be due. It is never more than pollEvery, as a
// command may bring an earlier moment, and the clock may be set.
func (s *Store) untilDue() time.Duration {
	next := s.machine.NextDue()
	if next == 0 {
		return pollEvery
	}
	wait := time.Unix(next, 0).Sub(s.o.Clock())
	if wait <= 0 {
		return pollEvery // due, yet the last attempt has not changed that
	}
	return min(wait, pollEvery)
}

// settleDue settles one portion of what is due, and reports its first account and
// whether there is more. What counts as now is the time that the entry will bear:
// the log's, if the clock is behind it.
func (s *Store) settleDue() (first uint32, more bool) {
	now := max(s.o.Clock().UnixNano(), s.machine.Head().Time) / int64(time.Second)
	if next := s.machine.NextDue(); next == 0 || next > now {
		return 0, false
	}
	accounts := s.machine.Due(now, settleAccounts)
	if len(accounts) == 0 {
		return 0, false
	}
	var batch ledger.Batch
	batch.Add(&ledger.Settle{Accounts: accounts})
	if _, _, err := s.Submit(s.ctx, &batch); err != nil {
		s.log.Debug("settling what is due must wait", "accounts", len(accounts), "error", err)
		return 0, false
	}
	return accounts[0], len(accounts) == settleAccounts
}
