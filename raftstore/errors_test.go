package raftstore

import (
	"errors"
	"fmt"
	"testing"

	"github.com/hashicorp/raft"
)

// Every error has exactly one class. What raft may have written is never called
// surely not applied.
func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err  error
		want error
	}{
		{raft.ErrNotLeader, ErrUnavailable},
		{raft.ErrEnqueueTimeout, ErrUnavailable},
		{raft.ErrLeadershipTransferInProgress, ErrUnavailable},
		{raft.ErrLeadershipLost, ErrUnknown},
		{raft.ErrAbortedByRestore, ErrUnknown},
		{raft.ErrRaftShutdown, ErrUnknown},
		{raft.ErrLeader, ErrUnknown},
		{raft.ErrNotVoter, ErrUnknown},
		{raft.ErrNothingNewToSnapshot, ErrUnknown},
		{raft.ErrUnsupportedProtocol, ErrUnknown},
		{raft.ErrCantBootstrap, ErrUnknown},
		{raft.ErrIncompatibleLogStore, ErrUnknown},
		{raft.ErrLogNotFound, ErrUnknown},
		{raft.ErrPipelineReplicationNotSupported, ErrUnknown},
		{errors.New("input/output error"), ErrUnknown},
		{fmt.Errorf("wrapped: %w", raft.ErrNotLeader), ErrUnavailable},
		{fmt.Errorf("wrapped: %w", raft.ErrLeadershipLost), ErrUnknown},
	} {
		got := classify(c.err)
		if !errors.Is(got, c.want) || classes(got) != 1 {
			t.Errorf("%v: %v", c.err, got)
		}
	}
	if err := classify(nil); err != nil {
		t.Error(err)
	}
	for _, err := range []error{ErrNotLeader, ErrDiskFull, ErrClosed, ErrFailed} {
		if classes(err) != 1 || !errors.Is(err, ErrUnavailable) {
			t.Error(err)
		}
	}
}

// classes is of how many classes an error is.
func classes(err error) (n int) {
	for _, class := range []error{ErrUnavailable, ErrOverloaded, ErrUnknown} {
		if errors.Is(err, class) {
			n++
		}
	}
	return n
}

// A batch in several entries is surely not applied only if none of them was.
func TestSplitOutcome(t *testing.T) {
	lost := classify(raft.ErrLeadershipLost)
	for _, c := range []struct {
		parts []error
		want  error
	}{
		{[]error{nil, nil}, nil},
		{[]error{ErrNotLeader, ErrNotLeader}, ErrUnavailable},
		{[]error{nil, ErrNotLeader}, ErrUnknown},
		{[]error{ErrNotLeader, nil}, ErrUnknown},
		{[]error{lost, ErrNotLeader}, ErrUnknown},
		{[]error{ErrNotLeader, lost}, ErrUnknown},
		{[]error{nil, lost, nil}, ErrUnknown},
	} {
		var r request
		for i, err := range c.parts {
			r.add(nil, uint64(i), err)
		}
		if !errors.Is(r.err, c.want) || (c.want != nil && classes(r.err) != 1) {
			t.Errorf("%v: %v", c.parts, r.err)
		}
	}
}
