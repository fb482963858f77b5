package index

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestConcurrentReaders lets readers scan while one goroutine applies and runs are flushed and merged under them.
// Each record's data says how many its account has had, so a gap or a repeat shows.
func TestConcurrentReaders(t *testing.T) {
	before := runtime.NumGoroutine()
	o := smallOptions(vfs.NewMem(), rand.New(rand.NewPCG(1, 1)))
	o.RunRecords, o.MaxMergedRecords = 200, 5000
	x := mustOpen(t, "store", o)
	const accounts, entries = 7, 2500 / effort
	var stop atomic.Bool
	var seen [accounts]atomic.Uint64 // applied records, published before readers look
	var group sync.WaitGroup
	for i := range 3 {
		group.Add(1)
		go func() {
			defer group.Done()
			rng := rand.New(rand.NewPCG(uint64(i), 3))
			for !stop.Load() {
				readAccount(t, x, uint32(rng.IntN(accounts)), &seen, rng)
			}
		}()
	}
	applyOrdinals(t, x, accounts, entries, &seen)
	if err := x.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	stop.Store(true)
	group.Wait()
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

func applyOrdinals(t *testing.T, x *Index, accounts, entries int, seen *[7]atomic.Uint64) {
	var b Batch
	var counts [7]uint64
	seq := uint64(0)
	rng := rand.New(rand.NewPCG(8, 8))
	for index := range uint64(entries) {
		b.Reset(index + 1)
		var fps []Fingerprint
		for range rng.IntN(8) {
			seq++
			a := rng.IntN(accounts)
			counts[a]++
			var f Fingerprint
			binary.LittleEndian.PutUint64(f[3:], mix(seq))
			b.AddIdentifier(f, Place{uint32(a), seq})
			b.AddRecord(Place{uint32(a), seq}, int64(seq), binary.LittleEndian.AppendUint64(nil, counts[a]))
			b.AddNote(Place{uint32(a), seq}, []byte{byte(seq)})
			fps = append(fps, f)
		}
		places, found := make([]Place, len(fps)), make([]bool, len(fps))
		if err := x.Lookup(fps, places, found); err != nil {
			t.Error(err)
		}
		for _, f := range found {
			if f {
				t.Error("a new identifier is found")
			}
		}
		if err := x.Apply(&b); err != nil {
			t.Error(err)
			return
		}
		for a := range counts {
			seen[a].Store(counts[a])
		}
	}
}

func readAccount(t *testing.T, x *Index, account uint32, seen *[7]atomic.Uint64, rng *rand.Rand) {
	applied := seen[account].Load()
	n := uint64(0)
	var last Record
	err := x.Scan(account, 0, false, func(r Record) bool {
		n++
		if got := binary.LittleEndian.Uint64(r.Data); got != n {
			t.Errorf("account %d: record %d is number %d", account, n, got)
			return false
		}
		last = Record{Place: r.Place}
		return true
	})
	if err != nil || n < applied {
		t.Errorf("account %d: %d records of %d, error %v", account, n, applied, err)
	}
	if n > 0 {
		if note, ok, err := x.Note(last.Place); err != nil || !ok || note[0] != byte(last.Seq) {
			t.Errorf("note of %v: %v %v %v", last.Place, note, ok, err)
		}
	}
	n = 0
	next := uint64(0)
	err = x.ScanAll(Place{}, rng.IntN(2) == 0, func(r Record) bool {
		if n > 0 && r.Seq != next-1 && r.Seq != next+1 {
			t.Errorf("record %d after %d", r.Seq, next)
		}
		next = r.Seq
		n++
		return n < 500
	})
	if err != nil {
		t.Error(err)
	}
	_ = x.Stats()
	_ = x.Pressure()
}

// TestApplyBlocksWhenFull holds the disk still: Apply must block at the bound and go on after (I12).
func TestApplyBlocksWhenFull(t *testing.T) {
	gate := &gateFS{FS: vfs.NewMem()}
	o := smallOptions(gate, rand.New(rand.NewPCG(1, 1)))
	o.RunRecords, o.RunBytes, o.MaxSealedRuns = 10, 1<<20, 2
	x := mustOpen(t, "store", o)
	gate.shut.Lock()
	applied := make(chan int, 1000)
	go func() {
		var b Batch
		for i := range 100 {
			b.Reset(uint64(i + 1))
			b.AddRecord(Place{1, uint64(i + 1)}, 1, []byte("data"))
			if err := x.Apply(&b); err != nil {
				t.Error(err)
			}
			applied <- i
		}
		close(applied)
	}()
	for x.Pressure() < 1 || len(applied) < 30 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond)
	if n := len(applied); n != 30 {
		t.Fatalf("%d applied with three runs sealed of at most two, 30 expected", n)
	}
	gate.shut.Unlock()
	for range applied {
	}
	if err := x.Flush(context.Background()); err != nil || x.Durable() != 100 || x.Pressure() != 0 {
		t.Fatalf("flush %v, durable %d, pressure %v", err, x.Durable(), x.Pressure())
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
}

// gateFS lets no file be created while shut is held.
type gateFS struct {
	vfs.FS
	shut sync.Mutex
}

func (f *gateFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f.shut.Lock()
	defer f.shut.Unlock()
	return f.FS.Create(name, c)
}
