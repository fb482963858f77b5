package raftstore

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"drawdown/engine/ledger"
)

// trio is three nodes in this process, on disks in memory and ports of loopback.
type trio struct {
	t     *testing.T
	peers []Peer
	fs    map[string]*vfs.MemFS
	nodes map[string]*node
	tls   map[string]*TLSFiles
	mu    sync.Mutex
}

func newTrio(t *testing.T) *trio {
	t.Helper()
	c := &trio{t: t, fs: map[string]*vfs.MemFS{}, nodes: map[string]*node{}, tls: map[string]*TLSFiles{}}
	for i := range 3 {
		c.peers = append(c.peers, Peer{ID: fmt.Sprint("n", i+1), Raft: freePort(t)})
	}
	return c
}

func freePort(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// open opens one node; change may alter its options.
func (c *trio) open(id string, change func(*Options)) error {
	c.mu.Lock()
	if c.fs[id] == nil {
		c.fs[id] = vfs.NewCrashableMem()
	}
	o := testOptions(c.fs[id])
	c.mu.Unlock()
	o.NodeID, o.Cluster = id, &ClusterOptions{Peers: c.peers, TLS: c.tls[id], Cancel: c.t.Context().Done()}
	for _, p := range c.peers {
		if p.ID == id {
			o.Cluster.Listen = p.Raft
		}
	}
	if change != nil {
		change(&o)
	}
	n := &node{t: c.t, fatal: make(chan error, 16)}
	o.OnFatal = func(err error) { n.fatal <- err }
	n.Store = newStore(o.withDefaults())
	if err := n.open(n.realBackend()); err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[id] = n
	return nil
}

// start opens the nodes together and waits for a leader.
func (c *trio) start(change func(*Options), ids ...string) {
	c.t.Helper()
	var wait sync.WaitGroup
	for _, id := range ids {
		wait.Go(func() {
			if err := c.open(id, change); err != nil {
				c.t.Error(err)
			}
		})
	}
	wait.Wait()
	if c.t.Failed() {
		c.t.FailNow()
	}
	c.t.Cleanup(func() {
		for _, id := range ids {
			c.stop(id)
		}
	})
	c.leader()
}

func (c *trio) stop(id string) {
	c.mu.Lock()
	n := c.nodes[id]
	delete(c.nodes, id)
	c.mu.Unlock()
	if n != nil {
		n.stop()
	}
}

func (c *trio) leader() *node {
	c.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		c.mu.Lock()
		for _, n := range c.nodes {
			if n.leading() {
				c.mu.Unlock()
				return n
			}
		}
		c.mu.Unlock()
	}
	c.t.Fatal("no leader")
	return nil
}

// followers are those that know of the leader.
func (c *trio) followers() (all []*node) {
	c.t.Helper()
	leader := c.leader()
	for _, n := range c.nodes {
		if n == leader {
			continue
		}
		eventually(c.t, "the follower knows the leader", func() bool { return n.Status().LeaderID == leader.dir.node })
		all = append(all, n)
	}
	return all
}

// equal waits until all nodes have the same state at the same index (I4).
func (c *trio) equal() {
	c.t.Helper()
	eventually(c.t, "equal states", func() bool {
		heads := map[ledger.Head]bool{}
		for _, n := range c.nodes {
			heads[n.machine.Head()] = true
		}
		return len(heads) == 1
	})
}

// TestWritesAndReadsAnywhere: any node takes any request, and what one has answered
// every other one shows.
func TestWritesAndReadsAnywhere(t *testing.T) {
	c := newTrio(t)
	c.start(nil, "n1", "n2", "n3")
	followers := c.followers()
	followers[0].submit(meter())
	for i := range 30 {
		writer, reader := followers[i%2], followers[(i+1)%2]
		results, index, err := writer.Submit(t.Context(), batchOf(report(fmt.Sprint("a", i))))
		if err != nil || results[0].Code != ledger.OK {
			t.Fatal(results, err)
		}
		if writer.machine.Head().Index < index {
			t.Fatal("answered before the node had applied it")
		}
		if at, err := reader.Linearize(t.Context()); err != nil || at < index {
			t.Fatalf("a read at %d after a write at %d: %v", at, index, err)
		}
		if got := reader.events(); got != i+1 {
			t.Fatalf("%d events read, %d written", got, i+1)
		}
	}
	if got := c.leader().submit(report("a3"))[0].Code; got != ledger.Duplicate {
		t.Fatal(got)
	}
	c.equal()
}

// TestForwardedResultsAreTheSame: the leader's verdicts come through whole.
func TestForwardedResultsAreTheSame(t *testing.T) {
	c := newTrio(t)
	c.start(nil, "n1", "n2", "n3")
	f, l := c.followers()[0], c.leader()
	f.submit(meter())
	var commands []ledger.Command
	for i := range 3000 {
		commands = append(commands, report(fmt.Sprint("x", i%2000)))
	}
	commands = append(commands, &ledger.Report{Identifier: "z", EventName: "none", Customer: "c", Value: decimal("1")})
	got := f.submit(commands...)
	again := l.submit(commands...)
	for i := range got {
		want := ledger.OK
		if i >= 2000 {
			want = ledger.Duplicate
		}
		if i == 3000 {
			want = ledger.MeterUnknown
		}
		if got[i].Code != want || want != ledger.MeterUnknown && again[i].Seq != got[i].Seq || got[i].Time == 0 {
			t.Fatalf("%d: %+v, again %+v", i, got[i], again[i])
		}
	}
}

// TestForwardedNumbersAreChecked: a report by numbers that were never given would stop
// every node; by given ones it is counted.
func TestForwardedNumbersAreChecked(t *testing.T) {
	c := newTrio(t)
	c.start(nil, "n1", "n2", "n3")
	f := c.followers()[0]
	f.submit(meter(), report("a"))
	known := []ledger.Report{*report("b").(*ledger.Report)}
	f.Engine().Number(known)
	if known[0].MeterNumber == 0 || known[0].CustomerNumber == 0 {
		t.Fatalf("%+v", known[0])
	}
	for _, numbers := range [][2]uint32{{77, known[0].CustomerNumber}, {known[0].MeterNumber, 99}} {
		r := known[0]
		r.MeterNumber, r.CustomerNumber = numbers[0], numbers[1]
		if _, _, err := f.Submit(t.Context(), batchOf(&r)); !errors.Is(err, ErrUnavailable) {
			t.Fatalf("numbers %v: %v", numbers, err)
		}
	}
	if got := f.submit(&known[0])[0].Code; got != ledger.OK {
		t.Fatal(got)
	}
	c.equal()
}

// TestLeaderGone: the others elect one of them, and nothing is lost.
func TestLeaderGone(t *testing.T) {
	c := newTrio(t)
	c.start(nil, "n1", "n2", "n3")
	c.leader().submit(meter(), report("a"))
	gone := c.leader().dir.node
	c.stop(gone)
	var results []ledger.Result
	eventually(t, "a write after the leader has gone", func() bool {
		for _, n := range c.nodes {
			got, _, err := n.Submit(t.Context(), batchOf(report("a"), report("b")))
			if err == nil {
				results = got
				return true
			}
			if errors.Is(err, ErrUnavailable) == errors.Is(err, ErrUnknown) {
				t.Fatalf("of no class, or of two: %v", err)
			}
		}
		return false
	})
	if results[0].Code != ledger.Duplicate {
		t.Fatal(results)
	}
	c.start(nil, gone)
	c.equal()
}

// TestNoLeader: without a majority the answer comes at once, and says that nothing
// was done.
func TestNoLeader(t *testing.T) {
	c := newTrio(t)
	c.start(nil, "n1", "n2", "n3")
	last := c.followers()[0]
	for _, id := range []string{"n1", "n2", "n3"} {
		if id != last.dir.node {
			c.stop(id)
		}
	}
	eventually(t, "no leader is known", func() bool { return last.Status().LeaderID == "" })
	begin := time.Now()
	_, _, err := last.Submit(t.Context(), batchOf(meter()))
	if !errors.Is(err, ErrUnavailable) || time.Since(begin) > time.Second {
		t.Fatalf("%v after %v", err, time.Since(begin))
	}
	if _, err := last.Linearize(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Fatal(err)
	}
	if _, _, err := last.Stale(); err != nil {
		t.Fatal(err)
	}
	// Nor is that different after a restart, when it has heard of nobody.
	c.stop(last.dir.node)
	if err := c.open(last.dir.node, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a stale read of a node that is by itself", func() bool {
		index, age, err := c.nodes[last.dir.node].Stale()
		return index == 0 && errors.Is(err, ErrUnavailable) || err == nil && age > 0
	})
}

// TestWipedFounderIsRefused: a node that lost its data has voted and acknowledged
// under its name, and must not come back under it.
func TestWipedFounderIsRefused(t *testing.T) {
	c := newTrio(t)
	c.start(nil, "n1", "n2", "n3")
	c.leader().submit(meter())
	lost := c.followers()[0].dir.node
	c.stop(lost)
	c.fs[lost] = vfs.NewCrashableMem()
	err := c.open(lost, nil)
	if err == nil || !strings.Contains(err.Error(), "must not come back under its name") {
		t.Fatal(err)
	}
}

// TestOtherListIsRefused: founders that were given different lists do not start.
func TestOtherListIsRefused(t *testing.T) {
	c := newTrio(t)
	errs := make(chan error, 3)
	for _, id := range []string{"n1", "n2", "n3"} {
		go func() {
			errs <- c.open(id, func(o *Options) {
				if id == "n3" {
					o.Cluster.Peers = append([]Peer{{ID: "n0", Raft: "127.0.0.1:1"}}, c.peers...)
				}
			})
		}()
	}
	if err := <-errs; err == nil || !strings.Contains(err.Error(), "other peers") {
		t.Fatal(err)
	}
}

// TestNewNodeJoins: without a vote, by a snapshot, and with a vote once it has
// caught up.
func TestNewNodeJoins(t *testing.T) {
	c := newTrio(t)
	few := func(o *Options) { o.TrailingLogs, o.TrailingBytes = 1, 1 }
	c.start(few, "n1", "n2", "n3")
	l := c.leader()
	l.submit(meter())
	for i := range 50 {
		l.submit(report(fmt.Sprint("e", i)))
	}
	l.snapshot()
	for i := range 50 {
		l.submit(report(fmt.Sprint("f", i)))
	}
	p, f := Peer{ID: "n4", Raft: freePort(t)}, c.followers()[0]
	join := func(o *Options) { o.Cluster.Peers, o.Cluster.Listen = nil, p.Raft }
	if err := c.open("n4", join); err != nil {
		t.Fatal(err)
	}
	if err := f.AddMember(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	n4 := c.nodes["n4"]
	eventually(t, "the new node votes", func() bool { return len(c.leader().Status().Voters) == 4 })
	if got := n4.snapshots.newest(); got == nil || n4.Status().FirstLog <= 50 {
		t.Fatalf("it came without the snapshot: %+v", n4.Status())
	}
	c.equal()
	if got := n4.events(); got != 100 {
		t.Fatalf("%d events", got)
	}
	if got := n4.submit(report("e7"))[0].Code; got != ledger.Duplicate {
		t.Fatal(got)
	}
	// And it begins with it at its next start.
	c.stop("n4")
	c.start(join, "n4")
	c.equal()
	if got := c.nodes["n4"].events(); got != 100 {
		t.Fatalf("%d events after a restart", got)
	}
	// Wiped, it must not come back under its name, whatever list it is given.
	c.stop("n4")
	c.fs["n4"] = vfs.NewCrashableMem()
	if err := c.open("n4", join); err != nil {
		t.Fatal(err)
	}
	n4 = c.nodes["n4"]
	select {
	case err := <-n4.fatal:
		if !strings.Contains(err.Error(), "must not come back under its name") {
			t.Fatal(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("a node that lost its data has joined again: %+v", n4.Status())
	}
	eventually(t, "the leader hears of the new node", func() bool { return c.leader().peers.fresh("n4") })
	if err := c.leader().RemoveMember(t.Context(), "n4"); err != nil {
		t.Fatal(err)
	}
	c.stop("n4")
}

// TestRemovalThatBreaksTheMajorityIsRefused: nobody can undo it.
func TestRemovalThatBreaksTheMajorityIsRefused(t *testing.T) {
	c := newTrio(t)
	c.start(nil, "n1", "n2", "n3")
	l, f := c.leader(), c.followers()
	down, left := f[0].dir.node, f[1].dir.node
	c.stop(down)
	eventually(t, "the node counts as down", func() bool { return !l.peers.fresh(down) })
	if err := l.RemoveMember(t.Context(), left); !errors.Is(err, ErrRefused) {
		t.Fatal(err)
	}
	if err := l.RemoveMember(t.Context(), down); err != nil {
		t.Fatal(err)
	}
	if got := len(l.Status().Voters); got != 2 {
		t.Fatal(got, "voters")
	}
}

// TestLeadershipIsHandedOver, both on request and before a stop.
func TestLeadershipIsHandedOver(t *testing.T) {
	c := newTrio(t)
	c.start(nil, "n1", "n2", "n3")
	to := c.followers()[0]
	if err := c.followers()[1].TransferLeadership(t.Context(), to.dir.node); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node named leads", to.leading)
	begin := time.Now()
	c.stop(to.dir.node)
	stopped := time.Now()
	c.leader()
	if took := time.Since(stopped); took > clusterTimeout {
		t.Errorf("an election was waited for: %v after a stop that took %v", took, stopped.Sub(begin))
	}
}

// TestClockFarAheadDoesNotLead: its stamps would make credit expire early for good.
func TestClockFarAheadDoesNotLead(t *testing.T) {
	c := newTrio(t)
	c.start(func(o *Options) {
		if o.NodeID == "n2" {
			o.Clock = func() time.Time { return time.Now().Add(time.Hour) }
		}
	}, "n1", "n2", "n3")
	n2 := c.nodes["n2"]
	eventually(t, "n2 knows that it is ahead", n2.clockAhead.Load)
	eventually(t, "another node leads", func() bool {
		l := c.leader()
		_, _, err := l.Submit(t.Context(), batchOf(meter()))
		return l != n2 && err == nil
	})
	if head := c.leader().machine.Head().Time; time.Until(time.Unix(0, head)) > time.Minute {
		t.Skip("n2 had led before it knew")
	}
}

// TestClockThatJumpsStampsNothing: not even the entry before the next look at the
// others' clocks; when it is set right the node writes again.
func TestClockThatJumpsStampsNothing(t *testing.T) {
	c := newTrio(t)
	jumps := map[string]*atomic.Int64{"n1": {}, "n2": {}, "n3": {}}
	c.start(func(o *Options) {
		jump := jumps[o.NodeID]
		o.Clock = func() time.Time { return time.Now().Add(time.Duration(jump.Load())) }
	}, "n1", "n2", "n3")
	l := c.leader()
	l.submit(meter())
	eventually(t, "the clocks have been compared", func() bool { return len(l.peers.offsets(time.Time{})) == 2 })
	jumps[l.dir.node].Store(int64(365 * 24 * time.Hour))
	if _, _, err := l.Submit(t.Context(), batchOf(report("a"))); !errors.Is(err, ErrUnavailable) || classes(err) != 1 {
		t.Fatal(err)
	}
	eventually(t, "another node leads and writes", func() bool {
		next := c.leader()
		_, _, err := next.Submit(t.Context(), batchOf(report("b")))
		return next != l && err == nil
	})
	jumps[l.dir.node].Store(0)
	eventually(t, "its clock is trusted again", func() bool { return !l.clockAhead.Load() })
	eventually(t, "it leads and writes again", func() bool {
		if !l.leading() {
			_ = l.TransferLeadership(t.Context(), l.dir.node)
			return false
		}
		_, _, err := l.Submit(t.Context(), batchOf(report("c")))
		return err == nil
	})
	if head := l.machine.Head().Time; time.Until(time.Unix(0, head)) > time.Minute {
		t.Fatalf("the log's time is %v", time.Unix(0, head))
	}
}

// TestStrangersAreRefused: a node of another cluster, and whoever names another node.
func TestStrangersAreRefused(t *testing.T) {
	c, other := newTrio(t), newTrio(t)
	c.start(nil, "n1", "n2", "n3")
	other.start(nil, "n1", "n2", "n3")
	foreign := other.leader()
	eventually(t, "a founded log", func() bool { return foreign.clusterName() != [16]byte{} })
	target := c.peers[0]
	_, err := foreign.mesh.dial(t.Context(), target.Raft, target.ID, purposeRaft)
	if err == nil || !strings.Contains(err.Error(), "refused") {
		t.Fatal(err)
	}
	l := c.leader()
	if _, err := l.mesh.dial(t.Context(), other.peers[0].Raft, "n9", purposeAsking); err == nil || !strings.Contains(err.Error(), "not") {
		t.Fatal(err)
	}
}

// TestLeaderKnowsItsAge: a leader that hears nobody says so, also before it gives up.
func TestLeaderKnowsItsAge(t *testing.T) {
	c := newTrio(t)
	c.start(nil, "n1", "n2", "n3")
	l := c.leader()
	l.submit(meter())
	eventually(t, "an age below a second", func() bool {
		_, age, err := l.Stale()
		return err == nil && age < time.Second && age > 0
	})
	// Of nobody in its term it knows nothing.
	contact := l.peers.heard([]string{"x", "y"}, l.raft.CurrentTerm(), 1)
	if !contact.IsZero() {
		t.Fatal("nodes that were never heard of count")
	}
}

// TestCommonHashes: all nodes tell the same hash at an index that all have.
func TestCommonHashes(t *testing.T) {
	c := newTrio(t)
	c.start(nil, "n1", "n2", "n3")
	c.leader().submit(meter(), report("a"))
	c.equal()
	f := c.followers()[0]
	eventually(t, "three equal hashes", func() bool {
		index, hashes := f.CommonHashes(t.Context())
		if len(hashes) != 3 || index == 0 {
			return false
		}
		return hashes[0] == (NodeHash{hashes[0].Node, hashes[1].Index, hashes[1].Chain}) && hashes[1].Chain == hashes[2].Chain &&
			hashes[0].Chain != 0
	})
}
