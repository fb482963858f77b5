package index

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// crash is the disk as it may be found after a power cut, with what must and what may be in it.
type crash struct {
	fs              crashFS
	op              string
	flushed, newest uint64
}

// TestCrashAtEveryOperation clones the file system before each of its operations, with a random part of what was
// not synced. Each clone must open to an exact prefix of the log, not behind the last flush, and take the rest
// of the log from any earlier point (I2, I11).
func TestCrashAtEveryOperation(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	mem := newCrashFS(vfs.NewCrashableMem())
	var mu sync.Mutex
	var crashes []crash
	var flushed, newest atomic.Uint64
	inject := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsRead {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		c := crash{flushed: flushed.Load(), op: fmt.Sprint(op.Kind, " ", op.Path)}
		c.fs = mem.clone(rng.IntN(5)*25, rng)
		c.newest = newest.Load()
		crashes = append(crashes, c)
		return nil
	})
	g := newGenerator(9, 6)
	var log []*entry
	o := smallOptions(errorfs.Wrap(mem, inject), rand.New(rand.NewPCG(5, 5)))
	o.RunRecords, o.MaxMergedRecords = 40, 400
	x := mustOpen(t, "store", o)
	var b Batch
	for i := range 120 {
		e := g.entry()
		log = append(log, e)
		newest.Store(e.index)
		if err := x.Apply(e.batch(&b)); err != nil {
			t.Fatal(err)
		}
		if i%25 == 24 {
			if err := x.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
			flushed.Store(x.Durable())
		}
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	for i, c := range crashes {
		// The first operations all concern an empty store; later ones are looked at one by one.
		if c.newest == 0 && i%4 != 0 || i%effort != 0 {
			continue
		}
		if err := recoverFrom(c, o, log, g, rng); err != nil {
			t.Fatalf("crash %d of %d, before %s: %v", i, len(crashes), c.op, err)
		}
	}
	t.Logf("%d crashes", len(crashes))
}

func recoverFrom(c crash, o Options, log []*entry, g *generator, rng *rand.Rand) error {
	o.FS = c.fs
	x, err := Open("store", o)
	if err != nil {
		return err
	}
	durable := x.Durable()
	if durable < c.flushed || durable > c.newest {
		return fmt.Errorf("durable %d, flushed %d, newest %d", durable, c.flushed, c.newest)
	}
	if err := check(x, modelOf(log, durable), g, rng, false); err != nil {
		return fmt.Errorf("at %d: %w", durable, err)
	}
	from, to := rng.Uint64N(durable+1), min(g.index, durable+30)
	var b Batch
	for _, e := range log {
		if e.index > from && e.index <= to {
			if err := x.Apply(e.batch(&b)); err != nil {
				return err
			}
		}
	}
	if err := check(x, modelOf(log, to), g, rng, false); err != nil {
		return fmt.Errorf("at %d, after replay from %d to %d: %w", durable, from, to, err)
	}
	return x.Close()
}

// TestDamageIsReported flips bits all over the tables. Whatever is read is right, or an error that names the
// remedy; nothing else (I7).
func TestDamageIsReported(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	g := newGenerator(3, 6)
	var log []*entry
	disk := newCrashFS(vfs.NewCrashableMem())
	o := smallOptions(disk, rand.New(rand.NewPCG(1, 1)))
	o.RunRecords, o.MaxMergedRecords = 300, 2 // nothing to merge
	o.OnFatal = func(error) {}
	for range 150 {
		log = append(log, g.entry())
	}
	x := mustOpen(t, "store", o)
	var b Batch
	for _, e := range log {
		if err := x.Apply(e.batch(&b)); err != nil {
			t.Fatal(err)
		}
	}
	if err := x.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	m := modelOf(log, g.index)
	reported, tried := 0, 0
	for range 60 / effort {
		fs := disk.clone(100, rng)
		o.FS = fs
		names, err := fs.List("store")
		if err != nil {
			t.Fatal(err)
		}
		var tables []string
		for _, n := range names {
			if strings.HasSuffix(n, ".sst") {
				tables = append(tables, n)
			}
		}
		data, err := fs.mem.UnsafeGetFileDataBuffer("store/" + tables[rng.IntN(len(tables))])
		if err != nil {
			t.Fatal(err)
		}
		data[rng.IntN(len(data))] ^= 1 << rng.IntN(8)
		tried++
		x, err := Open("store", o)
		if err == nil {
			err = check(x, m, g, rng, true)
			if closeErr := x.Close(); closeErr != nil && err == nil {
				err = closeErr
			}
		}
		if err == nil {
			continue
		}
		reported++
		if !strings.Contains(err.Error(), "damaged") || !strings.Contains(err.Error(), "rebuilt") {
			t.Errorf("damage reported as: %v", err)
		}
	}
	// The rest hit what no read needs: properties (a good part of small tables), or note tables already replaced.
	if reported < tried/2 {
		t.Fatalf("%d of %d damages reported", reported, tried)
	}
}

// TestBackgroundErrorIsFatal fails a write in the background: OnFatal hears of it once, and every call after
// fails.
func TestBackgroundErrorIsFatal(t *testing.T) {
	var armed atomic.Bool
	inject := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if armed.Load() && op.Kind == errorfs.OpFileSync {
			return errorfs.ErrInjected
		}
		return nil
	})
	fatal := make(chan error, 10)
	x := mustOpen(t, "store", Options{
		FS: errorfs.Wrap(vfs.NewMem(), inject), Logger: slog.New(slog.DiscardHandler),
		OnFatal: func(err error) { fatal <- err },
	})
	var b Batch
	g := newGenerator(1, 3)
	for range 20 {
		if err := x.Apply(g.entry().batch(&b)); err != nil {
			t.Fatal(err)
		}
	}
	armed.Store(true)
	if err := x.Flush(context.Background()); err == nil {
		t.Fatal("flush went well")
	}
	<-fatal
	if err := x.Apply(g.entry().batch(&b)); err == nil {
		t.Fatal("apply after a fatal error")
	}
	if err := x.Lookup(nil, nil, nil); err == nil {
		t.Fatal("lookup after a fatal error")
	}
	if len(fatal) != 0 {
		t.Fatalf("told again: %v", <-fatal)
	}
	armed.Store(false)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
}
