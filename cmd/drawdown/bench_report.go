package main

import (
	"path/filepath"

	"drawdown/bench/report"
)

// reportCommand renders what was measured.
type reportCommand struct {
	Dir string `help:"The directory bench of the repository: results and report/notes.md are in it, README.md and charts are written to it." default:"bench" type:"path"`
}

// Run renders the report.
func (c *reportCommand) Run() error {
	files, err := report.Render(filepath.Join(c.Dir, "results"), filepath.Join(c.Dir, "report", "notes.md"))
	if err != nil {
		return err
	}
	return files.Write(c.Dir)
}
