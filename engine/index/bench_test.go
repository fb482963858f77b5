package index

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	benchEvents   = 1000 // per entry
	benchAccounts = 100_000
	benchData     = 60 // bytes
)

// benchBatch fills b with entry number n: one record and one identifier per event.
func benchBatch(b *Batch, n uint64) {
	b.Reset(n + 1)
	var data [benchData]byte
	for i := range uint64(benchEvents) {
		seq := n*benchEvents + i + 1
		h := mix(seq)
		p := Place{uint32(h % benchAccounts), seq}
		binary.LittleEndian.PutUint64(data[:], h)
		b.AddIdentifier(benchPrint(seq), p)
		b.AddRecord(p, int64(seq)*1000, data[:])
	}
}

func benchPrint(seq uint64) (f Fingerprint) {
	binary.BigEndian.PutUint64(f[:8], mix(seq^0x5555))
	binary.BigEndian.PutUint64(f[8:], mix(seq^0xaaaa))
	return f
}

func benchOptions() Options {
	return Options{FS: vfs.Default, Logger: slog.New(slog.DiscardHandler)}
}

// BenchmarkApply is the answering path's share: entries of 1,000 events, flush and merge running beside it.
func BenchmarkApply(b *testing.B) {
	x := mustOpen(b, b.TempDir(), benchOptions())
	var batch Batch
	var inApply time.Duration
	n := uint64(0)
	b.ResetTimer()
	for i := 0; i < b.N; i += benchEvents {
		benchBatch(&batch, n)
		n++
		start := time.Now()
		if err := x.Apply(&batch); err != nil {
			b.Fatal(err)
		}
		inApply += time.Since(start)
	}
	if err := x.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64(inApply.Nanoseconds())/float64(b.N), "ns-in-apply/op")
	s := x.Stats()
	b.ReportMetric(float64(s.DiskBytes)/float64(n*benchEvents), "disk-B/event")
	if err := x.Close(); err != nil {
		b.Fatal(err)
	}
}

// benchStore fills a store with 2 M events in the store and half a million in memory, once for all benchmarks.
var benchStore = sync.OnceValue(func() *Index {
	x, err := Open("bench", Options{FS: vfs.NewMem(), Logger: slog.New(slog.DiscardHandler), CacheBytes: 1 << 30})
	if err != nil {
		panic(err)
	}
	var batch Batch
	for n := range uint64(benchStored) {
		benchBatch(&batch, n)
		if err := x.Apply(&batch); err != nil {
			panic(err)
		}
		if n == benchStored*4/5 {
			if err := x.Flush(context.Background()); err != nil {
				panic(err)
			}
		}
	}
	return x
})

const benchStored = 2500 // entries

func BenchmarkLookup(b *testing.B) {
	x := benchStore()
	const events = benchStored * benchEvents
	for name, print := range map[string]func(i int) Fingerprint{
		"absent":  func(i int) Fingerprint { return benchPrint(uint64(events + 1 + i)) },
		"memory":  func(i int) Fingerprint { return benchPrint(events - mix(uint64(i))%(events/6)) },
		"present": func(i int) Fingerprint { return benchPrint(1 + mix(uint64(i))%(events/2)) },
	} {
		b.Run(name, func(b *testing.B) {
			fps := make([]Fingerprint, benchEvents)
			places, found := make([]Place, benchEvents), make([]bool, benchEvents)
			var inLookup time.Duration
			for i := 0; i < b.N; i += benchEvents {
				for j := range fps {
					fps[j] = print(i + j)
				}
				start := time.Now()
				if err := x.Lookup(fps, places, found); err != nil {
					b.Fatal(err)
				}
				inLookup += time.Since(start)
			}
			b.ReportMetric(float64(inLookup.Nanoseconds())/float64((b.N+benchEvents-1)/benchEvents*benchEvents), "ns-in-lookup/op")
		})
	}
}

// BenchmarkPage reads pages of 100 records: an account's newest, an account's oldest, and the newest of all.
func BenchmarkPage(b *testing.B) {
	x := benchStore()
	page := func(b *testing.B, scan func(i int, fn func(Record) bool) error) {
		for i := range b.N {
			n := 0
			if err := scan(i, func(Record) bool { n++; return n < 100 }); err != nil || n == 0 {
				b.Fatal(n, err)
			}
		}
	}
	for _, descending := range []bool{true, false} {
		b.Run(fmt.Sprintf("account/descending=%v", descending), func(b *testing.B) {
			page(b, func(i int, fn func(Record) bool) error {
				return x.Scan(uint32(mix(uint64(i))%benchAccounts), 0, descending, fn)
			})
		})
	}
	b.Run("all", func(b *testing.B) {
		page(b, func(i int, fn func(Record) bool) error { return x.ScanAll(Place{}, true, fn) })
	})
	b.Run("all/stored", func(b *testing.B) {
		page(b, func(i int, fn func(Record) bool) error {
			return x.ScanAll(Place{Account: 1<<32 - 1, Seq: 1 + mix(uint64(i))%(benchStored*benchEvents/2)}, true, fn)
		})
	})
	b.Run("record", func(b *testing.B) {
		for i := range b.N {
			seq := 1 + mix(uint64(i))%(benchStored*benchEvents/2)
			_, _, ok, err := x.Record(Place{uint32(mix(seq) % benchAccounts), seq})
			if !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
}
