package report

import (
	"fmt"
	"strings"

	"drawdown/bench/result"
)

// writeCompared shows the interleaved run.
func (p *page) writeCompared() {
	f := p.results.kinds[result.Interleaved]
	if f == nil {
		return
	}
	p.say("## This engine and others, in turn\n")
	p.say("%d rounds of %s s for each cell, %s customers; medians, in brackets the least and the most.\n", f.Rounds, short(f.Seconds), count(float64(f.Customers)))
	if f.Short {
		p.say("This was a short run; its figures are rough.\n")
	}
	p.note("compared")
	p.chart("batches", "events a second in batches", bars("Many events a request", "events a second, logarithmic; medians, least and most", barsOf(f, true), true))
	p.chart("singles", "events a second, one a request", bars("One event a request", "events a second; medians, least and most", barsOf(f, false), false))
	p.say("| cell | events a request | connections | events/s | p50 | p99 | server, client CPU an event |\n|---|---|---|---|---|---|---|")
	for i := range f.Cells {
		p.writeCell(&f.Cells[i])
	}
	p.say("")
	p.writeVersions(f)
}

func (p *page) writeCell(c *result.Cell) {
	if note := whyNone(c); note != "" {
		p.say("| %s | %s | %d | %s | | | |", c.Name, count(float64(c.Batch)), c.Connections, note)
		return
	}
	var server, client []float64
	for i := range c.Rounds {
		server, client = append(server, c.Rounds[i].ServerCPU), append(client, c.Rounds[i].ClientCPU)
	}
	p.say("| %s | %s | %d | %s (%s to %s) | %s ms | %s ms | %s, %s ns |", c.Name, count(float64(c.Batch)), c.Connections, count(c.Median),
		brief(c.Min), brief(c.Max), short(c.P50), short(c.P99), short(result.Median(server)), short(result.Median(client)))
}

// whyNone is why a cell has no figures; "" if it has.
func whyNone(c *result.Cell) string {
	switch {
	case c.Skipped != "":
		return "skipped: " + plainCell(c.Skipped)
	case c.Failed != "":
		return "failed: " + plainCell(c.Failed)
	case c.Median <= 0:
		return "no figures"
	}
	return ""
}

// plainCell makes a message fit into a table.
func plainCell(text string) string {
	text = strings.NewReplacer("\n", " ", "|", "/").Replace(text)
	if len(text) > 200 {
		text = text[:200] + " ..."
	}
	return text
}

func (p *page) writeVersions(f *result.File) {
	var texts []string
	seen := map[string]bool{}
	for i := range f.Cells {
		c := &f.Cells[i]
		if c.Version != "" && !seen[c.System] {
			seen[c.System] = true
			texts = append(texts, fmt.Sprintf("%s: %s", c.System, c.Version))
		}
	}
	p.say("Versions: %s.\n", strings.Join(texts, "; "))
}

func barsOf(f *result.File, batches bool) (all []bar) {
	for i := range f.Cells {
		if c := &f.Cells[i]; c.Batch > 1 == batches {
			note, _, _ := strings.Cut(whyNone(c), ":")
			all = append(all, bar{
				label: c.Name, value: medianOf(c), least: c.Min, most: c.Max, note: note, ours: c.System == "drawdown",
			})
		}
	}
	return all
}

// growthTitles are the headings of the growth runs, in the order of the page.
var growthTitles = []struct{ kind, title string }{
	{"idle-latency", "Latency, idle and at half load"},
	{"snapshot-stall", "Latency while snapshots are taken"},
	{"allocations", "Allocations and garbage collection"},
	{"restart", "Restart"},
	{"customers", "Growing customers"},
	{"grants", "Growing grants of a customer"},
	{"identifiers", "Growing identifiers"},
	{"history", "Growing history"},
}

// writeGrowth shows the other runs: their figures, series and a chart.
func (p *page) writeGrowth() {
	for _, run := range growthTitles {
		f := p.results.kinds[run.kind]
		if f == nil {
			continue
		}
		p.say("## %s\n", run.title)
		if f.Short {
			p.say("This was a short run; its figures are rough.\n")
		}
		p.note(run.kind)
		p.writeFigures(f)
		for i := range f.Series {
			p.writeSeries(&f.Series[i])
		}
	}
}

func (p *page) writeFigures(f *result.File) {
	if len(f.Figures) == 0 {
		return
	}
	p.say("| figure | |\n|---|---|")
	for _, name := range sortedKeys(f.Figures) {
		p.say("| %s | %s |", spoken(name), short(f.Figures[name]))
	}
	p.say("")
}

// spoken is a column's or a figure's name in words.
func spoken(name string) string { return strings.ReplaceAll(name, "_", " ") }

// charted are the series that are drawn: which column, and what to call it.
var charted = map[string]struct {
	column int
	title  string
}{
	"identifiers": {1, "Events a second as identifiers grow"},
}

// maxRows is how many rows of a series a table shows; longer ones are thinned out.
const maxRows = 12

func (p *page) writeSeries(s *result.Series) {
	if c, ok := charted[s.Name]; ok && len(s.Rows) > 1 {
		var xs, ys []float64
		for _, row := range s.Rows {
			xs, ys = append(xs, row[0]), append(ys, row[c.column])
		}
		p.chart(s.Name, c.title, lines(c.title, spoken(s.Columns[0]), spoken(s.Columns[c.column]), xs, ys))
	}
	var head []string
	for _, column := range s.Columns {
		head = append(head, spoken(column))
	}
	p.say("| %s |\n|%s", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	stride := (len(s.Rows) + maxRows - 1) / maxRows
	for i, row := range s.Rows {
		if i%stride != 0 && i != len(s.Rows)-1 {
			continue
		}
		var texts []string
		for _, value := range row {
			texts = append(texts, short(value))
		}
		p.say("| %s |", strings.Join(texts, " | "))
	}
	p.say("")
}
