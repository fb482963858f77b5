package ledger

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
)

// The filters of the grants' list, each on its own.
func TestGrantFilters(t *testing.T) {
	d := setUp(t, 2)
	at := func(second int64) int64 { return (epoch + second) * nanosPerSecond }
	grant := func(c CreateGrant) {
		c.Customer, c.Amount = "a", Decimal{Coef: NewAmount(5)}
		if c.Currency == "" {
			c.Currency = CurrencyID(1)
		}
		d.do(at(int64(10*d.machine.Index)), &c)
	}
	d.do(at(0), &SetSubscription{Subscription: "s1", Prices: []string{"p1"}})
	grant(CreateGrant{Name: "First Gift", Metadata: []byte(`{"granted_by":"did:z1"}`)})
	grant(CreateGrant{Category: Promotional, Scope: Scope{Prices: []string{"p1"}}})
	grant(CreateGrant{Currency: CurrencyID(3), Metadata: []byte(`{"granted_by":"did:z2"}`)})
	grant(CreateGrant{Scope: Scope{Prices: []string{"p2"}}, EffectiveAt: epoch + 10_000})
	book, number := d.book(1), uint32(1)
	second, _ := book.Grant(GrantID{1, 2}, d.dir())
	for _, c := range []struct {
		what   string
		filter GrantFilter
		want   string
	}{
		{"all", GrantFilter{}, "4 3 2 1"},
		{"currency", GrantFilter{Currency: 3}, "3"},
		{"category", GrantFilter{Category: ptr(Promotional)}, "2"},
		{"status", GrantFilter{Statuses: []GrantStatus{GrantPending, GrantVoided}}, "4"},
		{"subscription", GrantFilter{Subscription: "s1"}, "3 2 1"},
		{"unknown subscription", GrantFilter{Subscription: "s9"}, "3 1"},
		{"granted by", GrantFilter{GrantedBy: "did:z2"}, "3"},
		{"query, a name", GrantFilter{Query: "gift"}, "1"},
		{"query, an id", GrantFilter{Query: strings.ToUpper(second.ID.String())}, "2"},
		{"created from", GrantFilter{Created: Interval{Start: second.Created / nanosPerSecond}}, "4 3 2"},
		{"created before", GrantFilter{Created: Interval{End: second.Created / nanosPerSecond}}, "1"},
	} {
		var got []string
		book.EachGrant(number, &c.filter, d.dir(), func(g Grant) bool {
			got = append(got, fmt.Sprint(g.ID.Ordinal))
			return true
		})
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, expected %s", c.what, got, c.want)
		}
	}
	sum := func(subscription string) string {
		var out []string
		for _, s := range book.Summary(number, subscription, Live, d.machine.Time, d.dir()) {
			out = append(out, fmt.Sprintf("%d:%v/%d", s.Currency, s.Remaining, s.Grants))
		}
		return strings.Join(out, " ")
	}
	if got := sum(""); got != "1:1000/2 3:5/1" {
		t.Errorf("summary %s", got)
	}
	if got := sum("s9"); got != "1:500/1 3:5/1" {
		t.Errorf("summary of an unknown subscription %s", got)
	}
	if _, ok := book.Grant(GrantID{1, 5}, d.dir()); ok {
		t.Error("a fifth grant")
	}
	if _, ok := d.book(9).Grant(GrantID{9, 1}, d.dir()); ok {
		t.Error("a grant of nobody")
	}
}

// A check of a frozen copy counts what the books count, and its digest does not
// know how they shard.
func TestFrozenCheck(t *testing.T) {
	digests := map[uint64]bool{}
	for _, shards := range []int{1, 2, 5} {
		d := small(t, shards)
		var f Frozen
		d.freeze(&f)
		totals, digest, err := f.Check()
		if err != nil || totals != d.totals() || f.Head() != d.machine.Head {
			t.Errorf("%d shards: %v, %+v, expected %+v", shards, err, totals, d.totals())
		}
		digests[digest] = true
	}
	if len(digests) != 1 {
		t.Errorf("%d digests of one state", len(digests))
	}
}

// What CheckAccount is there for: each planted violation is found.
func TestCheckAccountFinds(t *testing.T) {
	for what, plant := range map[string]func(b *Book, p *position, g *grant){
		"a grant's rest":       func(_ *Book, _ *position, g *grant) { g.rest = g.rest.plus(NewAmount(1)) },
		"a grant's consumed":   func(_ *Book, _ *position, g *grant) { g.consumed = NewAmount(1) },
		"a grant's amount":     func(_ *Book, _ *position, g *grant) { g.amount = maxUnits },
		"a grant depleted":     func(_ *Book, _ *position, g *grant) { g.status = GrantDepleted },
		"a grant pending":      func(_ *Book, _ *position, g *grant) { g.status = GrantPending },
		"a grant expired":      func(_ *Book, _ *position, g *grant) { g.status = GrantExpired },
		"a grant voided":       func(_ *Book, _ *position, g *grant) { g.status = GrantVoided },
		"balance":              func(_ *Book, p *position, _ *grant) { p.balance = Amount{} },
		"granted":              func(_ *Book, p *position, _ *grant) { p.granted = Amount{} },
		"consumed":             func(_ *Book, p *position, _ *grant) { p.consumed = Amount{} },
		"forfeited":            func(_ *Book, p *position, _ *grant) { p.forfeited = NewAmount(1) },
		"reserved":             func(b *Book, p *position, _ *grant) { b.waitingOf(p).reserved = NewAmount(1) },
		"owed":                 func(b *Book, p *position, _ *grant) { b.waitingOf(p).owed = NewAmount(1) },
		"what waits, lost":     func(_ *Book, p *position, _ *grant) { p.waits = 0 },
		"a debt's amount":      func(b *Book, p *position, _ *grant) { b.debts.at(b.waiting(p).debtHead).amount = NewAmount(1) },
		"a debt lost":          func(b *Book, p *position, _ *grant) { w := b.waitingOf(p); w.debtHead = b.debts.at(w.debtHead).next },
		"the queue's end":      func(b *Book, p *position, _ *grant) { w := b.waitingOf(p); w.debtTail = w.debtHead },
		"the queue's begin":    func(b *Book, p *position, _ *grant) { *b.waitingOf(p) = waiting{debtTail: 1} },
		"a live grant lost":    func(b *Book, p *position, _ *grant) { p.live = b.grants.at(p.live).nextLive },
		"the order":            func(b *Book, p *position, _ *grant) { b.grants.at(p.live).priority = MaxPriority },
		"the end of the live":  func(b *Book, _ *position, g *grant) { b.grants.at(g.nextLive).nextLive = 0 },
		"a grant listed twice": func(b *Book, p *position, g *grant) { b.grants.at(g.nextLive).nextLive = p.live },
		"an ended one listed":  func(b *Book, p *position, g *grant) { last := b.lastLive(p); last.nextLive = 1 },
		"a stranger listed":    func(b *Book, p *position, g *grant) { last := b.lastLive(p); last.nextLive = b.account(2).lastGrant },
		"a grant's ordinal":    func(_ *Book, _ *position, g *grant) { g.ordinal++ },
		"the newest grant": func(b *Book, _ *position, _ *grant) {
			a := b.account(1)
			a.lastGrant = b.details.at(a.lastGrant).previous
		},
		"the oldest grant": func(b *Book, _ *position, _ *grant) { b.details.at(b.findGrant(1, 2)).previous = 0 },
	} {
		d := setUp(t, 1)
		grant := func(meters ...string) *CreateGrant {
			return &CreateGrant{Customer: "a", Currency: CurrencyID(1), Amount: Decimal{Coef: NewAmount(5)}, Scope: Scope{Meters: meters}}
		}
		d.do(0, grant(), event("e1", "a", 7), event("e2", "a", 1), grant("chat"), grant(), event("e3", "a", 9), event("e4", "a", 2))
		d.do(0, grant("chat"), &Report{Identifier: "c1", EventName: "chat", Customer: "a", Value: Decimal{Coef: NewAmount(1)}})
		d.do(0, &CreateGrant{Customer: "a", Currency: CurrencyID(1), Amount: Decimal{Coef: NewAmount(5)}, EffectiveAt: epoch + 1_000_000})
		d.do(0, &CreateGrant{Customer: "b", Currency: CurrencyID(1), Amount: Decimal{Coef: NewAmount(5)}, Priority: MaxPriority})
		book := d.books[0]
		p := book.positions.at(book.account(1).firstPosition)
		if err := book.CheckAccount(1); err != nil || book.waiting(p).debtHead == 0 || book.countLive(p, 9) != 3 || book.waiting(p).reserved.IsZero() || p.consumed.IsZero() {
			t.Fatalf("%v, %+v", err, p)
		}
		plant(book, p, book.grants.at(p.live))
		if book.CheckAccount(1) == nil {
			t.Errorf("%s was not found", what)
		}
	}
}

// lastLive is the last of a position's live grants.
func (b *Book) lastLive(p *position) *grant {
	g := b.grants.at(p.live)
	for g.nextLive != 0 {
		g = b.grants.at(g.nextLive)
	}
	return g
}

func TestTotal(t *testing.T) {
	want := new(big.Int)
	var sum Total
	for range 5 {
		sum.Add(maxUnits)
		want.Add(want, bigOf(maxUnits))
	}
	sum.AddTotal(sum)
	want.Add(want, want)
	if sum.String() != want.String() || sum.IsZero() || !(Total{}).IsZero() {
		t.Errorf("%v, expected %v", sum, want)
	}
	if got := TotalOf(NewAmount(3)).Minus(TotalOf(NewAmount(5))); got != "-2" {
		t.Errorf("3 - 5 is %s", got)
	}
	if got := sum.Minus(TotalOf(maxUnits)); got != want.Sub(want, bigOf(maxUnits)).String() {
		t.Errorf("%s, expected %v", got, want)
	}
}
