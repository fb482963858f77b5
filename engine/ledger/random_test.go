package ledger

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// step is one entry of a scenario.
type step struct {
	at       int64 // the leader's stamp, Unix nanoseconds
	commands []Command
}

const epoch = 1_700_000_000 // Unix seconds at which scenarios begin

// scenario draws a random list of entries. Everything happens within a few
// customers, identifiers and seconds, so that things meet.
type scenario struct {
	*rand.Rand
	now    int64 // Unix seconds
	huge   bool  // amounts near 2^127, too
	events int
}

func newScenario(seed uint64, huge bool) *scenario {
	return &scenario{Rand: rand.New(rand.NewPCG(seed, 1)), now: epoch, huge: huge}
}

func (s *scenario) oneOf(list ...string) string { return list[s.IntN(len(list))] }
func (s *scenario) chance(percent int) bool     { return s.IntN(100) < percent }

func (s *scenario) mode() Mode {
	if s.chance(20) {
		return Test
	}
	return Live
}

// The scenario's meters and the decimals of their currencies. The first four
// numbers of currencies are live, the fifth is not.
var scenarioMeters = []Command{
	&CreateMeter{Name: "Tokens", EventName: "tokens", Unit: "token"},
	&CreateMeter{Name: "Images", EventName: "images", Unit: "image", Decimals: ptr(uint8(18))},
	&CreateMeter{Name: "Calls", EventName: "calls", Unit: "call", Decimals: ptr(uint8(0)), Aggregation: Count},
	&CreateMeter{Name: "Chat", EventName: "chat", Unit: "token", Currency: CurrencyID(1)},
	&CreateMeter{Name: "Visits", EventName: "visits", Unit: "visit", Decimals: ptr(uint8(3)), Aggregation: Count},
	&CreateMeter{Mode: Test, Name: "Tokens", EventName: "tokens", Unit: "token", Decimals: ptr(uint8(2))},
	&CreateMeter{Name: "Seats", EventName: "seats", Unit: "seat", Currency: CurrencyID(1), Aggregation: Last},
}

const scenarioCurrencies = 5

// steps draws n entries after those that make the meters.
func (s *scenario) steps(n int) []step {
	steps := []step{{s.now * nanosPerSecond, scenarioMeters}}
	for range n {
		switch {
		case s.chance(40):
			s.now += int64(s.IntN(3))
		case s.chance(20):
			s.now += int64(5 + s.IntN(30))
		case s.chance(5):
			s.now -= 7 // a leader whose clock is behind
		}
		one := step{at: s.now * nanosPerSecond}
		for range 1 + s.IntN(1+s.IntN(8)) {
			one.commands = append(one.commands, s.command())
		}
		steps = append(steps, one)
	}
	return steps
}

func (s *scenario) command() Command {
	mode := s.mode()
	switch n := s.IntN(100); {
	case n < 55:
		return s.report(mode)
	case n < 75:
		return s.grant(mode)
	case n < 80:
		return &VoidGrant{mode, s.grantID()}
	case n < 87:
		c := &UpdateGrant{Mode: mode, Grant: s.grantID(), Expire: s.chance(40)}
		if s.chance(60) {
			c.Metadata = []byte(s.oneOf(`{"a":1}`, `{"a":null}`, `{"b":{"c":[1,"}"]}}`, `{}`, `{"a":"x","b":null}`))
		}
		return c
	case n < 93:
		c := &Settle{}
		for range s.IntN(4) {
			c.Accounts = append(c.Accounts, uint32(s.IntN(10)))
		}
		return c
	case n < 97:
		c := &SetSubscription{Mode: mode, Subscription: s.oneOf("s1", "s2")}
		for range s.IntN(3) {
			c.Prices = append(c.Prices, s.oneOf("p1", "p2", "p3"))
		}
		return c
	case n < 99:
		return &UpdateMeter{Mode: mode, Meter: s.oneOf("chat", "tokens", "nothing"), Active: ptr(s.chance(70))}
	}
	return &CreateMeter{
		Mode: mode, EventName: s.oneOf("tokens", "late"), Currency: s.oneOf("", CurrencyID(1), CurrencyID(5), "pc_x"),
		Decimals: ptr(uint8(2)),
	}
}

func (s *scenario) customer() string { return s.oneOf("a", "a", "a", "b", "b", "c", "did:abt:d") }

func (s *scenario) grantID() GrantID { return GrantID{uint32(s.IntN(7)), uint32(s.IntN(12))} }

func (s *scenario) report(mode Mode) *Report {
	c := &Report{
		Mode: mode, Customer: s.customer(), EventName: s.oneOf("tokens", "tokens", "seats", "seats", "chat", "images", "calls", "visits"),
		Value: s.value(), Channel: Channel(s.IntN(2)),
	}
	s.events++
	number := s.events
	if s.chance(15) {
		number = 1 + s.IntN(s.events) // a repeat, of late or of long ago
	}
	c.Identifier = fmt.Sprintf("e%d", number)
	if number%3 == 0 {
		c.Identifier = fmt.Sprintf("00000000-0000-4000-8000-%012x", number)
	}
	if s.chance(40) {
		c.Subscription = s.oneOf("s1", "s2", "s3")
	}
	if s.chance(20) {
		c.HasTimestamp, c.Timestamp = true, s.now+int64(s.oneOfInt(-100000, 0, 3599, 3600, 3601, 3610))
	}
	if s.chance(3) {
		c.EventName = s.oneOf("nothing", "late")
	}
	if s.chance(10) {
		c.Metadata, c.SourceData = []byte(`{"k":"v"}`), []byte(`["x"]`)
	}
	return c
}

func (s *scenario) oneOfInt(list ...int) int { return list[s.IntN(len(list))] }

func (s *scenario) value() Decimal {
	switch n := s.IntN(100); {
	case n < 75:
		return Decimal{NewAmount(uint64(s.IntN(20))), 0}
	case n < 90:
		return Decimal{NewAmount(uint64(s.IntN(3000))), 2}
	case n < 93:
		return Decimal{NewAmount(uint64(1 + s.IntN(2000))), 3}
	case n < 97 || !s.huge:
		return Decimal{NewAmount(uint64(s.IntN(1000))), uint8(s.IntN(MaxDecimals + 1))}
	}
	return Decimal{amountOf(new(big.Int).Rsh(bigOf(maxUnits), uint(s.IntN(10)))), uint8(s.IntN(4))}
}

func (s *scenario) grant(mode Mode) *CreateGrant {
	currency := 1 + s.IntN(scenarioCurrencies)
	if s.chance(50) {
		currency = 1
	}
	if mode == Test && s.chance(95) {
		currency = 5
	}
	c := &CreateGrant{
		Mode: mode, Customer: s.customer(), Currency: CurrencyID(uint32(currency)), Amount: s.value(),
		Category: Category(s.IntN(2)), Priority: uint32(s.oneOfInt(50, 50, 10, 0, MaxPriority)),
	}
	if s.chance(50) {
		c.ExpiresAt = s.now + int64(s.oneOfInt(-1, 0, 1, 2, 3, 5, 10, 10, 60))
	}
	if s.chance(50) {
		c.EffectiveAt = s.now + int64(s.oneOfInt(-5, 0, 0, 1, 2, 5, 5, 20))
	}
	if s.chance(25) {
		c.Scope.Prices = []string{s.oneOf("p1", "p2")}
	}
	if s.chance(15) {
		c.Scope.Meters = []string{s.oneOf("tokens", "chat", "calls", "nothing")}
	}
	if s.chance(30) {
		c.Name, c.Metadata = "gift", []byte(`{"a":0}`)
	}
	return c
}

// seeds calls fn for as many seeds as a test of every day can afford. LEDGER_SEEDS
// sets another number; LEDGER_SEED runs one again.
func seeds(t *testing.T, usual uint64, fn func(seed uint64)) {
	if one, err := strconv.ParseUint(os.Getenv("LEDGER_SEED"), 10, 64); err == nil {
		fn(one)
		return
	}
	if many, err := strconv.ParseUint(os.Getenv("LEDGER_SEEDS"), 10, 64); err == nil {
		usual = many
	}
	for seed := uint64(1); seed <= usual && !t.Failed(); seed++ {
		fn(seed)
	}
}

// stoppingTB turns the driver's failures into panics, so that a failing scenario
// can be tried again without this or that step.
type stoppingTB struct{ testing.TB }

func (stoppingTB) Helper()                        {}
func (stoppingTB) Fatalf(format string, a ...any) { panic(fmt.Errorf(format, a...)) }

// failure is what goes wrong when run is given the steps, nil if nothing does.
func failure(steps []step, run func(tb testing.TB, steps []step) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return run(stoppingTB{}, steps)
}

// holds fails the test when run fails, with as few of the steps as show it.
func holds(t *testing.T, seed uint64, steps []step, run func(tb testing.TB, steps []step) error) {
	t.Helper()
	err := failure(steps, run)
	if err == nil {
		return
	}
	for smaller := true; smaller; {
		smaller = false
		for i := len(steps) - 1; i > 0; i-- {
			for j := len(steps[i].commands) - 1; j >= 0; j-- {
				fewer := slices.Clone(steps)
				fewer[i].commands = slices.Delete(slices.Clone(fewer[i].commands), j, j+1)
				if len(fewer[i].commands) == 0 {
					fewer = slices.Delete(fewer, i, i+1)
				}
				if e := failure(fewer, run); e != nil {
					steps, err, smaller = fewer, e, true
					if i >= len(steps) || len(steps[i].commands) == 0 {
						break
					}
				}
			}
			i = min(i, len(steps))
		}
	}
	t.Errorf("LEDGER_SEED=%d: %v\n%s", seed, err, describe(steps))
}

func describe(steps []step) string {
	var b strings.Builder
	for i, s := range steps {
		fmt.Fprintf(&b, "entry %d at %+ds\n", i, s.at/nanosPerSecond-epoch)
		for _, c := range s.commands {
			fields := dereferenced(c)
			for key, value := range fields {
				if reflect.ValueOf(value).IsZero() {
					delete(fields, key)
				} else if text, ok := value.([]byte); ok {
					fields[key] = string(text)
				}
			}
			fmt.Fprintf(&b, "  %T %v\n", c, fields)
		}
	}
	return b.String()
}

func TestModel(t *testing.T) {
	seeds(t, 150, func(seed uint64) {
		steps := newScenario(seed, seed%3 == 0).steps(60)
		holds(t, seed, steps, againstModel(1+int(seed%4)))
	})
}

// againstModel holds the ledger against the model after every entry.
func againstModel(shards int) func(tb testing.TB, steps []step) error {
	return func(tb testing.TB, steps []step) error {
		d, m := newDriver(tb, shards), newModel()
		m.now = d.machine.Time
		j := judge{driver: d, model: m, seqs: map[*modelEvent]uint64{}}
		for i, s := range steps {
			got, want := d.do(s.at, s.commands...), m.apply(s.at, s.commands)
			for slot := range s.commands {
				if err := j.result(&got[slot], &want[slot]); err != nil {
					return fmt.Errorf("entry %d, command %d (%T): %w", i, slot, s.commands[slot], err)
				}
			}
			if err := j.state(); err != nil {
				return fmt.Errorf("after entry %d: %w", i, err)
			}
		}
		return nil
	}
}

// judge compares a ledger with the model. Sequences are the ledger's own: the
// model only demands that events keep theirs and that they rise.
type judge struct {
	driver *driver
	model  *model
	seqs   map[*modelEvent]uint64
	last   uint64
}

func (j *judge) result(got *Result, want *modelResult) error {
	if got.Code != want.code {
		return fmt.Errorf("%v, expected %v", got.Code, want.code)
	}
	if got.Time != j.model.now {
		return fmt.Errorf("time %d, expected %d", got.Time, j.model.now)
	}
	if want.event == nil {
		if got.Code == OK && (got.Account != want.account || got.Ordinal != want.ordinal) {
			return fmt.Errorf("account %d, ordinal %d; expected %d, %d", got.Account, got.Ordinal, want.account, want.ordinal)
		}
		return nil
	}
	if got.Account != want.account {
		return fmt.Errorf("account %d, expected %d", got.Account, want.account)
	}
	if got.Code == Duplicate {
		if got.Seq != j.seqs[want.event] {
			return fmt.Errorf("event %d, expected %d", got.Seq, j.seqs[want.event])
		}
		return nil
	}
	if got.Seq <= j.last {
		return fmt.Errorf("event %d after %d", got.Seq, j.last)
	}
	j.seqs[want.event], j.last = got.Seq, got.Seq
	return same("consumed", got.Consumed, want.consumed, "pending", got.Pending, want.pending)
}

// same compares triples of a name, an Amount and a *big.Int.
func same(triples ...any) error {
	for i := 0; i < len(triples); i += 3 {
		if got, want := triples[i+1].(Amount), triples[i+2].(*big.Int); bigOf(got).Cmp(want) != 0 {
			return fmt.Errorf("%s %v, expected %v", triples[i], got, want)
		}
	}
	return nil
}

func (j *judge) state() error {
	dir := j.driver.dir()
	if dir.Customers() != len(j.model.customers) {
		return fmt.Errorf("%d customers, expected %d", dir.Customers(), len(j.model.customers))
	}
	// Early is allowed, a grant may have been drawn empty before its expiry; late is not.
	if got, want := j.driver.nextDue(), j.model.nextDue(); want != 0 && (got == 0 || got > want) {
		return fmt.Errorf("next due at %+d, expected %+d", got-epoch, want-epoch)
	}
	for _, cus := range j.model.customers {
		if err := j.customer(cus); err != nil {
			return fmt.Errorf("customer %s (%d): %w", cus.name, cus.number, err)
		}
	}
	return nil
}

func (j *judge) customer(cus *modelCustomer) error {
	dir, book := j.driver.dir(), j.driver.book(cus.number)
	if id, mode, ok := dir.CustomerID(cus.number); !ok || id != cus.name || mode != cus.mode {
		return fmt.Errorf("is called %q, mode %d", id, mode)
	}
	var grants []Grant
	book.EachGrant(cus.number, &GrantFilter{Mode: cus.mode}, dir, func(g Grant) bool {
		grants = append(grants, g)
		return true
	})
	if len(grants) != len(cus.grants) {
		return fmt.Errorf("%d grants, expected %d", len(grants), len(cus.grants))
	}
	slices.Reverse(grants)
	for i := range grants {
		if err := sameGrant(&grants[i], cus.grants[i]); err != nil {
			return fmt.Errorf("grant %d: %w", i+1, err)
		}
		if one, ok := book.Grant(grants[i].ID, dir); !ok || !reflect.DeepEqual(one, grants[i]) {
			return fmt.Errorf("grant %d reads %+v alone, %+v in the list", i+1, one, grants[i])
		}
	}
	for n := range j.model.currencies {
		if err := j.position(cus, uint32(n+1)); err != nil {
			return fmt.Errorf("currency %d: %w", n+1, err)
		}
	}
	pending := map[uint64]Amount{}
	book.EachDebt(cus.number, func(seq uint64, amount Amount) { pending[seq] = amount })
	for _, e := range cus.events {
		if err := same("pending of "+e.identifier, pending[j.seqs[e]], e.pending); err != nil {
			return err
		}
	}
	return j.rows(cus)
}

func sameGrant(g *Grant, want *modelGrant) error {
	if err := same("amount", g.Amount, want.amount, "remaining", g.Remaining, want.remaining, "consumed", g.Consumed,
		want.consumed, "expired", g.Expired, want.expired, "voided", g.Voided, want.voided); err != nil {
		return err
	}
	got := fmt.Sprint(g.Currency, g.Status, g.Category, g.Priority, g.EffectiveAt, g.ExpiresAt, g.VoidedAt, g.GrantedAt, g.Created)
	if expect := fmt.Sprint(want.currency, want.status, want.category, want.priority, want.effective, want.expires,
		want.voidedAt, want.grantedAt, want.created); got != expect {
		return fmt.Errorf("%s, expected %s", got, expect)
	}
	if !reflect.DeepEqual(parseObject(g.Metadata), want.metadata) {
		return fmt.Errorf("metadata %s, expected %v", g.Metadata, want.metadata)
	}
	return nil
}

// position compares what the account can spend and what it owes in a currency.
func (j *judge) position(cus *modelCustomer, currency uint32) error {
	dir, book, now := j.driver.dir(), j.driver.book(cus.number), j.model.now/1e9
	total, remaining, grants := new(big.Int), new(big.Int), 0
	for _, g := range cus.grants {
		if g.currency == currency && g.status == GrantGranted && (g.expires == 0 || now < g.expires) {
			total.Add(total, g.amount)
			remaining.Add(remaining, g.remaining)
			grants++
		}
	}
	var sum BalanceSummary
	for _, s := range book.Summary(cus.number, "", cus.mode, j.model.now, dir) {
		if s.Currency == currency {
			sum = s
		}
	}
	holder, holds := book.Holder(cus.number, currency, j.model.now)
	if sum.Grants != grants || holds != (grants > 0) || holder.Grants != grants {
		return fmt.Errorf("%d grants to spend, %d as holder, expected %d", sum.Grants, holder.Grants, grants)
	}
	var owed Amount
	for _, p := range book.Pending(cus.number, currency, cus.mode, "", dir) {
		owed = p.Amount
	}
	if err := same("total", sum.Total, total, "to spend", sum.Remaining, remaining, "held", holder.Balance, remaining,
		"pending", owed, pendingOf(cus, currency, "")); err != nil {
		return err
	}
	for _, sub := range []string{"s1", "s3"} {
		owed = Amount{}
		for _, p := range book.Pending(cus.number, currency, cus.mode, sub, dir) {
			owed = p.Amount
		}
		if err := same("pending of "+sub, owed, pendingOf(cus, currency, sub)); err != nil {
			return err
		}
	}
	return nil
}

func pendingOf(cus *modelCustomer, currency uint32, subscription string) *big.Int {
	sum := new(big.Int)
	for _, e := range cus.events {
		if e.currency == currency && (subscription == "" || e.subscription == subscription) {
			sum.Add(sum, e.pending)
		}
	}
	return sum
}

// rows compares the account's whole history.
func (j *judge) rows(cus *modelCustomer) error {
	dir, n, events := j.driver.dir(), 0, 0
	for _, rec := range j.driver.records[cus.number] {
		if e := rec.event; e != nil {
			if events == len(cus.events) {
				return fmt.Errorf("more events than expected")
			}
			want := cus.events[events]
			events++
			if rec.identifier != want.identifier || rec.seq != j.seqs[want] || e.Meter != want.meter ||
				e.Currency != want.currency || dir.Subscription(e.Subscription) != want.subscription {
				return fmt.Errorf("event %d is %+v, expected %+v", rec.seq, rec.event, want)
			}
			if err := same("cost", e.Cost, want.cost); err != nil {
				return fmt.Errorf("event %s: %w", rec.identifier, err)
			}
		}
		for _, row := range rec.rows {
			if n == len(cus.rows) {
				return fmt.Errorf("more rows than expected: %+v", row)
			}
			if err := j.row(&row, &cus.rows[n], dir); err != nil {
				return fmt.Errorf("row %d: %w", n, err)
			}
			n++
		}
	}
	if n != len(cus.rows) || events != len(cus.events) {
		return fmt.Errorf("%d rows and %d events, expected %d and %d", n, events, len(cus.rows), len(cus.events))
	}
	return nil
}

func (j *judge) row(row *Row, want *modelRow, dir *Directory) error {
	if row.Type != want.kind || row.Negative != want.negative || row.Currency != want.currency || row.Grant != want.grant {
		return fmt.Errorf("%+v, expected %+v", row, want)
	}
	if err := same("amount", row.Amount, want.amount, "the grant's remaining", row.GrantRemaining, want.grantRemaining,
		"balance", row.Balance, want.balance); err != nil {
		return err
	}
	if want.event == nil {
		if row.EventSeq != 0 || row.Meter != 0 || row.Subscription != 0 {
			return fmt.Errorf("is for event %d, expected none", row.EventSeq)
		}
		return nil
	}
	if row.EventSeq != j.seqs[want.event] || row.Meter != want.event.meter ||
		dir.Subscription(row.Subscription) != want.event.subscription {
		return fmt.Errorf("is for event %d, expected %s (%d)", row.EventSeq, want.event.identifier, j.seqs[want.event])
	}
	return nil
}
