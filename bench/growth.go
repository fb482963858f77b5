package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"drawdown/bench/load"
	"drawdown/bench/result"
)

// GrowthOptions say how one of the runs is done that look at what becomes of a node
// as it grows, and at what a comparison does not show.
type GrowthOptions struct {
	Program  string // this program
	Commit   string // that it was built from
	Run      string // one of GrowthRuns
	Max      int    // size to go to; 0 is the run's own
	Duration time.Duration
	Short    bool // noted in the result
	Progress io.Writer
}

// growthRun is one of the runs. What it finds goes into the file.
type growthRun struct {
	most    int    // the size it goes to, if nobody says another
	little  int    // the size of a short run
	of      string // what the size counts
	explain string // in a line, with time and disk at full size
	run     func(context.Context, *growth) error
}

var growthRuns = map[string]growthRun{
	"identifiers":    {50_000_000, 2_000_000, "identifiers", "rate and memory up to 50 M identifiers (a few minutes, 8 GB of disk)", growIdentifiers},
	"customers":      {10_000_000, 100_000, "customers", "memory and processor time at 10 k to 10 M customers (10 minutes, 3 GB)", growCustomers},
	"grants":         {1_000, 100, "grants of each customer", "rate at 1 to 1,000 grants of each customer (2 minutes)", growGrants},
	"history":        {50_000_000, 1_000_000, "rows", "the newest page and the disk at up to 50 M rows (a few minutes, 8 GB)", growHistory},
	"restart":        {10_000_000, 500_000, "events of the log's tail", "restart from a snapshot and a tail of 10 M events (2 minutes, 2 GB)", measureRestart},
	"snapshot-stall": {1_000_000, 50_000, "customers", "latency at half load while snapshots are taken (2 minutes)", measureSnapshotStall},
	"idle-latency":   {100_000, 10_000, "customers", "latency of an idle node, and at half load (a minute)", measureIdleLatency},
	"allocations":    {100_000, 10_000, "customers", "allocations of an event and the share of garbage collection (half a minute)", measureAllocations},
}

// GrowthRuns are the names of the runs.
func GrowthRuns() []string { return slices.Sorted(maps.Keys(growthRuns)) }

// ExplainGrowth says what a run does, in a line.
func ExplainGrowth(run string) string { return growthRuns[run].explain }

// growth is a run at work: a node of its own in a directory of its own.
type growth struct {
	GrowthOptions
	dir    string
	disk   *result.Disk
	node   *Node
	client *Client
	target *target
	file   *result.File
}

// Grow does one of the runs.
func Grow(ctx context.Context, o GrowthOptions) (f result.File, err error) {
	run, ok := growthRuns[o.Run]
	if !ok {
		return f, fmt.Errorf("%q is none of the runs %v", o.Run, GrowthRuns())
	}
	if o.Max == 0 && o.Short {
		o.Max = run.little
	}
	if o.Max == 0 {
		o.Max = run.most
	}
	f = result.File{
		Kind: o.Run, Date: time.Now().UTC().Truncate(time.Second), Commit: o.Commit, Short: o.Short || o.Max < run.most,
		Machine: result.ThisMachine(), Seconds: o.Duration.Seconds(), Figures: map[string]float64{},
	}
	dir, err := os.MkdirTemp("", "drawdown-bench-")
	if err != nil {
		return f, err
	}
	defer os.RemoveAll(dir)
	g := &growth{GrowthOptions: o, dir: dir, file: &f}
	if g.disk, err = result.NewDisk(dir, smallSync, largeSync); err != nil {
		return f, err
	}
	defer g.disk.Close()
	defer func() { err = errors.Join(err, g.stop()) }()
	if err := errors.Join(g.disk.Sample(syncsOfRound), run.run(ctx, g), g.disk.Sample(syncsOfRound)); err != nil {
		return f, fmt.Errorf("%s: %w", o.Run, err)
	}
	f.Syncs = g.disk.Syncs()
	return f, nil
}

func (g *growth) say(format string, args ...any) {
	if g.Progress != nil {
		fmt.Fprintf(g.Progress, "\r\x1b[K"+format+"\n", args...)
	}
}

// fresh ends the node and starts one without data.
func (g *growth) fresh(ctx context.Context, args ...string) (err error) {
	if err := g.stop(); err != nil {
		return err
	}
	own, err := os.MkdirTemp(g.dir, "node-")
	if err != nil {
		return err
	}
	if g.node, err = NewNode(g.Program, own, args...); err != nil {
		return err
	}
	if _, err := g.node.Start(ctx); err != nil {
		return err
	}
	g.client = NewClient(g.node.URL())
	return nil
}

// populate gives customers so many grants each, in a currency of its own.
func (g *growth) populate(ctx context.Context, customers, each int) (err error) {
	if g.target, err = newTarget(ctx, g.client, 0, 0, nil); err != nil {
		return err
	}
	return load.Grants{
		Addr: g.target.addr, Currency: g.target.meter.CurrencyID, Amount: plenty, End: customers, Each: each, Progress: g.Progress,
	}.Make(ctx)
}

// stop ends the node and removes its data.
func (g *growth) stop() error {
	if g.node == nil {
		return nil
	}
	err := errors.Join(g.node.Kill(), os.RemoveAll(g.node.Dir))
	g.node = nil
	return err
}

func (g *growth) pid() int { return g.node.cmd.Process.Pid }

// The load of goal (a): what the other runs take their rates from.
const (
	usualBatch       = 1000
	usualConnections = 16
	growthWarmup     = 500 * time.Millisecond
)

func (g *growth) warmup() time.Duration { return min(growthWarmup, g.Duration) }

// usualLoad is a load of the canonical kind; the caller may change it.
func (g *growth) usualLoad(customers int) (load.Options, error) {
	senders, err := g.target.senders(load.Events{Customers: customers}, "json", usualBatch, usualConnections)
	return load.Options{Senders: senders, Batch: usualBatch, Warmup: g.warmup(), Duration: g.Duration, Progress: g.Progress}, err
}

// drive puts a load on the node and closes its connections. A request that failed
// is an error: there are no figures of a load that was not taken.
func (g *growth) drive(ctx context.Context, o load.Options) (load.Measured, error) {
	m, err := load.Drive(ctx, o)
	if err = errors.Join(err, load.CloseAll(o.Senders), ctx.Err()); err == nil && m.Failed > 0 {
		err = fmt.Errorf("%d requests failed, the first: %s", m.Failed, m.FirstFailure)
	}
	return m, err
}

// driveUsual is drive with the usual load, at a rate or in a closed loop (0).
func (g *growth) driveUsual(ctx context.Context, customers int, rate float64) (load.Measured, error) {
	o, err := g.usualLoad(customers)
	if err != nil {
		return load.Measured{}, err
	}
	o.Rate = rate
	return g.drive(ctx, o)
}
