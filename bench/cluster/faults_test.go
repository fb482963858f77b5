package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

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
