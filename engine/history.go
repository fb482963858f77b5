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
	en, ok, err := e.record(mode, index.Place(id))
	if !ok || err != nil || en.rr.Event == nil {
		return ev, false, err
	}
	ev, err = e.event(ctx, &en)
	return ev, err == nil, err
}

// event is a record's event as it stands now: what was pending when it was
// recorded may have been settled since.
func (e *Engine) event(ctx context.Context, en *entry) (ledger.Event, error) {
	r := en.rr.Event
	ev := ledger.Event{
		ID: ledger.EventID(en.Place), Identifier: r.Identifier(), Meter: r.Meter, Currency: r.Currency, Value: r.Value,
		Cost: r.Cost, Timestamp: r.Timestamp, HasTimestamp: r.HasTimestamp, Metadata: slices.Clone(r.Metadata), SourceData: slices.Clone(r.SourceData),
		Channel: r.Channel, Created: en.time, Processed: en.time,
	}
	ev.Customer, ev.Subscription = e.namesOf(en.Account, r.Subscription)
	if !r.Pending.IsZero() {
		if err := e.followUp(ctx, en, &ev); err != nil {
			return ev, err
		}
	}
	ev.Consumed, _ = ev.Cost.Sub(ev.Pending)
	if !ev.Pending.IsZero() {
		ev.Status = ledger.EventRequiresCapture
	}
	return ev, nil
}

// followUp finds out what became of what was pending when the event was recorded:
// how much still is, and when the rest was settled. If a level fell, a part may
// have been waived: then the event costs that much less.
func (e *Engine) followUp(ctx context.Context, en *entry, ev *ledger.Event) error {
	first := en.rr.Event.Pending
	err := e.shard(en.Account).do(ctx, func(b *ledger.Book) {
		ev.Pending = b.PendingOf(en.Account, ev.Currency, en.Seq)
	})
	if err != nil {
		return err
	}
	meter, _ := e.MeterNumber(ev.Meter)
	open := !ev.Pending.IsZero()
	if open && meter.Aggregation != ledger.Last {
		ev.Processed = 0
		return nil
	}
	settled, at, err := e.settled(en, first)
	if err != nil {
		return err
	}
	if meter.Aggregation == ledger.Last {
		still, _ := ev.Pending.Add(settled)
		waived, _ := first.Sub(still)
		ev.Cost, _ = ev.Cost.Sub(waived)
	}
	if at != 0 {
		ev.Processed = at
	}
	if open {
		ev.Processed = 0
	}
	return nil
}

// settled is how much of what the event owed was drawn later, up to owed, and when
// the last of it was. It is found in the records that followed.
func (e *Engine) settled(en *entry, owed ledger.Amount) (sum ledger.Amount, at int64, err error) {
	var later entry
	var failed error
	err = e.index.Scan(en.Account, en.Seq+1, false, func(r index.Record) bool {
		if failed = later.read(r); failed != nil {
			return false
		}
		var row ledger.Row
		for later.rr.Next(&row) {
			if row.EventSeq == en.Seq && row.Type == ledger.RowConsumption {
				sum, _ = sum.Add(row.Amount)
				at = r.Time
			}
		}
		failed = later.rr.Err()
		return failed == nil && sum != owed
	})
	return sum, at, errors.Join(failed, err)
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
		return list.offer(key{en.Seq, uint64(en.Account)}, func() (ledger.Event, error) { return e.event(ctx, en) })
	})
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
