package raftstore

import (
	"context"
	"fmt"
	"sync"
)

// reads gathers those who want to read into rounds: one question to the other
// nodes serves all who came before it was asked.
type reads struct {
	mu   sync.Mutex
	next *round        // the round that has not begun; nil if nobody waits
	wake chan struct{} // holds one token while there is a next round
}

// round is one confirmation of leadership. index and err are set when done closes.
type round struct {
	done  chan struct{}
	index uint64 // what was committed when the round began
	err   error
}

// join answers the round that begins next, never one that has begun: what was
// acknowledged before the caller came must be in it.
func (r *reads) join() *round {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next == nil {
		r.next = &round{done: make(chan struct{})}
		r.wake <- struct{}{}
	}
	return r.next
}

func (r *reads) begin() *round {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.next
	r.next = nil
	return now
}

// Linearize waits until a read of this node's engine is linearizable (I5): it
// will see all that was acknowledged, by whatever node, before Linearize was
// called. The index it answers is the engine's, of an entry with commands; a
// follower whose engine has come to that index may answer the read as well.
//
// Its errors are of class ErrUnavailable.
func (s *Store) Linearize(ctx context.Context) (index uint64, err error) {
	if !s.leading() && !s.clustered() {
		return 0, ErrNotLeader
	}
	r, err := s.readRound(ctx, &s.reads)
	if err != nil {
		return 0, err
	}
	if err := s.awaitPassed(ctx, r.index); err != nil {
		return 0, err
	}
	return s.machine.Head().Index, nil
}

// readRound waits for the next round of confirmation.
func (s *Store) readRound(ctx context.Context, reads *reads) (*round, error) {
	r := reads.join()
	select {
	case <-r.done:
		return r, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	case <-s.ctx.Done():
		return nil, ErrClosed
	}
}

// confirmReads carries out the rounds of this node's own readers, one after the
// other. A node that does not lead asks the one that does.
func (s *Store) confirmReads() {
	s.confirmRounds(&s.reads, func() (uint64, error) {
		if s.clustered() && !s.leading() {
			return s.confirmRemote()
		}
		return s.confirm()
	})
}

// confirmReadsOfOthers does so for other nodes' readers, and never passes the
// question on.
func (s *Store) confirmReadsOfOthers() { s.confirmRounds(&s.readsOfOthers, s.confirm) }

func (s *Store) confirmRounds(reads *reads, confirm func() (uint64, error)) {
	for {
		select {
		case <-reads.wake:
		case <-s.ctx.Done():
			return
		}
		r := reads.begin()
		r.index, r.err = confirm()
		close(r.done)
	}
}

// confirm captures what is committed and then makes sure that nobody else could
// have committed more before that.
//
// The order is what counts. Had another leader acknowledged something before the
// capture, a majority would be in its term by now and this node would not be
// confirmed. The same term before and after: a node that lost the leadership and
// won it back in between would be confirmed for a term in which the captured
// index is too low. The captured index is at least that of the term's barrier, and
// after that the log has nothing of which the engine's fsm would not hear.
func (s *Store) confirm() (index uint64, err error) {
	term := s.serving.Load()
	if !s.leading() {
		return 0, ErrNotLeader
	}
	index = s.raft.CommitIndex()
	if err := s.raft.VerifyLeader().Error(); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrNotLeader, err)
	}
	if s.raft.CurrentTerm() != term {
		return 0, ErrNotLeader
	}
	return index, nil
}
