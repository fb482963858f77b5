package ledger

import (
	"encoding/json"
	"math/big"
	"slices"
	"sort"
)

// The model is the judge: the rules of burn-down once more, as plainly as they can
// be put, with maps, slices and math/big. It shares no code with the package but
// the commands, the verdicts and the names of the states.

type modeText struct {
	mode Mode
	text string
}

type model struct {
	now        int64 // the log's time, Unix nanoseconds
	events     map[modeText]*modelEvent
	meters     map[modeText]*modelMeter
	currencies []modelCurrency // by number - 1
	meterCount uint32
	customers  []*modelCustomer // by number - 1
	byName     map[modeText]*modelCustomer
	prices     map[modeText][]string // of subscriptions
	refused    map[modeText]Code     // identifiers that an account refused in this entry
}

type modelMeter struct {
	number, currency uint32
	active, counts   bool
	levels           bool
}

type modelCurrency struct {
	mode     Mode
	decimals int
}

type modelCustomer struct {
	number uint32
	mode   Mode
	name   string
	grants []*modelGrant // oldest first
	events []*modelEvent // oldest first
	rows   []modelRow    // oldest first
	levels map[uint32]*modelLevel
}

// modelLevel is what a customer has in use on a meter that reports levels.
type modelLevel struct {
	value     *big.Int
	timestamp int64
	taken     []modelTaking // oldest first
}

type modelTaking struct {
	grant  *modelGrant
	amount *big.Int
}

type modelGrant struct {
	ordinal, currency, priority                  uint32
	category                                     Category
	status                                       GrantStatus
	amount, remaining, consumed, expired, voided *big.Int
	effective, expires, voidedAt, grantedAt      int64
	created                                      int64
	prices                                       []string
	meters                                       []uint32
	metadata                                     map[string]any
}

type modelEvent struct {
	customer        *modelCustomer
	identifier      string
	meter, currency uint32
	subscription    string
	cost, pending   *big.Int
	isLevel         bool
}

type modelRow struct {
	kind                            RowType
	negative                        bool
	currency, grant                 uint32
	amount, grantRemaining, balance *big.Int
	event                           *modelEvent // nil if none is behind the row
}

type modelResult struct {
	code              Code
	account, ordinal  uint32
	event             *modelEvent
	consumed, pending *big.Int
}

func newModel() *model {
	return &model{
		events: map[modeText]*modelEvent{}, meters: map[modeText]*modelMeter{},
		byName: map[modeText]*modelCustomer{}, prices: map[modeText][]string{},
	}
}

// apply carries out one entry.
func (m *model) apply(time int64, commands []Command) (results []modelResult) {
	m.now = max(m.now+1, time)
	m.refused = map[modeText]Code{}
	for _, c := range commands {
		results = append(results, m.one(c))
	}
	return results
}

func (m *model) one(command Command) modelResult {
	switch c := command.(type) {
	case *CreateMeter:
		return m.createMeter(c)
	case *UpdateMeter:
		meter := m.meters[modeText{c.Mode, c.Meter}]
		if meter == nil {
			return modelResult{code: MeterUnknown}
		}
		if c.Active != nil {
			meter.active = *c.Active
		}
		return modelResult{ordinal: meter.number}
	case *SetSubscription:
		m.prices[modeText{c.Mode, c.Subscription}] = c.Prices
		return modelResult{}
	case *Report:
		return m.report(c)
	case *CreateGrant:
		return m.createGrant(c)
	case *UpdateGrant:
		return m.changeGrant(c.Mode, c.Grant, func(cus *modelCustomer, g *modelGrant) Code {
			if c.Expire {
				if g.status != GrantPending && g.status != GrantGranted {
					return GrantEnded
				}
				m.forfeit(cus, g, GrantExpired)
			}
			for key, value := range parseObject(c.Metadata) {
				if value == nil {
					delete(g.metadata, key)
				} else {
					g.metadata[key] = value
				}
			}
			return OK
		})
	case *VoidGrant:
		return m.changeGrant(c.Mode, c.Grant, func(cus *modelCustomer, g *modelGrant) Code {
			switch g.status {
			case GrantDepleted, GrantExpired:
				return GrantEnded
			case GrantPending, GrantGranted:
				m.forfeit(cus, g, GrantVoided)
			}
			return OK
		})
	case *Settle:
		for _, number := range c.Accounts {
			if number >= 1 && int(number) <= len(m.customers) {
				for currency := range m.currencies {
					m.catchUp(m.customers[number-1], uint32(currency+1))
				}
			}
		}
		return modelResult{}
	}
	panic("the model does not know this command")
}

func (m *model) createMeter(c *CreateMeter) modelResult {
	key := modeText{c.Mode, c.EventName}
	if m.meters[key] != nil {
		return modelResult{code: MeterExists}
	}
	var currency uint32
	if c.Currency != "" {
		number, ok := ParseCurrencyID(c.Currency)
		if !ok || int(number) > len(m.currencies) || m.currencies[number-1].mode != c.Mode {
			return modelResult{code: CurrencyUnknown}
		}
		if c.Decimals != nil && int(*c.Decimals) != m.currencies[number-1].decimals {
			return modelResult{code: DecimalsConflict}
		}
		currency = number
	} else {
		decimals := 2
		if c.Decimals != nil {
			decimals = int(*c.Decimals)
		}
		m.currencies = append(m.currencies, modelCurrency{c.Mode, decimals})
		currency = uint32(len(m.currencies))
	}
	m.meterCount++
	m.meters[key] = &modelMeter{number: m.meterCount, currency: currency, active: true, counts: c.Aggregation == Count, levels: c.Aggregation == Last}
	return modelResult{ordinal: m.meterCount}
}

// units is a number of tokens in the currency's smallest unit.
func (m *model) units(d Decimal, currency uint32) (*big.Int, Code) {
	if int(d.Scale) > m.currencies[currency-1].decimals {
		return nil, AmountPrecision // as it is written, zeros too
	}
	v := new(big.Rat).SetFrac(bigOf(d.Coef), pow10(int(d.Scale)))
	v.Mul(v, new(big.Rat).SetInt(pow10(m.currencies[currency-1].decimals)))
	if v.Num().Cmp(limit) >= 0 {
		return nil, AmountOverflow
	}
	return new(big.Int).Set(v.Num()), OK
}

// customer is created on first sight.
func (m *model) customer(mode Mode, name string) *modelCustomer {
	key := modeText{mode, name}
	if m.byName[key] == nil {
		m.byName[key] = &modelCustomer{
			number: uint32(len(m.customers) + 1), mode: mode, name: name, levels: map[uint32]*modelLevel{},
		}
		m.customers = append(m.customers, m.byName[key])
	}
	return m.byName[key]
}

func (m *model) report(c *Report) modelResult {
	key := modeText{c.Mode, c.Identifier}
	if first := m.events[key]; first != nil {
		return modelResult{code: Duplicate, account: first.customer.number, event: first}
	}
	if code, ok := m.refused[key]; ok {
		return modelResult{code: code}
	}
	meter := m.meters[modeText{c.Mode, c.EventName}]
	switch {
	case meter == nil:
		return modelResult{code: MeterUnknown}
	case !meter.active:
		return modelResult{code: MeterInactive}
	case c.HasTimestamp && c.Timestamp > m.now/1e9+3600:
		return modelResult{code: TimestampAhead}
	}
	timestamp := m.now / 1e9
	if c.HasTimestamp {
		timestamp = c.Timestamp
	}
	cost, code := m.units(c.Value, meter.currency)
	if code != OK {
		return modelResult{code: code}
	}
	if meter.counts {
		cost = pow10(m.currencies[meter.currency-1].decimals)
	}
	cus := m.customer(c.Mode, c.Customer)
	m.catchUp(cus, meter.currency)
	var level *modelLevel
	fall := new(big.Int)
	if meter.levels {
		level = cus.levels[meter.number]
		if level == nil {
			level = &modelLevel{value: new(big.Int), timestamp: -1 << 63}
			cus.levels[meter.number] = level
		}
		cost, fall = level.change(cost, timestamp)
	}
	used := new(big.Int).Set(cost)
	for _, e := range cus.events {
		if e.currency == meter.currency {
			used.Add(used, e.pending)
		}
	}
	for _, g := range cus.grants {
		if g.currency == meter.currency {
			used.Add(used, g.consumed)
		}
	}
	if used.Cmp(limit) >= 0 {
		m.refused[key] = AmountOverflow
		return modelResult{code: AmountOverflow, account: cus.number}
	}
	e := &modelEvent{
		customer: cus, identifier: c.Identifier, meter: meter.number, currency: meter.currency,
		subscription: c.Subscription, cost: cost, pending: new(big.Int).Set(cost), isLevel: meter.levels,
	}
	m.events[key] = e
	cus.events = append(cus.events, e)
	m.draw(cus, e)
	if level != nil && timestamp >= level.timestamp {
		level.value.Add(level.value, cost)
		level.value.Sub(level.value, fall)
		level.timestamp = timestamp
		m.giveBack(cus, level, e, fall)
	}
	return modelResult{
		account: cus.number, event: e, consumed: new(big.Int).Sub(cost, e.pending), pending: new(big.Int).Set(e.pending),
	}
}

// change is how far a level moves, up or down. An event that is older than the
// level does not move it.
func (l *modelLevel) change(to *big.Int, timestamp int64) (rise, fall *big.Int) {
	change := new(big.Int).Sub(to, l.value)
	switch {
	case timestamp < l.timestamp:
		return new(big.Int), new(big.Int)
	case change.Sign() < 0:
		return new(big.Int), change.Neg(change)
	}
	return change, new(big.Int)
}

// giveBack undoes a fall: what is still owed for the level, newest first, then what
// was taken for it, last first. The credit settles what else is owed.
func (m *model) giveBack(cus *modelCustomer, level *modelLevel, cause *modelEvent, fall *big.Int) {
	if fall.Sign() == 0 {
		return
	}
	for _, e := range slices.Backward(cus.events) {
		if e.meter == cause.meter {
			x := lesser(e.pending, fall)
			e.pending.Sub(e.pending, x)
			fall.Sub(fall, x)
		}
	}
	for fall.Sign() > 0 {
		last := len(level.taken) - 1
		t := level.taken[last]
		// What was taken in a row from one grant comes back as one.
		for last > 0 && level.taken[last-1].grant == t.grant {
			last--
			t.amount = new(big.Int).Add(t.amount, level.taken[last].amount)
		}
		x := lesser(t.amount, fall)
		t.amount.Sub(t.amount, x)
		fall.Sub(fall, x)
		if level.taken = level.taken[:last]; t.amount.Sign() > 0 {
			level.taken = append(level.taken, t)
		}
		m.refund(cus, t.grant, cause, x)
	}
	for _, e := range cus.events {
		if e.currency == cause.currency {
			m.draw(cus, e)
		}
	}
}

// refund gives credit back to the grant it came from. A grant that has ended
// holds it for the length of one row, and then loses it.
func (m *model) refund(cus *modelCustomer, g *modelGrant, cause *modelEvent, x *big.Int) {
	if g.status == GrantDepleted && g.expires != 0 && m.now/1e9 >= g.expires {
		g.status = GrantExpired
	}
	ended := g.status
	g.consumed.Sub(g.consumed, x)
	g.remaining.Add(g.remaining, x)
	g.status = GrantGranted
	cus.addRow(modelRow{kind: RowAdjustment, amount: x, event: cause}, g)
	if ended != GrantExpired && ended != GrantVoided {
		return
	}
	g.status, g.remaining = ended, new(big.Int)
	kind := RowExpiration
	if ended == GrantVoided {
		kind = RowAdjustment
		g.voided = new(big.Int).Add(g.voided, x)
	} else {
		g.expired = new(big.Int).Add(g.expired, x)
	}
	cus.addRow(modelRow{kind: kind, negative: true, amount: x, event: cause}, g)
}

func lesser(a, b *big.Int) *big.Int {
	if a.Cmp(b) < 0 {
		return new(big.Int).Set(a)
	}
	return new(big.Int).Set(b)
}

func (m *model) createGrant(c *CreateGrant) modelResult {
	currency, ok := ParseCurrencyID(c.Currency)
	if !ok || int(currency) > len(m.currencies) || m.currencies[currency-1].mode != c.Mode {
		return modelResult{code: CurrencyUnknown}
	}
	amount, code := m.units(c.Amount, currency)
	if code == OK && amount.Sign() == 0 {
		code = AmountZero
	}
	if code != OK {
		return modelResult{code: code}
	}
	effective := c.EffectiveAt
	if effective == 0 {
		effective = m.now / 1e9
	}
	if c.ExpiresAt != 0 && (c.ExpiresAt <= effective || c.ExpiresAt <= m.now/1e9) {
		return modelResult{code: ExpiryPast}
	}
	var meters []uint32
	for _, name := range c.Scope.Meters {
		meter := m.meters[modeText{c.Mode, name}]
		if meter == nil {
			return modelResult{code: MeterUnknown}
		}
		meters = append(meters, meter.number)
	}
	cus := m.customer(c.Mode, c.Customer)
	m.catchUp(cus, currency)
	granted := new(big.Int).Set(amount)
	for _, g := range cus.grants {
		if g.currency == currency {
			granted.Add(granted, g.amount)
		}
	}
	if granted.Cmp(limit) >= 0 {
		return modelResult{code: AmountOverflow, account: cus.number}
	}
	g := &modelGrant{
		ordinal: uint32(len(cus.grants) + 1), currency: currency, priority: c.Priority, category: c.Category,
		status: GrantPending, amount: amount, remaining: new(big.Int).Set(amount), consumed: new(big.Int),
		expired: new(big.Int), voided: new(big.Int), effective: effective, expires: c.ExpiresAt, created: m.now,
		prices: c.Scope.Prices, meters: meters, metadata: parseObject(c.Metadata),
	}
	cus.grants = append(cus.grants, g)
	m.catchUp(cus, currency) // effective at once, if it is
	return modelResult{account: cus.number, ordinal: g.ordinal}
}

func (m *model) changeGrant(mode Mode, id GrantID, change func(*modelCustomer, *modelGrant) Code) modelResult {
	if id.Account == 0 || int(id.Account) > len(m.customers) {
		return modelResult{code: GrantUnknown}
	}
	cus := m.customers[id.Account-1]
	if cus.mode != mode {
		return modelResult{code: GrantUnknown}
	}
	if id.Ordinal == 0 || int(id.Ordinal) > len(cus.grants) {
		return modelResult{code: GrantUnknown, account: cus.number}
	}
	g := cus.grants[id.Ordinal-1]
	m.catchUp(cus, g.currency)
	return modelResult{code: change(cus, g), account: cus.number, ordinal: g.ordinal}
}

// catchUp does what is due at one instant: expiry, activation, settlement.
func (m *model) catchUp(cus *modelCustomer, currency uint32) {
	now := m.now / 1e9
	for _, g := range cus.burnOrder(currency) {
		if live := g.status == GrantPending || g.status == GrantGranted; live && g.expires != 0 && now >= g.expires {
			m.forfeit(cus, g, GrantExpired)
		}
	}
	for _, g := range cus.burnOrder(currency) {
		if g.status == GrantPending && now >= g.effective {
			g.status, g.grantedAt = GrantGranted, now
			cus.addRow(modelRow{kind: RowGrant, amount: new(big.Int).Set(g.amount)}, g)
		}
	}
	for _, e := range cus.events {
		if e.currency == currency {
			m.draw(cus, e)
		}
	}
}

// burnOrder is the customer's grants in the currency, first to be drawn on first.
func (cus *modelCustomer) burnOrder(currency uint32) (order []*modelGrant) {
	for _, g := range cus.grants {
		if g.currency == currency {
			order = append(order, g)
		}
	}
	sort.SliceStable(order, func(i, j int) bool {
		a, b := order[i], order[j]
		if a.priority != b.priority {
			return a.priority < b.priority
		}
		if a.expires != b.expires {
			return a.expires != 0 && (b.expires == 0 || a.expires < b.expires)
		}
		if a.category != b.category {
			return a.category == Promotional
		}
		return a.effective < b.effective // the stable sort leaves the older in front
	})
	return order
}

func (m *model) applies(g *modelGrant, e *modelEvent) bool {
	if len(g.meters) > 0 && !slices.Contains(g.meters, e.meter) {
		return false
	}
	if len(g.prices) == 0 {
		return true
	}
	for _, price := range m.prices[modeText{e.customer.mode, e.subscription}] {
		if e.subscription != "" && slices.Contains(g.prices, price) {
			return true
		}
	}
	return false
}

// draw takes what is pending of an event from the grants that may pay for it.
func (m *model) draw(cus *modelCustomer, e *modelEvent) {
	for _, g := range cus.burnOrder(e.currency) {
		if e.pending.Sign() == 0 {
			return
		}
		if g.status != GrantGranted || !m.applies(g, e) {
			continue
		}
		take := g.remaining
		if e.pending.Cmp(take) < 0 {
			take = e.pending
		}
		take = new(big.Int).Set(take)
		g.remaining.Sub(g.remaining, take)
		g.consumed.Add(g.consumed, take)
		e.pending.Sub(e.pending, take)
		if g.remaining.Sign() == 0 {
			g.status = GrantDepleted
		}
		if e.isLevel {
			level := cus.levels[e.meter]
			level.taken = append(level.taken, modelTaking{g, new(big.Int).Set(take)})
		}
		cus.addRow(modelRow{kind: RowConsumption, negative: true, amount: take, event: e}, g)
	}
}

// forfeit ends a live grant. What a pending grant holds was never in the balance.
func (m *model) forfeit(cus *modelCustomer, g *modelGrant, status GrantStatus) {
	lost, moved := g.remaining, g.remaining
	if g.status == GrantPending {
		moved = new(big.Int)
	}
	g.remaining, g.status = new(big.Int), status
	kind := RowExpiration
	if status == GrantVoided {
		kind, g.voided, g.voidedAt = RowAdjustment, lost, m.now/1e9
	} else {
		g.expired = lost
	}
	cus.addRow(modelRow{kind: kind, negative: true, amount: moved}, g)
}

// addRow completes a row about a grant with what holds after it.
func (cus *modelCustomer) addRow(row modelRow, g *modelGrant) {
	row.currency, row.grant, row.grantRemaining = g.currency, g.ordinal, new(big.Int).Set(g.remaining)
	row.balance = cus.balance(g.currency)
	cus.rows = append(cus.rows, row)
}

func (cus *modelCustomer) balance(currency uint32) *big.Int {
	sum := new(big.Int)
	for _, g := range cus.grants {
		if g.currency == currency && g.status == GrantGranted {
			sum.Add(sum, g.remaining)
		}
	}
	return sum
}

// nextDue is the next moment (Unix seconds) at which a grant expires or activates.
func (m *model) nextDue() (due int64) {
	for _, cus := range m.customers {
		for _, g := range cus.grants {
			for _, at := range []int64{g.expires, g.effective} {
				live := g.status == GrantPending || g.status == GrantGranted && at == g.expires
				if live && at != 0 && (due == 0 || at < due) {
					due = at
				}
			}
		}
	}
	return due
}

func parseObject(data []byte) map[string]any {
	object := map[string]any{}
	if data != nil {
		if err := json.Unmarshal(data, &object); err != nil {
			panic(err)
		}
	}
	return object
}
