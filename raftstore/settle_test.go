package raftstore

import (
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"drawdown/engine/ledger"
)

// Credit expires when its time has come, without anybody touching the account, and
// nothing is written while nothing is due.
func TestDueIsSettled(t *testing.T) {
	clock := newClock(time.Unix(1_000_000, 0))
	o := testOptions(vfs.NewCrashableMem())
	o.Clock = clock.now
	n := start(t, o)
	n.submit(meter())
	m, ok := n.Engine().Meter(ledger.Live, "tokens")
	if !ok {
		t.Fatal("no meter")
	}
	currency := ledger.CurrencyID(m.Currency)
	var grants []ledger.GrantID
	const customers = settleAccounts + 10
	b := new(ledger.Batch)
	for i := range customers {
		b.Add(&ledger.CreateGrant{Customer: fmt.Sprint("c", i), Currency: currency, Amount: decimal("5"), ExpiresAt: 1_000_100, EffectiveAt: 1_000_000})
	}
	results, _, err := n.Submit(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	for i := range results {
		if results[i].Code != ledger.OK {
			t.Fatalf("%+v", results[i])
		}
		grants = append(grants, results[i].Grant())
	}
	clock.move(99 * time.Second)
	before := n.machine.Head()
	time.Sleep(3 * pollEvery)
	if n.machine.Head() != before {
		t.Fatal("something was written before anything was due")
	}
	clock.move(time.Second)
	eventually(t, "it is never settled", func() bool { return n.machine.NextDue() == 0 })
	for _, id := range grants {
		g, ok, err := n.Engine().Grant(t.Context(), ledger.Live, id)
		if err != nil || !ok || g.Status != ledger.GrantExpired {
			t.Fatalf("%+v %v %v", g, ok, err)
		}
	}
	after := n.machine.Head()
	if after.Index > before.Index+4 {
		t.Fatalf("%d entries for %d accounts", after.Index-before.Index, customers)
	}
	time.Sleep(3 * pollEvery)
	if n.machine.Head() != after {
		t.Fatal("it goes on settling")
	}
}
