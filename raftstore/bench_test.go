package raftstore

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"drawdown/engine/ledger"
)

// BenchmarkCommit is one caller with one event at a time on a real disk: how long
// an acknowledged write takes when nothing else happens.
func BenchmarkCommit(b *testing.B) {
	n := start(b, Options{Dir: b.TempDir(), Logger: quiet()})
	n.submit(meter())
	took := make([]time.Duration, 0, b.N)
	for i := range b.N {
		begin := time.Now()
		n.submit(report(fmt.Sprint("e", i)))
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
}

// BenchmarkThroughput is many callers with many events each.
func BenchmarkThroughput(b *testing.B) {
	for _, events := range []int{1, 100, 1000} {
		b.Run(fmt.Sprint(events), func(b *testing.B) {
			n := start(b, Options{Dir: b.TempDir(), Logger: quiet()})
			n.submit(meter())
			names := make(chan string, 1)
			go func() {
				for i := 0; ; i++ {
					select {
					case names <- fmt.Sprint("g", i):
					case <-b.Context().Done():
						return
					}
				}
			}()
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				name, i := <-names, 0
				var batch ledger.Batch
				for pb.Next() {
					batch.Reset()
					for range events {
						i++
						batch.Add(report(fmt.Sprint(name, "-", i)))
					}
					if _, _, err := n.Submit(b.Context(), &batch); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N*events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkLinearize is many readers while nothing is written.
func BenchmarkLinearize(b *testing.B) {
	n := start(b, Options{Dir: b.TempDir(), Logger: quiet()})
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := n.Linearize(b.Context()); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkRestart is from Open to serving, with a short log.
func BenchmarkRestart(b *testing.B) {
	o := Options{Dir: b.TempDir(), Logger: quiet()}
	start(b, o).stop()
	for b.Loop() {
		start(b, o).stop()
	}
}
