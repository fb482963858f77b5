package wal

import (
	"fmt"
	"sync/atomic"
	"time"
)

// stallClock notes when the operation in progress began. Reading and setting it is all that the commit path does for the
// watchdog; the timer is the watchdog's own.
type stallClock struct{ since atomic.Int64 }

var clockStart = time.Now()

// now is monotonic, in nanoseconds, and never 0.
func now() int64 { return int64(time.Since(clockStart)) + 1 }

func (c *stallClock) begin() { c.since.Store(now()) }
func (c *stallClock) end()   { c.since.Store(0) }

// stalled returns for how long the operation in progress has been running, 0 if there is none.
func (c *stallClock) stalled() time.Duration {
	since := c.since.Load()
	if since == 0 {
		return 0
	}
	return time.Duration(now() - since)
}

// watch poisons the log while a write still hangs. It looks four times in each StallLimit, so that a stall is noticed
// after 1 to 1.25 times the limit.
func (l *Log) watch() {
	defer l.watched.Done()
	ticker := time.NewTicker(max(l.o.StallLimit/4, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			// Close itself writes and waits. Should the disk hang now, the caller's own patience decides.
			return
		case <-l.dead:
			return
		case <-ticker.C:
			if d := max(l.writeClock.stalled(), l.stableClock.stalled()); d > l.o.StallLimit {
				l.poison(fmt.Errorf("the disk has not answered for %v", d.Round(time.Millisecond)))
				return
			}
		}
	}
}
