package api

import (
	"context"

	"drawdown/engine/ledger"
)

// The short forms in which one object stands inside another.

type currencyRef struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Symbol  string `json:"symbol"`
	Decimal uint8  `json:"decimal"`
	Type    string `json:"type"`
}

type customerRef struct {
	ID    string `json:"id"`
	DID   string `json:"did"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

type meterRef struct {
	ID                string `json:"id"`
	Object            string `json:"object"`
	Name              string `json:"name"`
	EventName         string `json:"event_name"`
	AggregationMethod string `json:"aggregation_method"`
	Status            string `json:"status"`
	Unit              string `json:"unit"`
	CurrencyID        string `json:"currency_id"`
}

type grantRef struct {
	ID              string       `json:"id"`
	Object          string       `json:"object"`
	Name            string       `json:"name"`
	Category        string       `json:"category"`
	Status          string       `json:"status"`
	Amount          string       `json:"amount"`
	RemainingAmount string       `json:"remaining_amount"`
	CurrencyID      string       `json:"currency_id"`
	CustomerID      string       `json:"customer_id"`
	PaymentCurrency *currencyRef `json:"paymentCurrency"`
	grant           ledger.Grant
}

// expander reads the objects that stand inside an answer's rows, each once.
type expander struct {
	view       View
	mode       ledger.Mode
	ctx        context.Context
	currencies memo[uint32, *currencyRef]
	meters     memo[uint32, *meterRef]
	customers  memo[string, *customerRef]
	grants     memo[ledger.GrantID, *grantRef]
}

// memo remembers a page's worth of values. A page has at most maxPageSize rows,
// so that looking through it costs less than a map.
type memo[K comparable, V any] struct {
	keys   []K
	values []V
}

func (m *memo[K, V]) get(key K) (value V, ok bool) {
	for i := range m.keys {
		if m.keys[i] == key {
			return m.values[i], true
		}
	}
	return value, false
}

func (m *memo[K, V]) put(key K, value V) V {
	m.keys, m.values = append(m.keys, key), append(m.values, value)
	return value
}

// currency is the currency with the number; nil if there is none.
func (e *expander) currency(number uint32) *currencyRef {
	if ref, ok := e.currencies.get(number); ok {
		return ref
	}
	currency, ok := e.view.CurrencyNumber(number)
	if !ok {
		return e.currencies.put(number, nil)
	}
	return e.currencies.put(number, refCurrency(&currency))
}

func refCurrency(c *ledger.Currency) *currencyRef {
	return &currencyRef{ID: ledger.CurrencyID(c.Number), Name: c.Name, Symbol: c.Symbol, Decimal: c.Decimals, Type: "credit"}
}

// meter is the meter with the number; nil if there is none.
func (e *expander) meter(number uint32) *meterRef {
	if ref, ok := e.meters.get(number); ok {
		return ref
	}
	meter, ok := e.view.MeterNumber(number)
	if !ok {
		return e.meters.put(number, nil)
	}
	return e.meters.put(number, &meterRef{
		ID: ledger.MeterID(meter.Number), Object: "meter", Name: meter.Name, EventName: meter.EventName,
		AggregationMethod: aggregationNames[meter.Aggregation], Status: statusOfMeter(meter.Active), Unit: meter.Unit,
		CurrencyID: ledger.CurrencyID(meter.Currency),
	})
}

// customer is the customer with the id. One that is not known to the view, which
// cannot be in the rows of an answer, is shown by its id alone.
func (e *expander) customer(id string) *customerRef {
	if ref, ok := e.customers.get(id); ok {
		return ref
	}
	customer, ok := e.view.Customer(e.mode, id)
	if !ok {
		customer.ID = id
	}
	return e.customers.put(customer.ID, &customerRef{
		ID: customer.ID, DID: customer.ID, Name: customer.Name, Email: customer.Email,
	})
}

// grant is the grant with the id; nil if there is none.
func (e *expander) grant(id ledger.GrantID) (*grantRef, error) {
	if ref, ok := e.grants.get(id); ok {
		return ref, nil
	}
	g, ok, err := e.view.Grant(e.ctx, e.mode, id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return e.grants.put(id, nil), nil
	}
	return e.grants.put(id, &grantRef{
		ID: g.ID.String(), Object: "credit_grant", Name: g.Name, Category: categoryNames[g.Category],
		Status: statusNames[g.Status], Amount: g.Amount.String(), RemainingAmount: g.Remaining.String(),
		CurrencyID: ledger.CurrencyID(g.Currency), CustomerID: g.Customer, PaymentCurrency: e.currency(g.Currency), grant: g,
	}), nil
}
