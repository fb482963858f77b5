// Package result is what measurements leave behind: one JSON file for each run, and
// nothing that is shown anywhere comes from elsewhere.
package result

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"drawdown/bench/load"
)

// Interleaved is the kind of a run that compares systems. The other kinds are the
// names of the growth runs.
const Interleaved = "interleaved"

// File is a run.
type File struct {
	Kind    string    `json:"kind"`
	Date    time.Time `json:"date"`
	Commit  string    `json:"commit"`
	Unsafe  bool      `json:"unsafe,omitempty"` // without syncs: not to be shown beside others
	Short   bool      `json:"short,omitempty"`  // smaller than the goals ask for
	Machine Machine   `json:"machine"`
	Syncs   []Sync    `json:"syncs,omitempty"`

	// Of an interleaved run.
	Rounds    int     `json:"rounds,omitempty"`
	Seconds   float64 `json:"seconds,omitempty"` // of one measurement
	Customers int     `json:"customers,omitempty"`
	Cells     []Cell  `json:"cells,omitempty"`

	// Of a growth run.
	Figures map[string]float64 `json:"figures,omitempty"` // the unit is at the end of the name
	Series  []Series           `json:"series,omitempty"`
}

// Machine is what a run was done on.
type Machine struct {
	Cores  int    `json:"cores"`
	CPU    string `json:"cpu"`
	Kernel string `json:"kernel"`
	Memory uint64 `json:"memory_bytes"`
	Go     string `json:"go"`
}

// Sync is what a write and a sync of so many bytes took during the run, to a file
// that was filled with zeros before, in the directory that the systems write to.
type Sync struct {
	Bytes   int     `json:"bytes"`
	Samples int     `json:"samples"`
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
}

// Cell is one system under one load, over all rounds.
type Cell struct {
	Name        string          `json:"name"`
	System      string          `json:"system"`
	Version     string          `json:"version,omitempty"`
	Batch       int             `json:"batch"`
	Form        string          `json:"form,omitempty"` // how the batch is sent, where there are several ways
	Connections int             `json:"connections"`
	Tried       map[int]float64 `json:"tried,omitempty"` // events/s by connections, before the first round
	Rounds      []Round         `json:"rounds,omitempty"`
	Skipped     string          `json:"skipped,omitempty"` // why there are no figures: the system is not there
	Failed      string          `json:"failed,omitempty"`  // why there are no figures: a request or a check failed
	// Over the rounds; all zero when skipped or failed.
	Median float64 `json:"median_events_per_sec"`
	Min    float64 `json:"min_events_per_sec"`
	Max    float64 `json:"max_events_per_sec"`
	P50    float64 `json:"median_p50_ms"`
	P99    float64 `json:"median_p99_ms"`
}

// Round is one measurement of a cell.
type Round struct {
	load.Measured
	// ServerCPU is the system's processor time for one event, in nanoseconds.
	ServerCPU float64 `json:"server_cpu_ns_per_event"`
}

// Series is a table of figures that belong together; the units are in the columns'
// names.
type Series struct {
	Name    string      `json:"name"`
	Columns []string    `json:"columns"`
	Rows    [][]float64 `json:"rows"`
}

// Add appends a row.
func (s *Series) Add(row ...float64) { s.Rows = append(s.Rows, row) }

// SumUp computes what a cell says over all rounds. A cell that failed says nothing.
func (c *Cell) SumUp() {
	c.Median, c.Min, c.Max, c.P50, c.P99 = 0, 0, 0, 0, 0
	if c.Skipped != "" || c.Failed != "" || len(c.Rounds) == 0 {
		return
	}
	of := func(value func(*Round) float64) []float64 {
		var values []float64
		for i := range c.Rounds {
			values = append(values, value(&c.Rounds[i]))
		}
		return values
	}
	rates := of(func(r *Round) float64 { return r.EventsPerSec })
	c.Median, c.Min, c.Max = Median(rates), slices.Min(rates), slices.Max(rates)
	c.P50 = Median(of(func(r *Round) float64 { return r.Latency.P50 }))
	c.P99 = Median(of(func(r *Round) float64 { return r.Latency.P99 }))
}

// Median is the middle value, of an even number the mean of the two in the middle;
// 0 of none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// Save writes the file into a directory, under its date, commit and kind; a short
// run or one without syncs does not take a proper run's place.
func (f *File) Save(dir string) (path string, err error) {
	text, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return "", err
	}
	name := f.Date.UTC().Format("2006-01-02") + "-" + f.Commit
	if f.Kind != Interleaved {
		name += "-" + f.Kind
	}
	if f.Short {
		name += "-short"
	}
	if f.Unsafe {
		name += "-unsafe"
	}
	path = filepath.Join(dir, name+".json")
	return path, errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(path, append(text, '\n'), 0o644))
}

// Load reads all files of a directory, the newest first.
func Load(dir string) (files []File, err error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var f File
		if err := json.Unmarshal(text, &f); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		files = append(files, f)
	}
	slices.SortStableFunc(files, func(a, b File) int {
		if c := b.Date.Compare(a.Date); c != 0 {
			return c
		}
		return strings.Compare(a.Kind, b.Kind)
	})
	return files, nil
}

// Cell finds a cell by its name; nil when there is none.
func (f *File) Cell(name string) *Cell {
	for i := range f.Cells {
		if f.Cells[i].Name == name {
			return &f.Cells[i]
		}
	}
	return nil
}
