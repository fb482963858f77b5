package ledger

import "errors"

// ErrCursor says that a page's After or Before names nothing in the list.
var ErrCursor = errors.New("cursor names no item of this list")

// Page selects a part of a list. Either Number, or one of After and Before.
type Page struct {
	Number    int    // from 1; 0 is 1
	Size      int    // at least 1
	After     string // id of an item: the page starts behind it in list order
	Before    string // id of an item: the page ends in front of it in list order
	Ascending bool   // oldest first; the usual order is newest first
}

// Interval is a span of time in Unix seconds, Start inclusive, End exclusive.
// 0 leaves that side open.
type Interval struct{ Start, End int64 }

// Contains says whether t (Unix seconds) is within the interval.
func (i Interval) Contains(t int64) bool {
	return t >= i.Start && (i.End == 0 || t < i.End)
}

// MeterFilter selects meters; empty fields select all.
type MeterFilter struct {
	Mode      Mode
	EventName string
	Query     string // part of name, event name or description, letter case ignored
}

// CustomerFilter selects customers; empty fields select all.
type CustomerFilter struct {
	Mode  Mode
	ID    string
	Query string // part of id, name or email, letter case ignored
}

// GrantFilter selects grants; empty fields select all.
type GrantFilter struct {
	Mode         Mode
	Customer     string
	Currency     uint32
	Statuses     []GrantStatus
	Category     *Category
	Subscription string   // grants that may pay for this subscription's events
	Created      Interval // by the time of creation
	GrantedBy    string   // metadata.granted_by equals it
	Query        string   // part of name or id, letter case ignored
}

// EventFilter selects events; empty fields select all.
type EventFilter struct {
	Mode         Mode
	Customer     string
	Meter        uint32
	Subscription string
	Time         Interval // by the events' own time stamps
	Query        string   // part of the identifier or the customer's id, letter case ignored
}

// TransactionFilter selects transactions; empty fields select all.
type TransactionFilter struct {
	Mode         Mode
	Customer     string
	Currency     uint32
	Grant        GrantID
	Meter        uint32
	Source       EventID
	Subscription string
	Types        []RowType
	Created      Interval
	Query        string // part of the customer's id or the transaction's, letter case ignored
}

// CurrencyAmount is an amount with its currency.
type CurrencyAmount struct {
	Currency uint32
	Amount   Amount
}

// CurrencyTotal is a sum over accounts with its currency.
type CurrencyTotal struct {
	Currency uint32
	Total    Total
}

// EventStat is one interval of a meter's statistics.
type EventStat struct {
	Start  int64 // Unix seconds, a multiple of the interval
	Events int
	Value  Total // sum of the values, in the currency's smallest unit
}

// GrantStat sums up the grants of one day, or of all days.
type GrantStat struct {
	Day       int64 // days since 1970-01-01 in the caller's time zone
	Grants    int
	Granted   Total
	Remaining Total
	Consumed  Total
}

// TransactionTotals sums up consumption: what was drawn, and what levels that fell
// have given back of it.
type TransactionTotals struct {
	Drawn    Total
	Returned Total
	Rows     int // of consumption
}

// Net is what was drawn less what was given back, in decimal digits; negative if
// the filter selects more of the latter.
func (t *TransactionTotals) Net() string { return t.Drawn.Minus(t.Returned) }
