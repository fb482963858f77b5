package raftstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"drawdown/engine/ledger"
)

// node is a store in a test, on a disk in memory.
type node struct {
	*Store
	t     testing.TB
	fatal chan error
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// testOptions are for a node on the disk; change them before start.
func testOptions(fs vfs.FS) Options {
	return Options{Dir: "data", FS: fs, Shards: 2, Logger: quiet(), SnapshotInterval: time.Hour, DiskReserve: 1,
		SegmentBytes: 1 << 20}
}

// start opens a node and waits until it serves.
func start(t testing.TB, o Options) *node {
	t.Helper()
	return startWith(t, o, func(*backend) {})
}

// startWith opens a node whose backend has been changed.
func startWith(t testing.TB, o Options, change func(*backend)) *node {
	t.Helper()
	n := &node{t: t, fatal: make(chan error, 16)}
	o.OnFatal = func(err error) { n.fatal <- err }
	n.Store = newStore(o.withDefaults())
	b := n.realBackend()
	change(b)
	if err := n.open(b); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.stop)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := n.WaitLeading(ctx); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *node) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := n.Close(ctx); err != nil {
		n.t.Error(err)
	}
}

func (n *node) submit(commands ...ledger.Command) []ledger.Result {
	n.t.Helper()
	results, _, err := n.Submit(n.t.Context(), batchOf(commands...))
	if err != nil {
		n.t.Fatal(err)
	}
	return results
}

func (n *node) snapshot() uint64 {
	n.t.Helper()
	index, err := n.Snapshot(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	return index
}

func batchOf(commands ...ledger.Command) *ledger.Batch {
	b := new(ledger.Batch)
	for _, c := range commands {
		b.Add(c)
	}
	return b
}

func decimal(s string) ledger.Decimal {
	d, err := ledger.ParseDecimal(s)
	if err != nil {
		panic(err)
	}
	return d
}

func meter() ledger.Command {
	return &ledger.CreateMeter{Name: "tokens", EventName: "tokens", Unit: "t"}
}

func report(id string) ledger.Command {
	return &ledger.Report{Identifier: id, EventName: "tokens", Customer: "cus", Value: decimal("1")}
}

// events is how many events the node's history holds.
func (n *node) events() int {
	n.t.Helper()
	_, count, err := n.Engine().Events(n.t.Context(), ledger.EventFilter{}, ledger.Page{Size: 1})
	if err != nil {
		n.t.Fatal(err)
	}
	return count
}

func TestFirstStartAndRestart(t *testing.T) {
	for _, snapshot := range []bool{false, true} {
		t.Run(fmt.Sprintf("snapshot=%t", snapshot), func(t *testing.T) {
			fs := vfs.NewCrashableMem()
			n := start(t, testOptions(fs))
			n.submit(meter())
			for i := range 20 {
				if got := n.submit(report(fmt.Sprint("a", i)))[0].Code; got != ledger.OK {
					t.Fatal(got)
				}
				if snapshot && i == 10 {
					n.snapshot()
				}
			}
			head, id, chain := n.machine.Head(), n.dir.node, n.machine.Head().Chain
			n.stop()

			again := start(t, testOptions(fs))
			if got := again.machine.Head(); got.Seq != head.Seq || got.Chain != chain || again.dir.node != id {
				t.Fatalf("after the restart %+v, before %+v", got, head)
			}
			if got := again.submit(report("a3"), report("new")); got[0].Code != ledger.Duplicate || got[1].Code != ledger.OK {
				t.Fatalf("%+v", got)
			}
			if got := again.events(); got != 21 {
				t.Fatalf("%d events", got)
			}
			if st := again.Status(); !st.Serving || st.Role != "Leader" || len(st.Voters) != 1 ||
				st.Head.Seq != head.Seq+1 || (st.SnapshotCount == 1) != snapshot {
				t.Fatalf("%+v", st)
			}
		})
	}
}

// A request larger than an entry is spread over several, and its results come back
// in order.
func TestLargeBatchIsSplit(t *testing.T) {
	n := start(t, testOptions(vfs.NewCrashableMem()))
	n.submit(meter())
	before := n.machine.Head()
	var large ledger.Batch
	const count = 3*entryCommands + 5
	for i := range count {
		large.Add(report(fmt.Sprint("e", i)))
	}
	results, index, err := n.Submit(t.Context(), &large)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != count || index < before.Index+4 {
		t.Fatalf("%d results, index %d", len(results), index)
	}
	for i := range results {
		if results[i].Code != ledger.OK || results[i].Seq != before.Seq+1+uint64(i) {
			t.Fatalf("result %d is %+v", i, results[i])
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	o := testOptions(vfs.NewCrashableMem())
	n := start(t, o)
	n.submit(meter())
	var wg sync.WaitGroup
	const writers, each = 8, 60
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				id := fmt.Sprint(w, "-", i)
				results, index, err := n.Submit(t.Context(), batchOf(report(id), report(id)))
				if err != nil {
					t.Error(err)
					return
				}
				if results[0].Code != ledger.OK || results[1].Code != ledger.Duplicate || results[1].Seq != results[0].Seq {
					t.Errorf("%+v", results)
				}
				read, err := n.Linearize(t.Context())
				if err != nil || read < index {
					t.Errorf("acknowledged at %d, a read is at %d (%v)", index, read, err)
				}
				n.Status()
			}
		})
	}
	wg.Go(func() {
		for range 10 {
			if _, err := n.Snapshot(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	if got := n.events(); got != writers*each {
		t.Fatalf("%d events", got)
	}
	if requests, commands, bytes := n.queue.depth(); requests|commands|bytes != 0 {
		t.Fatalf("the queue counts %d, %d, %d", requests, commands, bytes)
	}
}

// Close leaves no goroutine behind.
func TestCloseLeavesNothingRunning(t *testing.T) {
	start(t, testOptions(vfs.NewCrashableMem())).stop() // starts what libraries start once
	before := runtime.NumGoroutine()
	n := start(t, testOptions(vfs.NewCrashableMem()))
	n.submit(meter())
	n.snapshot()
	n.stop()
	if _, _, err := n.Submit(t.Context(), batchOf(meter())); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	if _, err := n.Linearize(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	if _, err := n.Snapshot(t.Context()); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	fs := vfs.NewCrashableMem()
	start(t, testOptions(fs))
	_, err := Open(testOptions(fs))
	if err == nil || !strings.Contains(err.Error(), "data directory data is in use") {
		t.Fatal(err)
	}
}
