package raftstore

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// rolePoll is how often the role is looked at: changes that last less are nobody's
// concern.
const rolePoll = 50 * time.Millisecond

// watchRole logs each change of this node's part in the cluster.
func (s *Store) watchRole() {
	tick := time.NewTicker(rolePoll)
	defer tick.Stop()
	var role, leader string
	for {
		_, id := s.raft.LeaderWithID()
		if now := s.raft.State().String(); now != role || string(id) != leader {
			s.log.Info("role", "node", s.dir.node, "role", now, "before", role, "leader", string(id),
				"term", s.raft.CurrentTerm(), "applied", s.fsm.passed.get())
			role, leader = now, string(id)
		}
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
	}
}

// Stale answers what a read of this node's engine is true of without asking anybody:
// the engine's index, and how long ago this node last heard of the leader, 0 on the
// leader itself. A node that has never heard of one has no age to tell, and is
// ErrUnavailable.
func (s *Store) Stale() (index uint64, age time.Duration, err error) {
	index = s.machine.Head().Index
	if s.raft.State() == raft.Leader {
		return index, 0, nil
	}
	contact := s.raft.LastContact()
	if contact.IsZero() {
		return 0, 0, fmt.Errorf("%w: this node has not heard of a leader since it was started", ErrUnavailable)
	}
	return index, time.Since(contact), nil
}

// WaitIndex waits until this node has carried out the entry at the index. Its errors
// are of class ErrUnavailable.
func (s *Store) WaitIndex(ctx context.Context, index uint64) error { return s.awaitPassed(ctx, index) }

// fitTrailing has raft keep as many entries behind the next snapshot as fit into
// TrailingBytes: it counts them, and their sizes differ by a factor of 1,000.
func (s *Store) fitTrailing() {
	entries, bytes := s.fsm.entries.Load(), s.fsm.bytes.Load()
	if !s.clustered() || entries == 0 || bytes == 0 {
		return
	}
	c := s.raft.ReloadableConfig()
	c.TrailingLogs = min(max(s.o.TrailingBytes*entries/uint64(bytes), s.o.TrailingLogs), trailingMax)
	if err := s.raft.ReloadConfig(c); err != nil {
		s.log.Warn("the log's retention cannot be fitted", "error", err)
	}
}
