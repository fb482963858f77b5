package main

import (
	"context"

	"drawdown/api"
	"drawdown/engine/ledger"
	"drawdown/raftstore"
)

// view is the store's state for reads. Another state may take its place while the
// node runs, when a snapshot comes in; each read holds the one that it began with.
type view struct{ store *raftstore.Store }

var _ api.View = view{}

func (v view) Meter(mode ledger.Mode, ref string) (ledger.Meter, bool) {
	defer v.store.Release()
	return v.store.Acquire().Meter(mode, ref)
}

func (v view) MeterNumber(number uint32) (ledger.Meter, bool) {
	defer v.store.Release()
	return v.store.Acquire().MeterNumber(number)
}

func (v view) Number(reports []ledger.Report) {
	defer v.store.Release()
	v.store.Acquire().Number(reports)
}

func (v view) Meters(f ledger.MeterFilter, p ledger.Page) ([]ledger.Meter, int, error) {
	defer v.store.Release()
	return v.store.Acquire().Meters(f, p)
}

func (v view) Currency(mode ledger.Mode, id string) (ledger.Currency, bool) {
	defer v.store.Release()
	return v.store.Acquire().Currency(mode, id)
}

func (v view) CurrencyNumber(number uint32) (ledger.Currency, bool) {
	defer v.store.Release()
	return v.store.Acquire().CurrencyNumber(number)
}

func (v view) Currencies(mode ledger.Mode) []ledger.Currency {
	defer v.store.Release()
	return v.store.Acquire().Currencies(mode)
}

func (v view) Customer(mode ledger.Mode, id string) (ledger.Customer, bool) {
	defer v.store.Release()
	return v.store.Acquire().Customer(mode, id)
}

func (v view) CustomerNumber(number uint32) (ledger.Customer, bool) {
	defer v.store.Release()
	return v.store.Acquire().CustomerNumber(number)
}

func (v view) Customers(f ledger.CustomerFilter, p ledger.Page) ([]ledger.Customer, int, error) {
	defer v.store.Release()
	return v.store.Acquire().Customers(f, p)
}

func (v view) Grant(ctx context.Context, mode ledger.Mode, id ledger.GrantID) (ledger.Grant, bool, error) {
	defer v.store.Release()
	return v.store.Acquire().Grant(ctx, mode, id)
}

func (v view) Grants(ctx context.Context, f ledger.GrantFilter, p ledger.Page) ([]ledger.Grant, int, error) {
	defer v.store.Release()
	return v.store.Acquire().Grants(ctx, f, p)
}

func (v view) GrantStats(ctx context.Context, f ledger.GrantFilter, offsetSeconds int64) ([]ledger.GrantStat, error) {
	defer v.store.Release()
	return v.store.Acquire().GrantStats(ctx, f, offsetSeconds)
}

func (v view) Summary(ctx context.Context, mode ledger.Mode, customer, subscription string) ([]ledger.BalanceSummary, error) {
	defer v.store.Release()
	return v.store.Acquire().Summary(ctx, mode, customer, subscription)
}

func (v view) Pending(ctx context.Context, mode ledger.Mode, customer string, currency uint32, subscription string) ([]ledger.CurrencyTotal, error) {
	defer v.store.Release()
	return v.store.Acquire().Pending(ctx, mode, customer, currency, subscription)
}

func (v view) Holders(ctx context.Context, mode ledger.Mode, currency uint32, p ledger.Page) ([]ledger.Holder, int, error) {
	defer v.store.Release()
	return v.store.Acquire().Holders(ctx, mode, currency, p)
}

func (v view) Event(ctx context.Context, mode ledger.Mode, id ledger.EventID) (ledger.Event, bool, error) {
	defer v.store.Release()
	return v.store.Acquire().Event(ctx, mode, id)
}

func (v view) EventAsCounted(mode ledger.Mode, id ledger.EventID) (ledger.Event, bool, error) {
	defer v.store.Release()
	return v.store.Acquire().EventAsCounted(mode, id)
}

func (v view) Events(ctx context.Context, f ledger.EventFilter, p ledger.Page) ([]ledger.Event, int, error) {
	defer v.store.Release()
	return v.store.Acquire().Events(ctx, f, p)
}

func (v view) EventStats(ctx context.Context, f ledger.EventFilter, intervalSeconds int64) ([]ledger.EventStat, error) {
	defer v.store.Release()
	return v.store.Acquire().EventStats(ctx, f, intervalSeconds)
}

func (v view) Transaction(ctx context.Context, mode ledger.Mode, id ledger.TransactionID) (ledger.Transaction, bool, error) {
	defer v.store.Release()
	return v.store.Acquire().Transaction(ctx, mode, id)
}

func (v view) Transactions(ctx context.Context, f ledger.TransactionFilter, p ledger.Page) ([]ledger.Transaction, int, error) {
	defer v.store.Release()
	return v.store.Acquire().Transactions(ctx, f, p)
}

func (v view) TransactionTotals(ctx context.Context, f ledger.TransactionFilter) (ledger.TransactionTotals, error) {
	defer v.store.Release()
	return v.store.Acquire().TransactionTotals(ctx, f)
}
