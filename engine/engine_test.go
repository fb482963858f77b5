package engine

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"drawdown/engine/ledger"
)

// rig drives an engine with entries, as the log would.
type rig struct {
	t       *testing.T
	e       *Engine
	fs      vfs.FS
	index   uint64
	now     int64
	entries [][]byte
}

const start0 = int64(1_700_000_000) * 1e9

func newRig(t *testing.T, shards int) *rig {
	t.Helper()
	r := &rig{t: t, fs: vfs.NewMem(), now: start0}
	e, err := New("index", Options{FS: r.fs, Shards: shards})
	if err != nil {
		t.Fatal(err)
	}
	r.use(e)
	r.apply(&ledger.Init{HashKey: [16]byte{1, 2, 3}})
	return r
}

func (r *rig) use(e *Engine) {
	r.e = e
	r.t.Cleanup(func() { _ = e.Close() })
}

// apply carries out the commands as one entry, one second after the last.
func (r *rig) apply(commands ...ledger.Command) []ledger.Result {
	r.t.Helper()
	var b ledger.Batch
	for _, c := range commands {
		b.Add(c)
	}
	r.now += 1e9
	entry := ledger.AppendEntry(nil, r.now, b.Len())
	for i := range b.Len() {
		entry = ledger.AppendCommand(entry, b.At(i))
	}
	r.index++
	r.entries = append(r.entries, entry)
	results, err := r.e.Apply(r.index, entry)
	if err != nil {
		r.t.Fatal(err)
	}
	return results
}

func (r *rig) meter(eventName string) ledger.Meter {
	r.t.Helper()
	r.apply(&ledger.CreateMeter{Name: eventName, EventName: eventName, Unit: "u"})
	m, ok := r.e.Meter(ledger.Live, eventName)
	if !ok {
		r.t.Fatalf("no meter %s", eventName)
	}
	return m
}

func grant(customer string, m ledger.Meter, amount uint64) *ledger.CreateGrant {
	return &ledger.CreateGrant{
		Customer: customer, Currency: ledger.CurrencyID(m.Currency), Amount: ledger.Decimal{Coef: ledger.NewAmount(amount)},
		Priority: ledger.DefaultPriority,
	}
}

func report(customer, identifier string, m ledger.Meter, value uint64) *ledger.Report {
	return &ledger.Report{
		Identifier: identifier, EventName: m.EventName, Customer: customer,
		Value: ledger.Decimal{Coef: ledger.NewAmount(value)},
	}
}

// must fails the test on an error and passes the value on.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestFourSteps(t *testing.T) {
	r := newRig(t, 2)
	m := r.meter("tokens")
	r.apply(grant("alice", m, 1000))
	first := r.apply(report("alice", "e1", m, 10))[0]
	again := r.apply(report("alice", "e1", m, 10))[0]
	if first.Code != ledger.OK || again.Code != ledger.Duplicate || again.Event() != first.Event() {
		t.Fatalf("first %+v, again %+v", first, again)
	}
	sum := must[[]ledger.BalanceSummary](t)(r.e.Summary(t.Context(), ledger.Live, "alice", ""))
	if len(sum) != 1 || sum[0].Remaining != ledger.NewAmount(99000) || sum[0].Total != ledger.NewAmount(100000) {
		t.Fatalf("summary %+v", sum)
	}
	list, total, err := r.e.Transactions(t.Context(), ledger.TransactionFilter{Customer: "alice"}, ledger.Page{Size: 10})
	if err != nil || total != 2 || list[0].Type != ledger.RowConsumption || list[1].Type != ledger.RowGrant {
		t.Fatalf("transactions %+v, %d, %v", list, total, err)
	}
	if c := list[0]; !c.Negative || c.Amount != ledger.NewAmount(1000) || c.Balance != ledger.NewAmount(99000) ||
		c.Event != first.Event() || c.Meter != m.Number {
		t.Fatalf("consumption %+v", c)
	}
	one, ok, err := r.e.Transaction(t.Context(), ledger.Live, list[0].ID)
	if err != nil || !ok || !reflect.DeepEqual(one, list[0]) {
		t.Fatalf("by id %+v %v %v", one, ok, err)
	}
	if _, ok, _ := r.e.Transaction(t.Context(), ledger.Test, list[0].ID); ok {
		t.Fatal("a live transaction shows in test mode")
	}
}

// TestSettledEvent: an event that was short shows what it is now, and when it was
// settled.
func TestSettledEvent(t *testing.T) {
	r := newRig(t, 2)
	m := r.meter("tokens")
	short := r.apply(report("bob", "e1", m, 10))[0]
	ev, _, err := r.e.Event(t.Context(), ledger.Live, short.Event())
	if err != nil || ev.Status != ledger.EventRequiresCapture || ev.Pending != ledger.NewAmount(1000) || ev.Processed != 0 {
		t.Fatalf("short %+v %v", ev, err)
	}
	r.apply(grant("bob", m, 4))
	r.apply(report("bob", "e2", m, 1))
	r.apply(grant("bob", m, 100))
	settled := r.now
	r.apply(report("bob", "e3", m, 1))
	ev, _, err = r.e.Event(t.Context(), ledger.Live, short.Event())
	if err != nil || ev.Status != ledger.EventCompleted || !ev.Pending.IsZero() || ev.Processed != settled ||
		ev.Consumed != ev.Cost {
		t.Fatalf("settled %+v %v, expected at %d", ev, err, settled)
	}
	owed := must[[]ledger.CurrencyTotal](t)(r.e.Pending(t.Context(), ledger.Live, "", 0, ""))
	if len(owed) != 0 {
		t.Fatalf("still pending: %+v", owed)
	}
}

// TestPages walks lists by number and by cursor, both ways, and holds every page
// against the whole.
func TestPages(t *testing.T) {
	r := newRig(t, 3)
	m := r.meter("tokens")
	for i := range 40 {
		r.apply(grant(fmt.Sprint("c", i%7), m, 100), report(fmt.Sprint("c", i%5), fmt.Sprint("e", i), m, 1))
	}
	type list func(p ledger.Page) (ids []string, total int, err error)
	lists := map[string]list{
		"events": func(p ledger.Page) (ids []string, total int, err error) {
			items, total, err := r.e.Events(t.Context(), ledger.EventFilter{}, p)
			return collect(items, func(e ledger.Event) string { return e.ID.String() }), total, err
		},
		"transactions": func(p ledger.Page) (ids []string, total int, err error) {
			items, total, err := r.e.Transactions(t.Context(), ledger.TransactionFilter{}, p)
			return collect(items, func(x ledger.Transaction) string { return x.ID.String() }), total, err
		},
		"transactions of c1": func(p ledger.Page) (ids []string, total int, err error) {
			items, total, err := r.e.Transactions(t.Context(), ledger.TransactionFilter{Customer: "c1"}, p)
			return collect(items, func(x ledger.Transaction) string { return x.ID.String() }), total, err
		},
		"grants": func(p ledger.Page) (ids []string, total int, err error) {
			items, total, err := r.e.Grants(t.Context(), ledger.GrantFilter{}, p)
			return collect(items, func(g ledger.Grant) string { return g.ID.String() }), total, err
		},
		"customers": func(p ledger.Page) (ids []string, total int, err error) {
			items, total, err := r.e.Customers(ledger.CustomerFilter{}, p)
			return collect(items, func(c ledger.Customer) string { return c.ID }), total, err
		},
	}
	for name, get := range lists {
		for _, ascending := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ascending), func(t *testing.T) { walkPages(t, get, ascending) })
		}
	}
}

func walkPages(t *testing.T, get func(ledger.Page) ([]string, int, error), ascending bool) {
	all, total, err := get(ledger.Page{Size: 1000, Ascending: ascending})
	if err != nil || len(all) != total || total == 0 {
		t.Fatalf("%d items, total %d, %v", len(all), total, err)
	}
	const size = 3
	check := func(what string, p ledger.Page, want []string) {
		t.Helper()
		p.Size, p.Ascending = size, ascending
		got, n, err := get(p)
		if err != nil || n != total || len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: got %v of %d (%v), want %v of %d", what, got, n, err, want, total)
		}
	}
	for first := 0; first <= total; first += size {
		check(fmt.Sprint("page ", first/size+1), ledger.Page{Number: first/size + 1}, all[first:min(first+size, total)])
	}
	for i, id := range all {
		check("after "+id, ledger.Page{After: id}, all[i+1:min(i+1+size, total)])
		check("before "+id, ledger.Page{Before: id}, all[max(0, i-size):i])
	}
	if _, _, err := get(ledger.Page{Size: size, After: "nothing"}); err != ledger.ErrCursor {
		t.Fatalf("unknown cursor: %v", err)
	}
}

func collect[T any](items []T, id func(T) string) (ids []string) {
	for _, item := range items {
		ids = append(ids, id(item))
	}
	return ids
}

// TestSnapshotAndReplay: from a snapshot at any index, over an index that is ahead
// of it, replay comes to the same state (I4), loses nothing and doubles nothing
// (I2), with another number of shards.
func TestSnapshotAndReplay(t *testing.T) {
	r := newRig(t, 2)
	m := r.meter("tokens")
	random := rand.New(rand.NewPCG(7, 7))
	var chunks [][]byte
	var at uint64
	for i := range 60 {
		if i == 25 {
			chunks, at = r.snapshot("copy")
		}
		var commands []ledger.Command
		for range 1 + random.IntN(20) {
			customer := fmt.Sprint("c", random.IntN(9))
			if random.IntN(8) == 0 {
				commands = append(commands, grant(customer, m, uint64(1+random.IntN(50))))
			} else {
				commands = append(commands, report(customer, fmt.Sprint("e", random.IntN(400)), m, uint64(random.IntN(9))))
			}
		}
		r.apply(commands...)
	}
	want, err := r.e.Check()
	if err != nil || want.Violation != nil {
		t.Fatal(err, want.Violation)
	}
	frozen, err := r.e.Freeze()
	if err != nil {
		t.Fatal(err)
	}
	// Everything is durable now: for the replay below, the index is ahead.
	if err := frozen.Checkpoint(t.Context(), "ahead"); err != nil {
		t.Fatal(err)
	}
	frozen.Release()
	for _, dir := range []string{"copy", "ahead"} {
		i := 0
		e, err := Restore(dir, Options{FS: r.fs, Shards: 3}, func() ([]byte, error) {
			if i == len(chunks) {
				return nil, io.EOF
			}
			i++
			return chunks[i-1], nil
		})
		if err != nil {
			t.Fatal(dir, err)
		}
		for index := at + 1; index <= r.index; index++ {
			if _, err := e.Apply(index, r.entries[index-1]); err != nil {
				t.Fatal(dir, err)
			}
		}
		got, err := e.Check()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: after replay %+v, want %+v (%v)", dir, got, want, err)
		}
		compareHistory(t, dir, r.e, e)
		if err := e.Close(); err != nil {
			t.Error(dir, err)
		}
	}
}

func compareHistory(t *testing.T, name string, a, b *Engine) {
	t.Helper()
	page := ledger.Page{Size: 10_000}
	want, n, err := a.Transactions(t.Context(), ledger.TransactionFilter{}, page)
	got, m, err2 := b.Transactions(t.Context(), ledger.TransactionFilter{}, page)
	if err != nil || err2 != nil || n != m || !reflect.DeepEqual(want, got) {
		t.Errorf("%s: the transactions differ: %d and %d (%v, %v)", name, n, m, err, err2)
	}
	events, n, err := a.Events(t.Context(), ledger.EventFilter{}, page)
	again, m, err2 := b.Events(t.Context(), ledger.EventFilter{}, page)
	if err != nil || err2 != nil || n != m || !reflect.DeepEqual(events, again) {
		t.Errorf("%s: the events differ: %d and %d (%v, %v)", name, n, m, err, err2)
	}
}

func (r *rig) snapshot(dir string) (chunks [][]byte, index uint64) {
	r.t.Helper()
	frozen, err := r.e.Freeze()
	if err != nil {
		r.t.Fatal(err)
	}
	defer frozen.Release()
	err = frozen.Encode(func(chunk []byte) error {
		chunks = append(chunks, bytes.Clone(chunk))
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := frozen.Checkpoint(r.t.Context(), dir); err != nil {
		r.t.Fatal(err)
	}
	return chunks, frozen.Head().Index
}

// TestDue: what time alone changes is announced, and a Settle carries it out.
func TestDue(t *testing.T) {
	r := newRig(t, 2)
	m := r.meter("tokens")
	g := grant("alice", m, 10)
	g.ExpiresAt = r.now/1e9 + 100
	r.apply(g)
	if due := r.e.NextDue(); due != g.ExpiresAt {
		t.Fatalf("next due %d, want %d", due, g.ExpiresAt)
	}
	if accounts := r.e.Due(g.ExpiresAt-1, 10); len(accounts) != 0 {
		t.Fatalf("due too early: %v", accounts)
	}
	r.now = g.ExpiresAt * 1e9
	r.apply(&ledger.Settle{Accounts: r.e.Due(g.ExpiresAt, 10)})
	list, total, err := r.e.Transactions(t.Context(), ledger.TransactionFilter{Customer: "alice"}, ledger.Page{Size: 1})
	if err != nil || total != 2 || list[0].Type != ledger.RowExpiration || !list[0].Balance.IsZero() {
		t.Fatalf("%+v %d %v", list, total, err)
	}
	if due := r.e.NextDue(); due != 0 {
		t.Fatalf("still due at %d", due)
	}
}

// TestConcurrentReads runs every read beside writes and snapshots; the race
// detector and the deadline judge.
func TestConcurrentReads(t *testing.T) {
	r := newRig(t, 2)
	m := r.meter("tokens")
	r.apply(grant("c1", m, 1_000_000))
	stop := make(chan struct{})
	reads := []func() error{
		func() error { _, err := r.e.Summary(t.Context(), ledger.Live, "c1", ""); return err },
		func() error {
			_, _, err := r.e.Events(t.Context(), ledger.EventFilter{Query: "e1"}, ledger.Page{Size: 5})
			return err
		},
		func() error {
			_, _, err := r.e.Transactions(t.Context(), ledger.TransactionFilter{Customer: "c1"}, ledger.Page{Size: 5})
			return err
		},
		func() error {
			_, _, err := r.e.Grants(t.Context(), ledger.GrantFilter{}, ledger.Page{Size: 5})
			return err
		},
		func() error { _, _, err := r.e.Customers(ledger.CustomerFilter{}, ledger.Page{Size: 5}); return err },
		func() error { return checked(r.e) },
	}
	failed := make(chan error, len(reads))
	for _, read := range reads {
		go func() {
			for {
				select {
				case <-stop:
					failed <- nil
					return
				default:
				}
				if err := read(); err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	deadline := time.Now().Add(time.Second)
	for i := 0; time.Now().Before(deadline); i++ {
		r.apply(report("c1", fmt.Sprint("e", i), m, 1), report(fmt.Sprint("d", i), fmt.Sprint("f", i), m, 1))
	}
	close(stop)
	for range reads {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}

func checked(e *Engine) error {
	report, err := e.Check()
	if err != nil {
		return err
	}
	return report.Violation
}
