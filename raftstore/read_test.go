package raftstore

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"

	"drawdown/engine/ledger"
)

// raft's own entries (no-op, barrier, configuration) never reach the engine; a
// read must not wait for them there.
func TestLinearizeAfterEntriesOfRaft(t *testing.T) {
	fs := vfs.NewCrashableMem()
	start(t, testOptions(fs)).stop()
	n := start(t, testOptions(fs))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	read := func() {
		t.Helper()
		index, err := n.Linearize(ctx)
		if err != nil || index != n.machine.Head().Index || index >= n.raft.CommitIndex() {
			t.Fatal(index, n.raft.CommitIndex(), err)
		}
	}
	read()
	if err := n.raft.AddNonvoter("elsewhere", "elsewhere", 0, 0).Error(); err != nil {
		t.Fatal(err)
	}
	read()
	if err := n.raft.RemoveServer("elsewhere", 0, 0).Error(); err != nil {
		t.Fatal(err)
	}
	read()
	if index := n.snapshot(); index < n.machine.Head().Index {
		t.Fatal(index)
	}
	read()
}

// A read that begins after a write was committed waits until it is carried out.
func TestLinearizeWaitsForTheEngine(t *testing.T) {
	gate := make(chan struct{})
	first := uint64(0)
	n := startWith(t, testOptions(vfs.NewCrashableMem()), func(b *backend) {
		make := b.newMachine
		b.newMachine = func(dir string) (machine, error) {
			m, err := make(dir)
			return &failingMachine{m, func(index uint64) error {
				if first == 0 {
					first = index // Init
				} else {
					<-gate
				}
				return nil
			}}, err
		}
	})
	before := n.raft.CommitIndex()
	c := n.submitAsync(t.Context(), batchOf(meter()))
	eventually(t, "the write is not committed", func() bool { return n.raft.CommitIndex() > before })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := n.Linearize(ctx); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	close(gate)
	if index, err := n.Linearize(t.Context()); err != nil || index <= before {
		t.Fatal(index, err)
	}
	if a := <-c; a.err != nil {
		t.Fatal(a.err)
	}
}

// A node that does not lead serves neither writes nor reads.
func TestFollowerServesNothing(t *testing.T) {
	o := testOptions(vfs.NewCrashableMem())
	_, transport := raft.NewInmemTransport("a")
	o.NodeID, o.Transport = "a", transport
	o.Servers = []raft.Server{{ID: "a", Address: "a"}, {ID: "b", Address: "b"}} // b is never there
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	n := &node{Store: s, t: t}
	t.Cleanup(n.stop)
	if _, err := n.Linearize(t.Context()); !errors.Is(err, ErrNotLeader) {
		t.Fatal(err)
	}
	if _, _, err := n.Submit(t.Context(), batchOf(meter())); !errors.Is(err, ErrNotLeader) || classes(err) != 1 {
		t.Fatal(err)
	}
	if st := n.Status(); st.Serving || len(st.Voters) != 2 {
		t.Fatalf("%+v", st)
	}
}

// Leadership lost in mid-write is unknown; won back, the node serves only after a
// barrier of the new term.
func TestLeadershipLost(t *testing.T) {
	fs := vfs.NewCrashableMem()
	n := start(t, testOptions(fs))
	n.submit(meter())
	term := n.serving.Load()
	// A message of a later term makes the leader step down.
	stepDown(t, n, term+5)
	eventually(t, "it does not lead again", func() bool { return n.leading() && n.serving.Load() > term+5 })
	if _, err := n.Linearize(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := n.submit(report("a"))[0].Code; got != ledger.OK {
		t.Fatal(got)
	}
}

func stepDown(t testing.TB, n *node, term uint64) {
	t.Helper()
	_, other := raft.NewInmemTransport("other")
	defer other.Close()
	address := raft.ServerAddress(n.dir.node)
	other.Connect(address, n.net.(*raft.InmemTransport))
	var response raft.AppendEntriesResponse
	request := &raft.AppendEntriesRequest{
		RPCHeader: raft.RPCHeader{ProtocolVersion: 3, ID: []byte("other"), Addr: []byte("other")}, Term: term,
	}
	if err := other.AppendEntries("", address, request, &response); err != nil {
		t.Fatal(err)
	}
}
