package bench

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestReadme runs the commands that the README shows on a fresh node and compares
// what they print with what the README says they do.
func TestReadme(t *testing.T) {
	for _, tool := range []string{"bash", "curl", "grep"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the README's commands need %s", tool)
		}
	}
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	node, _ := startNode(t)
	steps := consoleBlocks(string(text))
	if len(steps) < 4 {
		t.Fatalf("the README shows %d commands", len(steps))
	}
	for _, step := range steps {
		command := strings.ReplaceAll(step.command, "127.0.0.1:8080", node.Addr)
		output, err := exec.CommandContext(t.Context(), "bash", "-c", command).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v", command, err)
		}
		if got := strings.TrimSpace(string(output)); got != step.output {
			t.Errorf("%s\nprints\n%s\nthe README says\n%s", command, got, step.output)
		}
	}
}

type consoleStep struct{ command, output string }

// consoleBlocks finds the commands ("$ " in front) and outputs in the blocks that
// are marked as console.
func consoleBlocks(text string) (steps []consoleStep) {
	for _, block := range strings.Split(text, "```console\n")[1:] {
		body, _, _ := strings.Cut(block, "```")
		for _, part := range strings.Split("\n"+body, "\n$ ")[1:] {
			command, output, _ := strings.Cut(part, "\n")
			steps = append(steps, consoleStep{command, strings.TrimSpace(output)})
		}
	}
	return steps
}
