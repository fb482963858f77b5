package engine

import (
	"context"
	"maps"
	"slices"

	"drawdown/engine/ledger"
)

// Reads of accounts. Each account is read by its own goroutine and seen between
// two operations. A list over all accounts is read portion by portion, so that
// writes are not held up; what changes meanwhile may show in either form.

// accountsAtATime is how many accounts of a shard a scan looks at before it lets
// writes in.
const accountsAtATime = 1024

// onAccount runs fn on the goroutine that owns the customer's account; it does
// nothing for an unknown customer.
func (e *Engine) onAccount(
	ctx context.Context, mode ledger.Mode, customer string, fn func(b *ledger.Book, number uint32),
) error {
	number := e.number(mode, customer)
	if number == 0 {
		return nil
	}
	return e.shard(number).do(ctx, func(b *ledger.Book) { fn(b, number) })
}

// eachAccount runs fn for every account of the mode. Calls for accounts of one
// portion come from one goroutine, and never two at a time.
func (e *Engine) eachAccount(ctx context.Context, mode ledger.Mode, fn func(b *ledger.Book, number uint32)) error {
	e.names.RLock()
	customers := uint32(e.dir.Customers())
	e.names.RUnlock()
	step := uint32(accountsAtATime * len(e.shards))
	for first := uint32(1); first <= customers; first += step {
		last := min(first+step-1, customers)
		for i, s := range e.shards {
			if err := ctx.Err(); err != nil {
				return err
			}
			err := s.do(ctx, func(b *ledger.Book) {
				for number := first; number <= last; number++ {
					if _, m, _ := e.dir.CustomerID(number); int(number)%len(e.shards) == i && m == mode {
						fn(b, number)
					}
				}
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// Grant is one grant as it stands; ok is false if there is none in this mode.
func (e *Engine) Grant(ctx context.Context, mode ledger.Mode, id ledger.GrantID) (g ledger.Grant, ok bool, err error) {
	if !e.inMode(mode, id.Account) {
		return g, false, nil
	}
	err = e.shard(id.Account).do(ctx, func(b *ledger.Book) { g, ok = b.Grant(id, e.dir) })
	return g, ok, err
}

func grantKey(g *ledger.Grant) key {
	return key{uint64(g.Created), uint64(g.ID.Account), uint64(g.ID.Ordinal)}
}

// Grants is a page of the grants that the filter selects, and how many it selects.
func (e *Engine) Grants(ctx context.Context, f ledger.GrantFilter, p ledger.Page) ([]ledger.Grant, int, error) {
	w, err := newWindow(p, func(text string) (key, bool) {
		id, ok := ledger.ParseGrantID(text)
		if !ok {
			return key{}, false
		}
		g, ok, err := e.Grant(ctx, f.Mode, id)
		return grantKey(&g), ok && err == nil
	})
	if err != nil {
		return nil, 0, err
	}
	list := unordered[ledger.Grant]{window: w}
	err = e.eachGrant(ctx, &f, func(g ledger.Grant) { list.offer(grantKey(&g), g) })
	if err != nil {
		return nil, 0, err
	}
	return list.page(), list.total, nil
}

func (e *Engine) eachGrant(ctx context.Context, f *ledger.GrantFilter, fn func(ledger.Grant)) error {
	visit := func(b *ledger.Book, number uint32) {
		b.EachGrant(number, f, e.dir, func(g ledger.Grant) bool {
			fn(g)
			return true
		})
	}
	if f.Customer != "" {
		return e.onAccount(ctx, f.Mode, f.Customer, visit)
	}
	return e.eachAccount(ctx, f.Mode, visit)
}

const secondsPerDay = 86400

// GrantStats sums up the grants that the filter selects by the day of their
// creation, earliest first, in the time zone that is offset seconds ahead of UTC.
func (e *Engine) GrantStats(ctx context.Context, f ledger.GrantFilter, offset int64) ([]ledger.GrantStat, error) {
	days := map[int64]*ledger.GrantStat{}
	err := e.eachGrant(ctx, &f, func(g ledger.Grant) {
		day := floorDiv(g.Created/1e9+offset, secondsPerDay)
		stat := days[day]
		if stat == nil {
			stat = &ledger.GrantStat{Day: day}
			days[day] = stat
		}
		stat.Grants++
		stat.Granted.Add(g.Amount)
		stat.Remaining.Add(g.Remaining)
		stat.Consumed.Add(g.Consumed)
	})
	if err != nil {
		return nil, err
	}
	list := make([]ledger.GrantStat, 0, len(days))
	for _, day := range slices.Sorted(maps.Keys(days)) {
		list = append(list, *days[day])
	}
	return list, nil
}

// floorDiv is a / b rounded towards the past.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// Summary is what a customer can spend now, by currency. With a subscription only
// the grants count that may pay for it.
func (e *Engine) Summary(
	ctx context.Context, mode ledger.Mode, customer, subscription string,
) (list []ledger.BalanceSummary, err error) {
	now := e.Head().Time
	err = e.onAccount(ctx, mode, customer, func(b *ledger.Book, number uint32) {
		list = b.Summary(number, subscription, mode, now, e.dir)
	})
	return list, err
}

// Pending is what is owed, by currency: by one customer, or by all of the mode.
// Currency 0 is all of them, subscription "" all events.
func (e *Engine) Pending(
	ctx context.Context, mode ledger.Mode, customer string, currency uint32, subscription string,
) ([]ledger.CurrencyTotal, error) {
	sums := map[uint32]ledger.Total{}
	visit := func(b *ledger.Book, number uint32) {
		for _, owed := range b.Pending(number, currency, mode, subscription, e.dir) {
			sum := sums[owed.Currency]
			sum.Add(owed.Amount)
			sums[owed.Currency] = sum
		}
	}
	var err error
	if customer != "" {
		err = e.onAccount(ctx, mode, customer, visit)
	} else {
		err = e.eachAccount(ctx, mode, visit)
	}
	if err != nil {
		return nil, err
	}
	list := make([]ledger.CurrencyTotal, 0, len(sums))
	for _, currency := range slices.Sorted(maps.Keys(sums)) {
		list = append(list, ledger.CurrencyTotal{Currency: currency, Total: sums[currency]})
	}
	return list, nil
}

// Holders is a page of those who hold a currency, the largest balance first.
func (e *Engine) Holders(
	ctx context.Context, mode ledger.Mode, currency uint32, p ledger.Page,
) ([]ledger.Holder, int, error) {
	w, err := newWindow(ledger.Page{Number: p.Number, Size: p.Size}, nil)
	if err != nil {
		return nil, 0, err
	}
	now := e.Head().Time
	list := unordered[ledger.Holder]{window: w}
	err = e.eachAccount(ctx, mode, func(b *ledger.Book, number uint32) {
		if h, ok := b.Holder(number, currency, now); ok {
			h.Customer, _, _ = e.dir.CustomerID(number)
			list.offer(key{h.Balance.Hi, h.Balance.Lo, ^uint64(number)}, h)
		}
	})
	if err != nil {
		return nil, 0, err
	}
	return list.page(), list.total, nil
}

// Report is what a walk over all of the state found.
type Report struct {
	Head      ledger.Head
	Customers int
	Totals    ledger.Totals
	Sums      []ledger.CurrencyTotals // by currency, in the order of their numbers
	Digest    uint64                  // hash of the whole state: equal on all nodes at the same index (I4)
	Violation error                   // the first one, nil if there is none
}

// Check copies the state and walks the copy: I3 of every account, and the digest
// that I4 compares.
func (e *Engine) Check() (Report, error) {
	frozen, err := e.Freeze()
	if err != nil {
		return Report{}, err
	}
	defer frozen.Release()
	r := Report{Head: frozen.Head()}
	r.Totals, r.Digest, r.Violation = frozen.state.Check()
	r.Customers, r.Sums = frozen.state.Customers(), frozen.state.CurrencyTotals()
	return r, nil
}
