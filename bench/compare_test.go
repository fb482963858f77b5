package bench

import (
	"context"
	"strings"
	"testing"
	"time"

	"drawdown/bench/load"
	"drawdown/bench/peer"
)

// TestCompare runs all cells in two short rounds. What counts here is that every
// system kept what it acknowledged, not how fast it was.
func TestCompare(t *testing.T) {
	verified := map[string]int{}
	f, err := Compare(t.Context(), CompareOptions{
		Program: program, Commit: "test", Rounds: 2, Duration: 200 * time.Millisecond, Warmup: 20 * time.Millisecond, Customers: 200,
		Only:     []string{"drawdown-1x64", "drawdown-8000", "echo-1x64", "parse-only", "postgresql-1x64", "redis-scripted"},
		Verified: func(cell string, acknowledged int64) { verified[cell] += int(acknowledged) },
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range f.Cells {
		c := &f.Cells[i]
		if c.Skipped != "" && (c.System == systemPostgreSQL || c.System == systemRedis) {
			t.Logf("%s: %s", c.Name, c.Skipped)
			continue
		}
		if c.Failed != "" || c.Skipped != "" || len(c.Rounds) != 2 {
			t.Fatalf("%s: %s%s, %d rounds", c.Name, c.Failed, c.Skipped, len(c.Rounds))
		}
		for _, r := range c.Rounds {
			if r.Events == 0 || r.Acknowledged < r.Events || r.Latency.Max <= 0 {
				t.Errorf("%s: %+v", c.Name, r)
			}
		}
		if c.Median < c.Min || c.Max < c.Median || c.Min <= 0 || verified[c.Name] == 0 {
			t.Errorf("%s: median %v of %v to %v, %d events verified", c.Name, c.Median, c.Min, c.Max, verified[c.Name])
		}
	}
	if len(f.Syncs) != 2 || f.Syncs[0].P50 <= 0 || f.Machine.Cores == 0 {
		t.Errorf("%+v %+v", f.Syncs, f.Machine)
	}
}

// lyingSystem is a system that has kept one event less than it says.
type lyingSystem struct{ *nodeSystem }

func (s lyingSystem) Verify(ctx context.Context, acknowledged int64) error {
	return s.nodeSystem.Verify(ctx, acknowledged+1)
}

// TestFailedCells: a cell whose check fails, or whose requests do, is called failed
// and has no figures.
func TestFailedCells(t *testing.T) {
	node := &nodeSystem{dir: t.TempDir(), program: program, customers: 10}
	defer node.Stop()
	if err := node.Fresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	wanted := []cell{{"lies", systemDrawdown, 10, "json", []int{1, 2}}}
	c := &comparison{
		CompareOptions: CompareOptions{Rounds: 1, Duration: 50 * time.Millisecond}, cells: wanted,
		systems: map[string]system{systemDrawdown: lyingSystem{node}}, acknowledged: map[string]int64{},
	}
	c.begin()
	if err := c.measureAll(t.Context(), 0); err == nil {
		c.results[0].SumUp()
		if r := c.results[0]; r.Median != 0 || !strings.Contains(r.Failed, "acknowledged") {
			t.Errorf("%+v", r)
		}
	} else {
		t.Fatal(err)
	}
	node.target.event = "no_such_meter"
	c = &comparison{
		CompareOptions: CompareOptions{Rounds: 1, Duration: 50 * time.Millisecond}, cells: wanted,
		systems: map[string]system{systemDrawdown: node}, acknowledged: map[string]int64{},
	}
	c.begin()
	if err := c.measureAll(t.Context(), 0); err != nil || !strings.Contains(c.results[0].Failed, "10 rejected") {
		t.Errorf("%v: %+v", err, c.results)
	}
}

// TestMetricsAreNeeded: a figure that is not there any more is an error that says
// so.
func TestMetricsAreNeeded(t *testing.T) {
	_, client := startNode(t)
	if _, err := client.figures(metricLag, metricRecords, metricMallocs, metricHeap, metricCPU, metricSnapshot, metricApplied); err != nil {
		t.Fatal(err)
	}
	if _, err := client.figures("drawdown_no_such_figure"); err == nil || !strings.Contains(err.Error(), "drawdown_no_such_figure") {
		t.Fatalf("%v", err)
	}
}

var _ = []system{(*nodeSystem)(nil), (*postgresqlSystem)(nil), (*redisSystem)(nil), (*httpSystem)(nil)}

// TestHTTPPeers: the bare servers answer as their cells expect.
func TestHTTPPeers(t *testing.T) {
	for name, batches := range map[string][]int{"echo": {1, 100}, "parse-only": {100}} {
		h := &peer.HTTP{Name: name, Dir: t.TempDir(), Binary: program}
		if err := h.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, batch := range batches {
			sender, err := h.Sender(t.Context(), batch, load.NewStream(load.Events{Customers: 5}, 1))
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if a, err := sender.Send(time.Now()); err != nil || a.Accepted != batch {
					t.Fatalf("%s: %+v %v", name, a, err)
				}
			}
			if err := sender.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := h.Stop(); err != nil {
			t.Error(err)
		}
	}
}
