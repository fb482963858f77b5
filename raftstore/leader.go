package raftstore

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"drawdown/engine/ledger"
)

// leading says whether this node may take writes and answer reads: it leads, and
// has carried out all that earlier leaders committed. Within one term leadership
// is never regained, so that the term alone tells.
func (s *Store) leading() bool {
	term := s.serving.Load()
	return term != 0 && term == s.raft.CurrentTerm() && s.raft.State() == raft.Leader
}

// drainLeadership empties the channel on which raft announces changes, because raft
// waits for that, and wakes lead.
func (s *Store) drainLeadership() {
	for {
		select {
		case <-s.announced:
			select {
			case s.changed <- struct{}{}:
			default:
			}
		case <-s.down:
			return
		}
	}
}

// lead makes the node ready to serve whenever it has become the leader.
func (s *Store) lead() {
	retry := time.NewTicker(pollEvery)
	defer retry.Stop()
	led := uint64(0) // the term last announced to the observer; 0 while not leading
	for {
		if s.raft.State() == raft.Leader && !s.leading() {
			start := time.Now()
			term, err := s.establish()
			if err != nil {
				s.log.Warn("cannot serve as leader yet", "term", term, "error", err)
			} else {
				led = term
				s.announceLeader(true, term, time.Since(start))
			}
		}
		if led != 0 && !s.leading() {
			s.announceLeader(false, led, 0)
			led = 0
		}
		select {
		case <-s.changed:
		case <-retry.C:
		case <-s.ctx.Done():
			return
		}
	}
}

func (s *Store) announceLeader(leading bool, term uint64, took time.Duration) {
	s.log.Info("leadership", "leading", leading, "term", term, "took", took)
	if s.o.Observer.Leader != nil {
		s.o.Observer.Leader(leading, term, took)
	}
}

// establish waits until the engine has carried out everything before this term,
// and founds the log if nobody has. Until the barrier is through, earlier terms'
// entries may still be missing from what this node would answer.
func (s *Store) establish() (term uint64, err error) {
	term = s.raft.CurrentTerm()
	barrier := s.raft.Barrier(0)
	if err := s.await(barrier); err != nil {
		return term, err
	}
	if at, ok := barrier.(raft.IndexFuture); ok {
		// The engine does not hear of barriers; all before it has been carried out.
		if !s.failed.Load() {
			s.fsm.passed.raise(at.Index())
		}
	}
	if !s.machine.Initialized() {
		if err := s.found(); err != nil {
			return term, err
		}
	}
	if s.raft.CurrentTerm() != term || s.raft.State() != raft.Leader {
		return term, raft.ErrLeadershipLost
	}
	s.serving.Store(term)
	return term, nil
}

// found writes the log's first command: its random name and the secret key of its
// identifiers. The barrier before it has shown that no earlier leader's is on its
// way.
func (s *Store) found() error {
	var c ledger.Init
	rand.Read(c.Cluster[:])
	rand.Read(c.HashKey[:])
	var batch ledger.Batch
	batch.Add(&c)
	data := ledger.AppendEntry(nil, max(s.o.Clock().UnixNano(), s.machine.Head().Time+1), 1)
	future := s.raft.Apply(ledger.AppendCommand(data, batch.At(0)), 0)
	if err := s.await(future); err != nil {
		return err
	}
	if err, failed := future.Response().(error); failed {
		return err
	}
	s.log.Info("a new log was founded", "cluster", fmt.Sprintf("%x", c.Cluster))
	return nil
}

// await waits for a future. raft leaves some without an answer when it is shut
// down, hence the second way out.
func (s *Store) await(f raft.Future) error {
	answer := make(chan error, 1)
	go func() { answer <- f.Error() }()
	select {
	case err := <-answer:
		return err
	case <-s.down:
		return raft.ErrRaftShutdown
	}
}

// WaitLeading waits until this node serves as the leader.
func (s *Store) WaitLeading(ctx context.Context) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !s.leading() {
		if s.failed.Load() {
			return ErrFailed
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrNotLeader, ctx.Err())
		case <-s.ctx.Done():
			return ErrClosed
		}
	}
	return nil
}
