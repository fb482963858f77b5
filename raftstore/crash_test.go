package raftstore

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"drawdown/engine/ledger"
)

// The power fails at random moments, above all while snapshots are taken. Each time
// whatever was acknowledged is there exactly once, and what was not is there at
// most once (I1, I2). CRASH_ROUNDS and CRASH_SEED repeat a longer run.
func TestCrashes(t *testing.T) {
	rounds, seed := env("CRASH_ROUNDS", 10), uint64(env("CRASH_SEED", int(time.Now().UnixNano()%1e9)))
	t.Logf("CRASH_SEED=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	fs := newDisk(vfs.NewCrashableMem())
	acknowledged := map[string]uint64{} // identifier to sequence
	sent := 0
	for round := range rounds {
		o := testOptions(fs)
		o.TrailingLogs = uint64(1 + rng.IntN(20))
		o.Shards = 1 + rng.IntN(3)
		n := start(t, o)
		n.submit(meter())
		n.checkAcknowledged(acknowledged)
		crashed := n.crash(rng, round, acknowledged)
		sent += crashWriters * crashEach
		n.stop()
		fs = newDisk(crashed)
	}
	n := start(t, testOptions(fs))
	n.checkAcknowledged(acknowledged)
	if got := n.events(); got < len(acknowledged) || got > sent {
		t.Fatalf("%d events, %d acknowledged, %d sent", got, len(acknowledged), sent)
	}
	report, err := n.Engine().Check()
	if err != nil || report.Violation != nil {
		t.Fatal(err, report.Violation)
	}
}

const crashWriters, crashEach = 4, 40

// crash submits and takes snapshots, and answers the disk as a power failure at
// some moment would leave it. What was acknowledged before that moment is added.
func (n *node) crash(rng *rand.Rand, round int, acknowledged map[string]uint64) *vfs.MemFS {
	disk := n.o.FS.(*crashDisk)
	var mu sync.Mutex
	var done bool
	var wg sync.WaitGroup
	for w := range crashWriters {
		wg.Go(func() {
			for i := range crashEach {
				id := fmt.Sprintf("%d-%d-%d", round, w, i)
				results, _, err := n.Submit(n.t.Context(), batchOf(report(id)))
				if err != nil {
					n.t.Error(err)
					return
				}
				mu.Lock()
				if !done {
					acknowledged[id] = results[0].Seq
				}
				mu.Unlock()
			}
		})
	}
	wg.Go(func() {
		for range 3 {
			if _, err := n.Snapshot(n.t.Context()); err != nil {
				n.t.Error(err)
			}
		}
	})
	time.Sleep(time.Duration(rng.IntN(30)) * time.Millisecond)
	mu.Lock()
	// Everything acknowledged up to here is in the clone.
	clone := disk.crash(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(3) * 50, RNG: rand.New(rand.NewPCG(rng.Uint64(), 0))})
	done = true
	mu.Unlock()
	wg.Wait()
	return clone
}

// crashDisk keeps links and clones apart: MemFS locks twice for a link, and hangs
// if a clone comes in between.
type crashDisk struct {
	*vfs.MemFS
	mu sync.Mutex
}

func newDisk(fs *vfs.MemFS) *crashDisk { return &crashDisk{MemFS: fs} }

func (d *crashDisk) Link(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.MemFS.Link(from, to)
}

func (d *crashDisk) crash(c vfs.CrashCloneCfg) *vfs.MemFS {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.MemFS.CrashClone(c)
}

// checkAcknowledged sends again what was acknowledged: each must be a repeat of the
// very event that it was then.
func (n *node) checkAcknowledged(acknowledged map[string]uint64) {
	n.t.Helper()
	if len(acknowledged) == 0 {
		return
	}
	var all ledger.Batch
	ids := slices.Sorted(maps.Keys(acknowledged))
	for _, id := range ids {
		all.Add(report(id))
	}
	results, _, err := n.Submit(n.t.Context(), &all)
	if err != nil {
		n.t.Fatal(err)
	}
	for i, id := range ids {
		if got := results[i]; got.Code != ledger.Duplicate || got.Seq != acknowledged[id] {
			n.t.Fatalf("%s was acknowledged with sequence %d, now it is %+v", id, acknowledged[id], got)
		}
	}
}

func env(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// The power fails during the very first start.
func TestCrashWhileFounding(t *testing.T) {
	for i := range 25 {
		fs := newDisk(vfs.NewCrashableMem())
		rng := rand.New(rand.NewPCG(uint64(i), 1))
		clones := make(chan *vfs.MemFS)
		go func() {
			time.Sleep(time.Duration(rng.IntN(70_000)) * time.Microsecond)
			clones <- fs.crash(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng})
		}()
		start(t, testOptions(fs)).stop()
		n := start(t, testOptions(<-clones))
		n.submit(meter())
		n.stop()
	}
}
