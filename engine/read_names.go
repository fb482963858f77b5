package engine

import "drawdown/engine/ledger"

// Reads of the directory. All answers are copies.

// Meter finds a meter by id or event name.
func (e *Engine) Meter(mode ledger.Mode, ref string) (ledger.Meter, bool) {
	e.names.RLock()
	defer e.names.RUnlock()
	return e.dir.Meter(mode, ref)
}

// Number gives reports the numbers of their meters and customers, where they have
// any, so that the log need not carry the names.
func (e *Engine) Number(reports []ledger.Report) {
	e.names.RLock()
	defer e.names.RUnlock()
	e.dir.Number(reports)
}

// Knows says whether this engine has given all of the numbers.
func (e *Engine) Knows(numbers []ledger.ReportNumbers) bool {
	e.names.RLock()
	defer e.names.RUnlock()
	return e.dir.Knows(numbers)
}

// MeterNumber is the meter with the number.
func (e *Engine) MeterNumber(number uint32) (ledger.Meter, bool) {
	e.names.RLock()
	defer e.names.RUnlock()
	return e.dir.MeterNumber(number)
}

// Meters is a page of the meters that the filter selects, and how many it selects.
func (e *Engine) Meters(f ledger.MeterFilter, p ledger.Page) ([]ledger.Meter, int, error) {
	w, err := newWindow(p, func(id string) (key, bool) {
		number, ok := ledger.ParseMeterID(id)
		return key{uint64(number)}, ok
	})
	if err != nil {
		return nil, 0, err
	}
	e.names.RLock()
	defer e.names.RUnlock()
	list := unordered[ledger.Meter]{window: w}
	for number := range uint32(e.dir.Meters()) {
		if m, _ := e.dir.MeterNumber(number + 1); selectsMeter(&f, &m) {
			list.offer(key{uint64(m.Number)}, m)
		}
	}
	return list.page(), list.total, nil
}

func selectsMeter(f *ledger.MeterFilter, m *ledger.Meter) bool {
	return m.Mode == f.Mode && (f.EventName == "" || f.EventName == m.EventName) &&
		(ledger.ContainsFold(m.Name, f.Query) || ledger.ContainsFold(m.EventName, f.Query) ||
			ledger.ContainsFold(m.Description, f.Query))
}

// Currency finds a currency by id.
func (e *Engine) Currency(mode ledger.Mode, id string) (ledger.Currency, bool) {
	e.names.RLock()
	defer e.names.RUnlock()
	return e.dir.Currency(mode, id)
}

// CurrencyNumber is the currency with the number.
func (e *Engine) CurrencyNumber(number uint32) (ledger.Currency, bool) {
	e.names.RLock()
	defer e.names.RUnlock()
	return e.dir.CurrencyNumber(number)
}

// Currencies are all currencies of the mode, newest first.
func (e *Engine) Currencies(mode ledger.Mode) (list []ledger.Currency) {
	e.names.RLock()
	defer e.names.RUnlock()
	for number := uint32(e.dir.Currencies()); number > 0; number-- {
		if c, _ := e.dir.CurrencyNumber(number); c.Mode == mode {
			list = append(list, c)
		}
	}
	return list
}

// Customer finds a customer by id.
func (e *Engine) Customer(mode ledger.Mode, id string) (ledger.Customer, bool) {
	e.names.RLock()
	defer e.names.RUnlock()
	return e.dir.CustomerNumber(e.dir.FindCustomer(mode, id))
}

// CustomerNumber is the customer with the number.
func (e *Engine) CustomerNumber(number uint32) (ledger.Customer, bool) {
	e.names.RLock()
	defer e.names.RUnlock()
	return e.dir.CustomerNumber(number)
}

// namesAtATime is how many customers a scan looks at before it lets writers in.
const namesAtATime = 4096

// Customers is a page of the customers that the filter selects, and how many it
// selects. Without an id it looks at all of them.
func (e *Engine) Customers(f ledger.CustomerFilter, p ledger.Page) ([]ledger.Customer, int, error) {
	w, err := newWindow(p, func(id string) (key, bool) {
		c, ok := e.Customer(f.Mode, id)
		return key{uint64(c.Number)}, ok
	})
	if err != nil {
		return nil, 0, err
	}
	list := unordered[ledger.Customer]{window: w}
	if f.ID != "" {
		if c, ok := e.Customer(f.Mode, f.ID); ok && selectsCustomer(&f, &c) {
			list.offer(key{uint64(c.Number)}, c)
		}
		return list.page(), list.total, nil
	}
	for first := uint32(1); ; first += namesAtATime {
		if !e.customersFrom(first, &f, &list) {
			return list.page(), list.total, nil
		}
	}
}

// customersFrom offers a portion of the customers; false after the last one.
func (e *Engine) customersFrom(first uint32, f *ledger.CustomerFilter, list *unordered[ledger.Customer]) bool {
	e.names.RLock()
	defer e.names.RUnlock()
	for number := first; number < first+namesAtATime; number++ {
		c, ok := e.dir.CustomerNumber(number)
		if !ok {
			return false
		}
		if selectsCustomer(f, &c) {
			list.offer(key{uint64(number)}, c)
		}
	}
	return true
}

func selectsCustomer(f *ledger.CustomerFilter, c *ledger.Customer) bool {
	return c.Mode == f.Mode && (ledger.ContainsFold(c.ID, f.Query) || ledger.ContainsFold(c.Name, f.Query) ||
		ledger.ContainsFold(c.Email, f.Query))
}

// SubscriptionPrices is what was told of a subscription's prices; ok is false if
// nothing was.
func (e *Engine) SubscriptionPrices(mode ledger.Mode, id string) (prices []string, ok bool) {
	e.names.RLock()
	defer e.names.RUnlock()
	return e.dir.SubscriptionPrices(mode, id)
}

// number is a customer's number, 0 if there is none.
func (e *Engine) number(mode ledger.Mode, customer string) uint32 {
	e.names.RLock()
	defer e.names.RUnlock()
	return e.dir.FindCustomer(mode, customer)
}

// inMode says whether the account with the number is of the mode.
func (e *Engine) inMode(mode ledger.Mode, account uint32) bool {
	e.names.RLock()
	defer e.names.RUnlock()
	_, m, ok := e.dir.CustomerID(account)
	return ok && m == mode
}
