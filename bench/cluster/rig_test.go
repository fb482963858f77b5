package cluster

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"
)

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
