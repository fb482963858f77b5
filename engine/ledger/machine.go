package ledger

import (
	"errors"
	"fmt"
)

// Fingerprint stands for an identifier in its mode: a 128-bit keyed hash. The
// key is secret and the same on every node, so that no two identifiers share one,
// by chance or by intent.
type Fingerprint [16]byte

// Use is where an identifier was first used; Seq is 0 if it never was.
type Use struct {
	Account uint32
	Seq     uint64
}

// Identifiers remembers which operation first used which identifier.
type Identifiers interface {
	// Fingerprint is the keyed hash of an identifier. packed says that the bytes
	// are those of a UUID; the text of that UUID must have another fingerprint
	// only if no caller can produce both (none can: there is one encoding).
	Fingerprint(key *[16]byte, mode Mode, identifier []byte, packed bool) Fingerprint
	// FirstUses fills uses[i] for fingerprints[i]. On replay the store may be ahead
	// of the state and answer with uses that are yet to come. Both methods may be
	// called from many goroutines at once.
	FirstUses(fingerprints []Fingerprint, uses []Use) error
}

// Head is how far the log has been carried out.
type Head struct {
	Index uint64 // of the last entry in the replicated log
	Time  int64  // the log's time: that of the last entry, Unix nanoseconds
	Seq   uint64 // of the last operation
	Chain uint64 // the running state hash (I4)
}

// Machine turns entries into operations, and their outcomes into results. It is
// the deterministic heart of the engine: the same entries give the same results
// on every node, for any number of books (I4, I8). For each entry: Decode, LookUp
// for all of its reports, Resolve, then every book carries out its operations in
// order, then Finish. One goroutine owns it.
type Machine struct {
	Head
	dir     *Directory
	ids     Identifiers
	cluster [16]byte
	key     [16]byte
	ready   bool // Init has been carried out

	// Of the entry being carried out; the memory is reused.
	entryKey     [16]byte // of the fingerprints
	commands     [][]byte
	reportList   // the Reports among the commands, decoded; they alias the entry
	fingerprints []Fingerprint
	uses         []Use
	customers    []uint32 // of the reports, as far as they had a number before the entry; 0 if they had none
	lastMeter    meterName
	taken        takenTable
	ops          []Op
	repeats      []repeat
	results      []Result // fresh for each entry: it goes to the callers
}

// repeat is a Report whose identifier an earlier Report of the same entry took.
type repeat struct{ slot, first int32 }

// NewMachine is the machine of an empty log.
func NewMachine(ids Identifiers) *Machine {
	return &Machine{dir: newDirectory(), ids: ids}
}

// Directory is the machine's directory.
func (m *Machine) Directory() *Directory { return m.dir }

// Cluster is the log's random name; ok is false before Init.
func (m *Machine) Cluster() (name [16]byte, ok bool) { return m.cluster, m.ready }

// Prepare is Decode, LookUp and Resolve.
func (m *Machine) Prepare(index uint64, entry []byte) error {
	if err := m.Decode(index, entry); err != nil {
		return err
	}
	if err := m.LookUp(0, m.Reports()); err != nil {
		return err
	}
	return m.Resolve()
}

// Decode takes the entry at the index apart. It does not touch the directory. An
// error, here, in LookUp and in Resolve, means that the entry cannot be carried out
// by this program or that reading the identifiers failed; the node must stop (I7),
// for nothing may be skipped.
func (m *Machine) Decode(index uint64, entry []byte) error {
	e, err := ReadEntry(entry)
	if err != nil {
		return err
	}
	m.Index, m.Time = index, max(m.Time+1, e.Time)
	m.ops, m.repeats, m.lastMeter = m.ops[:0], m.repeats[:0], meterName{}
	m.results = make([]Result, e.Count)
	if err := m.decode(&e); err != nil {
		return fmt.Errorf("entry %d: %w", index, err)
	}
	return nil
}

// Reports is how many meter events the entry holds.
func (m *Machine) Reports() int { return len(m.reports) }

// LookUp finds the identifiers and the customers of the reports from to to-1. It
// changes nothing that others read: different goroutines may look up different
// reports at once.
func (m *Machine) LookUp(from, to int) error {
	if from == to {
		return nil
	}
	reports, fingerprints := m.reports[from:to], m.fingerprints[from:to]
	for i := range reports {
		r := &reports[i]
		fingerprints[i] = m.ids.Fingerprint(&m.entryKey, r.mode, r.identifier, r.packed)
	}
	m.dir.customersOf(reports, m.customers[from:to])
	return m.ids.FirstUses(fingerprints, m.uses[from:to])
}

// Resolve carries out the commands on names and turns those on accounts into
// operations (Ops).
func (m *Machine) Resolve() error {
	m.dir.replaced = m.dir.replaced[:0]
	nextReport := 0
	for slot, command := range m.commands {
		m.results[slot].Time = m.Time
		if err := m.resolve(int32(slot), command, &nextReport); err != nil {
			return fmt.Errorf("entry %d, command %d: %w", m.Index, slot, err)
		}
	}
	return nil
}

// decode reads all commands and the reports among them, so that what many reports
// need is looked up at once.
func (m *Machine) decode(e *EntryReader) error {
	m.resetReports()
	m.commands, m.entryKey = m.commands[:0], m.key
	for {
		command, ok := e.Next()
		if !ok {
			break
		}
		if len(command) == 0 {
			return ErrCorrupt
		}
		m.commands = append(m.commands, command)
		if command[0] == kindInit && !m.ready {
			// The key holds for this entry already: before Init it has no reports.
			var c Init
			if err := c.decode(command[1:]); err != nil {
				return err
			}
			m.entryKey = c.HashKey
		}
		if command[0] != kindReport && command[0] != kindReportByNumber {
			continue
		}
		if err := m.addReport(command[0], int32(len(m.commands)-1), command[1:]); err != nil {
			return err
		}
	}
	m.fingerprints = resized(m.fingerprints, len(m.reports))
	m.customers = resized(m.customers, len(m.reports))
	m.uses = resized(m.uses, len(m.reports))
	clear(m.uses)
	m.taken.reset(len(m.reports))
	return e.Err()
}

// resized is s with a length of n; what is in it is of no use.
func resized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	return s[:n]
}

// resolve carries out a command on names, or turns one on an account into an
// operation.
func (m *Machine) resolve(slot int32, command []byte, nextReport *int) error {
	kind, body, result := command[0], command[1:], &m.results[slot]
	if !m.ready && kind != kindInit {
		return fmt.Errorf("%w: a command before Init", ErrCorrupt)
	}
	switch kind {
	case kindReport, kindReportByNumber:
		*nextReport++
		return m.resolveReport(slot, *nextReport-1)
	case kindInit:
		return m.init(body)
	case kindCreateMeter:
		return decodeInto(body, new(CreateMeter), func(c *CreateMeter) {
			result.Ordinal, result.Code = m.dir.createMeter(c, m.Time)
		})
	case kindUpdateMeter:
		return decodeInto(body, new(UpdateMeter), func(c *UpdateMeter) {
			result.Ordinal, result.Code = m.dir.updateMeter(c, m.Time)
		})
	case kindUpdateCurrency:
		return decodeInto(body, new(UpdateCurrency), func(c *UpdateCurrency) {
			result.Ordinal, result.Code = m.dir.updateCurrency(c, m.Time)
		})
	case kindPutCustomer:
		return decodeInto(body, new(PutCustomer), func(c *PutCustomer) {
			result.Account, result.Code = m.dir.putCustomer(c, m.Time)
		})
	case kindSetSubscription:
		return decodeInto(body, new(SetSubscription), m.dir.setSubscription)
	case kindCreateGrant:
		return decodeInto(body, new(CreateGrant), func(c *CreateGrant) { m.resolveCreateGrant(slot, c) })
	case kindUpdateGrant:
		return decodeInto(body, new(UpdateGrant), func(c *UpdateGrant) {
			m.resolveGrant(slot, c.Mode, c.Grant, kind, c)
		})
	case kindVoidGrant:
		return decodeInto(body, new(VoidGrant), func(c *VoidGrant) {
			m.resolveGrant(slot, c.Mode, c.Grant, kind, nil)
		})
	case kindSettle:
		return decodeInto(body, new(Settle), func(c *Settle) { m.resolveSettle(slot, c) })
	}
	return fmt.Errorf("%w: command kind %d", ErrCorrupt, kind)
}

// decodeInto decodes a command and carries it out.
func decodeInto[C interface{ decode([]byte) error }](body []byte, c C, do func(C)) error {
	if err := c.decode(body); err != nil {
		return err
	}
	do(c)
	return nil
}

func (m *Machine) init(body []byte) error {
	var c Init
	if err := c.decode(body); err != nil {
		return err
	}
	if m.ready {
		return fmt.Errorf("%w: a second Init", ErrCorrupt)
	}
	m.cluster, m.key, m.ready = c.Cluster, c.HashKey, true
	m.dir.seed(&m.key)
	return nil
}

// addOp gives an operation its sequence and queues it for its account's book.
func (m *Machine) addOp(slot int32, op Op) {
	m.Seq++
	op.Seq, op.slot, op.scopeSeen = m.Seq, slot, m.dir.scopeEpoch
	m.ops = append(m.ops, op)
}

// resolveReport decides what a meter event is: a repeat, refused, or an
// operation. The identifier is judged first, so that a repeat stays a repeat
// even after its meter was switched off.
func (m *Machine) resolveReport(slot int32, n int) error {
	r, result := &m.reports[n], &m.results[slot]
	if err := m.dir.checkNumbers(r); err != nil {
		return err
	}
	// A stored use that is not lower than the sequence now being given is from
	// this log's own future: the index was flushed before a restart, the state is
	// being replayed. It is no repeat (I2).
	if use := m.uses[n]; use.Seq != 0 && use.Seq <= m.Seq {
		result.Code, result.Account, result.Seq = Duplicate, use.Account, use.Seq
		return nil
	}
	if first, ok := m.taken.find(m.fingerprints, n); ok {
		m.repeats = append(m.repeats, repeat{slot, m.reports[first].slot})
		return nil
	}
	op, code := m.eventOp(r)
	if code.Refused() {
		result.Code = code
		return nil
	}
	if op.Account = m.customers[n]; op.Account == 0 {
		op.Account = m.dir.customer(r.mode, r.texts.customer, m.Time)
	}
	if len(r.texts.subscription) > 0 {
		op.subscription, _ = intern(&m.dir.subscriptions, r.mode, r.texts.subscription)
	}
	op.number = int32(n)
	m.taken.put(m.fingerprints, n)
	m.addOp(slot, op)
	return nil
}

// meterName is an event name and the meter that it means. A name never changes its
// meaning, so it need not be looked up for each of the events that share it.
type meterName struct {
	mode   Mode
	name   []byte // aliases the entry
	number uint32
}

// meterOf is the number of an event's meter, 0 if there is none.
func (m *Machine) meterOf(r *report) uint32 {
	if r.meter != 0 {
		return r.meter
	}
	if last := &m.lastMeter; last.number == 0 || last.mode != r.mode || string(last.name) != string(r.texts.eventName) {
		*last = meterName{r.mode, r.texts.eventName, m.dir.eventNames[r.mode][string(r.texts.eventName)]}
	}
	return m.lastMeter.number
}

// eventOp finds an event's meter and works out its cost.
func (m *Machine) eventOp(r *report) (Op, Code) {
	number := m.meterOf(r)
	if number == 0 {
		return Op{}, MeterUnknown
	}
	meter := m.dir.meter(number)
	if !meter.Active {
		return Op{}, MeterInactive
	}
	timestamp := seconds(m.Time)
	if r.hasTimestamp {
		if r.timestamp > timestamp+MaxTimestampAhead {
			return Op{}, TimestampAhead
		}
		timestamp = r.timestamp
	}
	decimals := m.dir.currency(meter.Currency).Decimals
	cost, err := r.value.Units(decimals)
	if err != nil {
		return Op{}, amountCode(err)
	}
	if meter.Aggregation == Count {
		cost, _ = Decimal{Coef: NewAmount(1)}.Units(decimals)
	}
	return Op{
		kind: kindReport, report: r, meter: number, currency: meter.Currency, cost: cost, timestamp: timestamp,
		isLevel: meter.Aggregation == Last,
	}, OK
}

func amountCode(err error) Code {
	if errors.Is(err, ErrPrecision) {
		return AmountPrecision
	}
	return AmountOverflow
}

func (m *Machine) resolveCreateGrant(slot int32, c *CreateGrant) {
	result := &m.results[slot]
	currency := m.dir.findCurrency(c.Mode, c.Currency)
	if currency == 0 {
		result.Code = CurrencyUnknown
		return
	}
	amount, err := c.Amount.Units(m.dir.currency(currency).Decimals)
	if err != nil {
		result.Code = amountCode(err)
		return
	}
	if amount.IsZero() {
		result.Code = AmountZero
		return
	}
	if expires := c.ExpiresAt; expires != 0 && (expires <= c.EffectiveAt || expires <= seconds(m.Time)) {
		result.Code = ExpiryPast
		return
	}
	scope, ok := m.dir.scope(c.Mode, c.Scope)
	if !ok {
		result.Code = MeterUnknown
		return
	}
	account := m.dir.customer(c.Mode, []byte(c.Customer), m.Time)
	m.addOp(slot, Op{
		kind: kindCreateGrant, Account: account, currency: currency,
		grantOp: &grantOp{amount: amount, create: c, scope: scope},
	})
}

func (m *Machine) resolveGrant(slot int32, mode Mode, id GrantID, kind byte, update *UpdateGrant) {
	if !m.dir.knowsCustomer(mode, id.Account) {
		m.results[slot].Code = GrantUnknown
		return
	}
	m.addOp(slot, Op{kind: kind, Account: id.Account, grantOp: &grantOp{grant: id, update: update}})
}

func (m *Machine) resolveSettle(slot int32, c *Settle) {
	for _, account := range c.Accounts {
		if m.dir.customers.refs.has(account) {
			m.addOp(slot, Op{kind: kindSettle, Account: account})
		}
	}
}

// Ops is what the books have to carry out, in order. It is valid until the next
// Prepare.
func (m *Machine) Ops() []Op { return m.ops }

// SetResult takes the outcome of the i-th operation. Different operations may be
// reported from different goroutines.
func (m *Machine) SetResult(i int, r Result) {
	// A Settle has many operations and one result, which is OK either way.
	if op := &m.ops[i]; op.kind != kindSettle {
		m.results[op.slot] = r
	}
}

// Finish closes the entry once all operations are done: repeats within the entry
// get their verdict, and the entry and its outcome go into the chain. digest is
// the sum of the books' digests. The results are the caller's to keep.
func (m *Machine) Finish(entry []byte, digest uint64) []Result {
	for _, r := range m.repeats {
		first := m.results[r.first]
		if first.Code.Refused() {
			// The first was refused by its account, so the identifier is unused; this
			// one shares the verdict and may be sent again.
			m.results[r.slot].Code = first.Code
			continue
		}
		m.results[r.slot] = Result{Code: Duplicate, Account: first.Account, Seq: first.Seq, Time: m.Time}
	}
	h := mix(m.Chain, m.Index)
	h = mix(h, hashBytes(uint64(m.Time), entry))
	h = mix(h, digest)
	for i := range m.results {
		h = mix(h, m.results[i].hash())
	}
	m.Chain = h
	return m.results
}

func (r *Result) hash() uint64 {
	h := mix(uint64(r.Code)<<32|uint64(r.Ordinal), uint64(r.Account))
	h = mix(h^r.Consumed.Lo, r.Seq^r.Consumed.Hi)
	return mix(h^r.Pending.Lo, r.Pending.Hi)
}

// EachUse calls fn for every identifier that the entry used for the first time.
func (m *Machine) EachUse(fn func(f Fingerprint, u Use)) {
	for i := range m.ops {
		if op := &m.ops[i]; op.kind == kindReport && m.results[op.slot].Code == OK {
			fn(m.fingerprints[op.number], Use{op.Account, op.Seq})
		}
	}
}
