package ledger

import (
	"fmt"
	"runtime"
	"testing"
)

// TestSettleInVain: a customer owes for many events, and holds a grant that may pay
// for none of them. Whatever makes the queue be looked at, be it another
// subscription's prices, must not cost a look at every grant for every event.
func TestSettleInVain(t *testing.T) {
	const events = 8000
	d := newDriver(t, 1)
	d.lenient = true
	d.do(1, &CreateMeter{EventName: "e", Name: "m", Unit: "u"}, &SetSubscription{Subscription: "s", Prices: []string{"p"}},
		&CreateGrant{Customer: "c", Currency: CurrencyID(1), Amount: mustDecimal(t, "5"), Scope: Scope{Prices: []string{"p"}}})
	var reports []Command
	for i := range events {
		reports = append(reports, &Report{Identifier: fmt.Sprint(i), EventName: "e", Customer: "c", Value: mustDecimal(t, "1")})
	}
	d.do(2, reports...)
	entry := entryOf(3, &SetSubscription{Subscription: "other", Prices: []string{"q"}}, &VoidGrant{Grant: GrantID{1, 9}},
		&Report{Identifier: "late", EventName: "e", Customer: "c", Value: mustDecimal(t, "1"), Subscription: "s"})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	late := d.apply(entry)[2]
	runtime.ReadMemStats(&after)
	// A look at a grant's scope makes a list.
	if n := after.Mallocs - before.Mallocs; n > events/2 {
		t.Errorf("%d allocations for one event after %d that wait", n, events)
	}
	if late.Consumed != NewAmount(100) {
		t.Errorf("the event that the grant is for consumed %v", late.Consumed)
	}
	// The events' own subscription never gets the price; theirs is none at all.
	if got := d.do(4, &CreateGrant{Customer: "c", Currency: CurrencyID(1), Amount: mustDecimal(t, "8000")})[0]; got.Code != OK {
		t.Fatal(got.Code)
	}
	if owed := d.books[0].Pending(1, 0, Live, "", d.dir()); len(owed) != 0 {
		t.Errorf("still owed: %v", owed)
	}
	if err := d.checkAll(); err != nil {
		t.Error(err)
	}
}
