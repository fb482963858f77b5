package raftstore

import "time"

const (
	// transferSilence is how long a node that sends a snapshot may say nothing. raft's
	// one loop reads it, without any limit of its own: while it waits, this node neither
	// votes nor hears a new leader. It is longer than a pause of a node that lives, and
	// shorter than callers are patient.
	transferSilence = 5 * time.Second

	transferPoll = 250 * time.Millisecond
)

// guardTransfers gives up snapshots whose sender has fallen silent.
func (s *Store) guardTransfers() {
	tick := time.NewTicker(transferPoll)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
		since := s.snapshots.awaited.Load()
		if since == nil || time.Since(*since) < transferSilence {
			continue
		}
		s.log.Warn("a snapshot stopped coming in and is given up; the connections of raft are closed", "silent for", time.Since(*since))
		s.mesh.dropRaft()
	}
}
