package bench

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

var kills = flag.Int("kills", 6, "how often TestKill kills the node")

// program is the program under test, built once.
var program string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "drawdown-bench-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "drawdown")
		build := exec.Command("go", "build", "-o", program, "drawdown/cmd/drawdown")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "building the program under test:", err)
			return 1
		}
		return m.Run()
	}())
}

func startNode(t *testing.T, args ...string) (*Node, *Client) {
	t.Helper()
	node, err := NewNode(program, t.TempDir(), args...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := node.Kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the node's log:\n%s", tail(node.LogPath()))
		}
	})
	return node, NewClient(node.URL())
}

// TestKill kills the node in the middle of load, again and again. After each
// restart every batch that was ever acknowledged must be known in full (I1, I2),
// and in the end the balances must be exactly what the events make them (I3).
func TestKill(t *testing.T) {
	// Snapshots come often, so that kills meet them too.
	node, client := startNode(t, "--snapshot-interval", "300ms", "--snapshot-entries", "50")
	w := Workload{Seed: rand.Uint64(), EventName: "tokens", Customers: 100, Batch: 20}
	t.Logf("seed %d", w.Seed)
	const decimals, unit, grant = 2, 100, 10_000_000
	meter, err := client.CreateMeter(w.EventName, decimals)
	if err != nil {
		t.Fatal(err)
	}
	for i := range w.Customers {
		if err := client.Grant(w.Customer(i), meter.CurrencyID, fmt.Sprint(grant)); err != nil {
			t.Fatal(err)
		}
	}
	const batchesPerKill = 50_000 // more than can be sent before the kill
	run := NewRun(w, client, 4, batchesPerKill**kills)
	var restarts []time.Duration
	for round := range *kills {
		loadThenKill(t, run, node, time.Duration(100+rand.IntN(500))*time.Millisecond)
		took, err := node.Start(t.Context())
		if err != nil {
			t.Fatalf("restart %d: %v", round, err)
		}
		restarts = append(restarts, took)
		client.Forget()
		if check, err := client.Check(); err != nil || !check.OK {
			t.Fatalf("restart %d: check: %v %v", round, err, check.Violations)
		}
	}
	acked := run.Acked()
	if err := run.Verify(); err != nil {
		t.Fatal(err)
	}
	// What was cut off is sent again; then the sums must be exact.
	events, err := run.Finish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := run.VerifyBalances(meter.CurrencyID, grant*unit, unit); err != nil {
		t.Fatal(err)
	}
	if count, err := client.EventCount(meter.ID); err != nil || count != events {
		t.Fatalf("%d events counted, %d sent (%v)", count, events, err)
	}
	slices.Sort(restarts)
	t.Logf("%d kills, %d of %d events acknowledged before the last one; 0 lost, 0 doubled; restart median %v, longest %v",
		*kills, acked*w.Batch, events, restarts[len(restarts)/2], restarts[len(restarts)-1])
}

// loadThenKill sends batches for a while and then kills the node under them.
func loadThenKill(t *testing.T, run *Run, node *Node, d time.Duration) {
	t.Helper()
	sent := make(chan error, 1)
	go func() { sent <- run.Send(context.Background()) }()
	select {
	case err := <-sent:
		t.Fatalf("the load ended before the kill: %v", err)
	case <-time.After(d):
	}
	if err := node.Kill(); err != nil {
		t.Fatal(err)
	}
	<-sent
}
