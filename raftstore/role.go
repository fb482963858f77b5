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
// the engine's index, and how long ago this node last heard of the leader. A leader
// has last heard of itself when a majority was last known to be in its term: it may
// have been stopped, and not know yet that another one leads. A node that has not heard of
// one since it was started has its newest entry's age; one without entries is
// ErrUnavailable.
func (s *Store) Stale() (index uint64, age time.Duration, err error) {
	index = s.machine.Head().Index
	contact := s.raft.LastContact()
	if s.raft.State() == raft.Leader {
		if !s.clustered() {
			return index, 0, nil
		}
		contact = s.majorityHeard()
	}
	if contact.IsZero() {
		head := s.machine.Head()
		if head.Time == 0 {
			return 0, 0, fmt.Errorf("%w: this node has nothing yet", ErrUnavailable)
		}
		return head.Index, max(0, s.o.Clock().Sub(time.Unix(0, head.Time))), nil
	}
	return index, time.Since(contact), nil
}

// majorityHeard is when a majority of the voters, this node among them, was last known
// to be in this node's term.
func (s *Store) majorityHeard() time.Time {
	var others []string
	voters := 0
	for _, server := range s.members() {
		if server.Suffrage != raft.Voter {
			continue
		}
		voters++
		if string(server.ID) != s.dir.node {
			others = append(others, string(server.ID))
		}
	}
	return s.peers.heard(others, s.raft.CurrentTerm(), voters/2)
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
