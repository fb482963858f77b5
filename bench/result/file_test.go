package result

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"drawdown/bench/load"
)

// TestSaveAndLoad: what is saved is loaded again, the newest first.
func TestSaveAndLoad(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "results")
	day := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	old := File{Kind: "restart", Date: day, Commit: "abc", Figures: map[string]float64{"ready_seconds": 1.5}}
	young := File{Kind: Interleaved, Date: day.AddDate(0, 0, 1), Commit: "def", Cells: []Cell{{Name: "x", Tried: map[int]float64{2: 3}}}}
	for _, c := range []struct {
		file File
		name string
	}{{old, "2026-01-02-abc-restart.json"}, {young, "2026-01-03-def.json"}} {
		if path, err := c.file.Save(dir); err != nil || filepath.Base(path) != c.name {
			t.Fatal(path, err)
		}
	}
	for suffix, f := range map[string]File{"-short": {Short: true}, "-short-unsafe": {Short: true, Unsafe: true}} {
		f.Kind, f.Date, f.Commit = Interleaved, day, "abc"
		path, err := f.Save(dir)
		if err != nil || filepath.Base(path) != "2026-01-02-abc"+suffix+".json" {
			t.Fatal(path, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Load(dir)
	if err != nil || !reflect.DeepEqual(got, []File{young, old}) {
		t.Fatalf("%v\n%+v", err, got)
	}
	if got[0].Cell("x") == nil || got[0].Cell("y") != nil {
		t.Error("a cell is not found, or one is that is not there")
	}
	if err := os.WriteFile(filepath.Join(dir, "broken.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "broken.json") {
		t.Errorf("%v", err)
	}
}

// TestSumUp: medians over the rounds; a cell that failed or was skipped has none.
func TestSumUp(t *testing.T) {
	round := func(rate, p99 float64) Round {
		return Round{Measured: load.Measured{EventsPerSec: rate, Latency: load.Latency{P50: p99 / 2, P99: p99}}}
	}
	c := Cell{Rounds: []Round{round(30, 4), round(10, 8), round(20, 6)}}
	if c.SumUp(); c.Median != 20 || c.Min != 10 || c.Max != 30 || c.P99 != 6 || c.P50 != 3 {
		t.Errorf("%+v", c)
	}
	for _, none := range []Cell{{Rounds: c.Rounds, Failed: "x", Median: 7}, {Rounds: c.Rounds, Skipped: "x"}, {}} {
		if none.SumUp(); none.Median != 0 || none.Max != 0 {
			t.Errorf("%+v", none)
		}
	}
	if Median([]float64{1, 2, 3, 10}) != 2.5 || Median(nil) != 0 {
		t.Error("the median is wrong")
	}
}

// TestDisk: every size is sampled, and takes time.
func TestDisk(t *testing.T) {
	d, err := NewDisk(t.TempDir(), 4<<10, 64<<10)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for range 2 {
		if err := d.Sample(5); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range d.Syncs() {
		if s.Samples != 10 || s.P50 <= 0 || s.P99 < s.P50 {
			t.Errorf("%+v", s)
		}
	}
	if m := ThisMachine(); m.Cores < 1 || m.Memory == 0 || m.Kernel == "" {
		t.Errorf("%+v", m)
	}
}
