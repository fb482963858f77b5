package engine

import (
	"context"
	"slices"

	"drawdown/engine/index"
	"drawdown/engine/ledger"
)

// Transaction is one row of the ledger; ok is false if there is none in this mode.
func (e *Engine) Transaction(
	ctx context.Context, mode ledger.Mode, id ledger.TransactionID,
) (t ledger.Transaction, ok bool, err error) {
	en, ok, err := e.record(mode, index.Place{Account: id.Account, Seq: id.Seq})
	if !ok || err != nil {
		return t, false, err
	}
	var row ledger.Row
	for n := uint32(0); en.rr.Next(&row); n++ {
		if n == id.Row {
			return e.transaction(&en, n, &row), true, nil
		}
	}
	return t, false, en.rr.Err()
}

func (e *Engine) transaction(en *entry, n uint32, row *ledger.Row) ledger.Transaction {
	t := ledger.Transaction{
		ID: ledger.TransactionID{Account: en.Account, Seq: en.Seq, Row: n}, Type: row.Type, Currency: row.Currency,
		Grant: ledger.GrantID{Account: en.Account, Ordinal: row.Grant}, Amount: row.Amount,
		GrantRemaining: row.GrantRemaining, Balance: row.Balance, Negative: row.Negative, Created: en.time,
	}
	t.Customer, t.Subscription = e.namesOf(en.Account, row.Subscription)
	if row.EventSeq != 0 {
		t.Event, t.Meter = ledger.EventID{Account: en.Account, Seq: row.EventSeq}, row.Meter
	}
	if row.Type == ledger.RowConsumption {
		t.Quantity = row.Amount
	}
	return t
}

// rowFilter is a TransactionFilter with its names turned into numbers.
type rowFilter struct {
	*ledger.TransactionFilter
	subscription uint32
}

func (f *rowFilter) selects(en *entry, row *ledger.Row) bool {
	switch {
	case f.Currency != 0 && row.Currency != f.Currency,
		f.Grant.Account != 0 && (f.Grant != ledger.GrantID{Account: en.Account, Ordinal: row.Grant}),
		f.Meter != 0 && row.Meter != f.Meter,
		f.Source.Account != 0 && (f.Source != ledger.EventID{Account: en.Account, Seq: row.EventSeq}),
		f.subscription != 0 && row.Subscription != f.subscription,
		len(f.Types) > 0 && !slices.Contains(f.Types, row.Type):
		return false
	}
	return true
}

// eachRow visits the transactions that the filter selects, in list order.
func (e *Engine) eachRow(
	ctx context.Context, f *ledger.TransactionFilter, ascending bool, fn func(en *entry, n uint32, row *ledger.Row) error,
) error {
	subscription, ok := e.subscriptionFilter(f.Mode, f.Subscription)
	if !ok {
		return nil
	}
	filter := rowFilter{f, subscription}
	customer, ok := e.narrow(f)
	if !ok {
		return nil
	}
	var rows []ledger.Row
	return e.scan(ctx, f.Mode, customer, ascending, func(en *entry) error {
		if !f.Created.Contains(en.time / 1e9) {
			return nil
		}
		var err error
		if rows, err = readRows(en, rows[:0]); err != nil {
			return err
		}
		for i := range rows {
			n := i
			if !ascending {
				n = len(rows) - 1 - i
			}
			if row := &rows[n]; filter.selects(en, row) && e.matches(en, uint32(n), f.Query) {
				if err := fn(en, uint32(n), row); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// narrow finds the one customer whose transactions can match; "" is all of them.
// A grant or an event belongs to one account, so there is no need to look at the
// others. ok is false when nothing can match.
func (e *Engine) narrow(f *ledger.TransactionFilter) (customer string, ok bool) {
	customer = f.Customer
	for _, account := range []uint32{f.Grant.Account, f.Source.Account} {
		if account == 0 {
			continue
		}
		owner, _ := e.namesOf(account, 0)
		if !e.inMode(f.Mode, account) || customer != "" && customer != owner {
			return "", false
		}
		customer = owner
	}
	return customer, true
}

func (e *Engine) matches(en *entry, n uint32, query string) bool {
	if query == "" {
		return true
	}
	customer, _ := e.namesOf(en.Account, 0)
	id := ledger.TransactionID{Account: en.Account, Seq: en.Seq, Row: n}
	return ledger.ContainsFold(customer, query) || ledger.ContainsFold(id.String(), query)
}

func readRows(en *entry, rows []ledger.Row) ([]ledger.Row, error) {
	var row ledger.Row
	for en.rr.Next(&row) {
		rows = append(rows, row)
	}
	return rows, en.rr.Err()
}

// Transactions is a page of the transactions that the filter selects, and how
// many it selects.
func (e *Engine) Transactions(
	ctx context.Context, f ledger.TransactionFilter, p ledger.Page,
) ([]ledger.Transaction, int, error) {
	w, err := newWindow(p, func(text string) (key, bool) {
		id, ok := ledger.ParseTransactionID(text)
		if ok {
			_, ok, _ = e.Transaction(ctx, f.Mode, id)
		}
		return key{id.Seq, uint64(id.Account), uint64(id.Row)}, ok
	})
	if err != nil {
		return nil, 0, err
	}
	list := ordered[ledger.Transaction]{window: w}
	err = e.eachRow(ctx, &f, p.Ascending, func(en *entry, n uint32, row *ledger.Row) error {
		return list.offer(key{en.Seq, uint64(en.Account), uint64(n)}, func() (ledger.Transaction, error) {
			return e.transaction(en, n, row), nil
		})
	})
	return list.items, list.total, err
}

// TransactionTotals sums up the consumption that the filter selects; its Types
// are not looked at.
func (e *Engine) TransactionTotals(
	ctx context.Context, f ledger.TransactionFilter,
) (totals ledger.TransactionTotals, err error) {
	f.Types = []ledger.RowType{ledger.RowConsumption, ledger.RowAdjustment}
	err = e.eachRow(ctx, &f, true, func(_ *entry, _ uint32, row *ledger.Row) error {
		switch {
		case row.Type == ledger.RowConsumption:
			totals.Rows++
			totals.Drawn.Add(row.Amount)
		case row.EventSeq != 0 && !row.Negative:
			totals.Returned.Add(row.Amount)
		}
		return nil
	})
	return totals, err
}
