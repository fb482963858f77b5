package raftstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"

	"drawdown/engine/ledger"
)

// gatedLog is a log whose writes a test holds up, or lets fail.
type gatedLog struct {
	logStore
	mu    sync.Mutex
	gate  chan struct{} // if not nil, writes of commands wait until it is closed
	after error         // what writes of commands answer after they were done
}

func (g *gatedLog) StoreLogs(logs []*raft.Log) error {
	if logs[0].Type != raft.LogCommand {
		return g.logStore.StoreLogs(logs)
	}
	g.mu.Lock()
	gate, after := g.gate, g.after
	g.mu.Unlock()
	if gate != nil {
		<-gate
	}
	if err := g.logStore.StoreLogs(logs); err != nil {
		return err
	}
	return after
}

// hold makes writes wait until release is called.
func (g *gatedLog) hold() (release func()) {
	gate := make(chan struct{})
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gate = gate
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		close(gate)
		g.gate = nil
	})
}

func startGated(t testing.TB, o Options) (*node, *gatedLog) {
	t.Helper()
	g := new(gatedLog)
	n := startWith(t, o, func(b *backend) {
		open := b.openLog
		b.openLog = func(dir string) (logStore, error) {
			l, err := open(dir)
			g.logStore = l
			return g, err
		}
	})
	return n, g
}

type answer struct {
	results []ledger.Result
	err     error
}

func (n *node) submitAsync(ctx context.Context, b *ledger.Batch) <-chan answer {
	c := make(chan answer, 1)
	go func() {
		results, _, err := n.Submit(ctx, b)
		c <- answer{results, err}
	}()
	return c
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

func TestQueueIsBounded(t *testing.T) {
	o := testOptions(vfs.NewCrashableMem())
	o.QueueCommands = 10
	n, g := startGated(t, o)
	n.submit(meter())
	release := g.hold()
	defer release()
	first := n.submitAsync(t.Context(), batchOf(report("a"), report("b"), report("c"), report("d"), report("e"), report("f")))
	eventually(t, "nothing is queued", func() bool { _, c, _ := n.queue.depth(); return c == 6 })
	if _, _, err := n.Submit(t.Context(), batchOf(report("1"), report("2"), report("3"), report("4"), report("5"))); !errors.Is(err, ErrOverloaded) || classes(err) != 1 {
		t.Fatal(err)
	}
	second := n.submitAsync(t.Context(), batchOf(report("g"), report("h"), report("i"), report("j")))
	eventually(t, "the rest does not fit", func() bool { _, c, _ := n.queue.depth(); return c == 10 })
	release()
	for _, c := range []<-chan answer{first, second} {
		if a := <-c; a.err != nil || a.results[0].Code != ledger.OK {
			t.Fatal(a)
		}
	}
	if got := n.events(); got != 10 {
		t.Fatalf("%d events", got)
	}
	// A batch larger than the queue is let in when it is alone.
	var large ledger.Batch
	for i := range 30 {
		large.Add(report(fmt.Sprint("L", i)))
	}
	if _, _, err := n.Submit(t.Context(), &large); err != nil {
		t.Fatal(err)
	}
}

// What is in an entry when its caller's time is up is unknown; what waits behind
// is withdrawn and never applied. Either way the batch is the caller's again.
func TestDeadline(t *testing.T) {
	n, g := startGated(t, testOptions(vfs.NewCrashableMem()))
	n.submit(meter())
	release := g.hold()
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	flying, growing, waiting := batchOf(report("flying")), new(ledger.Batch), batchOf(report("waiting"))
	one := n.submitAsync(ctx, flying)
	eventually(t, "nothing is in flight", func() bool { return n.raft.LastIndex() > 0 && len(n.queue.wake) == 0 && taken(n, 1) })
	for i := range entryCommands + 1 {
		growing.Add(report(fmt.Sprint("growing", i)))
	}
	two := n.submitAsync(ctx, growing)
	eventually(t, "the entry does not grow", func() bool { return taken(n, 2) })
	three := n.submitAsync(ctx, waiting)
	eventually(t, "the third is not queued", func() bool { r, _, _ := n.queue.depth(); return r == 3 })
	cancel()
	for i, c := range []<-chan answer{one, two, three} {
		want := ErrUnknown
		if i == 2 {
			want = ErrUnavailable
		}
		if a := <-c; !errors.Is(a.err, want) || !errors.Is(a.err, context.Canceled) || classes(a.err) != 1 {
			t.Errorf("request %d: %v", i+1, a.err)
		}
	}
	for _, b := range []*ledger.Batch{flying, growing, waiting} {
		b.Reset()
		b.Add(report("overwritten")) // the race detector watches
	}
	release()
	if got := n.submit(report("flying"), report("growing0"), report("waiting"), report("overwritten")); got[0].Code != ledger.Duplicate ||
		got[1].Code != ledger.Duplicate || got[2].Code != ledger.OK || got[3].Code != ledger.OK {
		t.Fatalf("%+v", got)
	}
	if requests, commands, bytes := n.queue.depth(); requests|commands|bytes != 0 {
		t.Fatalf("the queue counts %d, %d, %d", requests, commands, bytes)
	}
}

// taken says that the batcher has taken all but what it cannot take now.
func taken(n *node, requests int) bool {
	r, _, _ := n.queue.depth()
	n.queue.mu.Lock()
	defer n.queue.mu.Unlock()
	return r == requests && len(n.queue.waiting) == 0
}

// The log wrote the entry and then said that it failed: that is unknown, and
// after a restart the entry is there.
func TestStoreErrorIsUnknown(t *testing.T) {
	fs := vfs.NewCrashableMem()
	n, g := startGated(t, testOptions(fs))
	n.submit(meter())
	g.mu.Lock()
	g.after = syscall.EIO
	g.mu.Unlock()
	_, _, err := n.Submit(t.Context(), batchOf(report("a")))
	if !errors.Is(err, ErrUnknown) || classes(err) != 1 {
		t.Fatal(err)
	}
	g.mu.Lock()
	g.after = nil
	g.mu.Unlock()
	n.stop()
	again := start(t, testOptions(fs))
	if got := again.submit(report("a"))[0].Code; got != ledger.Duplicate {
		t.Fatal(got)
	}
}

// failingMachine cannot carry out some entry.
type failingMachine struct {
	machine
	fail func(index uint64) error
}

func (f *failingMachine) Apply(index uint64, entry []byte) ([]ledger.Result, error) {
	if err := f.fail(index); err != nil {
		return nil, err
	}
	return f.machine.Apply(index, entry)
}

// After an entry that cannot be carried out nothing is applied, nothing is
// answered as done, and no snapshot claims that it was.
func TestEngineErrorStopsTheNode(t *testing.T) {
	var broken sync.Mutex
	broken.Lock()
	n := startWith(t, testOptions(vfs.NewCrashableMem()), func(b *backend) {
		make := b.newMachine
		b.newMachine = func(dir string) (machine, error) {
			m, err := make(dir)
			return &failingMachine{m, func(uint64) error {
				if broken.TryLock() {
					broken.Unlock()
					return errors.New("broken")
				}
				return nil
			}}, err
		}
	})
	n.submit(meter())
	head := n.machine.Head()
	broken.Unlock()
	if _, _, err := n.Submit(t.Context(), batchOf(report("a"))); !errors.Is(err, ErrUnknown) || classes(err) != 1 {
		t.Fatal(err)
	}
	if err := <-n.fatal; err == nil {
		t.Fatal("no reason")
	}
	broken.Lock() // it would work again, but must not
	if _, _, err := n.Submit(t.Context(), batchOf(report("b"))); !errors.Is(err, ErrFailed) {
		t.Fatal(err)
	}
	if err := n.raft.Apply([]byte{1}, 0).Error(); err != nil {
		t.Fatal(err)
	}
	if n.machine.Head() != head {
		t.Fatal("something was applied")
	}
	if _, err := n.Snapshot(t.Context()); err == nil {
		t.Fatal("a snapshot was taken")
	}
}

// Time stamps strictly increase, whatever the clock does and across restarts.
func TestStampsIncrease(t *testing.T) {
	fs := vfs.NewCrashableMem()
	clock := newClock(time.Unix(1_000_000, 0))
	o := testOptions(fs)
	o.Clock = clock.now
	for round := range 3 {
		n := start(t, o)
		if round == 0 {
			n.submit(meter())
		}
		for i := range 10 {
			n.submit(report(fmt.Sprint(round, "-", i)))
			clock.move(time.Duration(5-i) * time.Second) // forward, then back
		}
		clock.move(-time.Hour)
		n.stop()
	}
	n := start(t, o)
	last, stamps := int64(0), 0
	end, _ := n.wal.LastIndex()
	for i := uint64(1); i <= end; i++ {
		var l raft.Log
		if err := n.wal.GetLog(i, &l); err != nil {
			t.Fatal(err)
		}
		if l.Type != raft.LogCommand {
			continue
		}
		e, err := ledger.ReadEntry(l.Data)
		if err != nil || e.Time <= last {
			t.Fatalf("entry %d: time %d after %d (%v)", i, e.Time, last, err)
		}
		last, stamps = e.Time, stamps+1
	}
	if stamps != 32 {
		t.Fatalf("%d stamps", stamps)
	}
}

// testClock is a clock that a test sets.
type testClock struct {
	mu sync.Mutex
	at time.Time
}

func newClock(at time.Time) *testClock { return &testClock{at: at} }

func (c *testClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *testClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func TestFullDiskRefusesWrites(t *testing.T) {
	fs := vfs.NewCrashableMem()
	o := testOptions(fs)
	o.DiskReserve = 1 << 30
	n := start(t, o)
	n.submit(meter())
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 29, TotalBytes: 1 << 40})
	n.diskFull.Store(false)
	eventually(t, "the disk is never full", n.diskFull.Load)
	if _, _, err := n.Submit(t.Context(), batchOf(report("a"))); !errors.Is(err, ErrDiskFull) || classes(err) != 1 {
		t.Fatal(err)
	}
	if _, err := n.Linearize(t.Context()); err != nil {
		t.Fatal(err)
	}
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 39, TotalBytes: 1 << 40})
	eventually(t, "the disk stays full", func() bool { return !n.diskFull.Load() })
	n.submit(report("a"))
}
