package cluster

import (
	"context"
	"errors"
	"flag"
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

// rig is a running cluster with a meter and customers that hold credit.
type rig struct {
	*testing.T
	*Cluster
	meter, currency string
	joined          int
}

const (
	granted = 1_000_000_000 // tokens a customer
	unit    = 100           // smallest units of a token
)

func startRig(t *testing.T, proxied bool, args ...string) *rig {
	t.Helper()
	c, err := New(program, t.TempDir(), proxied, args...)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, Cluster: c, joined: 3}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			for _, n := range c.Nodes() {
				t.Logf("the end of %s's log:\n%s", n.ID, tail(n.logs, 12000))
			}
		}
	})
	r.must(c.Start())
	r.awaitReady()
	return r
}

func (r *rig) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func tail(path string, bytes int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-bytes):])
}

// within waits for a condition.
func (r *rig) within(d time.Duration, what string, ok func() bool) {
	r.Helper()
	for deadline := time.Now().Add(d); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.Fatalf("not within %v: %s", d, what)
		}
	}
}

func (r *rig) awaitReady() {
	r.Helper()
	for _, n := range r.Nodes() {
		r.within(30*time.Second, n.ID+" is ready", func() bool { return ready(n) })
	}
}

// leader is the node that leads.
func (r *rig) leader() *Node {
	r.Helper()
	var found *Node
	r.within(20*time.Second, "there is a leader", func() bool {
		for _, n := range r.Nodes() {
			if a, err := status(n); err == nil && a.Role == "leader" && a.Leader == n.ID {
				found = n
				return true
			}
		}
		return false
	})
	return found
}

func (r *rig) follower() *Node {
	r.Helper()
	leader := r.leader()
	for _, n := range r.Nodes() {
		if n != leader {
			return n
		}
	}
	return nil
}

// fund makes the meter and gives every customer of the load credit.
func (r *rig) fund(l *Load) {
	r.Helper()
	var m struct {
		ID       string `json:"id"`
		Currency string `json:"currency_id"`
	}
	node := r.Nodes()[0]
	r.must(call(node, http.MethodPost, "/api/meters",
		[]byte(`{"name":"tokens","event_name":"tokens","unit":"tokens","aggregation_method":"sum","decimal":2}`), &m))
	r.meter, r.currency = m.ID, m.Currency
	for i := range l.Customers {
		body := fmt.Sprintf(`{"customer_id":%q,"currency_id":%q,"amount":"%d","category":"paid"}`, l.Customer(i), m.Currency, granted)
		r.must(call(node, http.MethodPost, "/api/credit-grants", []byte(body), nil))
	}
}

// fault is something that happens to the cluster, and its end: when it returns,
// all nodes are up and reach each other.
type fault struct {
	name string
	do   func(*rig, *rand.Rand)
}

var faults = []fault{
	{"kill the leader", func(r *rig, _ *rand.Rand) { r.killAndStart(r.leader()) }},
	{"kill a follower", func(r *rig, _ *rand.Rand) { r.killAndStart(r.follower()) }},
	{"kill all at once", func(r *rig, _ *rand.Rand) {
		r.must(r.Kill())
		r.must(r.Start())
	}},
	{"stall the leader", func(r *rig, d *rand.Rand) { r.stall(r.leader(), d) }},
	{"stall a follower", func(r *rig, d *rand.Rand) { r.stall(r.follower(), d) }},
	{"cut the leader off", func(r *rig, d *rand.Rand) { r.cutOff(r.leader(), d) }},
	{"cut a follower off", func(r *rig, d *rand.Rand) { r.cutOff(r.follower(), d) }},
	{"nobody hears the leader", func(r *rig, d *rand.Rand) {
		leader := r.leader()
		for _, n := range r.Nodes() {
			if n != leader {
				r.Proxy.Hold(leader.ID, n.ID)
			}
		}
		r.hold(d)
	}},
	{"the leader hears nobody", func(r *rig, d *rand.Rand) {
		leader := r.leader()
		for _, n := range r.Nodes() {
			if n != leader {
				r.Proxy.Hold(n.ID, leader.ID)
			}
		}
		r.hold(d)
	}},
	{"slow connections", func(r *rig, d *rand.Rand) {
		leader := r.leader()
		for _, n := range r.Nodes() {
			if n != leader {
				r.Proxy.Slow(leader.ID, n.ID, 30*time.Millisecond)
			}
		}
		r.hold(d)
	}},
	{"restart one after the other", func(r *rig, _ *rand.Rand) {
		for _, n := range r.Nodes() {
			r.must(n.Stop())
			r.must(n.Start())
			r.awaitReady()
		}
	}},
	{"a node loses its disk and joins under a new name", func(r *rig, _ *rand.Rand) { r.replace(r.follower()) }},
}

func (r *rig) killAndStart(n *Node) {
	r.must(n.Kill())
	time.Sleep(500 * time.Millisecond)
	r.must(n.Start())
}

// holdTime is long enough for an election while a fault lasts.
func holdTime(d *rand.Rand) time.Duration {
	return 2500*time.Millisecond + time.Duration(d.IntN(1500))*time.Millisecond
}

func (r *rig) stall(n *Node, d *rand.Rand) {
	r.must(n.Signal(syscall.SIGSTOP))
	time.Sleep(holdTime(d))
	r.must(n.Signal(syscall.SIGCONT))
}

func (r *rig) cutOff(n *Node, d *rand.Rand) {
	for _, other := range r.Nodes() {
		if other != n {
			r.Proxy.Cut(n.ID, other.ID)
		}
	}
	r.hold(d)
}

func (r *rig) hold(d *rand.Rand) {
	time.Sleep(holdTime(d))
	r.Proxy.Heal()
}

// replace wipes a node. It must not come back under its name, and another takes its
// place.
func (r *rig) replace(n *Node) {
	r.must(n.Kill())
	r.must(os.RemoveAll(n.Dir))
	r.must(n.Start())
	select {
	case <-n.exited:
	case <-time.After(15 * time.Second):
		r.Fatalf("%s has lost its data and comes back under its name", n.ID)
	}
	if log := tail(n.logs, 2000); !strings.Contains(log, "must not come back under its name") {
		r.Fatalf("%s does not say why it ends:\n%s", n.ID, log)
	}
	r.Forget(n.ID)
	r.change("remove", fmt.Sprintf(`{"node":%q}`, n.ID))
	r.join()
}

// join adds a new node and waits until it votes.
func (r *rig) join() *Node {
	r.joined++
	fresh, seen, err := r.Join(fmt.Sprint("n", r.joined))
	r.must(err)
	if seen != fresh.Raft {
		fresh.Args = append(fresh.Args, "--raft-advertise", seen)
	}
	r.must(fresh.Start())
	r.change("add", fmt.Sprintf(`{"node":%q,"raft":%q}`, fresh.ID, seen))
	r.within(30*time.Second, fresh.ID+" votes", func() bool {
		a, err := status(r.Nodes()[0])
		if err != nil {
			return false
		}
		for _, n := range a.Nodes {
			if n.Node == fresh.ID && n.Voter {
				return true
			}
		}
		return false
	})
	return fresh
}

// change asks for a change of the cluster, again and again while there is no leader.
func (r *rig) change(what, body string) {
	r.within(20*time.Second, what+" "+body, func() bool {
		err := call(r.Nodes()[0], http.MethodPost, "/cluster/"+what, []byte(body), nil)
		var refused *refusal
		if errors.As(err, &refused) && refused.status == http.StatusConflict && strings.Contains(refused.text, "a member already") {
			return true // an attempt whose outcome was unknown
		}
		return err == nil
	})
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
