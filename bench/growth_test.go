package bench

import (
	"testing"
	"time"
)

// TestGrowth does every run in small: what it finds is all there and sensible.
func TestGrowth(t *testing.T) {
	for run, c := range map[string]struct {
		max     int
		figures []string
		rows    int // of its series, at least
	}{
		"customers":      {2000, nil, 1},
		"grants":         {3, nil, 2},
		"history":        {200_000, nil, 1},
		"restart":        {20_000, []string{"tail_events", "ready_seconds", "replay_events_per_sec", "live_events_per_sec"}, 2},
		"snapshot-stall": {500, []string{"snapshots", "p99_without_ms", "p99_with_ms", "gap_with_ms"}, 0},
		"idle-latency":   {100, []string{"idle_p50_ms", "open_p99_ms", "closed_events_per_sec"}, 0},
		"allocations":    {100, []string{"allocations_per_event", "cpu_seconds", "events_per_sec"}, 0},
		"identifiers":    {300_000, []string{"first_step_events_per_sec", "last_steps_events_per_sec", "peak_resident_bytes"}, 2},
	} {
		t.Run(run, func(t *testing.T) {
			f, err := Grow(t.Context(), GrowthOptions{Program: program, Commit: "test", Run: run, Max: c.max, Duration: 200 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			if f.Kind != run || !f.Short || len(f.Syncs) == 0 {
				t.Errorf("%+v", f)
			}
			for _, name := range c.figures {
				if f.Figures[name] <= 0 {
					t.Errorf("%s is %v", name, f.Figures[name])
				}
			}
			rows := 0
			for _, series := range f.Series {
				rows += len(series.Rows)
				for _, row := range series.Rows {
					if len(row) != len(series.Columns) {
						t.Errorf("a row of %d under %d columns", len(row), len(series.Columns))
					}
				}
			}
			if rows < c.rows {
				t.Errorf("%d rows, want %d", rows, c.rows)
			}
		})
	}
}
