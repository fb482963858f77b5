package report

import (
	"fmt"
	"math"

	"drawdown/bench/result"
)

// goal is one thing to reach.
type goal struct {
	letter string // under which the notes explain what stands between
	what   string
	// measure answers what was measured, and whether that is enough. known is false
	// when a file or a figure is missing.
	measure func(*results) (measured string, reached, known bool)
}

// goals are held against the newest results of each kind.
var goals = []goal{
	{"a", "1,000 events a request: at least 20 x PostgreSQL's best batch figure", atLeast(20, "x", cellOf("drawdown-1000"), bestBatch("postgresql"))},
	{"a", "1,000 events a request: at least 25 x Redis's best batch figure", atLeast(25, "x", cellOf("drawdown-1000"), bestBatch("redis"))},
	{"a", "1,000 events a request: at least 20 % of the parse-only server", atLeast(20, "%", cellOf("drawdown-1000"), cellOf("parse-only-1000"))},
	{"a", "100 events a request: at least 12 x PostgreSQL", atLeast(12, "x", cellOf("drawdown-100"), cellOf("postgresql-100"))},
	{"b", "1 event a request, 64 connections: at least 5 x PostgreSQL", atLeast(5, "x", cellOf("drawdown-1x64"), cellOf("postgresql-1x64"))},
	{"b", "1 event a request, 64 connections: at least 1.4 x Redis", atLeast(1.4, "x", cellOf("drawdown-1x64"), cellOf("redis-1x64"))},
	{"b", "1 event a request, 256 connections: at least 75 % of the echo server", atLeast(75, "%", cellOf("drawdown-1x256"), cellOf("echo-1x256"))},
	{"c", "one idle connection: p50 at most 2 x the median sync of 4 KiB", atMost(2, "x", figure("idle-latency", "idle_p50_ms"), syncOf("idle-latency"))},
	{"c", "open loop at half the rate: p99 at most 10 x the median sync", atMost(10, "x", figure("idle-latency", "open_p99_ms"), syncOf("idle-latency"))},
	{"d", "rate after 50 M identifiers: at least 80 % of the first million's", atSize("identifiers", "identifiers", 50e6,
		atLeast(80, "%", figure("identifiers", "last_steps_events_per_sec"), figure("identifiers", "first_step_events_per_sec")))},
	{"d", "the whole process with 50 M identifiers: at most 4 GiB resident", atSize("identifiers", "identifiers", 50e6,
		atMost(4, "GiB", figure("identifiers", "peak_resident_bytes"), constant(1<<30)))},
	{"e", "10 M customers with a grant each: at most 300 bytes resident a customer",
		atMost(300, "bytes", cellAt("customers", 10e6, "resident_bytes_per_customer"), constant(1))},
	{"e", "a deduction among 10 M customers: at most 1.5 x that among 100,000",
		atMost(1.5, "x", cellAt("customers", 10e6, "cpu_ns_per_event"), cellAt("customers", 100e3, "cpu_ns_per_event"))},
	{"f", "p99 while a snapshot of 1 M customers is taken under half load: at most 2 x that without", atSize("snapshot-stall", "customers", 1e6,
		atMost(2, "x", figure("snapshot-stall", "p99_with_ms"), figure("snapshot-stall", "p99_without_ms")))},
	{"f", "no stall over 20 ms meanwhile", atSize("snapshot-stall", "customers", 1e6,
		atMost(20, "ms", figure("snapshot-stall", "gap_with_ms"), constant(1)))},
	{"g", "allocations on the batch path: at most 0.1 an event", atMost(.1, "an event", figure("allocations", "allocations_per_event"), constant(1))},
	{"g", "garbage collection: at most 2 % of the processor time", atMost(2, "%", figure("allocations", "gc_share"), constant(1))},
	{"h", "restart, 1 M customers and a tail of 10 M events: replayed at no less than the live rate", atSize("restart", "tail_events", 10e6,
		atLeast(1, "x", figure("restart", "replay_events_per_sec"), figure("restart", "live_events_per_sec")))},
}

type measure = func(*results) (string, bool, bool)

// number is a figure of the results, if they have it.
type number func(*results) (float64, bool)

// unknown is shown when something that a goal needs was not measured.
const unknown = "not measured"

func atLeast(wanted float64, unit string, of, base number) measure {
	return ratio(unit, of, base, func(r float64) bool { return r >= wanted })
}

func atMost(wanted float64, unit string, of, base number) measure {
	return ratio(unit, of, base, func(r float64) bool { return r <= wanted })
}

// ratio shows one number in units of another.
func ratio(unit string, of, base number, enough func(float64) bool) measure {
	return func(r *results) (string, bool, bool) {
		a, ok := of(r)
		b, okBase := base(r)
		if !ok || !okBase || b == 0 {
			return unknown, false, false
		}
		ratio := a / b
		if unit == "%" {
			ratio *= 100
		}
		return fmt.Sprintf("%s %s", short(ratio), unit), enough(ratio), true
	}
}

// atSize is a measure that stands only for a run that went to a size.
func atSize(kind, figureName string, size float64, m measure) measure {
	return func(r *results) (string, bool, bool) {
		text, reached, known := m(r)
		if had, ok := figure(kind, figureName)(r); known && (!ok || had < size*.99) {
			return fmt.Sprintf("%s, at %s only", text, count(had)), false, false
		}
		return text, reached, known
	}
}

func constant(n float64) number { return func(*results) (float64, bool) { return n, true } }

func cellOf(name string) number {
	return func(r *results) (float64, bool) {
		f := r.kinds[result.Interleaved]
		if f == nil {
			return 0, false
		}
		c := f.Cell(name)
		return medianOf(c), medianOf(c) > 0
	}
}

func medianOf(c *result.Cell) float64 {
	if c == nil || c.Failed != "" || c.Skipped != "" {
		return 0
	}
	return c.Median
}

// bestBatch is the best figure that a system has for more than one event a request.
// If any of its cells failed, the best is not known.
func bestBatch(system string) number {
	return func(r *results) (best float64, ok bool) {
		f := r.kinds[result.Interleaved]
		if f == nil {
			return 0, false
		}
		for i := range f.Cells {
			if c := &f.Cells[i]; c.System == system && c.Batch > 1 {
				if c.Failed != "" {
					return 0, false
				}
				best = math.Max(best, medianOf(c))
			}
		}
		return best, best > 0
	}
}

func figure(kind, name string) number {
	return func(r *results) (n float64, ok bool) {
		if f := r.kinds[kind]; f != nil {
			n, ok = f.Figures[name]
		}
		return n, ok
	}
}

// syncOf is the median sync of 4 KiB during a run.
func syncOf(kind string) number {
	return func(r *results) (float64, bool) {
		if f := r.kinds[kind]; f != nil {
			for _, s := range f.Syncs {
				if s.Bytes == 4<<10 {
					return s.P50, true
				}
			}
		}
		return 0, false
	}
}

// cellAt is a column of the series named like its run, in the row of a size.
func cellAt(kind string, size float64, column string) number {
	return func(r *results) (float64, bool) {
		f := r.kinds[kind]
		if f == nil {
			return 0, false
		}
		for _, s := range f.Series {
			for i, name := range s.Columns {
				for _, row := range s.Rows {
					if s.Name == kind && name == column && row[0] == size {
						return row[i], true
					}
				}
			}
		}
		return 0, false
	}
}
