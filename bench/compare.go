package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"drawdown/bench/load"
	"drawdown/bench/peer"
	"drawdown/bench/result"
)

// CompareOptions say how systems are compared.
type CompareOptions struct {
	Program   string        // this program
	Commit    string        // that it was built from
	Rounds    int           // at least 1; 5 for figures to be shown
	Duration  time.Duration // of one measurement
	Warmup    time.Duration // in front of each
	Customers int
	Only      []string // parts of cells' names; none is all cells
	Unsafe    bool     // Drawdown without syncs
	Short     bool     // noted in the result
	Progress  io.Writer
	// Verified is told of each measurement that passed its check; may be nil.
	Verified func(cell string, acknowledged int64)
}

// Names of the bytes that the disk is sampled with, and how often in each round.
const (
	smallSync    = 4 << 10
	largeSync    = 64 << 10
	syncsOfRound = 200
)

// Compare measures the cells in turn, A B C A B C, so that what disturbs the machine
// for a while disturbs all of them.
//
// Every round begins with all systems empty but for the customers: a new Drawdown
// node, truncated tables, a flushed store. Within a round a system's cells share its
// state, always in the same order. So rounds can be compared, no system grows
// larger than another for longer than a round, and what growth costs is measured by
// itself. Identifiers are new in every cell. Between two cells the last system is
// let come to rest.
//
// After each measurement the system is asked what it has kept. When that is not
// what it acknowledged, or when any request fails, the cell has failed and gets no
// figures.
func Compare(ctx context.Context, o CompareOptions) (f result.File, err error) {
	c := &comparison{CompareOptions: o, cells: wantedCells(o.Only)}
	if len(c.cells) == 0 {
		return f, fmt.Errorf("no cell is called like %v", o.Only)
	}
	dir, err := os.MkdirTemp("", "drawdown-bench-")
	if err != nil {
		return f, err
	}
	defer os.RemoveAll(dir)
	if c.disk, err = result.NewDisk(dir, smallSync, largeSync); err != nil {
		return f, err
	}
	defer c.disk.Close()
	f = result.File{
		Kind: result.Interleaved, Date: time.Now().UTC().Truncate(time.Second), Commit: o.Commit, Unsafe: o.Unsafe, Short: o.Short,
		Machine: result.ThisMachine(), Rounds: o.Rounds, Seconds: o.Duration.Seconds(), Customers: o.Customers,
	}
	if err := c.start(ctx, dir); err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	for round := range o.Rounds {
		if err := c.round(ctx, round); err != nil {
			return f, err
		}
	}
	for i := range c.results {
		c.results[i].SumUp()
	}
	f.Cells, f.Syncs = c.results, c.disk.Syncs()
	return f, nil
}

func wantedCells(only []string) (wanted []cell) {
	for _, c := range cells {
		if len(only) == 0 || slices.ContainsFunc(only, func(part string) bool { return strings.Contains(c.name, part) }) {
			wanted = append(wanted, c)
		}
	}
	return wanted
}

// comparison is a comparison at work.
type comparison struct {
	CompareOptions
	cells        []cell
	results      []result.Cell // of the same order
	systems      map[string]system
	acknowledged map[string]int64 // by system, since it was emptied
	disk         *result.Disk
}

func (c *comparison) say(format string, args ...any) {
	if c.Progress != nil {
		fmt.Fprintf(c.Progress, format, args...)
	}
}

// start starts the systems. Those that are not installed are skipped by name.
func (c *comparison) start(ctx context.Context, dir string) error {
	var args []string
	if c.Unsafe {
		args = append(args, "--unsafe-no-sync")
	}
	var err error
	if c.systems, err = systems(dir, c.Program, c.Customers, args, c.cells); err != nil {
		return err
	}
	skipped := map[string]string{}
	for name, s := range c.systems {
		c.say("starting %s\n", name)
		switch err := s.Start(ctx); {
		case errors.Is(err, peer.ErrNotInstalled):
			skipped[name] = err.Error()
			delete(c.systems, name)
			c.say("skipped: %v\n", err)
		case err != nil:
			return errors.Join(fmt.Errorf("%s: %w", name, err), c.stop())
		}
	}
	c.begin()
	for i := range c.results {
		c.results[i].Skipped = skipped[c.results[i].System]
	}
	return nil
}

// begin makes the cells' results, which have no rounds yet.
func (c *comparison) begin() {
	for _, cell := range c.cells {
		c.results = append(c.results, result.Cell{
			Name: cell.name, System: cell.system, Batch: cell.batch, Form: cell.form, Connections: cell.connections[0],
		})
	}
}

func (c *comparison) stop() error {
	var errs []error
	for name, s := range c.systems {
		if err := s.Stop(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// round empties the systems and measures every cell once.
func (c *comparison) round(ctx context.Context, round int) error {
	if err := c.disk.Sample(syncsOfRound); err != nil {
		return err
	}
	c.acknowledged = map[string]int64{}
	for name, s := range c.systems {
		if err := s.Fresh(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		awaitRest(s.PID(), c.Duration)
	}
	return c.measureAll(ctx, round)
}

// measureAll measures every cell that has not failed, once.
func (c *comparison) measureAll(ctx context.Context, round int) error {
	for i, cell := range c.cells {
		r := &c.results[i]
		if r.Skipped != "" || r.Failed != "" {
			continue
		}
		if err := c.measure(ctx, round, cell, r); err != nil {
			r.Failed = err.Error()
			c.say("\r\x1b[K%-24s failed: %v\n", cell.name, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// trialDuration is how long each number of connections is tried, at most half of a
// measurement.
const trialDuration = time.Second

// measure measures a cell once; before the first time it chooses the connections.
func (c *comparison) measure(ctx context.Context, round int, cell cell, r *result.Cell) error {
	if round == 0 && len(cell.connections) > 1 {
		r.Tried = map[int]float64{}
		for _, connections := range cell.connections {
			m, err := c.drive(ctx, cell, connections, min(trialDuration, c.Duration/2))
			if err != nil {
				return fmt.Errorf("with %d connections: %w", connections, err)
			}
			if r.Tried[connections] = m.EventsPerSec; m.EventsPerSec > r.Tried[r.Connections] {
				r.Connections = connections
			}
		}
	}
	m, err := c.drive(ctx, cell, r.Connections, c.Duration)
	if err != nil {
		return err
	}
	r.Version = c.systems[cell.system].Version()
	r.Rounds = append(r.Rounds, m)
	c.say("\r\x1b[Kround %d/%d  %-24s %10.0f events/s  p99 %8.2f ms\n", round+1, c.Rounds, cell.name, m.EventsPerSec, m.Latency.P99)
	return nil
}

// drive puts a cell's load on its system, once, and verifies what it did.
func (c *comparison) drive(ctx context.Context, cell cell, connections int, duration time.Duration) (r result.Round, err error) {
	s := c.systems[cell.system]
	senders := make([]load.Sender, 0, connections)
	for range connections {
		sender, err := s.Sender(ctx, cell)
		if err != nil {
			return r, errors.Join(err, load.CloseAll(senders))
		}
		senders = append(senders, sender)
	}
	o := load.Options{Senders: senders, Batch: cell.batch, Warmup: c.Warmup, Duration: duration}
	var cpu time.Duration
	var waiting backlog
	o.Begin = func() error { cpu = processorTimeOf(s.PID()); return nil }
	if node, ok := s.(*nodeSystem); ok {
		waiting = backlog{client: node.client, context: ctx}
		o.Begin = func() error { cpu = processorTimeOf(s.PID()); return waiting.begin() }
		o.Settle = waiting.settle
		if err := waiting.clear(); err != nil {
			return r, errors.Join(err, load.CloseAll(senders))
		}
	}
	c.say("\r\x1b[K%s, %d connections ...", cell.name, connections)
	r.Measured, err = load.Drive(ctx, o)
	r.ServerCPU = float64(processorTimeOf(s.PID())-cpu) / max(1, float64(r.Events+r.Undone))
	c.acknowledged[cell.system] += r.Acknowledged
	if err = errors.Join(err, load.CloseAll(senders)); err != nil {
		return r, err
	}
	if r.Failed > 0 {
		return r, fmt.Errorf("%d of %d requests failed, the first: %s", r.Failed, r.Failed+r.Requests, r.FirstFailure)
	}
	if err := s.Verify(ctx, c.acknowledged[cell.system]); err != nil {
		return r, err
	}
	if c.Verified != nil {
		c.Verified(cell.name, r.Acknowledged)
	}
	awaitRest(s.PID(), c.Duration)
	return r, ctx.Err()
}
