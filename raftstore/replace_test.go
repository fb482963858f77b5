package raftstore

import (
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"
)

// endless is a frozen state that is never written to its end.
type endless struct {
	frozen
	begun chan struct{}
}

func (f endless) Encode(emit func([]byte) error) error {
	close(f.begun)
	for {
		if err := emit([]byte("more")); err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// readsGoOn fails if a read has to wait.
func readsGoOn(t *testing.T, n *node) {
	t.Helper()
	read := make(chan struct{})
	go func() {
		n.Acquire()
		n.Release()
		close(read)
	}()
	select {
	case <-read:
	case <-time.After(5 * time.Second):
		t.Fatal("a read waits")
	}
}

// TestReplacementGivesASnapshotUp: the state that is coming is newer than the one that is
// being written.
func TestReplacementGivesASnapshotUp(t *testing.T) {
	n := start(t, testOptions(vfs.NewCrashableMem()))
	n.submit(meter())
	state, err := n.machine.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	defer state.Release()
	sink, err := n.snapshots.Create(1, 1000, 1, raft.Configuration{}, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	slow := endless{state, make(chan struct{})}
	written := make(chan error, 1)
	go func() {
		written <- (&fsmSnapshot{store: n.Store, of: n.machine.get(), state: slow}).Persist(sink)
	}()
	<-slow.begun
	release := n.machine.seize()
	release()
	if err := <-written; !errors.Is(err, errReplaced) {
		t.Fatal(err)
	}
	if err := sink.Cancel(); err != nil {
		t.Fatal(err)
	}
	readsGoOn(t, n)
}

// TestReadsGoOnBesideALongOne while a replacement waits for that.
func TestReadsGoOnBesideALongOne(t *testing.T) {
	n := start(t, testOptions(vfs.NewCrashableMem()))
	n.submit(meter())
	_, endLong := n.AcquireLong()
	seized := make(chan struct{})
	go func() {
		n.machine.seize()()
		close(seized)
	}()
	eventually(t, "the replacement waits", func() bool {
		if n.machine.long.TryRLock() {
			n.machine.long.RUnlock()
			return false
		}
		return true
	})
	readsGoOn(t, n)
	select {
	case <-seized:
		t.Fatal("the machine was seized while it was held")
	default:
	}
	endLong()
	<-seized
}
