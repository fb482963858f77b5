package raftstore

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"drawdown/engine/ledger"
)

// introduce connects to a node with this hello. The connection is nil if it is refused.
func introduce(t *testing.T, address string, h hello) (net.Conn, error) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := conn.Write(h.encode()); err != nil {
		t.Fatal(err)
	}
	if err := readAnswer(conn); err != nil {
		return nil, err
	}
	return conn, nil
}

// TestNodeByItselfKnowsItsCluster: a node that was started without a majority has
// carried nothing out, and still takes no word of another cluster, whose leader could
// cut committed entries out of its log.
func TestNodeByItselfKnowsItsCluster(t *testing.T) {
	c := newTrio(t)
	c.start(nil, "n1", "n2", "n3")
	c.leader().submit(meter(), report("a"))
	c.equal()
	mine := c.leader().clusterName()
	for _, id := range []string{"n1", "n2", "n3"} {
		c.stop(id)
	}
	if err := c.open("n2", nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.stop("n2") })
	n := c.nodes["n2"]
	if n.machine.Initialized() {
		t.Fatal("it has carried out its log, which only a leader can have it do")
	}
	for _, purpose := range []byte{purposeRaft, purposeAsking} {
		stranger := hello{purpose: purpose, cluster: [16]byte{1, 2, 3}, from: "n1", to: "n2"}
		if _, err := introduce(t, c.peers[1].Raft, stranger); err == nil || !strings.Contains(err.Error(), "belongs to cluster") {
			t.Fatalf("a node of another cluster, purpose %c: %v", purpose, err)
		}
		friend := hello{purpose: purpose, cluster: mine, from: "n1", to: "n2"}
		if _, err := introduce(t, c.peers[1].Raft, friend); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStrangerIsFoundLater: a node that waits to be added talks to whoever calls it; once
// it knows its cluster, the connections of others end.
func TestStrangerIsFoundLater(t *testing.T) {
	c := newTrio(t)
	c.start(nil, "n1", "n2", "n3")
	c.leader().submit(meter())
	p := Peer{ID: "n4", Raft: freePort(t)}
	if err := c.open("n4", func(o *Options) { o.Cluster.Peers, o.Cluster.Listen = nil, p.Raft }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.stop("n4") })
	stranger, err := introduce(t, p.Raft, hello{purpose: purposeRaft, cluster: [16]byte{1, 2, 3}, from: "n1", to: "n4"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.leader().AddMember(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	_ = stranger.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := stranger.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the stranger's connection is still open: %v", err)
	}
	c.equal()
}

// TestNodeThatStartsHearsNoRaft: it does not know its members yet, by which it could judge.
func TestNodeThatStartsHearsNoRaft(t *testing.T) {
	c := newTrio(t)
	c.start(nil, "n1", "n2", "n3")
	c.leader().submit(meter())
	c.equal()
	n, name := c.nodes["n2"], c.leader().clusterName()
	c.stop("n2")
	n.up.Store(nil)
	for _, known := range [][16]byte{name, {}} {
		if err := n.judge(&hello{purpose: purposeRaft, cluster: known, from: "n1", to: "n2"}); err == nil || !strings.Contains(err.Error(), "starting") {
			t.Fatal(err)
		}
		if err := n.judge(&hello{purpose: purposeAsking, cluster: known, from: "n1", to: "n2"}); err != nil {
			t.Fatal("nobody could be told how far it is:", err)
		}
	}
}

// TestFormatOfVersion1: a directory without the cluster's name is read, and has it once
// the log has been carried out.
func TestFormatOfVersion1(t *testing.T) {
	fs, _ := populated(t)
	content, err := readFile(fs, "data/FORMAT")
	if err != nil {
		t.Fatal(err)
	}
	var now identity
	_, body, _ := strings.Cut(string(content), "\n")
	if err := now.decode(body, formatVersion); err != nil || now.cluster == [16]byte{} {
		t.Fatalf("the name was not noted: %q, %v", content, err)
	}
	if err := writeFile(fs, "data/FORMAT", now.encode(1)); err != nil {
		t.Fatal(err)
	}
	n := start(t, testOptions(fs))
	if got := n.submit(report("v1"))[0].Code; got != ledger.OK {
		t.Fatal(got)
	}
	if again, err := readFile(fs, "data/FORMAT"); err != nil || string(again) != string(content) {
		t.Fatalf("%q, %v", again, err)
	}
}

// TestMixedDirectoriesAreRefused: the state of one cluster under the name of another.
func TestMixedDirectoriesAreRefused(t *testing.T) {
	fs, _ := populated(t)
	content, err := readFile(fs, "data/FORMAT")
	if err != nil {
		t.Fatal(err)
	}
	var other identity
	_, body, _ := strings.Cut(string(content), "\n")
	if err := other.decode(body, formatVersion); err != nil {
		t.Fatal(err)
	}
	other.cluster[0] ^= 1
	if err := writeFile(fs, "data/FORMAT", other.encode(formatVersion)); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, fs, "mixed")
}

// TestPortIsClosedForGood: a connection that came in just before the port was closed is
// closed, too, and gives its place up.
func TestPortIsClosedForGood(t *testing.T) {
	c := newTrio(t)
	c.start(nil, "n1", "n2", "n3")
	m := c.nodes["n1"].mesh
	c.stop("n1")
	here, there := net.Pipe()
	defer there.Close()
	m.seats <- struct{}{}
	m.receive(here)
	if _, err := there.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.open) != 0 || len(m.seats) != 0 {
		t.Fatalf("%d connections are kept, %d places taken", len(m.open), len(m.seats))
	}
}
