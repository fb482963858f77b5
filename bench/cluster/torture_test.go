package cluster

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

var (
	torture = flag.Duration("torture", 0, "how long TestTorture draws faults by chance; 0 has each fault once")
	seed    = flag.Uint64("seed", 0, "of the faults; 0 draws one")
)

// program is the program under test, built once.
var program string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "drawdown-cluster-")
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

// TestTorture: whatever happens to three nodes, no acknowledged event is lost or
// doubled, and the nodes stay equal.
func TestTorture(t *testing.T) {
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	t.Logf("seed %d", *seed)
	draw := rand.New(rand.NewPCG(*seed, 1))
	// Snapshots come often and the log is short, so that faults meet them too.
	r := startRig(t, true, "--snapshot-interval", "700ms", "--snapshot-entries", "100", "--log-retention", "0")
	l := newLoad(r.Cluster, *seed)
	r.fund(l)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.run(ctx, 4)
	}()
	count := 0
	endure := func(f fault) {
		l.longest.Store(0)
		begin := time.Now()
		f.do(r, draw)
		r.awaitReady()
		if l.failed() {
			stop()
			<-done
			t.Fatalf("%s: %v", f.name, l.wrong)
		}
		acks, _, _ := l.journal()
		r.within(20*time.Second, "events are acknowledged after: "+f.name, func() bool {
			now, _, _ := l.journal()
			return now > acks
		})
		count++
		t.Logf("%-50s %5.1f s, longest pause %.2f s", f.name, time.Since(begin).Seconds(), time.Duration(l.longest.Load()).Seconds())
	}
	if *torture == 0 {
		for _, f := range faults {
			endure(f)
		}
	}
	for end := time.Now().Add(*torture); time.Now().Before(end); {
		endure(faults[draw.IntN(len(faults))])
	}
	stop()
	<-done
	r.must(l.verify(r.meter, r.currency, granted*unit, unit))
	acks, given, _ := l.journal()
	t.Logf("%d faults, %d events acknowledged, 0 lost, 0 doubled; %d batches given up, none of them counted; %d answers unknown, %d refused, %d retries",
		count, acks*l.Batch, given, l.unknowns.Load(), l.refusals.Load(), l.retries.Load())
}
