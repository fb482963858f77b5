package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"drawdown/bench"
	"drawdown/bench/load"
)

// benchCommands measure. Without a further word `drawdown bench` puts load on a
// node.
type benchCommands struct {
	Load    loadCommand    `cmd:"" default:"withargs" help:"Put load on a node and measure it (the default). Prints throughput and p99."`
	Compare compareCommand `cmd:"" help:"Measure this engine, PostgreSQL, Redis and bare servers in turn; write a results file."`
	Growth  growthCommand  `cmd:"" help:"Measure what becomes of a node as it grows, and its latencies; write results files."`
	Report  reportCommand  `cmd:"" help:"Render bench/README.md and its charts from the results files."`
	Peer    peerCommand    `cmd:"" hidden:"" help:"Serve one of the bare servers."`
}

// loadCommand measures a node under load, from outside.
type loadCommand struct {
	URL         string        `help:"A running node. Without one a throw-away node is started." placeholder:"URL"`
	Connections int           `help:"Connections, each with one request in flight." default:"16"`
	Batch       int           `help:"Events of a request, up to 10000; 1 uses the single call." default:"1000"`
	Format      string        `help:"Form of a batch: ${enum}." enum:"json,ndjson,protobuf" default:"json"`
	Duration    time.Duration `help:"How long to measure, behind a warm-up of a second." default:"10s"`
	Rate        float64       `help:"Events a second, sent whether or not answers come; 0 waits for each answer." default:"0"`
	Customers   int           `help:"Customers." default:"100000"`
	Zipf        float64       `help:"Skew of the customers, above 1; 0 is uniform." default:"0"`
	Repeats     float64       `help:"Share of events that repeat an identifier, 0 to 1." default:"0"`
	Shortages   float64       `help:"Share of customers without credit, 0 to 1." default:"0"`
	Identifiers string        `help:"Shape of identifiers: ${enum}." enum:"uuid,ulid,hex16,text36" default:"uuid"`
	JSON        bool          `name:"json" help:"Print everything as JSON."`
}

// Validate is called before Run.
func (c *loadCommand) Validate() error {
	switch {
	case c.Connections < 1:
		return fmt.Errorf("--connections must be at least 1")
	case c.Batch < 1 || c.Batch > 10_000:
		return fmt.Errorf("--batch must be 1 to 10000")
	case c.Customers < 1 || c.Customers > load.MaxCustomers:
		return fmt.Errorf("--customers must be 1 to %d", load.MaxCustomers)
	case c.Duration <= 0 || c.Rate < 0:
		return fmt.Errorf("--duration and --rate must not be negative")
	case c.Zipf != 0 && c.Zipf <= 1:
		return fmt.Errorf("--zipf must be above 1")
	case c.Repeats < 0 || c.Repeats >= 1 || c.Shortages < 0 || c.Shortages > 1:
		return fmt.Errorf("--repeats and --shortages are shares, 0 to 1")
	}
	return nil
}

// progress is where progress is shown: a terminal, or nowhere.
func progress() io.Writer {
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		return os.Stderr
	}
	return nil
}

// Run measures and prints.
func (c *loadCommand) Run(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	r, err := bench.Load(ctx, bench.LoadOptions{
		URL: c.URL, Connections: c.Connections, Batch: c.Batch, Format: c.Format, Duration: c.Duration, Rate: c.Rate,
		Customers: c.Customers, Zipf: c.Zipf, Repeats: c.Repeats, Shortages: c.Shortages, Identifiers: c.Identifiers,
	}, program, progress())
	if err != nil {
		return err
	}
	if c.JSON {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	fmt.Printf("%.0f events/s, p99 %.2f ms\n", r.EventsPerSec, r.Latency.P99)
	if r.Failed > 0 {
		return fmt.Errorf("%d requests failed, the first: %s", r.Failed, r.FirstFailure)
	}
	return nil
}
