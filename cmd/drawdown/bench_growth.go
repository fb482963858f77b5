package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"drawdown/bench"
)

// growthCommand does the runs that look at growth.
type growthCommand struct {
	Runs     []string      `name:"run" help:"Runs to do, of: ${growth_runs}." default:"idle-latency,allocations,snapshot-stall,restart,grants,customers,identifiers,history"`
	Max      int           `help:"Size to grow to instead of each run's own; a small one makes a short run." placeholder:"N"`
	Duration time.Duration `help:"Of each measurement that has no size." default:"8s"`
	Results  string        `help:"Directory for the results files." default:"bench/results" type:"path"`
	Commit   string        `help:"What the program was built from, for the results files." default:"unknown"`
	Short    bool          `help:"Note in the results files that the runs were short ones."`
}

// growthRuns are the runs and what they do, for the help.
func growthRuns() string {
	var lines []string
	for _, run := range bench.GrowthRuns() {
		lines = append(lines, run+": "+bench.ExplainGrowth(run))
	}
	return strings.Join(lines, "; ")
}

// Validate is called before Run.
func (c *growthCommand) Validate() error {
	if c.Max < 0 || c.Duration <= 0 {
		return fmt.Errorf("--max and --duration must be positive")
	}
	for _, run := range c.Runs {
		if !slices.Contains(bench.GrowthRuns(), run) {
			return fmt.Errorf("--run: %q is none of %v", run, bench.GrowthRuns())
		}
	}
	return nil
}

// Run does the runs and writes a results file for each.
func (c *growthCommand) Run(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	for _, run := range c.Runs {
		fmt.Fprintf(os.Stderr, "%s: %s\n", run, bench.ExplainGrowth(run))
		file, err := bench.Grow(ctx, bench.GrowthOptions{
			Program: program, Commit: c.Commit, Run: run, Max: c.Max, Duration: c.Duration, Short: c.Short, Progress: os.Stderr,
		})
		if err != nil {
			return err
		}
		path, err := file.Save(c.Results)
		if err != nil {
			return err
		}
		fmt.Println(path)
	}
	return nil
}
