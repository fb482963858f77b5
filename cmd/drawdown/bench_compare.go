package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"drawdown/bench"
	"drawdown/bench/load"
	"drawdown/bench/peer"
)

// compareCommand measures systems in turn.
type compareCommand struct {
	Rounds    int           `help:"Rounds; each measures every cell once." default:"5"`
	Duration  time.Duration `help:"Of one measurement." default:"3s"`
	Warmup    time.Duration `help:"Load in front of each measurement." default:"500ms"`
	Customers int           `help:"Customers." default:"100000"`
	Only      []string      `help:"Parts of the names of the cells to measure." placeholder:"NAME"`
	Results   string        `help:"Directory for the results file." default:"bench/results" type:"path"`
	Commit    string        `help:"What the program was built from, for the results file." default:"unknown"`
	Short     bool          `help:"Note in the results file that the run was a short one."`
	NoSync    bool          `name:"unsafe-no-sync" hidden:"" help:"Run Drawdown without syncs. The results are never shown beside others."`
}

// Validate is called before Run.
func (c *compareCommand) Validate() error {
	switch {
	case c.Rounds < 1 || c.Duration <= 0 || c.Warmup < 0:
		return fmt.Errorf("--rounds, --duration and --warmup must be positive")
	case c.Customers < 1 || c.Customers > load.MaxCustomers:
		return fmt.Errorf("--customers must be 1 to %d", load.MaxCustomers)
	}
	return nil
}

// Run measures and writes the results file.
func (c *compareCommand) Run(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	file, err := bench.Compare(ctx, bench.CompareOptions{
		Program: program, Commit: c.Commit, Rounds: c.Rounds, Duration: c.Duration, Warmup: c.Warmup, Customers: c.Customers,
		Only: c.Only, Unsafe: c.NoSync, Short: c.Short, Progress: os.Stderr,
	})
	if err != nil {
		return err
	}
	path, err := file.Save(c.Results)
	if err == nil {
		fmt.Println(path)
	}
	return err
}

// peerCommand serves a bare server.
type peerCommand struct {
	Name string `arg:"" help:"echo or parse-only."`
	HTTP string `name:"http" help:"Address to answer on." default:"127.0.0.1:8081"`
}

// Run serves until ctx ends.
func (c *peerCommand) Run(ctx context.Context) error { return peer.ServeHTTP(ctx, c.Name, c.HTTP) }
