package ledger

// A command is its kind (one byte) and its body. Kinds never change meaning.
const (
	kindInit byte = iota + 1
	kindReport
	kindCreateMeter
	kindUpdateMeter
	kindUpdateCurrency
	kindPutCustomer
	kindCreateGrant
	kindUpdateGrant
	kindVoidGrant
	kindSetSubscription
	kindSettle
	kindReportByNumber // a Report that names its meter and customer by number
)

// The flags of a Report. Its body is written densely, without tags:
//
//	flags | identifier | event name | customer | value (scale, coefficient)
//	      | timestamp? | subscription? | metadata? | source data?
//
// By number, the meter's and the customer's number stand in the place of event name
// and customer.
const (
	reportTest byte = 1 << iota
	reportBatch
	reportUUID // the identifier is a lower-case UUID, written as its 16 bytes
	reportTimestamp
	reportSubscription
	reportMetadata
	reportSource
	reportUnknown // no version writes this bit yet
)

func (c *Report) appendTo(dst []byte) []byte {
	kind := kindReport
	if c.byNumber() {
		kind = kindReportByNumber
	}
	dst = append(dst, kind)
	flagsAt := len(dst)
	dst = append(dst, 0)
	flags := byte(c.Mode) * reportTest
	if c.Channel == ViaBatch {
		flags |= reportBatch
	}
	if packed, ok := packUUID(c.Identifier); ok {
		flags |= reportUUID
		dst = append(dst, packed[:]...)
	} else {
		dst = appendBytes(dst, c.Identifier)
	}
	if kind == kindReportByNumber {
		dst = appendUvarint(dst, uint64(c.MeterNumber))
		dst = appendUvarint(dst, uint64(c.CustomerNumber))
	} else {
		dst = appendBytes(dst, c.EventName)
		dst = appendBytes(dst, c.Customer)
	}
	dst = appendDecimal(dst, c.Value)
	if c.HasTimestamp {
		flags |= reportTimestamp
		dst = appendZigzag(dst, c.Timestamp)
	}
	if c.Subscription != "" {
		flags |= reportSubscription
		dst = appendBytes(dst, c.Subscription)
	}
	if c.Metadata != nil {
		flags |= reportMetadata
		dst = appendBytes(dst, c.Metadata)
	}
	if c.SourceData != nil {
		flags |= reportSource
		dst = appendBytes(dst, c.SourceData)
	}
	dst[flagsAt] = flags
	return dst
}

// report is a Report as it stands in an entry: its texts alias the entry. It is
// small, because an entry holds thousands.
type report struct {
	identifier   []byte // as the caller wrote it, or 16 bytes if packed
	texts        *reportTexts
	value        Decimal
	timestamp    int64
	slot         int32  // of the command in the entry
	meter        uint32 // 0 if it goes by name
	account      uint32 // likewise
	mode         Mode
	channel      Channel
	packed       bool
	hasTimestamp bool
}

// reportTexts is what most reports that go by number do without.
type reportTexts struct {
	eventName, customer            []byte // nil if it goes by number
	subscription, metadata, source []byte
}

var noTexts reportTexts

// reportList is the reports of an entry. Its memory is reused.
type reportList struct {
	reports []report
	texts   []reportTexts
}

func (l *reportList) resetReports() { l.reports, l.texts = l.reports[:0], l.texts[:0] }

// textsOfReport are the flags of a report that has any of the texts of its own.
const textsOfReport = reportSubscription | reportMetadata | reportSource

// addReport decodes the body of a command of one of the two kinds.
func (l *reportList) addReport(kind byte, slot int32, body []byte) error {
	r := reader{b: body}
	flags := r.byte()
	l.reports = append(l.reports, report{
		slot: slot, texts: &noTexts, mode: Mode(flags & reportTest), packed: flags&reportUUID != 0,
		hasTimestamp: flags&reportTimestamp != 0,
	})
	c := &l.reports[len(l.reports)-1]
	if kind == kindReport || flags&textsOfReport != 0 {
		l.texts = append(l.texts, reportTexts{})
		c.texts = &l.texts[len(l.texts)-1] // stays as it is, even if the list moves
	}
	if flags&reportBatch != 0 {
		c.channel = ViaBatch
	}
	c.readIdentifier(&r)
	if kind == kindReportByNumber {
		if c.meter, c.account = r.uint32(), r.uint32(); c.meter == 0 || c.account == 0 {
			r.fail()
		}
	} else {
		c.texts.eventName, c.texts.customer = r.bytes(), r.bytes()
	}
	c.value = r.decimal()
	if c.hasTimestamp {
		c.timestamp = r.zigzag()
	}
	c.texts.readOptional(&r, flags)
	if flags&reportUnknown != 0 {
		r.fail()
	}
	return r.end()
}

func (c *report) readIdentifier(r *reader) {
	if c.packed {
		c.identifier = r.take(uuidBytes)
		return
	}
	c.identifier = r.bytes()
	if _, ok := packUUID(c.identifier); ok {
		r.fail() // the one encoding of this identifier is the packed one
	}
}

// readOptional reads the texts that the flags announce. Without any it changes
// nothing: t may be noTexts.
func (t *reportTexts) readOptional(r *reader, flags byte) {
	if flags&reportSubscription != 0 {
		if t.subscription = r.bytes(); len(t.subscription) == 0 {
			r.fail()
		}
	}
	if flags&reportMetadata != 0 {
		t.metadata = r.bytes()
	}
	if flags&reportSource != 0 {
		t.source = r.bytes()
	}
}

func (c *Init) appendTo(dst []byte) []byte {
	dst = append(dst, kindInit)
	dst = append(dst, c.Cluster[:]...)
	return append(dst, c.HashKey[:]...)
}

func (c *Init) decode(body []byte) error {
	r := reader{b: body}
	copy(c.Cluster[:], r.take(16))
	copy(c.HashKey[:], r.take(16))
	return r.end()
}

func (c *CreateMeter) appendTo(dst []byte) []byte {
	w := fieldWriter{append(dst, kindCreateMeter)}
	w.number(1, uint64(c.Mode))
	w.text(2, c.Name)
	w.text(3, c.EventName)
	w.text(4, c.Unit)
	w.text(5, c.Description)
	w.text(6, c.ComponentID)
	w.number(7, uint64(c.Aggregation))
	w.text(8, c.Currency)
	if c.Decimals != nil {
		d := uint64(*c.Decimals)
		w.optNumber(9, &d)
	}
	w.raw(10, c.Metadata)
	return w.b
}

func (c *CreateMeter) decode(body []byte) error {
	f := fieldReader{reader{b: body}}
	*c = CreateMeter{
		Mode: Mode(f.below(1, 2)), Name: f.text(2), EventName: f.text(3), Unit: f.text(4), Description: f.text(5),
		ComponentID: f.text(6), Aggregation: Aggregation(f.below(7, 3)), Currency: f.text(8),
	}
	if d := f.optNumber(9); d != nil {
		if *d > MaxDecimals {
			return ErrCorrupt
		}
		decimals := uint8(*d)
		c.Decimals = &decimals
	}
	c.Metadata = f.raw(10)
	return f.r.end()
}

func (c *UpdateMeter) appendTo(dst []byte) []byte {
	w := fieldWriter{append(dst, kindUpdateMeter)}
	w.number(1, uint64(c.Mode))
	w.text(2, c.Meter)
	w.optText(3, c.Name)
	w.optText(4, c.Unit)
	w.optText(5, c.Description)
	if c.Active != nil {
		v := uint64(0)
		if *c.Active {
			v = 1
		}
		w.optNumber(6, &v)
	}
	w.raw(7, c.Metadata)
	return w.b
}

func (c *UpdateMeter) decode(body []byte) error {
	f := fieldReader{reader{b: body}}
	*c = UpdateMeter{
		Mode: Mode(f.below(1, 2)), Meter: f.text(2), Name: f.optText(3), Unit: f.optText(4), Description: f.optText(5),
	}
	if v := f.optNumber(6); v != nil {
		if *v > 1 {
			return ErrCorrupt
		}
		active := *v == 1
		c.Active = &active
	}
	c.Metadata = f.raw(7)
	return f.r.end()
}

func (c *UpdateCurrency) appendTo(dst []byte) []byte {
	w := fieldWriter{append(dst, kindUpdateCurrency)}
	w.number(1, uint64(c.Mode))
	w.text(2, c.Currency)
	w.optText(3, c.Name)
	w.optText(4, c.Symbol)
	w.optText(5, c.Description)
	w.optText(6, c.Logo)
	w.raw(7, c.Metadata)
	w.raw(8, c.Recharge)
	return w.b
}

func (c *UpdateCurrency) decode(body []byte) error {
	f := fieldReader{reader{b: body}}
	*c = UpdateCurrency{
		Mode: Mode(f.below(1, 2)), Currency: f.text(2), Name: f.optText(3), Symbol: f.optText(4),
		Description: f.optText(5), Logo: f.optText(6), Metadata: f.raw(7), Recharge: f.raw(8),
	}
	return f.r.end()
}

func (c *PutCustomer) appendTo(dst []byte) []byte {
	w := fieldWriter{append(dst, kindPutCustomer)}
	w.number(1, uint64(c.Mode))
	w.text(2, c.Customer)
	if c.Create {
		w.number(3, 1)
	}
	w.optText(4, c.Name)
	w.optText(5, c.Email)
	w.optText(6, c.Phone)
	w.optText(7, c.Description)
	w.raw(8, c.Metadata)
	return w.b
}

func (c *PutCustomer) decode(body []byte) error {
	f := fieldReader{reader{b: body}}
	*c = PutCustomer{
		Mode: Mode(f.below(1, 2)), Customer: f.text(2), Create: f.below(3, 2) == 1, Name: f.optText(4),
		Email: f.optText(5), Phone: f.optText(6), Description: f.optText(7), Metadata: f.raw(8),
	}
	return f.r.end()
}

func (c *CreateGrant) appendTo(dst []byte) []byte {
	if c.EffectiveAt < 0 || c.ExpiresAt < 0 || c.Priority > MaxPriority {
		panic("ledger: a grant with a time or priority out of range")
	}
	w := fieldWriter{append(dst, kindCreateGrant)}
	w.number(1, uint64(c.Mode))
	w.text(2, c.Customer)
	w.text(3, c.Currency)
	w.raw(4, appendDecimal(nil, c.Amount))
	w.number(5, uint64(c.Category))
	w.number(6, uint64(c.Priority))
	w.number(7, uint64(c.EffectiveAt))
	w.number(8, uint64(c.ExpiresAt))
	w.text(9, c.Name)
	w.raw(10, c.Applicability)
	w.texts(11, c.Scope.Prices)
	w.texts(12, c.Scope.Meters)
	w.raw(13, c.Metadata)
	return w.b
}

func (c *CreateGrant) decode(body []byte) error {
	f := fieldReader{reader{b: body}}
	*c = CreateGrant{Mode: Mode(f.below(1, 2)), Customer: f.text(2), Currency: f.text(3)}
	amount := reader{b: f.raw(4)}
	c.Amount = amount.decimal()
	if amount.end() != nil {
		f.r.fail()
	}
	c.Category = Category(f.below(5, 2))
	c.Priority = uint32(f.below(6, MaxPriority+1))
	c.EffectiveAt = int64(f.below(7, 1<<62))
	c.ExpiresAt = int64(f.below(8, 1<<62))
	c.Name = f.text(9)
	c.Applicability = f.raw(10)
	c.Scope = Scope{Prices: f.texts(11), Meters: f.texts(12)}
	c.Metadata = f.raw(13)
	return f.r.end()
}

func (g GrantID) number() uint64 { return uint64(g.Account)<<32 | uint64(g.Ordinal) }

func grantIDOf(n uint64) GrantID { return GrantID{uint32(n >> 32), uint32(n)} }

func (c *UpdateGrant) appendTo(dst []byte) []byte {
	w := fieldWriter{append(dst, kindUpdateGrant)}
	w.number(1, uint64(c.Mode))
	w.number(2, c.Grant.number())
	w.raw(3, c.Metadata)
	if c.Expire {
		w.number(4, 1)
	}
	return w.b
}

func (c *UpdateGrant) decode(body []byte) error {
	f := fieldReader{reader{b: body}}
	*c = UpdateGrant{
		Mode: Mode(f.below(1, 2)), Grant: grantIDOf(f.number(2)), Metadata: f.raw(3), Expire: f.below(4, 2) == 1,
	}
	return f.r.end()
}

func (c *VoidGrant) appendTo(dst []byte) []byte {
	w := fieldWriter{append(dst, kindVoidGrant)}
	w.number(1, uint64(c.Mode))
	w.number(2, c.Grant.number())
	return w.b
}

func (c *VoidGrant) decode(body []byte) error {
	f := fieldReader{reader{b: body}}
	*c = VoidGrant{Mode: Mode(f.below(1, 2)), Grant: grantIDOf(f.number(2))}
	return f.r.end()
}

func (c *SetSubscription) appendTo(dst []byte) []byte {
	w := fieldWriter{append(dst, kindSetSubscription)}
	w.number(1, uint64(c.Mode))
	w.text(2, c.Subscription)
	w.texts(3, c.Prices)
	return w.b
}

func (c *SetSubscription) decode(body []byte) error {
	f := fieldReader{reader{b: body}}
	*c = SetSubscription{Mode: Mode(f.below(1, 2)), Subscription: f.text(2), Prices: f.texts(3)}
	return f.r.end()
}

func (c *Settle) appendTo(dst []byte) []byte {
	dst = appendUvarint(append(dst, kindSettle), uint64(len(c.Accounts)))
	for _, account := range c.Accounts {
		dst = appendUvarint(dst, uint64(account))
	}
	return dst
}

func (c *Settle) decode(body []byte) error {
	r := reader{b: body}
	n := r.uvarint()
	if n > uint64(len(body)) {
		return ErrCorrupt
	}
	c.Accounts = make([]uint32, 0, n)
	for range n {
		c.Accounts = append(c.Accounts, r.uint32())
	}
	return r.end()
}
