package raftstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// scheduleSnapshots takes snapshots when there is enough new to be worth one.
func (s *Store) scheduleSnapshots() {
	tick := time.NewTicker(min(time.Second, s.o.SnapshotInterval))
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
		if !s.snapshotDue(time.Since(last)) {
			continue
		}
		// Also after a failure: the next attempt comes an interval later.
		last = time.Now()
		if _, err := s.Snapshot(s.ctx); err != nil && s.ctx.Err() == nil {
			s.log.Error("the scheduled snapshot failed; the log grows until one succeeds", "error", err)
		}
	}
}

func (s *Store) snapshotDue(since time.Duration) bool {
	if s.fsm.bytes.Load() >= max(s.o.SnapshotBytes, 2*s.snapshots.newestBytes()) {
		return true
	}
	return since >= s.o.SnapshotInterval && s.fsm.entries.Load() >= s.o.SnapshotThreshold
}

// Snapshot takes a snapshot now and answers its index in raft's log. If nothing has
// come since the newest one, that one's. A context that ends does not end the
// snapshot.
func (s *Store) Snapshot(ctx context.Context) (index uint64, err error) {
	s.fitTrailing()
	taken := make(chan error, 1)
	go func() { taken <- s.await(s.raft.Snapshot()) }()
	select {
	case err = <-taken:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	switch {
	case errors.Is(err, raft.ErrNothingNewToSnapshot), err == nil:
	case errors.Is(err, raft.ErrRaftShutdown):
		return 0, ErrClosed
	default:
		return 0, fmt.Errorf("snapshot: %w", err)
	}
	newest := s.snapshots.newest()
	if newest == nil {
		return 0, fmt.Errorf("snapshot: %w", raft.ErrNothingNewToSnapshot)
	}
	return newest.Index, nil
}
