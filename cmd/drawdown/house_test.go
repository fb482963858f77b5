package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// allowed is who may import whom of our own packages: arrows point down only.
var allowed = map[string][]string{
	"drawdown/cmd/drawdown":  {"drawdown/api", "drawdown/raftstore", "drawdown/engine/index", "drawdown/engine/ledger", "drawdown/bench", "drawdown/bench/load", "drawdown/bench/peer", "drawdown/bench/report", "drawdown/bench/result"},
	"drawdown/api":           {"drawdown/engine/ledger"},
	"drawdown/raftstore":     {"drawdown/engine", "drawdown/engine/ledger", "drawdown/wal"},
	"drawdown/engine":        {"drawdown/engine/ledger", "drawdown/engine/index"},
	"drawdown/engine/ledger": {},
	"drawdown/engine/index":  {},
	"drawdown/wal":           {},
	"drawdown/bench":         {"drawdown/bench/load", "drawdown/bench/peer", "drawdown/bench/result"},
	"drawdown/bench/load":    {},
	// The parse-only server reads batches with the very scanner of the interface.
	"drawdown/bench/peer":    {"drawdown/bench/load", "drawdown/api"},
	"drawdown/bench/result":  {"drawdown/bench/load"},
	"drawdown/bench/report":  {"drawdown/bench/result"},
	"drawdown/bench/cluster": {"drawdown/bench"},
}

// TestArrowsPointDown holds the imports against the layering of ARCHITECTURE.md.
func TestArrowsPointDown(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "drawdown/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		name, imports := fields[0], fields[1:]
		may, known := allowed[name]
		if !known {
			t.Errorf("%s is not in the layering: add it to this test and to ARCHITECTURE.md", name)
		}
		for _, imported := range imports {
			if strings.HasPrefix(imported, "drawdown/") && !slices.Contains(may, imported) {
				t.Errorf("%s imports %s, which is not below it", name, imported)
			}
		}
	}
}

// TestLedgerIsPure: the domain stands on the standard library alone (I8).
func TestLedgerIsPure(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", `{{if not .Standard}}{{.ImportPath}}{{end}}`,
		"drawdown/engine/ledger").Output()
	if err != nil {
		t.Fatal(err)
	}
	if deps := strings.Fields(string(out)); !slices.Equal(deps, []string{"drawdown/engine/ledger"}) {
		t.Errorf("engine/ledger depends on %v", deps)
	}
}
