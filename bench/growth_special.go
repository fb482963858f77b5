package bench

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"drawdown/bench/load"
	"drawdown/bench/result"
)

// noSnapshots keeps a node from taking snapshots by itself.
var noSnapshots = []string{"--snapshot-interval", "24h", "--snapshot-entries", "1000000000000"}

// measureIdleLatency has one connection report one event at a time, and then the
// usual load at half the rate that the node can take.
func measureIdleLatency(ctx context.Context, g *growth) error {
	if err := g.freshWithCustomers(ctx, g.Max); err != nil {
		return err
	}
	senders, err := g.target.senders(load.Events{Customers: g.Max}, "json", 1, 1)
	if err != nil {
		return err
	}
	idle, err := g.drive(ctx, load.Options{Senders: senders, Batch: 1, Warmup: g.warmup(), Duration: g.Duration, Progress: g.Progress})
	if err != nil {
		return err
	}
	// The disk is sampled right behind: machines have moods.
	if err := g.disk.Sample(syncsOfRound); err != nil {
		return err
	}
	closed, open, err := g.halfLoad(ctx, g.Max)
	if err != nil {
		return err
	}
	f := g.file.Figures
	f["idle_p50_ms"], f["idle_p99_ms"] = idle.Latency.P50, idle.Latency.P99
	f["closed_events_per_sec"], f["open_events_per_sec"] = closed.EventsPerSec, open.EventsPerSec
	f["open_p50_ms"], f["open_p99_ms"], f["open_max_ms"] = open.Latency.P50, open.Latency.P99, open.Latency.Max
	return nil
}

// halfLoad measures the usual load in a closed loop, lets the node come to rest, and
// sends at half of that rate whether or not answers come.
func (g *growth) halfLoad(ctx context.Context, customers int) (closed, open load.Measured, err error) {
	if closed, err = g.driveUsual(ctx, customers, 0); err != nil {
		return closed, open, err
	}
	awaitRest(g.pid(), g.Duration)
	open, err = g.driveUsual(ctx, customers, closed.EventsPerSec/2)
	return closed, open, err
}

// measureSnapshotStall holds the latencies of half load against those while
// snapshots are taken one behind the other, so that all of the measurement falls
// into one.
func measureSnapshotStall(ctx context.Context, g *growth) error {
	if err := g.freshWithCustomers(ctx, g.Max, noSnapshots...); err != nil {
		return err
	}
	closed, without, err := g.halfLoad(ctx, g.Max)
	if err != nil {
		return err
	}
	var taken atomic.Int64
	snapshots, stop := context.WithCancel(ctx)
	failed := make(chan error, 1)
	go func() {
		for snapshots.Err() == nil {
			if _, err := g.client.Snapshot(); err != nil {
				failed <- fmt.Errorf("a snapshot: %w", err)
				return
			}
			taken.Add(1)
		}
		failed <- nil
	}()
	with, err := g.driveUsual(ctx, g.Max, closed.EventsPerSec/2)
	stop()
	if err = errors.Join(err, <-failed); err != nil {
		return err
	}
	figures, err := g.client.figures(metricSnapshot)
	if err != nil {
		return err
	}
	f := g.file.Figures
	f["customers"], f["snapshots"], f["snapshot_bytes"] = float64(g.Max), float64(taken.Load()), figures[0]
	f["open_events_per_sec"] = with.EventsPerSec
	f["p99_without_ms"], f["p99_with_ms"] = without.Latency.P99, with.Latency.P99
	f["max_without_ms"], f["max_with_ms"] = without.Latency.Max, with.Latency.Max
	f["gap_without_ms"], f["gap_with_ms"] = without.LongestGap, with.LongestGap
	return nil
}

// measureAllocations takes the runtime's own figures around the usual load.
func measureAllocations(ctx context.Context, g *growth) error {
	if err := g.freshWithCustomers(ctx, g.Max); err != nil {
		return err
	}
	o, err := g.usualLoad(g.Max)
	if err != nil {
		return err
	}
	names := []string{metricMallocs, metricGC, metricCPU}
	var before []float64
	o.Warmup = min(2*time.Second, g.Duration) // pools fill up
	o.Begin = func() (err error) {
		before, err = g.client.figures(names...)
		return err
	}
	var after []float64
	o.Settle = func() (_ int64, err error) {
		after, err = g.client.figures(names...)
		return 0, err
	}
	m, err := g.drive(ctx, o)
	if err != nil {
		return err
	}
	f := g.file.Figures
	f["events_per_sec"] = m.EventsPerSec
	f["allocations_per_event"] = (after[0] - before[0]) / float64(m.Events)
	f["gc_seconds"], f["cpu_seconds"] = after[1]-before[1], after[2]-before[2]
	f["gc_share"] = (after[1] - before[1]) / (after[2] - before[2])
	return nil
}

// restartCustomers is how many customers the snapshot has at full size.
const restartCustomers = 1_000_000

// measureRestart kills a node: with snapshots of several sizes and nothing behind,
// and then with a tail of events behind the last snapshot.
func measureRestart(ctx context.Context, g *growth) error {
	customers := min(restartCustomers, max(1000, g.Max/10))
	series := result.Series{Name: "restart", Columns: []string{"customers", "snapshot_bytes", "ready_ms"}}
	var bare time.Duration
	for _, n := range sizes(min(10_000, customers/10), customers) {
		if err := g.freshWithCustomers(ctx, n, noSnapshots...); err != nil {
			return err
		}
		if _, err := g.client.Snapshot(); err != nil {
			return err
		}
		figures, err := g.client.figures(metricSnapshot)
		if err != nil {
			return err
		}
		if bare, err = g.restart(ctx); err != nil {
			return err
		}
		series.Add(float64(n), figures[0], bare.Seconds()*1000)
		g.say("%d customers: ready after %v", n, bare.Round(time.Millisecond))
	}
	g.file.Series = append(g.file.Series, series)
	live, ready, err := g.restartWithTail(ctx, customers)
	if err != nil {
		return err
	}
	f := g.file.Figures
	f["customers"], f["tail_events"], f["live_events_per_sec"] = float64(customers), float64(live.Acknowledged), live.EventsPerSec
	f["ready_seconds"], f["snapshot_ready_seconds"] = ready.Seconds(), bare.Seconds()
	f["replay_events_per_sec"] = float64(live.Acknowledged) / max(.001, (ready-bare).Seconds())
	return nil
}

// restartWithTail puts events behind the snapshot, kills the node and starts it. It
// must know all of them afterwards.
func (g *growth) restartWithTail(ctx context.Context, customers int) (live load.Measured, ready time.Duration, err error) {
	o, err := g.usualLoad(customers)
	if err != nil {
		return live, 0, err
	}
	o.Warmup, o.Duration, o.Limit = 0, growLimit, int64(g.Max)
	if live, err = g.drive(ctx, o); err != nil {
		return live, 0, err
	}
	if ready, err = g.restart(ctx); err != nil {
		return live, 0, err
	}
	system := &nodeSystem{client: g.client, target: g.target}
	figures, err := g.client.figures(metricRecords)
	if err != nil {
		return live, 0, err
	}
	system.records = figures[0] - float64(live.Acknowledged)
	return live, ready, system.Verify(ctx, live.Acknowledged)
}

// restart kills the node and starts it again; it answers how long that took.
func (g *growth) restart(ctx context.Context) (time.Duration, error) {
	if err := g.node.Kill(); err != nil {
		return 0, err
	}
	defer g.client.Forget()
	return g.node.Start(ctx)
}
