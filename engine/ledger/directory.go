package ledger

import "strings"

// Bounds of what the directory holds. Meters and currencies are few by nature;
// the bound keeps a runaway client from filling every node's memory.
const (
	MaxMeters = 100_000
)

// Directory knows everything that has a name: meters, currencies, customers,
// subscriptions, prices. It gives out their numbers, in the order of the log. The
// goroutine that applies entries owns it; the shards read it while that
// goroutine waits for them, and nobody else may without the owner's lock.
type Directory struct {
	meters     []Meter    // by number - 1
	currencies []Currency // by number - 1
	eventNames [2]map[string]uint32

	customers names
	created   arena[int64] // by customer number
	details   map[uint32]customerDetails

	subscriptions names
	prices        names
	// subscriptionPrices holds price numbers. Only what was told is here; most
	// subscriptions only ever appear as a name on events.
	subscriptionPrices map[uint32][]uint32
	// scopeEpoch counts the changes to subscriptionPrices: a change may make a
	// grant applicable to what is owed already.
	scopeEpoch uint32
	// replaced is what the entry at hand changed in subscriptionPrices: names are
	// resolved before the books begin, but an operation must see the prices as they
	// were at its own place in the entry.
	replaced []replacedPrices
}

// replacedPrices is what a subscription's prices were before an epoch.
type replacedPrices struct {
	epoch, subscription uint32
	prices              []uint32
}

// customerDetails is what few customers have.
type customerDetails struct {
	name, email, phone, description string
	metadata                        []byte
	updated                         int64
}

func newDirectory() *Directory {
	return &Directory{
		eventNames:         [2]map[string]uint32{{}, {}},
		details:            map[uint32]customerDetails{},
		subscriptionPrices: map[uint32][]uint32{},
	}
}

// seed makes the tables of names unpredictable to callers. It comes from the log's
// key, before the first name.
func (d *Directory) seed(key *[16]byte) {
	for _, n := range []*names{&d.customers, &d.subscriptions, &d.prices} {
		n.seed = le64(key[:8]) ^ le64(key[8:])
	}
}

// customer is the number of a customer, who is created if unknown.
func (d *Directory) customer(mode Mode, id []byte, now int64) uint32 {
	number, fresh := intern(&d.customers, mode, id)
	if fresh {
		*d.created.at(d.created.add()) = now
	}
	return number
}

// knowsCustomer says whether an account of the mode has the number.
func (d *Directory) knowsCustomer(mode Mode, number uint32) bool {
	return d.customers.refs.has(number) && d.customers.mode(number) == mode
}

func (d *Directory) meter(number uint32) *Meter       { return &d.meters[number-1] }
func (d *Directory) currency(number uint32) *Currency { return &d.currencies[number-1] }

// findMeter looks a meter up by id or event name; 0 if there is none.
func (d *Directory) findMeter(mode Mode, ref string) uint32 {
	if number, ok := ParseMeterID(ref); ok && int(number) <= len(d.meters) && d.meter(number).Mode == mode {
		return number
	}
	return d.eventNames[mode][ref]
}

func (d *Directory) findCurrency(mode Mode, id string) uint32 {
	number, ok := ParseCurrencyID(id)
	if !ok || int(number) > len(d.currencies) || d.currency(number).Mode != mode {
		return 0
	}
	return number
}

func (d *Directory) createMeter(c *CreateMeter, now int64) (uint32, Code) {
	if d.eventNames[c.Mode][c.EventName] != 0 {
		return 0, MeterExists
	}
	if len(d.meters) >= MaxMeters {
		return 0, LimitReached
	}
	currency := uint32(0)
	if c.Currency != "" {
		if currency = d.findCurrency(c.Mode, c.Currency); currency == 0 {
			return 0, CurrencyUnknown
		}
		if c.Decimals != nil && *c.Decimals != d.currency(currency).Decimals {
			return 0, DecimalsConflict
		}
	} else {
		currency = d.createCurrency(c, now)
	}
	number := uint32(len(d.meters) + 1)
	d.meters = append(d.meters, Meter{
		Number: number, Mode: c.Mode, Name: c.Name, EventName: c.EventName, Unit: c.Unit, Description: c.Description,
		ComponentID: c.ComponentID, Aggregation: c.Aggregation, Active: true, Currency: currency,
		Metadata: clone(c.Metadata), Created: now, Updated: now,
	})
	d.eventNames[c.Mode][c.EventName] = number
	return number, OK
}

func (d *Directory) createCurrency(c *CreateMeter, now int64) uint32 {
	decimals := uint8(DefaultDecimals)
	if c.Decimals != nil {
		decimals = *c.Decimals
	}
	number := uint32(len(d.currencies) + 1)
	d.currencies = append(d.currencies, Currency{
		Number: number, Mode: c.Mode, Name: c.Name, Symbol: c.Unit, Decimals: decimals, Created: now, Updated: now,
	})
	return number
}

func (d *Directory) updateMeter(c *UpdateMeter, now int64) (uint32, Code) {
	number := d.findMeter(c.Mode, c.Meter)
	if number == 0 {
		return 0, MeterUnknown
	}
	m := d.meter(number)
	metadata, code := mergeMetadata(m.Metadata, c.Metadata)
	if code.Refused() {
		return 0, code
	}
	assign(&m.Name, c.Name)
	assign(&m.Unit, c.Unit)
	assign(&m.Description, c.Description)
	if c.Active != nil {
		m.Active = *c.Active
	}
	m.Metadata = clone(metadata)
	m.Updated = now
	return number, OK
}

func (d *Directory) updateCurrency(c *UpdateCurrency, now int64) (uint32, Code) {
	number := d.findCurrency(c.Mode, c.Currency)
	if number == 0 {
		return 0, CurrencyUnknown
	}
	currency := d.currency(number)
	metadata, code := mergeMetadata(currency.Metadata, c.Metadata)
	if code.Refused() {
		return 0, code
	}
	assign(&currency.Name, c.Name)
	assign(&currency.Symbol, c.Symbol)
	assign(&currency.Description, c.Description)
	assign(&currency.Logo, c.Logo)
	currency.Metadata = clone(metadata)
	if c.Recharge != nil {
		currency.Recharge = clone(c.Recharge)
	}
	currency.Updated = now
	return number, OK
}

func (d *Directory) putCustomer(c *PutCustomer, now int64) (uint32, Code) {
	number := find(&d.customers, c.Mode, c.Customer)
	if number == 0 && !c.Create {
		return 0, CustomerUnknown
	}
	details := d.details[number]
	metadata, code := mergeMetadata(details.metadata, c.Metadata)
	if code.Refused() {
		return 0, code
	}
	if number == 0 {
		number = d.customer(c.Mode, []byte(c.Customer), now)
	}
	if c.Name == nil && c.Email == nil && c.Phone == nil && c.Description == nil && c.Metadata == nil {
		return number, OK
	}
	assign(&details.name, c.Name)
	assign(&details.email, c.Email)
	assign(&details.phone, c.Phone)
	assign(&details.description, c.Description)
	details.metadata = clone(metadata)
	details.updated = now
	d.details[number] = details
	return number, OK
}

func (d *Directory) setSubscription(c *SetSubscription) {
	number, _ := intern(&d.subscriptions, c.Mode, c.Subscription)
	prices := make([]uint32, 0, len(c.Prices))
	for _, price := range c.Prices {
		n, _ := intern(&d.prices, c.Mode, price)
		prices = append(prices, n)
	}
	d.scopeEpoch++
	d.replaced = append(d.replaced, replacedPrices{d.scopeEpoch, number, d.subscriptionPrices[number]})
	d.subscriptionPrices[number] = prices
}

// pricesAt is a subscription's prices as they were at an epoch not older than the
// entry at hand.
func (d *Directory) pricesAt(epoch, subscription uint32) []uint32 {
	for i := range d.replaced {
		if r := &d.replaced[i]; r.epoch > epoch && r.subscription == subscription {
			return r.prices
		}
	}
	return d.subscriptionPrices[subscription]
}

// scope turns a grant's scope into numbers; ok is false when it names a meter
// that does not exist.
func (d *Directory) scope(mode Mode, s Scope) (scopeNumbers, bool) {
	var n scopeNumbers
	for _, ref := range s.Meters {
		number := d.findMeter(mode, ref)
		if number == 0 {
			return scopeNumbers{}, false
		}
		n.meters = append(n.meters, number)
	}
	for _, price := range s.Prices {
		number, _ := intern(&d.prices, mode, price)
		n.prices = append(n.prices, number)
	}
	return n, true
}

// clone keeps bytes that a command only lends.
func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}

func assign(field *string, value *string) {
	if value != nil {
		*field = *value
	}
}

// The reads below copy; the caller holds the owner's lock.

// Meter finds a meter by id or event name.
func (d *Directory) Meter(mode Mode, ref string) (Meter, bool) {
	return d.MeterNumber(d.findMeter(mode, ref))
}

// MeterNumber is the meter with the number.
func (d *Directory) MeterNumber(number uint32) (Meter, bool) {
	if number == 0 || int(number) > len(d.meters) {
		return Meter{}, false
	}
	return *d.meter(number), true
}

// Meters is the number of meters; they are numbered from 1.
func (d *Directory) Meters() int { return len(d.meters) }

// Currency finds a currency by id.
func (d *Directory) Currency(mode Mode, id string) (Currency, bool) {
	return d.CurrencyNumber(d.findCurrency(mode, id))
}

// CurrencyNumber is the currency with the number.
func (d *Directory) CurrencyNumber(number uint32) (Currency, bool) {
	if number == 0 || int(number) > len(d.currencies) {
		return Currency{}, false
	}
	return *d.currency(number), true
}

// Currencies is the number of currencies; they are numbered from 1.
func (d *Directory) Currencies() int { return len(d.currencies) }

// Customers is the number of customers; they are numbered from 1.
func (d *Directory) Customers() int { return d.customers.count() }

// FindCustomer is a customer's number, 0 if there is none.
func (d *Directory) FindCustomer(mode Mode, id string) uint32 { return find(&d.customers, mode, id) }

// CustomerNumber is the customer with the number.
func (d *Directory) CustomerNumber(number uint32) (Customer, bool) {
	if !d.customers.refs.has(number) {
		return Customer{}, false
	}
	created := *d.created.at(number)
	c := Customer{
		Number: number, Mode: d.customers.mode(number), ID: string(d.customers.name(number)),
		Created: created, Updated: created,
	}
	if details, ok := d.details[number]; ok {
		c.Name, c.Email, c.Phone = details.name, details.email, details.phone
		c.Description, c.Metadata, c.Updated = details.description, details.metadata, details.updated
	}
	return c, true
}

// CustomerID is the id of the customer with the number and its mode; ok is false
// if there is none.
func (d *Directory) CustomerID(number uint32) (id string, mode Mode, ok bool) {
	if !d.customers.refs.has(number) {
		return "", 0, false
	}
	return string(d.customers.name(number)), d.customers.mode(number), true
}

// Subscription is the id of the subscription with the number, "" for 0.
func (d *Directory) Subscription(number uint32) string {
	if !d.subscriptions.refs.has(number) {
		return ""
	}
	return string(d.subscriptions.name(number))
}

// FindSubscription is a subscription's number, 0 if no event or call named it.
func (d *Directory) FindSubscription(mode Mode, id string) uint32 {
	return find(&d.subscriptions, mode, id)
}

// SubscriptionPrices is what was told of a subscription's prices; ok is false if
// nothing was.
func (d *Directory) SubscriptionPrices(mode Mode, id string) (prices []string, ok bool) {
	numbers, ok := d.subscriptionPrices[find(&d.subscriptions, mode, id)]
	for _, n := range numbers {
		prices = append(prices, string(d.prices.name(n)))
	}
	return prices, ok
}

// ContainsFold says whether text contains part, letter case ignored; the free
// search of the lists.
func ContainsFold(text, part string) bool {
	return part == "" || strings.Contains(strings.ToLower(text), strings.ToLower(part))
}
