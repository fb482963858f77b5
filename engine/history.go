package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"drawdown/engine/index"
	"drawdown/engine/ledger"
)

// Reads of the history: the index keeps records, one for each operation on an
// account; events and transactions are what the records hold.

// errUnreadable marks a record that passed the disk's checksums and still cannot
// be read (I7).
var errUnreadable = errors.New("history record cannot be read")

// entry is one record, taken apart.
type entry struct {
	index.Place
	time int64
	rr   ledger.RecordReader
}

func (en *entry) read(r index.Record) error {
	en.Place, en.time = r.Place, r.Time
	if err := en.rr.Read(r.Data, r.Seq, r.Time); err != nil {
		return fmt.Errorf("%w: account %d, sequence %d: %w", errUnreadable, r.Account, r.Seq, err)
	}
	return nil
}

// record reads one record; ok is false if there is none in the mode. data must be
// kept while the entry is used.
func (e *Engine) record(mode ledger.Mode, place index.Place) (en entry, ok bool, err error) {
	if !e.inMode(mode, place.Account) {
		return en, false, nil
	}
	data, time, ok, err := e.index.Record(place)
	if !ok || err != nil {
		return en, false, err
	}
	err = en.read(index.Record{Place: place, Time: time, Data: data})
	return en, err == nil, err
}

// scanEvery is how many records a scan reads between looks at its context.
const scanEvery = 1024

// scan visits the records of one customer, or of all of the mode, in list order.
func (e *Engine) scan(
	ctx context.Context, mode ledger.Mode, customer string, ascending bool, fn func(en *entry) error,
) error {
	if customer == "" {
		select {
		case e.wholeScans <- struct{}{}:
			defer func() { <-e.wholeScans }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	var en entry
	var failed error
	seen := 0
	visit := func(r index.Record) bool {
		if seen++; seen%scanEvery == 0 {
			failed = ctx.Err()
		}
		if failed == nil && (customer != "" || e.inMode(mode, r.Account)) {
			if failed = en.read(r); failed == nil {
				failed = fn(&en)
			}
		}
		return failed == nil
	}
	var err error
	if customer == "" {
		err = e.index.ScanAll(index.Place{}, !ascending, visit)
	} else if number := e.number(mode, customer); number != 0 {
		err = e.index.Scan(number, 0, !ascending, visit)
	}
	return errors.Join(failed, err)
}

// Event is one event as it stands; ok is false if there is none in this mode.
func (e *Engine) Event(ctx context.Context, mode ledger.Mode, id ledger.EventID) (ev ledger.Event, ok bool, err error) {
	ev, ok, err = e.EventAsCounted(mode, id)
	if !ok || err != nil {
		return ev, false, err
	}
	events := []ledger.Event{ev}
	err = e.followUp(ctx, events)
	return events[0], err == nil, err
}

// EventAsCounted is one event as it was when it was counted: what was pending then
// may have been settled since. It costs no more than reading one record.
func (e *Engine) EventAsCounted(mode ledger.Mode, id ledger.EventID) (ev ledger.Event, ok bool, err error) {
	en, ok, err := e.record(mode, index.Place(id))
	if !ok || err != nil || en.rr.Event == nil {
		return ev, false, err
	}
	return e.event(&en), true, nil
}

// event is a record's event as it was recorded.
func (e *Engine) event(en *entry) ledger.Event {
	r := en.rr.Event
	ev := ledger.Event{
		ID: ledger.EventID(en.Place), Identifier: r.Identifier(), Meter: r.Meter, Currency: r.Currency, Value: r.Value,
		Cost: r.Cost, Pending: r.Pending, Timestamp: r.Timestamp, HasTimestamp: r.HasTimestamp,
		Metadata: slices.Clone(r.Metadata), SourceData: slices.Clone(r.SourceData), Channel: r.Channel,
		Created: en.time, Processed: en.time,
	}
	ev.Customer, ev.Subscription = e.namesOf(en.Account, r.Subscription)
	ev.Consumed, _ = ev.Cost.Sub(ev.Pending)
	if !ev.Pending.IsZero() {
		ev.Status, ev.Processed = ledger.EventRequiresCapture, 0
	}
	return ev
}

// followUp brings events from what they were when they were recorded to what they
// are now. Those of one account are followed together: what settled them may be
// one long record far behind.
func (e *Engine) followUp(ctx context.Context, events []ledger.Event) error {
	short := map[uint32][]*ledger.Event{}
	for i := range events {
		if ev := &events[i]; !ev.Pending.IsZero() {
			short[ev.ID.Account] = append(short[ev.ID.Account], ev)
		}
	}
	for account, of := range short {
		if err := e.followAccount(ctx, account, of); err != nil {
			return err
		}
	}
	return nil
}

// followed is what became of what was pending of an event.
type followed struct {
	first   ledger.Amount // when it was recorded
	pending ledger.Amount // now
	settled ledger.Amount // drawn in between
	at      int64         // when the last of it was
	level   bool
}

// done says that nothing more is to be found in the records. If a level fell, a part
// may have been waived, of which no record tells: only the end of them does.
func (f *followed) done() bool {
	return f.settled == f.first || !f.level && !f.pending.IsZero()
}

func (e *Engine) followAccount(ctx context.Context, account uint32, events []*ledger.Event) error {
	found := make(map[uint64]*followed, len(events))
	from, last := events[0].ID.Seq, events[0].ID.Seq
	for _, ev := range events {
		meter, _ := e.MeterNumber(ev.Meter)
		found[ev.ID.Seq] = &followed{first: ev.Pending, level: meter.Aggregation == ledger.Last}
		from, last = min(from, ev.ID.Seq), max(last, ev.ID.Seq)
	}
	// The account and the records are looked at one after the other. So that they
	// tell of the same moment, the records have to come up to where the account was,
	// and those behind do not count.
	var at ledger.Head
	s := e.shard(account)
	err := s.do(ctx, func(b *ledger.Book) {
		at = s.at
		b.EachDebt(account, func(seq uint64, amount ledger.Amount) {
			if seq >= from && seq <= last && found[seq] != nil {
				found[seq].pending = amount
			}
		})
	})
	if err == nil {
		err = e.WaitApplied(ctx, at.Index)
	}
	if err == nil {
		err = e.settled(ctx, account, from+1, at.Seq, found)
	}
	if err != nil {
		return err
	}
	for _, ev := range events {
		found[ev.ID.Seq].bring(ev)
	}
	return nil
}

// settled finds what the records of an account, from one sequence to another, drew
// for events that were short.
func (e *Engine) settled(ctx context.Context, account uint32, from, to uint64, found map[uint64]*followed) error {
	open := 0
	for _, f := range found {
		if !f.done() {
			open++
		}
	}
	if open == 0 {
		return nil
	}
	var later entry
	var failed error
	seen := 0
	err := e.index.Scan(account, from, false, func(r index.Record) bool {
		if seen++; seen%scanEvery == 0 {
			failed = ctx.Err()
		}
		if failed == nil {
			failed = later.read(r)
		}
		if failed != nil || r.Seq > to {
			return false
		}
		var row ledger.Row
		for later.rr.Next(&row) {
			f := found[row.EventSeq]
			if f == nil || row.Own || row.Type != ledger.RowConsumption || f.done() {
				continue
			}
			f.settled, _ = f.settled.Add(row.Amount)
			f.at = r.Time
			if f.done() {
				open--
			}
		}
		failed = later.rr.Err()
		return failed == nil && open > 0
	})
	return errors.Join(failed, err)
}

// bring changes an event from what it was when it was recorded to what it is now.
func (f *followed) bring(ev *ledger.Event) {
	ev.Pending = f.pending
	if f.level {
		still, _ := f.pending.Add(f.settled)
		waived, _ := f.first.Sub(still)
		ev.Cost, _ = ev.Cost.Sub(waived)
	}
	ev.Consumed, _ = ev.Cost.Sub(ev.Pending)
	if f.pending.IsZero() {
		ev.Status, ev.Processed = ledger.EventCompleted, max(ev.Created, f.at)
	}
}

func (e *Engine) namesOf(account, subscription uint32) (customer, subscriptionID string) {
	e.names.RLock()
	defer e.names.RUnlock()
	customer, _, _ = e.dir.CustomerID(account)
	return customer, e.dir.Subscription(subscription)
}

func (e *Engine) decimals(currency uint32) uint8 {
	c, _ := e.CurrencyNumber(currency)
	return c.Decimals
}

// subscriptionFilter is the number to look for; ok is false when no event can
// have named the subscription.
func (e *Engine) subscriptionFilter(mode ledger.Mode, id string) (number uint32, ok bool) {
	if id == "" {
		return 0, true
	}
	e.names.RLock()
	defer e.names.RUnlock()
	number = e.dir.FindSubscription(mode, id)
	return number, number != 0
}

// eachEvent visits the records whose event the filter selects.
func (e *Engine) eachEvent(ctx context.Context, f *ledger.EventFilter, ascending bool, fn func(en *entry) error) error {
	subscription, ok := e.subscriptionFilter(f.Mode, f.Subscription)
	if !ok {
		return nil
	}
	return e.scan(ctx, f.Mode, f.Customer, ascending, func(en *entry) error {
		r := en.rr.Event
		if r == nil || f.Meter != 0 && r.Meter != f.Meter || subscription != 0 && r.Subscription != subscription ||
			!f.Time.Contains(r.Timestamp) {
			return nil
		}
		if f.Query != "" && !ledger.ContainsFold(r.Identifier(), f.Query) {
			if customer, _ := e.namesOf(en.Account, 0); !ledger.ContainsFold(customer, f.Query) {
				return nil
			}
		}
		return fn(en)
	})
}

// Events is a page of the events that the filter selects, and how many it selects.
func (e *Engine) Events(ctx context.Context, f ledger.EventFilter, p ledger.Page) ([]ledger.Event, int, error) {
	w, err := newWindow(p, func(text string) (key, bool) {
		id, ok := ledger.ParseEventID(text)
		if ok {
			_, ok, _ = e.record(f.Mode, index.Place(id))
		}
		return key{id.Seq, uint64(id.Account)}, ok
	})
	if err != nil {
		return nil, 0, err
	}
	list := ordered[ledger.Event]{window: w}
	err = e.eachEvent(ctx, &f, p.Ascending, func(en *entry) error {
		return list.offer(key{en.Seq, uint64(en.Account)}, func() (ledger.Event, error) { return e.event(en), nil })
	})
	if err == nil {
		err = e.followUp(ctx, list.items)
	}
	return list.items, list.total, err
}

// EventStats counts the events that the filter selects and sums up their values,
// by intervals of the events' own time, earliest first. Empty intervals are left
// out.
func (e *Engine) EventStats(ctx context.Context, f ledger.EventFilter, interval int64) ([]ledger.EventStat, error) {
	stats := map[int64]*ledger.EventStat{}
	err := e.eachEvent(ctx, &f, true, func(en *entry) error {
		r := en.rr.Event
		start := floorDiv(r.Timestamp, interval) * interval
		stat := stats[start]
		if stat == nil {
			stat = &ledger.EventStat{Start: start}
			stats[start] = stat
		}
		stat.Events++
		// Every event was taken because its value is exact in its currency.
		value, err := r.Value.Units(e.decimals(r.Currency))
		stat.Value.Add(value)
		return err
	})
	if err != nil {
		return nil, err
	}
	list := make([]ledger.EventStat, 0, len(stats))
	for _, stat := range stats {
		list = append(list, *stat)
	}
	slices.SortFunc(list, func(a, b ledger.EventStat) int { return int(a.Start - b.Start) })
	return list, nil
}
