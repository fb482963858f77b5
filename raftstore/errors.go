package raftstore

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

// What a caller must do is all that an error's class says. Every error of Submit
// and Linearize is exactly one of these three by errors.Is.
var (
	// ErrUnavailable: surely nothing was applied; it may be sent again, here or to
	// another node.
	ErrUnavailable = errors.New("not applied, this node cannot take it now")
	// ErrOverloaded: a queue is full and nothing was done (I12); come back later.
	ErrOverloaded = errors.New("not applied, too much is waiting")
	// ErrUnknown: it may have been applied, in part or as a whole, now or later.
	// Sending it again under the same identifiers finds out (I6).
	ErrUnknown = errors.New("the outcome is unknown")
)

// Reasons for ErrUnavailable that a caller may want to tell apart.
var (
	// ErrNotLeader: another node leads, or none does yet.
	ErrNotLeader = fmt.Errorf("%w: this node does not lead", ErrUnavailable)
	// ErrDiskFull: the disk is nearly full; reads go on.
	ErrDiskFull = fmt.Errorf("%w: the disk is nearly full", ErrUnavailable)
	// ErrClosed: the store is being closed, or was.
	ErrClosed = fmt.Errorf("%w: the store is closed", ErrUnavailable)
	// ErrClockAhead: this node's clock is so far ahead of the others' that it must not
	// stamp entries.
	ErrClockAhead = fmt.Errorf("%w: this node's clock is far ahead of the other nodes'", ErrUnavailable)
	// ErrFailed: the node met something that it cannot go on from; its process is
	// about to end.
	ErrFailed = fmt.Errorf("%w: the node has failed", ErrUnavailable)
)

// ErrRestart is what OnFatal is told when a snapshot that another node has sent
// contradicts this node's log: entries that were never committed have been dropped,
// nothing is lost, and the process has to begin anew, because raft remembers them.
var ErrRestart = errors.New("entries that were never committed contradict a snapshot from another node and were dropped; " +
	"the node starts anew with the snapshot")

// classify turns what raft says about a proposed entry into one of the classes.
// Only what raft refuses before it writes is surely not applied. All else is
// unknown, above all an error of the log store: the write may have reached the
// disk before the error did, and then the entry is applied after a restart.
func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader):
		return ErrNotLeader
	case errors.Is(err, raft.ErrLeadershipTransferInProgress), errors.Is(err, raft.ErrEnqueueTimeout):
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	default:
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
}
