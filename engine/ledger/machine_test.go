package ledger

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
)

// entries is the encoded form of the steps.
func entries(steps []step) (list [][]byte) {
	for _, s := range steps {
		list = append(list, entryOf(s.at, s.commands...))
	}
	return list
}

// However a list of commands is cut into entries under the same stamps, the
// balances are the same.
func TestOtherBatching(t *testing.T) {
	seeds(t, 20, func(seed uint64) {
		steps := newScenario(seed, false).steps(50)
		holds(t, seed, steps, func(tb testing.TB, steps []step) error {
			asIs, single, merged := newDriver(tb, 2), newDriver(tb, 2), newDriver(tb, 2)
			var pending []Command
			for i, s := range steps {
				asIs.do(s.at, s.commands...)
				for _, c := range s.commands {
					single.do(s.at, c)
				}
				pending = append(pending, s.commands...)
				if i+1 == len(steps) || steps[i+1].at != s.at {
					merged.do(s.at, pending...)
					pending = nil
				}
			}
			want := asIs.stateText()
			if got := single.stateText(); got != want {
				return fmt.Errorf("one command an entry:\n%s\nas is:\n%s", got, want)
			}
			if got := merged.stateText(); got != want {
				return fmt.Errorf("merged entries:\n%s\nas is:\n%s", got, want)
			}
			return nil
		})
	})
}

// A Settle of an account in which nothing is due changes nothing, and one right in
// front of a command does what the command would have done first.
func TestSettleInBetween(t *testing.T) {
	seeds(t, 20, func(seed uint64) {
		steps := newScenario(seed, true).steps(50)
		holds(t, seed, steps, func(tb testing.TB, steps []step) error {
			plain, settled := newDriver(tb, 2), newDriver(tb, 2)
			everybody := &Settle{}
			for number := uint32(1); number < 10; number++ {
				everybody.Accounts = append(everybody.Accounts, number)
			}
			for _, s := range steps {
				plain.do(s.at, append([]Command{everybody}, s.commands...)...)
				var commands []Command
				for _, c := range s.commands {
					commands = append(commands, everybody, c, everybody)
				}
				settled.do(s.at, commands...)
			}
			plain.do(plain.machine.Time, everybody) // prices may have changed since
			if got, want := settled.stateText(), plain.stateText(); got != want {
				return fmt.Errorf("with more Settles:\n%s\nwith fewer:\n%s", got, want)
			}
			return nil
		})
	})
}

// The number of shards shows in nothing: results, digests, chain, snapshot (I4).
func TestOtherShards(t *testing.T) {
	seeds(t, 12, func(seed uint64) {
		steps := newScenario(seed, true).steps(50)
		holds(t, seed, steps, func(tb testing.TB, steps []step) error {
			log := entries(steps)
			one := newDriver(tb, 1)
			var results [][]Result
			for _, entry := range log {
				results = append(results, one.apply(entry))
			}
			for _, shards := range []int{2, 3, 7} {
				other := newDriver(tb, shards)
				for i, entry := range log {
					if got := other.apply(entry); !reflect.DeepEqual(got, results[i]) {
						return fmt.Errorf("%d shards, entry %d: %+v, expected %+v", shards, i, got, results[i])
					}
				}
				if err := sameState(one, other); err != nil {
					return fmt.Errorf("%d shards: %w", shards, err)
				}
				if !reflect.DeepEqual(one.records, other.records) || !reflect.DeepEqual(one.digests, other.digests) {
					return fmt.Errorf("%d shards: other records or digests", shards)
				}
			}
			return nil
		})
	})
}

func sameState(a, b *driver) error {
	if a.machine.Head != b.machine.Head {
		return fmt.Errorf("head %+v, expected %+v", b.machine.Head, a.machine.Head)
	}
	if a.totals() != b.totals() {
		return fmt.Errorf("totals %+v, expected %+v", b.totals(), a.totals())
	}
	if got, want := b.snapshot(), a.snapshot(); !reflect.DeepEqual(got, want) {
		return fmt.Errorf("the snapshots differ:\n%q\n%q", got, want)
	}
	return nil
}

// A snapshot at any entry, restored into another number of shards, goes on as if
// nothing had happened: same results, same chain, same next snapshot.
func TestSnapshotAndGoOn(t *testing.T) {
	seeds(t, 12, func(seed uint64) {
		steps := newScenario(seed, true).steps(40)
		holds(t, seed, steps, func(tb testing.TB, steps []step) error {
			whole, reused := newDriver(tb, 2), &Frozen{}
			log := entries(steps)
			random := rand.New(rand.NewPCG(seed, 2))
			d := newDriver(tb, 3)
			for i, entry := range log {
				want, got := whole.apply(entry), d.apply(entry)
				if !reflect.DeepEqual(got, want) {
					return fmt.Errorf("entry %d: %+v, expected %+v", i, got, want)
				}
				if random.IntN(4) != 0 {
					continue
				}
				// The copy is taken now and encoded when the original has gone on.
				d.freeze(reused)
				before := encodeFrozen(tb, reused)
				if i+1 < len(log) {
					ahead := mustRestore(tb, before, 2, d.ids.clone())
					d.ids = d.ids.clone()
					d.machine.ids = d.ids
					d.apply(log[i+1])
					if after := encodeFrozen(tb, reused); !reflect.DeepEqual(after, before) {
						return fmt.Errorf("entry %d: the frozen copy changed as the original went on", i)
					}
					ahead.apply(log[i+1])
					if err := sameState(d, ahead); err != nil {
						return fmt.Errorf("entry %d, original against restored: %w", i, err)
					}
					if got, want := ahead.stateText(), d.stateText(); got != want {
						return fmt.Errorf("entry %d:\n%s\nexpected:\n%s", i, got, want)
					}
					if ahead.nextDue() == 0 && d.modelDue() != 0 || ahead.modelDue() != d.modelDue() {
						return fmt.Errorf("entry %d: next due %d, expected %d", i, ahead.nextDue(), d.modelDue())
					}
				}
				d = mustRestore(tb, before, 1+random.IntN(5), whole.ids.clone())
				if err := sameState(whole, d); err != nil {
					return fmt.Errorf("restored at entry %d: %w", i, err)
				}
				if err := d.checkAll(); err != nil {
					return err
				}
			}
			return sameState(whole, d)
		})
	})
}

// modelDue is the next due moment by a walk over all live grants.
func (d *driver) modelDue() (due int64) {
	for number := uint32(1); number <= uint32(d.dir().Customers()); number++ {
		filter := &GrantFilter{Statuses: []GrantStatus{GrantPending, GrantGranted}}
		d.book(number).EachGrant(number, filter, d.dir(), func(g Grant) bool {
			due = earlier(due, g.ExpiresAt)
			if g.Status == GrantPending {
				due = earlier(due, g.EffectiveAt)
			}
			return true
		})
	}
	return due
}

// A crash after the identifiers were flushed: the log is replayed from any earlier
// snapshot over a store that knows its future. Nothing is lost, nothing is doubled
// (I2, I11).
func TestReplayOverIdentifiersAhead(t *testing.T) {
	seeds(t, 12, func(seed uint64) {
		steps := newScenario(seed, true).steps(30)
		holds(t, seed, steps, func(tb testing.TB, steps []step) error {
			d, log := newDriver(tb, 2), entries(steps)
			snapshots, results := [][][]byte{d.snapshot()}, [][]Result{}
			for _, entry := range log {
				results = append(results, d.apply(entry))
				snapshots = append(snapshots, d.snapshot())
			}
			for from := 0; from <= len(log); from += 3 {
				again := mustRestore(tb, snapshots[from], 1+from%3, d.ids.clone())
				for i := from; i < len(log); i++ {
					if got := again.apply(log[i]); !reflect.DeepEqual(got, results[i]) {
						return fmt.Errorf("replay from %d, entry %d: %+v, expected %+v", from, i, got, results[i])
					}
				}
				if err := sameState(d, again); err != nil {
					return fmt.Errorf("replay from %d: %w", from, err)
				}
				if !reflect.DeepEqual(again.ids.uses, d.ids.uses) {
					return fmt.Errorf("replay from %d: the identifiers differ", from)
				}
			}
			return nil
		})
	})
}

// setUp is a driver with a meter of two decimals in both modes.
func setUp(tb testing.TB, shards int) *driver {
	d := newDriver(tb, shards)
	d.do(epoch*nanosPerSecond, scenarioMeters...)
	return d
}

func event(identifier, customer string, value uint64) *Report {
	return &Report{Identifier: identifier, EventName: "tokens", Customer: customer, Value: Decimal{Coef: NewAmount(value)}}
}

// The key of the identifiers holds from Init on, in the entry of Init as well.
func TestReportInTheEntryOfInit(t *testing.T) {
	d := &driver{tb: t, ids: newIdentifierStore(), records: map[uint32][]storedRecord{}, outputs: make([]Output, 1)}
	d.machine, d.books = NewMachine(d.ids), []*Book{NewBook(0, 1)}
	d.do(1, testInit, &CreateMeter{EventName: "tokens"}, event("e1", "a", 1))
	if got := d.do(2, event("e1", "a", 1)); got[0].Code != Duplicate {
		t.Errorf("the second report of e1 is %v", got[0].Code)
	}
}

// A use that the store knows but the state has not reached is no repeat; one that
// it has reached is.
func TestUseFromTheFuture(t *testing.T) {
	d := setUp(t, 1)
	results := d.do(epoch*nanosPerSecond, event("e1", "a", 1), event("e1", "a", 1), event("e2", "a", 1))
	again := setUp(t, 1)
	again.machine.ids = d.ids
	replayed := again.do(epoch*nanosPerSecond, event("e1", "a", 1), event("e1", "a", 1), event("e2", "a", 1))
	if !reflect.DeepEqual(results, replayed) {
		t.Errorf("%+v, replayed %+v", results, replayed)
	}
	if r := again.do(0, event("e2", "b", 1)); r[0].Code != Duplicate || r[0].Event() != results[2].Event() {
		t.Errorf("e2 again: %+v", r[0])
	}
}

// The log's time never goes back and never stands still.
func TestTimeRises(t *testing.T) {
	d := setUp(t, 1)
	last := d.machine.Time
	for _, at := range []int64{last + 5, last + 5, last, 0, -7} {
		if r := d.do(at, event(fmt.Sprint("e", at, d.machine.Time), "a", 1)); r[0].Time <= last || r[0].Time != d.machine.Time {
			t.Errorf("stamp %d after %d gives %d", at, last, r[0].Time)
		}
		last = d.machine.Time
	}
}

// The chain tells apart logs that differ in anything.
func TestChainDiffers(t *testing.T) {
	chains := map[uint64]string{}
	for what, log := range map[string][][]byte{
		"nothing":        nil,
		"an empty entry": {entryOf(1, []Command{}...)},
		"e1":             {entryOf(1, event("e1", "a", 1))},
		"e1 later":       {entryOf(1e18, event("e1", "a", 1))},
		"e2":             {entryOf(1, event("e2", "a", 1))},
		"another value":  {entryOf(1, event("e1", "a", 2))},
		"both":           {entryOf(1, event("e1", "a", 1), event("e2", "a", 1))},
		"swapped":        {entryOf(1, event("e2", "a", 1), event("e1", "a", 1))},
		"one by one":     {entryOf(1, event("e1", "a", 1)), entryOf(1, event("e2", "a", 1))},
	} {
		d := setUp(t, 2)
		for _, entry := range log {
			d.apply(entry)
		}
		if other, ok := chains[d.machine.Chain]; ok {
			t.Errorf("%s and %s have one chain", what, other)
		}
		chains[d.machine.Chain] = what
	}
}

// failingIdentifiers cannot be read.
type failingIdentifiers struct{ *identifierStore }

func (failingIdentifiers) FirstUses([]Fingerprint, []Use) error { return errSink }

func TestIdentifiersUnreadable(t *testing.T) {
	d := setUp(t, 1)
	d.machine.ids = failingIdentifiers{d.ids}
	if _, err := d.tryApply(entryOf(0, event("e1", "a", 1))); err != errSink {
		t.Errorf("%v", err)
	}
}

// More identifiers than the table of an entry starts with, with repeats of each.
func TestManyIdentifiersInOneEntry(t *testing.T) {
	d := setUp(t, 3)
	for _, count := range []int{10, 5000, 40} {
		var commands []Command
		for i := range count {
			commands = append(commands, event(fmt.Sprintf("%d/%d", count, i), fmt.Sprint("c", i%7), 1))
		}
		commands = append(commands, commands...)
		results := d.do(0, commands...)
		for i := range count {
			first, second := results[i], results[count+i]
			if first.Code != OK || second.Code != Duplicate || first.Event() != second.Event() {
				t.Fatalf("of %d, identifier %d: %+v, then %+v", count, i, first, second)
			}
		}
	}
}

// MaxLiveGrants is the bound per account and currency; ended grants do not count.
func TestLiveGrantsBound(t *testing.T) {
	d := setUp(t, 1)
	d.lenient = true
	var commands []Command
	for i := range MaxLiveGrants + 1 {
		commands = append(commands, &CreateGrant{
			Customer: "a", Currency: CurrencyID(1), Amount: Decimal{Coef: NewAmount(1)}, Priority: uint32(MaxPriority - i),
		})
	}
	results := d.do(0, commands...)
	if last := results[MaxLiveGrants-1]; last.Code != OK {
		t.Errorf("grant %d: %v", MaxLiveGrants, last.Code)
	}
	if past := results[MaxLiveGrants]; past.Code != LimitReached {
		t.Errorf("grant %d: %v", MaxLiveGrants+1, past.Code)
	}
	results = d.do(0, &VoidGrant{Grant: results[0].Grant()}, commands[0])
	if results[1].Code != OK {
		t.Errorf("after a void: %v", results[1].Code)
	}
	if err := d.checkAll(); err != nil {
		t.Error(err)
	}
	if _, err := restore(t, d.snapshot(), 2, d.ids); err != nil {
		t.Error(err)
	}
}

// Due names the accounts in which something is due, earliest first, until a Settle
// has been carried out.
func TestDue(t *testing.T) {
	d := setUp(t, 1)
	grant := func(customer string, effective, expires int64) *CreateGrant {
		c := &CreateGrant{Customer: customer, Currency: CurrencyID(1), Amount: Decimal{Coef: NewAmount(1)}}
		if effective != 0 {
			c.EffectiveAt = epoch + effective
		}
		if expires != 0 {
			c.ExpiresAt = epoch + expires
		}
		return c
	}
	d.do(0, grant("a", 0, 30), grant("b", 10, 0), grant("c", 0, 0), grant("d", 20, 40), grant("a", 0, 50))
	book := d.books[0]
	expect := func(now int64, limit int, want ...uint32) {
		t.Helper()
		if got := book.Due(nil, epoch+now, limit); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("due at +%d: %v, expected %v", now, got, want)
		}
	}
	if due := book.NextDue(); due != epoch+10 {
		t.Errorf("next due at +%d", due-epoch)
	}
	expect(9, 10)
	expect(10, 10, 2)
	expect(10, 10, 2)
	expect(100, 10, 2, 4, 1)
	expect(100, 2, 2, 4)
	d.do((epoch+30)*nanosPerSecond, &Settle{Accounts: []uint32{2, 4, 1}})
	expect(30, 10)
	expect(40, 10, 4)
	d.do((epoch+50)*nanosPerSecond, &Settle{Accounts: []uint32{1, 2, 3, 4, 5, 99}})
	if due := book.NextDue(); due != 0 {
		t.Errorf("next due at +%d", due-epoch)
	}
}
