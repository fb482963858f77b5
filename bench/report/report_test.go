package report

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"drawdown/bench/result"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden: the same files give the same report, to the byte.
func TestGolden(t *testing.T) {
	files, err := Render("testdata/results", "testdata/notes.md")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := errors.Join(os.RemoveAll("testdata/golden"), files.Write("testdata/golden")); err != nil {
			t.Fatal(err)
		}
	}
	for name, got := range files {
		want, err := os.ReadFile(filepath.Join("testdata/golden", name))
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs from its golden file; look at the change and run the test with -update:\n%s", name, got)
		}
		if strings.HasSuffix(name, ".svg") {
			wellFormed(t, name, got)
		}
	}
	golden, _ := filepath.Glob("testdata/golden/*/*.svg")
	if len(golden) != len(files)-1 {
		t.Errorf("%d charts, the golden directory has %v", len(files)-1, golden)
	}
}

func wellFormed(t *testing.T, name, text string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// TestReportClaims: the newest full run counts, what is missing is unknown, what is
// too small or failed is never a goal reached, and a missed goal is explained.
func TestReportClaims(t *testing.T) {
	files, err := Render("testdata/results", "testdata/notes.md")
	if err != nil {
		t.Fatal(err)
	}
	text := files["README.md"]
	for _, want := range []string{
		"at least 20 x PostgreSQL's best batch figure | 26.2 x | yes |", // 2.1 M by 80 k, not the old 5 M or the short 7 M
		"at least 25 x Redis's best batch figure | not measured | unknown |",
		"at most 2 x that without | 1.5 x, at 100,000 only | unknown |",
		"at most 2 x the median sync of 4 KiB | 1.6 x | yes |",
		"at most 10 x the median sync | 12.4 x | no |",
		"at least 80 % of the first million's | 86.4 % | yes |", "at most 1.5 x that among 100,000 | 1.54 x | no |",
		"- **c**: Not looked into yet.", "skipped: Redis is not installed", "failed: 3 of 9 requests failed, the first: status 415: no /such form/ |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "- **d**") || strings.Contains(text, "in front of the first heading") {
		t.Error("the report explains what is reached, or takes over too much")
	}
}

// TestUnsafeIsRefused: results without syncs are in no report.
func TestUnsafeIsRefused(t *testing.T) {
	dir := t.TempDir()
	f := result.File{Kind: result.Interleaved, Commit: "abc", Unsafe: true}
	if _, err := f.Save(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Render(dir, "testdata/notes.md"); err == nil || !strings.Contains(err.Error(), "without syncs") {
		t.Fatalf("%v", err)
	}
}

// TestNothingMeasured: without results there is a report that claims nothing.
func TestNothingMeasured(t *testing.T) {
	files, err := Render(t.TempDir(), "testdata/notes.md")
	if err != nil || strings.Count(files["README.md"], "| not measured | unknown |") != len(goals) {
		t.Fatalf("%v\n%s", err, files["README.md"])
	}
}

// TestRepositoryReport: what is in the repository is what its results give.
func TestRepositoryReport(t *testing.T) {
	files, err := Render("../results", "notes.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", name))
		if err != nil || string(got) != want {
			t.Errorf("bench/%s is not what the results give (%v): run make report", name, err)
		}
	}
	charts, _ := filepath.Glob("../charts/*")
	for _, chart := range charts {
		if _, ok := files["charts/"+filepath.Base(chart)]; !ok {
			t.Errorf("%s is in no report", chart)
		}
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[float64][2]string{
		0: {"0", "0"}, .0381: {"0.0381", "0.04"}, 1.5: {"1.5", "1.5"}, 12.34: {"12.3", "12.3"}, 999.7: {"1000", "1 k"}, 1234: {"1,234", "1.23 k"},
		1_234_567: {"1,234,567", "1.23 M"}, 50e6: {"50,000,000", "50 M"}, 100: {"100", "100"}, 3e9: {"3,000,000,000", "3 G"},
	} {
		if got := [2]string{short(n), brief(n)}; got != want {
			t.Errorf("%v: %q, want %q", n, got, want)
		}
	}
	for most, want := range map[float64]float64{0: 1, 1: 1, 1.1: 1.2, 110_000: 120_000, 7: 8, 9.1: 10} {
		if got := nice(most); got != want {
			t.Errorf("nice(%v) is %v, want %v", most, got, want)
		}
	}
	if !slices.Equal(linearTicks(8), []float64{0, 2, 4, 6, 8}) {
		t.Error(linearTicks(8))
	}
}
