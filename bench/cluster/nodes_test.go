package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestLeaderKilled: the others go on within three seconds.
func TestLeaderKilled(t *testing.T) {
	r := startRig(t, false)
	l := newLoad(r.Cluster, rand.Uint64())
	r.fund(l)
	leader := r.leader()
	r.must(leader.Kill())
	killed := time.Now()
	body := l.Body(nil, 0)
	for {
		acknowledged := false
		for _, n := range r.Nodes() {
			if n != leader {
				if _, err := sendBatch(n, body); err == nil {
					acknowledged = true
				}
			}
		}
		if acknowledged {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	took := time.Since(killed)
	t.Logf("acknowledged again after %v", took)
	if took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestReadYourWrites: a write through one node is seen through every other, at once
// by default and with min_index also in a stale read.
func TestReadYourWrites(t *testing.T) {
	r := startRig(t, false)
	l := newLoad(r.Cluster, rand.Uint64())
	r.fund(l)
	nodes := r.Nodes()
	for i := range 30 {
		writer, reader := nodes[i%3], nodes[(i+1)%3]
		index := r.send(writer, l.Body(nil, i))
		want := (i + 1) * l.Batch
		var page struct{ Count int }
		r.must(call(reader, http.MethodGet, "/api/meter-events?pageSize=1&meter_id="+r.meter, nil, &page))
		if page.Count != want {
			t.Fatalf("linearizable: %d events, %d were written", page.Count, want)
		}
		r.must(call(nodes[(i+2)%3], http.MethodGet, "/api/meter-events?pageSize=1&consistency=stale&min_index="+index+"&meter_id="+r.meter, nil, &page))
		if page.Count != want {
			t.Fatalf("stale from %s on: %d events, %d were written", index, page.Count, want)
		}
	}
}

// send sends a batch and answers its index.
func (r *rig) send(n *Node, body []byte) (index string) {
	r.Helper()
	response, err := http.Post(n.URL()+"/api/meter-events/batch", "application/json", strings.NewReader(string(body)))
	r.must(err)
	defer response.Body.Close()
	index = response.Header.Get("Drawdown-Index")
	if response.StatusCode != http.StatusOK || index == "" {
		r.Fatalf("%d, index %q", response.StatusCode, index)
	}
	return index
}

// TestFullDisk: a node whose disk is full ends or refuses, the others go on, and with
// room again it catches up.
func TestFullDisk(t *testing.T) {
	r := startRig(t, false, "--snapshot-interval", "700ms", "--snapshot-entries", "100")
	l := newLoad(r.Cluster, rand.Uint64())
	r.fund(l)
	n := r.follower()
	r.must(n.Stop())
	small := t.TempDir()
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=400m"); err != nil {
		t.Skip("a small disk needs the right to mount: ", err)
	}
	t.Cleanup(func() {
		_ = n.Kill()
		if err := syscall.Unmount(small, 0); err != nil {
			t.Error(err)
		}
	})
	r.must(exec.Command("cp", "-r", n.Dir, small).Run())
	n.Dir = filepath.Join(small, filepath.Base(n.Dir))
	r.must(n.Start())
	r.awaitReady()
	r.fill(small)
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
	defer cancel()
	l.run(ctx, 4)
	acks, _, _ := l.journal()
	if acks == 0 {
		t.Fatal("nothing was acknowledged while one disk was full")
	}
	r.must(os.Remove(filepath.Join(small, "ballast")))
	if !n.Up() {
		t.Logf("%s ended while its disk was full", n.ID)
		r.must(n.Start())
	}
	r.awaitReady()
	r.must(l.verify(r.meter, r.currency, granted*unit, unit))
}

// TestLeaderWithoutRoomHandsOver: a leader whose disk is nearly full lets another
// node lead, and nothing is refused for long.
func TestLeaderWithoutRoomHandsOver(t *testing.T) {
	r := startRig(t, false)
	l := newLoad(r.Cluster, rand.Uint64())
	r.fund(l)
	n := r.follower()
	// More than any disk has free.
	r.must(n.Stop())
	n.Args = append(n.Args, "--disk-reserve", "1000000000")
	r.must(n.Start())
	r.within(20*time.Second, "the node is a member again", func() bool { return call(n, http.MethodGet, "/healthz", nil, nil) == nil })
	for i := 0; i < 50 && r.leader() != n; i++ {
		r.transfer(n)
		time.Sleep(100 * time.Millisecond)
	}
	r.within(10*time.Second, "another node leads", func() bool { return r.leader() != n })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	l.run(ctx, 2)
	r.must(n.Stop())
	n.Args = n.Args[:len(n.Args)-2]
	r.must(n.Start())
	r.awaitReady()
	r.must(l.verify(r.meter, r.currency, granted*unit, unit))
}

func (r *rig) transfer(to *Node) {
	_ = call(r.Nodes()[0], http.MethodPost, "/cluster/transfer", []byte(fmt.Sprintf(`{"node":%q}`, to.ID)), nil)
}

// TestAwayForLong: a node that was away for longer than the log reaches is sent a
// snapshot, goes on with it, and has everything.
func TestAwayForLong(t *testing.T) {
	r := startRig(t, true, "--snapshot-interval", "300ms", "--snapshot-entries", "100", "--log-retention", "0")
	l := newLoad(r.Cluster, rand.Uint64())
	r.fund(l)
	n := r.follower()
	before, err := status(n)
	r.must(err)
	r.must(n.Kill())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.run(ctx, 4)
	}()
	leader := r.leader()
	// The leader keeps 256 entries behind each of its snapshots.
	r.within(15*time.Second, "the log no longer reaches the node", func() bool {
		for _, other := range r.Nodes() {
			if other == n {
				continue
			}
			a, err := status(other)
			if err != nil {
				return false
			}
			for _, of := range a.Nodes {
				if of.Node == leader.ID && of.SnapshotIndex < before.Applied+400 {
					return false
				}
			}
		}
		return true
	})
	r.must(n.Start())
	r.within(20*time.Second, "a snapshot has come in", func() bool { return strings.Contains(tail(n.logs, 1<<20), "has taken the place of this node's state") })
	if !n.Up() {
		t.Fatal("the process ended")
	}
	r.awaitReady()
	cancel()
	<-done
	r.must(l.verify(r.meter, r.currency, granted*unit, unit))
}

// fill writes until nothing more fits.
func (r *rig) fill(dir string) {
	f, err := os.Create(filepath.Join(dir, "ballast"))
	r.must(err)
	defer f.Close()
	for block := make([]byte, 1<<20); len(block) > 0; {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
}
