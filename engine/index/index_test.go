package index

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

var seeds = flag.Uint64("seeds", 1+5/effort, "how many random histories TestAgainstModel plays")

// TestAgainstModel drives the index with random entries, seals, flushes, restarts and crashes, and holds every
// read method against the model. After a restart the log is replayed from a random earlier entry: the index is
// then ahead of the replay, and must not mind (I11).
func TestAgainstModel(t *testing.T) {
	for seed := range *seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			runModel(t, seed, 450/effort)
		})
	}
}

func runModel(t *testing.T, seed uint64, steps int) {
	rng := rand.New(rand.NewPCG(seed, 1))
	g := newGenerator(seed, 12)
	fs := newCrashFS(vfs.NewCrashableMem())
	o := smallOptions(fs, rng)
	x := mustOpen(t, "store", o)
	var log []*entry
	var b Batch
	applied, acknowledged := uint64(0), uint64(0)
	restart := func() {
		durable := x.Durable()
		if durable < acknowledged {
			t.Fatalf("durable %d after a flush up to %d", durable, acknowledged)
		}
		m := modelOf(log, durable)
		if err := check(x, m, g, rng, false); err != nil {
			t.Fatalf("after restart at %d: %v", durable, err)
		}
		from := rng.Uint64N(durable + 1)
		for _, e := range log {
			if e.index > from {
				if err := x.Apply(e.batch(&b)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for step := range steps {
		switch k := rng.IntN(100); {
		case k < 85:
			e := g.entry()
			log = append(log, e)
			if err := x.Apply(e.batch(&b)); err != nil {
				t.Fatal(err)
			}
			applied = e.index
		case k < 90:
			x.Seal()
		case k < 93:
			if err := x.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
			if acknowledged = x.Durable(); acknowledged != applied {
				t.Fatalf("flushed up to %d of %d", acknowledged, applied)
			}
		case k < 95:
			if err := x.Close(); err != nil {
				t.Fatal(err)
			}
			x = mustOpen(t, "store", o)
			restart()
		case k < 97:
			clone := fs.clone(rng.IntN(101), rng)
			if err := x.Close(); err != nil {
				t.Fatal(err)
			}
			fs, o.FS = clone, clone
			x = mustOpen(t, "store", o)
			restart()
		case k < 98:
			checkCheckpoint(t, x, o, fmt.Sprintf("checkpoint-%d", step), log, g, rng)
		default:
			if err := check(x, modelOf(log, applied), g, rng, step%3 == 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := check(x, modelOf(log, applied), g, rng, true); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
}

func checkCheckpoint(t *testing.T, x *Index, o Options, dir string, log []*entry, g *generator, rng *rand.Rand) {
	t.Helper()
	before := x.Durable()
	if err := x.Checkpoint(dir); err != nil {
		t.Fatal(err)
	}
	c := mustOpen(t, dir, o)
	if c.Durable() < before {
		t.Fatalf("checkpoint at %d of a store at %d", c.Durable(), before)
	}
	if err := check(c, modelOf(log, c.Durable()), g, rng, true); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestBoundariesDoNotMatter applies one log with different run sizes; all must read the same (I11).
func TestBoundariesDoNotMatter(t *testing.T) {
	g := newGenerator(42, 5)
	var log []*entry
	for range 300 / effort {
		log = append(log, g.entry())
	}
	m := modelOf(log, g.index)
	for _, records := range []int{1, 7, 150, 1 << 20} {
		rng := rand.New(rand.NewPCG(3, 4))
		o := smallOptions(vfs.NewMem(), rng)
		o.RunRecords = records
		x := mustOpen(t, "store", o)
		var b Batch
		for _, e := range log {
			if err := x.Apply(e.batch(&b)); err != nil {
				t.Fatal(err)
			}
		}
		if err := check(x, m, g, rng, true); err != nil {
			t.Fatalf("runs of %d: %v", records, err)
		}
		if err := x.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := check(x, m, g, rng, true); err != nil {
			t.Fatalf("runs of %d, flushed: %v", records, err)
		}
		if s := x.Stats(); s.Records != uint64(len(m.records)) || s.LagBatches != 0 || s.Runs == 0 || s.DiskBytes == 0 {
			t.Fatalf("stats %+v", s)
		}
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
