package report

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"drawdown/bench/result"
)

// Files are a report: README.md and charts, by their paths below the report's
// directory.
type Files map[string]string

// results are the newest files of each kind.
type results struct {
	kinds map[string]*result.File
	order []string // kinds, the interleaved run first, then by name
}

// newest takes of each kind the newest file, of full size if there is one. Results
// of runs without syncs are refused: they must not stand beside the others.
func newest(files []result.File) (*results, error) {
	r := &results{kinds: map[string]*result.File{}}
	for i := range files {
		f := &files[i]
		if f.Unsafe {
			return nil, fmt.Errorf("the results of kind %s at %s are of a run without syncs and are never shown: move the file away", f.Kind, f.Commit)
		}
		if had := r.kinds[f.Kind]; had == nil || had.Short && !f.Short {
			r.kinds[f.Kind] = f
		}
	}
	for kind := range r.kinds {
		r.order = append(r.order, kind)
	}
	slices.SortFunc(r.order, func(a, b string) int {
		if (a == result.Interleaved) != (b == result.Interleaved) {
			if a == result.Interleaved {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	return r, nil
}

// Render makes the report of the results in a directory and the notes in a file.
func Render(resultsDir, notesPath string) (Files, error) {
	files, err := result.Load(resultsDir)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(notesPath)
	if err != nil {
		return nil, err
	}
	r, err := newest(files)
	if err != nil {
		return nil, err
	}
	out := Files{}
	p := &page{out: out, results: r, notes: parseNotes(string(text))}
	p.write()
	out["README.md"] = p.String()
	return out, nil
}

// Write writes the files below a directory.
func (f Files) Write(dir string) error {
	for name, text := range f {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// notes are the hand-written parts, by the headings ("## name") that they are
// under.
type notes map[string]string

func parseNotes(text string) notes {
	n := notes{}
	for _, part := range strings.Split("\n"+text, "\n## ")[1:] {
		name, body, _ := strings.Cut(part, "\n")
		n[strings.TrimSpace(name)] = strings.TrimSpace(body)
	}
	return n
}

// page is README.md as it is being written.
type page struct {
	strings.Builder
	out     Files
	results *results
	notes   notes
}

func (p *page) say(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func (p *page) write() {
	p.say("# What was measured\n")
	p.say("Rendered by `make report` from the files in [results](results) and the notes in [report/notes.md](report/notes.md);")
	p.say("not to be edited. `make bench` and `make bench-growth` measure anew.\n")
	p.note("method")
	p.writeGoals()
	p.writeCompared()
	p.writeGrowth()
	p.writeRuns()
}

func (p *page) note(name string) {
	if text := p.notes[name]; text != "" {
		p.say("%s\n", text)
	}
}

// writeGoals shows each goal and, under the table, what stands between where it is
// not reached.
func (p *page) writeGoals() {
	p.say("## Goals\n")
	p.say("| | goal | measured | reached |\n|---|---|---|---|")
	var missed []string
	for _, g := range goals {
		measured, reached, known := g.measure(p.results)
		verdict := "no"
		switch {
		case !known:
			verdict = "unknown"
		case reached:
			verdict = "yes"
		case !slices.Contains(missed, g.letter):
			missed = append(missed, g.letter)
		}
		p.say("| %s | %s | %s | %s |", g.letter, g.what, measured, verdict)
	}
	p.say("")
	if len(missed) > 0 {
		p.say("### What stands between\n")
	}
	for _, letter := range missed {
		text := p.notes[letter]
		if text == "" {
			text = "Not looked into yet."
		}
		p.say("- **%s**: %s", letter, strings.ReplaceAll(text, "\n", "\n  "))
	}
	if len(missed) > 0 {
		p.say("")
	}
}

// chart adds a chart and shows it.
func (p *page) chart(name, alt, svg string) {
	path := "charts/" + name + ".svg"
	p.out[path] = svg
	p.say("![%s](%s)\n", alt, path)
}

// writeRuns says what was run where.
func (p *page) writeRuns() {
	p.say("## Runs\n")
	p.say("| run | date | commit | machine | sync of 4 KiB, 64 KiB (median) |\n|---|---|---|---|---|")
	for _, kind := range p.results.order {
		f := p.results.kinds[kind]
		size := ""
		if f.Short {
			size = ", short"
		}
		p.say("| %s%s | %s | %s | %s | %s |", kind, size, f.Date.UTC().Format("2006-01-02 15:04"), f.Commit, machine(f.Machine), syncs(f.Syncs))
	}
}

func machine(m result.Machine) string {
	return fmt.Sprintf("%d cores, %s, %.0f GiB, Linux %s, %s", m.Cores, m.CPU, float64(m.Memory)/(1<<30), m.Kernel, m.Go)
}

func syncs(all []result.Sync) string {
	var texts []string
	for _, s := range all {
		texts = append(texts, short(s.P50)+" ms")
	}
	return strings.Join(texts, ", ")
}
