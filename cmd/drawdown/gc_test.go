package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"
)

// The headroom of a heap is 64 MiB or a tenth of it, whichever is more; only a heap
// that is small as a whole is held to four times itself.
func TestGCPercent(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		live    uint64
		percent int
	}{
		{0, gcPercentMost}, {4 * mib, gcPercentMost}, {16 * mib, gcPercentMost}, {32 * mib, 200}, {64 * mib, 100},
		{256 * mib, 25}, {640 * mib, 10}, {641 * mib, 10}, {1 << 50, 10}, {1<<64 - 1, 10},
	} {
		if percent := gcPercent(c.live); percent != c.percent {
			t.Errorf("%d MiB: %d per cent, expected %d", c.live/mib, percent, c.percent)
		}
	}
	for live := uint64(mib); live < 1<<45; live += live/7 + 1 {
		headroom := live * uint64(gcPercent(live)) / 100
		// Of ten per cent and more up to one is lost by rounding down.
		most := max(headroomLeast, live/10)
		least := min(4*live, most-most/10)
		if headroom < least || headroom > most {
			t.Errorf("%d bytes live: %d of headroom, expected %d to %d", live, headroom, least, most)
		}
	}
}

// The collector follows the heap; where the operator has set something, it is let be.
func TestKeepHeadroom(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	percent := func() int {
		p := debug.SetGCPercent(100)
		debug.SetGCPercent(p)
		return p
	}
	heap := make([]byte, 128<<20)
	runtime.GC()
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		t.Setenv(name, "100")
		keepHeadroom(t.Context()) // returns at once
		if p := percent(); p != 100 {
			t.Errorf("with %s set: %d", name, p)
		}
		os.Unsetenv(name)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go keepHeadroom(ctx)
		synctest.Wait()
		if p := percent(); p < 25 || p > 50 {
			t.Errorf("%d per cent for a heap of 128 MiB and a little", p)
		}
		runtime.KeepAlive(heap)
		heap = nil
		runtime.GC()
		time.Sleep(2 * headroomInterval)
		synctest.Wait()
		if p := percent(); p < 100 {
			t.Errorf("%d per cent after the heap has shrunk", p)
		}
	})
}
