package wal

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"
)

// BenchmarkAppend appends entries one at a time, each synced, on the real disk, in segments that are used again:
//
//	go test ./wal/ -run - -bench Append -benchtime 3s
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10, 256 << 10, 1 << 20} {
		for _, noSync := range []bool{false, true} {
			b.Run(fmt.Sprintf("%dKiB/nosync=%v", size>>10, noSync), func(b *testing.B) { benchmarkAppend(b, size, noSync) })
		}
	}
}

func benchmarkAppend(b *testing.B, size int, noSync bool) {
	l, err := Open(b.TempDir(), Options{SegmentBytes: 16 << 20, NoSync: noSync, Logger: quiet, CacheBytes: 16 << 20})
	must(b, err)
	defer l.Close()
	b.SetBytes(int64(size))
	appendAndCompact(b, l, 1<<20, 128) // until segments come back
	b.ResetTimer()
	appendAndCompact(b, l, size, b.N)
}

// appendAndCompact appends n entries and keeps about 32 MiB of them.
func appendAndCompact(b *testing.B, l *Log, size, n int) {
	data := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	every := max(1, (16<<20)/size)
	for i := range n {
		last := l.state.next
		must(b, l.StoreLogs([]*raft.Log{{Index: last, Term: 1, Data: data}}))
		if (i+1)%every == 0 && last > uint64(every) {
			must(b, l.DeleteRange(0, last-uint64(every)))
		}
	}
}

// BenchmarkDisk is what the disk itself gives: the same writes and syncs in a file filled with zeros.
func BenchmarkDisk(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10, 256 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			const fileBytes = 64 << 20
			f, err := vfs.Default.Create(b.TempDir()+"/f", vfs.WriteCategoryUnspecified)
			must(b, err)
			defer f.Close()
			must(b, writeZeros(f, 0, fileBytes))
			must(b, f.Sync())
			data := bytes.Repeat([]byte("0123456789abcdef"), size/16)
			b.SetBytes(int64(size))
			b.ResetTimer()
			for i := range b.N {
				_, err := f.WriteAt(data, int64(i*size)%fileBytes)
				must(b, err)
				must(b, f.SyncData())
			}
		})
	}
}

// BenchmarkGetLog reads from memory and, entry by entry, from the files.
func BenchmarkGetLog(b *testing.B) {
	for _, cache := range []int64{1, 64 << 20} {
		b.Run(fmt.Sprintf("cache=%d", cache), func(b *testing.B) {
			l, err := Open(b.TempDir(), Options{NoSync: true, Logger: quiet, CacheBytes: cache})
			must(b, err)
			defer l.Close()
			data := make([]byte, 16<<10)
			for i := range uint64(100) {
				var logs []*raft.Log
				for j := range uint64(10) {
					logs = append(logs, &raft.Log{Index: i*10 + j + 1, Term: 1, Data: data})
				}
				must(b, l.StoreLogs(logs))
			}
			var e raft.Log
			b.ResetTimer()
			for i := range uint64(b.N) {
				must(b, l.GetLog(i%1000+1, &e))
			}
		})
	}
}
