package index

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestMergePolicy plays the policy alone: the number of runs stays small, and so does the number of times a
// record is rewritten, whatever sizes come.
func TestMergePolicy(t *testing.T) {
	for name, size := range map[string]func(*rand.Rand) uint64{
		"full runs":  func(*rand.Rand) uint64 { return 1 << 21 },
		"tiny runs":  func(*rand.Rand) uint64 { return 3 },
		"empty runs": func(*rand.Rand) uint64 { return 0 },
		"mixed runs": func(r *rand.Rand) uint64 { return 1 << r.IntN(22) },
	} {
		x := &Index{options: Options{}.withDefaults()}
		rng := rand.New(rand.NewPCG(1, 1))
		var runs []*diskRun
		var stored, written, most uint64
		for range 3000 {
			n := size(rng)
			stored += n
			runs = append(runs, &diskRun{meta: meta{records: n}})
			for from, to := x.pickMerge(runs); from < to; from, to = x.pickMerge(runs) {
				sum := uint64(0)
				for _, r := range runs[from:to] {
					sum += r.records
				}
				written += sum
				runs = slices.Replace(runs, from, to, &diskRun{meta: meta{records: sum}})
			}
			loose := 0
			for _, r := range runs {
				if !x.full(r) {
					loose++
				}
			}
			most = max(most, uint64(loose))
		}
		t.Logf("%s: %d runs at the end, at most %d not full, %.1f times rewritten", name, len(runs), most, float64(written)/float64(max(stored, 1)))
		// Below the lowest tier every third run has its whole neighbourhood rewritten.
		if most > 45 || written > 8*stored+1000*(1<<20/lowestTierShare)*mergeFan {
			t.Errorf("%s: %d runs, %d written for %d", name, most, written, stored)
		}
	}
}

// TestMergedRunsAreDropped waits for the merges of many small runs, then looks at what the store still holds.
func TestMergedRunsAreDropped(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	o := smallOptions(vfs.NewMem(), rng)
	o.RunRecords, o.MaxMergedRecords = 20, 1<<20
	x := mustOpen(t, "store", o)
	g := newGenerator(4, 5)
	var log []*entry
	var b Batch
	for range 400 {
		log = append(log, g.entry())
		if err := x.Apply(log[len(log)-1].batch(&b)); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	settle(t, x)
	if s := x.Stats(); s.Runs > 32 { // of about a hundred flushed; up to four in each of seven tiers, and a few
		t.Fatalf("%d runs", s.Runs)
	}
	stored, err := x.readRuns()
	if err != nil || len(stored) != x.Stats().Runs {
		t.Fatalf("%d runs in the store, %d in use, error %v", len(stored), x.Stats().Runs, err)
	}
	if err := check(x, modelOf(log, g.index), g, rng, true); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x = mustOpen(t, "store", o)
	if err := check(x, modelOf(log, g.index), g, rng, true); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
}

// settle waits until nothing is left to merge or to drop.
func settle(t testing.TB, x *Index) {
	t.Helper()
	for range 3000 {
		x.mu.Lock()
		from, to := x.pickMerge(x.view.runs)
		idle := from == to && len(x.drop) == 0 && x.view.refs == 1
		runs := len(x.view.runs)
		x.mu.Unlock()
		if idle {
			if stored, err := x.readRuns(); err == nil && len(stored) == runs {
				return
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("merging does not come to rest")
}
