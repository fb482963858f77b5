package ledger

import (
	"testing"
	"unsafe"
)

// What a customer takes is counted in these sizes, and what a deduction costs in the
// cache lines that they meet: a field more is a decision.
func TestLayout(t *testing.T) {
	for what, size := range map[string][2]uintptr{
		"account":      {unsafe.Sizeof(account{}), 12},
		"position":     {unsafe.Sizeof(position{}), 96},
		"waiting":      {unsafe.Sizeof(waiting{}), 40},
		"grant":        {unsafe.Sizeof(grant{}), 64},
		"grantDetails": {unsafe.Sizeof(grantDetails{}), 56},
	} {
		if size[0] != size[1] {
			t.Errorf("%s takes %d bytes, expected %d", what, size[0], size[1])
		}
	}
	var grants arena[grant]
	if at := uintptr(unsafe.Pointer(grants.at(grants.add()))); at%64 != 0 {
		t.Errorf("a grant at %x is not on a cache line", at)
	}
}

// A customer who neither owes nor waits for credit has no waiting record; one who
// did keeps it, empty.
func TestWaitingIsMadeWhenNeeded(t *testing.T) {
	d := setUp(t, 1)
	at := func(second int64) int64 { return (epoch + second) * nanosPerSecond }
	grant := func(effective int64) *CreateGrant {
		return &CreateGrant{
			Customer: "a", Currency: CurrencyID(1), Amount: Decimal{Coef: NewAmount(5)}, EffectiveAt: effective,
			ExpiresAt: epoch + 1000,
		}
	}
	book := d.books[0]
	d.do(at(100), grant(0), event("e1", "a", 3), grant(0))
	p := book.positions.at(book.account(1).firstPosition)
	if p.waits != 0 {
		t.Fatal("nothing waits, and there is a record of it")
	}
	d.do(at(101), grant(epoch+200), event("e2", "a", 9))
	if w := book.waiting(p); w.reserved.IsZero() || w.owed.IsZero() || w.debtHead == 0 {
		t.Errorf("%+v", w)
	}
	d.do(at(200), &Settle{Accounts: []uint32{1}})
	if w := book.waiting(p); p.waits == 0 || w != (waiting{}) {
		t.Errorf("after everything came: %d, %+v", p.waits, w)
	}
}

// The log's time goes on after the last second that a grant can hold: those moments
// are then all the same, and nothing else changes.
func TestAfterTheLastSecond(t *testing.T) {
	const after = lastSecond + 1000
	d := setUp(t, 2)
	d.do(after*nanosPerSecond, &CreateGrant{Customer: "a", Currency: CurrencyID(1), Amount: Decimal{Coef: NewAmount(5)}})
	d.do(after*nanosPerSecond, &VoidGrant{Grant: GrantID{1, 1}})
	g, _ := d.book(1).Grant(GrantID{1, 1}, d.dir())
	if g.GrantedAt != lastSecond || g.VoidedAt != lastSecond || g.EffectiveAt != after || g.Created/nanosPerSecond != after {
		t.Errorf("%+v", g)
	}
	if err := sameState(d, mustRestore(t, d.snapshot(), 1, d.ids)); err != nil {
		t.Error(err)
	}
}

// A snapshot that says of a grant what no grant can be is refused.
func TestRestoreImpossibleGrant(t *testing.T) {
	one := NewAmount(1)
	for what, c := range map[string]struct {
		g       grant
		amounts [3]Amount // remaining, consumed, forfeited
		ended   int64
		ok      bool
	}{
		"granted":                {grant{amount: one, status: GrantGranted}, [3]Amount{one, {}, {}}, 0, true},
		"expired":                {grant{amount: one, status: GrantExpired}, [3]Amount{{}, {}, one}, 0, true},
		"granted, forfeited":     {grant{amount: one, status: GrantGranted}, [3]Amount{{}, {}, one}, 0, false},
		"granted, both":          {grant{amount: NewAmount(2), status: GrantGranted}, [3]Amount{one, {}, one}, 0, false},
		"voided, remaining":      {grant{amount: one, status: GrantVoided}, [3]Amount{one, {}, {}}, 0, false},
		"voided, both":           {grant{amount: NewAmount(2), status: GrantVoided}, [3]Amount{one, {}, one}, 0, false},
		"depleted, forfeited":    {grant{amount: one, status: GrantDepleted}, [3]Amount{{}, {}, one}, 0, false},
		"voided, too late":       {grant{amount: one, status: GrantVoided}, [3]Amount{{}, {}, one}, lastSecond + 1, false},
		"voided, before 1970":    {grant{amount: one, status: GrantVoided}, [3]Amount{{}, {}, one}, -1, false},
		"voided, the last there": {grant{amount: one, status: GrantVoided}, [3]Amount{{}, {}, one}, lastSecond, true},
	} {
		data := []byte{1, 1, 0, 0, byte(c.g.status)} // one grant: currency, priority, category, status
		for _, at := range []int64{1, 0, c.ended, 0, 1, 1} {
			data = appendZigzag(data, at)
		}
		for _, a := range append([]Amount{c.g.amount}, c.amounts[:]...) {
			data = appendAmount(data, a)
		}
		data = append(data, 0, 0, 0) // no texts, positions, levels
		b := NewBook(0, 1)
		err := b.decodeAccount(&reader{b: data}, 1)
		if err == nil {
			err = b.CheckAccount(1)
		}
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", what, err)
		}
	}
}
