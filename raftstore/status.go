package raftstore

import (
	"time"

	"github.com/hashicorp/raft"

	"drawdown/engine/ledger"
	"drawdown/wal"
)

// Status is what the node looks like from outside. Its parts are read one after
// the other and need not fit together to the last entry.
type Status struct {
	NodeID        string
	Role          string // raft's: Leader, Follower, Candidate, Shutdown
	Serving       bool   // takes writes and linearizable reads
	Failed        bool
	DiskFull      bool
	Term          uint64
	LeaderID      string // "" if unknown
	LeaderAddress string
	Commit        uint64
	Passed        uint64 // up to here this node has carried out what was committed
	LastLog       uint64
	FirstLog      uint64
	Clustered     bool // there may be other nodes
	Voters        []raft.Server
	Members       []raft.Server // the voters, and those that are catching up
	LastContact   time.Duration // since the leader was heard of; 0 on the leader

	SnapshotIndex uint64
	SnapshotAge   time.Duration
	SnapshotBytes int64 // of the newest one's state
	SnapshotCount int

	Head     ledger.Head
	Pressure float64
	Log      wal.Stats

	QueueRequests, QueueCommands, QueueBytes int
	EntriesInFlight                          int // handed to raft, fate not known
}

// Status describes the node. It does no I/O and waits for nobody.
func (s *Store) Status() Status {
	st := Status{
		NodeID: s.dir.node, Role: s.raft.State().String(), Serving: s.leading() && !s.failed.Load(),
		Failed: s.failed.Load(), DiskFull: s.diskFull.Load(), Term: s.raft.CurrentTerm(), Commit: s.raft.CommitIndex(),
		Passed: s.fsm.passed.get(), LastLog: s.raft.LastIndex(), SnapshotCount: s.snapshots.count(),
		Head: s.machine.Head(), Pressure: s.machine.Pressure(), Log: s.wal.Stats(),
	}
	st.FirstLog, st.Clustered = st.Log.First, s.clustered()
	address, id := s.raft.LeaderWithID()
	st.LeaderID, st.LeaderAddress = string(id), string(address)
	if contact := s.raft.LastContact(); !contact.IsZero() && s.raft.State() != raft.Leader {
		st.LastContact = time.Since(contact)
	}
	for _, server := range s.raft.GetConfiguration().Configuration().Servers {
		st.Members = append(st.Members, server)
		if server.Suffrage == raft.Voter {
			st.Voters = append(st.Voters, server)
		}
	}
	if newest := s.snapshots.newest(); newest != nil {
		st.SnapshotIndex, st.SnapshotBytes = newest.Index, newest.file(stateName).Bytes
		st.SnapshotAge = s.o.Clock().Sub(time.Unix(0, newest.Created))
	}
	st.EntriesInFlight = int(s.flying.Load())
	st.QueueRequests, st.QueueCommands, st.QueueBytes = s.queue.depth()
	return st
}
