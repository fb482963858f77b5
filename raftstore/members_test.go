package raftstore

import (
	"errors"
	"testing"
)

// TestTwoRemovalsAtOnce: each would be allowed by itself, both together would leave no
// majority.
func TestTwoRemovalsAtOnce(t *testing.T) {
	c := newTrio(t)
	c.peers = append(c.peers, Peer{ID: "n4", Raft: freePort(t)})
	c.start(nil, "n1", "n2", "n3", "n4")
	l, f := c.leader(), c.followers()
	l.submit(meter())
	c.stop(f[2].dir.node)
	errs := make(chan error, 2)
	for _, n := range f[:2] {
		go func() { errs <- l.RemoveMember(t.Context(), n.dir.node) }()
	}
	first, second := <-errs, <-errs
	if first != nil {
		first, second = second, first
	}
	if first != nil || !errors.Is(second, ErrRefused) {
		t.Fatal(first, second)
	}
	l.submit(report("a"))
}

// TestRemovalJustAfterADeath: a node that answered a second ago may be gone.
func TestRemovalJustAfterADeath(t *testing.T) {
	c := newTrio(t)
	c.start(nil, "n1", "n2", "n3")
	l, f := c.leader(), c.followers()
	l.submit(meter())
	down, other := f[1].dir.node, f[0].dir.node
	eventually(t, "both are up", func() bool { return l.peers.fresh(down) && l.peers.fresh(other) })
	c.stop(down)
	if err := l.RemoveMember(t.Context(), other); !errors.Is(err, ErrRefused) {
		t.Fatal(err)
	}
	l.submit(report("a"))
}

// TestRefusalIsOneEverywhere: also for who asks another node than the leader.
func TestRefusalIsOneEverywhere(t *testing.T) {
	c := newTrio(t)
	c.start(nil, "n1", "n2", "n3")
	if err := c.followers()[0].RemoveMember(t.Context(), "n9"); !errors.Is(err, ErrRefused) || classes(err) != 1 {
		t.Fatal(err)
	}
}
