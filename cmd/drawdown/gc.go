package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The garbage collector lets the heap grow by GOGC per cent of what is live before it
// looks at it again: with the usual 100 a node with 10 GB of accounts takes 20. That
// buys little here. A cycle costs what there is to look at, and the accounts' arenas
// hold no pointers: a cycle over 10 GB of them costs about what one over none costs.
// So the headroom is a fixed amount, or a tenth of a heap that is larger than ten times
// that: cycles come about as often however many customers there are.
const (
	headroomLeast = 64 << 20 // bytes; at 200 MB/s of garbage three cycles a second
	// gcPercentLeast keeps a large heap from being looked at for a little of it.
	gcPercentLeast = 10
	// gcPercentMost bounds what a heap of a few MiB may grow by.
	gcPercentMost = 400
	// headroomInterval is how soon the headroom follows the heap. In that time a node
	// makes tens of thousands of customers: far less than the headroom itself.
	headroomInterval = time.Second
)

// gcPercent is the GOGC under which a heap with live bytes has its headroom.
func gcPercent(live uint64) int {
	if live <= headroomLeast*100/gcPercentMost {
		return gcPercentMost
	}
	return max(gcPercentLeast, int(headroomLeast*100/live))
}

// keepHeadroom holds the collector to gcPercent until ctx ends; an operator who has set
// GOGC or GOMEMLIMIT has decided otherwise.
func keepHeadroom(ctx context.Context) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	ticker := time.NewTicker(headroomInterval)
	defer ticker.Stop()
	percent := 100
	for {
		// Setting it stops the world for an instant, so only a change is set.
		if wanted := gcPercent(liveHeap()); wanted != percent {
			percent = wanted
			debug.SetGCPercent(percent)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// liveHeap is how many bytes of the heap the last cycle found in use.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
