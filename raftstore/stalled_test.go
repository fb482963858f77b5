package raftstore

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// oneStream is a stream layer that has one connection and never gets another.
type oneStream struct{ conn chan net.Conn }

func (o *oneStream) Accept() (net.Conn, error) { select {} }
func (o *oneStream) Close() error              { return nil }
func (o *oneStream) Addr() net.Addr            { return advertised("nowhere") }
func (o *oneStream) Dial(raft.ServerAddress, time.Duration) (net.Conn, error) {
	select {
	case conn := <-o.conn:
		return conn, nil
	default:
		return nil, errors.New("there is no other connection")
	}
}

// stalled is a snapshot whose sender has been stopped.
type stalled struct{ quit <-chan struct{} }

func (s stalled) Read([]byte) (int, error) {
	<-s.quit
	return 0, errors.New("stopped")
}

// stall has the leader begin to send a snapshot to a node and stop in the middle.
func stall(t *testing.T, l, to *node) {
	t.Helper()
	conn, err := l.mesh.dial(t.Context(), l.addressOf(to.dir.node), to.dir.node, purposeRaft)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	one := &oneStream{make(chan net.Conn, 1)}
	one.conn <- conn
	transport := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Logger: raftLogger(quiet(), false), Stream: one, MaxPool: 1, Timeout: time.Hour,
	})
	address, term := []byte(l.net.LocalAddr()), l.raft.CurrentTerm()
	request := &raft.InstallSnapshotRequest{
		RPCHeader:       raft.RPCHeader{ProtocolVersion: raftVersion, ID: []byte(l.dir.node), Addr: address},
		SnapshotVersion: 1, Term: term, Leader: address, LastLogIndex: 1000, LastLogTerm: term, Size: 1 << 20,
		Configuration: raft.EncodeConfiguration(l.raft.GetConfiguration().Configuration()), ConfigurationIndex: 1,
	}
	go func() {
		var response raft.InstallSnapshotResponse
		_ = transport.InstallSnapshot(raft.ServerID(to.dir.node), "", request, &response, stalled{t.Context().Done()})
	}()
	eventually(t, "the snapshot has begun", func() bool { return to.snapshots.awaited.Load() != nil })
}

// TestLeaderStallsWhileItSendsASnapshot: the node that it sends it to can vote soon, and
// the two others have a leader.
func TestLeaderStallsWhileItSendsASnapshot(t *testing.T) {
	c := newTrio(t)
	c.start(nil, "n1", "n2", "n3")
	l := c.leader()
	l.submit(meter())
	stall(t, l, c.followers()[0])
	begin := time.Now()
	c.stop(l.dir.node)
	next := c.leader()
	if took := time.Since(begin); took > transferSilence+8*clusterTimeout {
		t.Errorf("a leader after %v", took)
	}
	next.submit(report("a"))
}

// TestStopWhileASnapshotStalls: a node that is being sent one stops as fast as any.
func TestStopWhileASnapshotStalls(t *testing.T) {
	c := newTrio(t)
	c.start(nil, "n1", "n2", "n3")
	l, f := c.leader(), c.followers()[0]
	l.submit(meter())
	stall(t, l, f)
	begin := time.Now()
	c.stop(f.dir.node)
	if took := time.Since(begin); took > transferSilence/2 {
		t.Errorf("the stop took %v", took)
	}
}
