package bench

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"drawdown/bench/load"
	"drawdown/bench/result"
)

// million is the step in which growing figures are told, at full size.
const million = 1_000_000

// step is a fiftieth of what a run grows to.
func (g *growth) step() int64 { return max(1, min(million, int64(g.Max)/50)) }

// growLimit is how long a node may take for all of a growth.
const growLimit = 2 * time.Hour

// usualCustomers is how many customers a load has when they are not what grows.
const usualCustomers = 100_000

// growIdentifiers reports events until there are so many identifiers, and notes
// rate, memory and disk behind each step.
func growIdentifiers(ctx context.Context, g *growth) error {
	customers := min(usualCustomers, max(1, g.Max/100))
	if err := g.freshWithCustomers(ctx, customers); err != nil {
		return err
	}
	series := result.Series{Name: "identifiers", Columns: []string{"identifiers", "events_per_sec", "resident_bytes", "disk_bytes"}}
	m, peak, err := g.grow(ctx, customers, g.Max, &series)
	if err != nil {
		return err
	}
	g.file.Series = append(g.file.Series, series)
	rates := column(series, 1)
	if len(rates) < 2 {
		return fmt.Errorf("%d identifiers came too quickly to be told apart: --max must be larger", g.Max)
	}
	last := rates[max(1, len(rates)-5):]
	g.file.Figures["identifiers"] = float64(m.Acknowledged)
	g.file.Figures["step_identifiers"] = float64(g.step())
	g.file.Figures["first_step_events_per_sec"] = rates[0]
	g.file.Figures["last_steps_events_per_sec"] = result.Median(last)
	g.file.Figures["peak_resident_bytes"] = peak
	return nil
}

func column(s result.Series, i int) (values []float64) {
	for _, row := range s.Rows {
		values = append(values, row[i])
	}
	return values
}

func (g *growth) freshWithCustomers(ctx context.Context, customers int, args ...string) error {
	if err := g.fresh(ctx, args...); err != nil {
		return err
	}
	return g.populate(ctx, customers, 1)
}

// grow reports so many events, with a row for each step, and answers the most
// memory in bytes that the node had in use.
func (g *growth) grow(ctx context.Context, customers, events int, series *result.Series) (m load.Measured, peak float64, err error) {
	o, err := g.usualLoad(customers)
	if err != nil {
		return m, 0, err
	}
	o.Warmup, o.Duration, o.Limit = 0, growLimit, int64(events)
	lastEvents, lastTime := int64(0), time.Now()
	o.Sample = func(events int64) {
		resident, _ := residentBytes(g.pid())
		peak = max(peak, float64(resident))
		if now := time.Now(); events-lastEvents >= g.step() {
			rate := float64(events-lastEvents) / now.Sub(lastTime).Seconds()
			series.Add(float64(events), rate, float64(resident), float64(diskBytes(g.node.Dir)))
			lastEvents, lastTime = events, now
		}
	}
	m, err = g.drive(ctx, o)
	return m, peak, err
}

// diskBytes is how much the files below a directory hold. Files that go while it
// looks are left out.
func diskBytes(dir string) (bytes int64) {
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			if info, err := entry.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}

// sizes are the powers of ten from least to most, and most.
func sizes(least, most int) (all []int) {
	for size := least; size < most; size *= 10 {
		all = append(all, size)
	}
	return append(all, most)
}

// growCustomers gives ever more customers a grant each, and notes what one costs in
// memory, and what an event costs in processor time among so many.
func growCustomers(ctx context.Context, g *growth) error {
	series := result.Series{Name: "customers", Columns: []string{
		"customers", "resident_bytes_per_customer", "heap_bytes_per_customer", "grants_per_sec", "events_per_sec", "cpu_ns_per_event",
	}}
	for _, customers := range sizes(10_000, g.Max) {
		if err := g.customersRow(ctx, customers, &series); err != nil {
			return fmt.Errorf("%d customers: %w", customers, err)
		}
	}
	g.file.Series = append(g.file.Series, series)
	return nil
}

// customersRow measures a node with so many customers. Its memory is looked at
// behind a snapshot, when the index has put its part on disk, against what it was
// right after the start; the heap is what Go's runtime says is in use.
func (g *growth) customersRow(ctx context.Context, customers int, series *result.Series) error {
	if err := g.fresh(ctx); err != nil {
		return err
	}
	residentBefore, heapBefore, err := g.memory()
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := g.populate(ctx, customers, 1); err != nil {
		return err
	}
	grants := float64(customers) / time.Since(begin).Seconds()
	if _, err := g.client.Snapshot(); err != nil {
		return err
	}
	awaitRest(g.pid(), g.Duration)
	resident, heap, err := g.memory()
	if err != nil {
		return err
	}
	rate, cpu, err := g.costOfEvents(ctx, customers)
	if err != nil {
		return err
	}
	n := float64(customers)
	series.Add(n, (resident-residentBefore)/n, (heap-heapBefore)/n, grants, rate, cpu)
	g.say("%d customers: %.0f bytes each, %.0f ns an event", customers, (resident-residentBefore)/n, cpu)
	return nil
}

func (g *growth) memory() (resident, heap float64, err error) {
	bytes, err := residentBytes(g.pid())
	if err != nil {
		return 0, 0, err
	}
	figures, err := g.client.figures(metricHeap)
	if err != nil {
		return 0, 0, err
	}
	return float64(bytes), figures[0], nil
}

// costOfEvents is the rate of the usual load and the node's processor time for an
// event, in nanoseconds.
func (g *growth) costOfEvents(ctx context.Context, customers int) (rate, cpu float64, err error) {
	o, err := g.usualLoad(customers)
	if err != nil {
		return 0, 0, err
	}
	var used time.Duration
	o.Begin = func() error { used = processorTimeOf(g.pid()); return nil }
	m, err := g.drive(ctx, o)
	if err != nil {
		return 0, 0, err
	}
	used = processorTimeOf(g.pid()) - used
	return m.EventsPerSec, float64(used) / float64(m.Events), nil
}

// grantCustomers hold many grants each.
const grantCustomers = 1_000

// growGrants gives each customer ever more grants.
func growGrants(ctx context.Context, g *growth) error {
	series := result.Series{Name: "grants", Columns: []string{"grants_per_customer", "resident_bytes_per_grant", "events_per_sec", "cpu_ns_per_event"}}
	for _, each := range sizes(1, g.Max) {
		if err := g.fresh(ctx); err != nil {
			return err
		}
		before, _, err := g.memory()
		if err != nil {
			return err
		}
		if err := g.populate(ctx, grantCustomers, each); err != nil {
			return err
		}
		after, _, err := g.memory()
		if err != nil {
			return err
		}
		rate, cpu, err := g.costOfEvents(ctx, grantCustomers)
		if err != nil {
			return err
		}
		series.Add(float64(each), (after-before)/float64(each*grantCustomers), rate, cpu)
		g.say("%d grants each: %.0f events/s, %.0f ns an event", each, rate, cpu)
	}
	g.file.Series = append(g.file.Series, series)
	return nil
}

// pageSamples is how many customers' newest pages are read at each size.
const pageSamples = 300

// growHistory reports events and reads newest pages in between: a customer's last
// 20 transactions, as a billing page shows them.
func growHistory(ctx context.Context, g *growth) error {
	const customers = 10_000
	if err := g.freshWithCustomers(ctx, customers); err != nil {
		return err
	}
	series := result.Series{Name: "history", Columns: []string{"rows", "page_p50_ms", "page_p99_ms", "disk_bytes_per_row"}}
	rows := 0
	for _, size := range sizes(min(million/10, g.Max), g.Max) {
		var steps result.Series
		if _, _, err := g.grow(ctx, customers, size-rows, &steps); err != nil {
			return err
		}
		rows = size
		if _, err := g.client.Snapshot(); err != nil {
			return err
		}
		awaitRest(g.pid(), g.Duration)
		var took []float64
		for range pageSamples {
			begin := time.Now()
			customer := load.CustomerName(uint32(rand.IntN(customers)))
			var page struct{ Data []struct{ ID string } }
			if err := g.client.Send("GET", "/api/credit-transactions?customer_id="+url.QueryEscape(customer), nil, &page); err != nil {
				return err
			}
			if len(page.Data) == 0 {
				return fmt.Errorf("%s has no transactions", customer)
			}
			took = append(took, time.Since(begin).Seconds()*1000)
		}
		slices.Sort(took)
		disk := float64(diskBytes(filepath.Join(g.node.Dir, "data", "index"))) / float64(rows)
		series.Add(float64(rows), result.Median(took), took[len(took)*99/100], disk)
		g.say("%d rows: a page %.2f ms, %.0f bytes a row", rows, result.Median(took), disk)
	}
	g.file.Series = append(g.file.Series, series)
	return nil
}
