package ledger

// A record is what one operation did to one account: the event, if it was one,
// and its transactions. Records are the history that the list calls read. Where
// a record stands (account, sequence, time) is kept by whoever stores it.
//
//	record = version, flags, [event], number of rows, rows
//	event  = flags, meter, currency, value, cost, pending at first,
//	         timestamp (as the difference from the record's time, in seconds),
//	         identifier, [subscription], [metadata], [source data]
//	row    = kind and flags, currency, grant, amount, grant's remaining, balance,
//	         [event, meter, subscription of an earlier event]
//
// Numbers are varints. An event's consumption rows leave out what its event says.
const recordVersion = 1

const recordHasEvent = 1

const (
	eventBatch byte = 1 << iota
	eventUUID
	eventSubscription
	eventMetadata
	eventSource
	eventTimestamp // the caller sent the time stamp
	eventFlagsEnd
)

// The low two bits of a row's first byte are its RowType.
const (
	rowTypeMask byte = 3
	rowNegative byte = 1 << (iota + 1)
	rowOwn           // pays for the event of this record
	rowEarlier       // pays for the event of an earlier record of the account
	rowFlagsEnd
)

// Row is a transaction inside a record.
type Row struct {
	Type           RowType
	Negative       bool // the balance went down
	Own            bool // pays for the record's own event
	Currency       uint32
	Grant          uint32 // ordinal
	Amount         Amount
	GrantRemaining Amount
	Balance        Amount
	EventSeq       uint64 // the event behind the row, 0 if none; same account
	Meter          uint32 // of that event
	Subscription   uint32 // of that event
}

// RecordEvent is an event inside a record. Texts alias the record.
type RecordEvent struct {
	Meter        uint32
	Currency     uint32
	Subscription uint32
	Value        Decimal
	Cost         Amount
	Pending      Amount // when it was recorded; what is still pending, the account knows
	Timestamp    int64  // Unix seconds
	HasTimestamp bool   // the caller sent it, else it is the log's
	Channel      Channel
	packed       bool
	identifier   []byte
	Metadata     []byte
	SourceData   []byte
}

// Identifier is the event's identifier as the caller wrote it.
func (e *RecordEvent) Identifier() string {
	if e.packed {
		return unpackUUID(e.identifier)
	}
	return string(e.identifier)
}

const nanosPerSecond = 1_000_000_000

// seconds is a log time in whole Unix seconds. Moments that callers name (expiry,
// activation) are whole seconds, so that comparing these is exact.
func seconds(now int64) int64 { return now / nanosPerSecond }

// appendRecord appends a record of the operation at the time; event may be nil.
func appendRecord(dst []byte, now int64, event *RecordEvent, rows []Row) []byte {
	if event == nil {
		dst = append(dst, recordVersion, 0)
	} else {
		dst = appendRecordEvent(append(dst, recordVersion, recordHasEvent), now, event)
	}
	dst = appendUvarint(dst, uint64(len(rows)))
	for i := range rows {
		dst = appendRow(dst, &rows[i])
	}
	return dst
}

func appendRecordEvent(dst []byte, now int64, e *RecordEvent) []byte {
	flags := byte(0)
	if e.Channel == ViaBatch {
		flags |= eventBatch
	}
	if e.packed {
		flags |= eventUUID
	}
	if e.Subscription != 0 {
		flags |= eventSubscription
	}
	if e.Metadata != nil {
		flags |= eventMetadata
	}
	if e.SourceData != nil {
		flags |= eventSource
	}
	if e.HasTimestamp {
		flags |= eventTimestamp
	}
	dst = append(dst, flags)
	dst = appendUvarint(dst, uint64(e.Meter))
	dst = appendUvarint(dst, uint64(e.Currency))
	dst = appendDecimal(dst, e.Value)
	dst = appendAmount(dst, e.Cost)
	dst = appendAmount(dst, e.Pending)
	dst = appendZigzag(dst, seconds(now)-e.Timestamp)
	if e.packed {
		dst = append(dst, e.identifier...)
	} else {
		dst = appendBytes(dst, e.identifier)
	}
	if e.Subscription != 0 {
		dst = appendUvarint(dst, uint64(e.Subscription))
	}
	if e.Metadata != nil {
		dst = appendBytes(dst, e.Metadata)
	}
	if e.SourceData != nil {
		dst = appendBytes(dst, e.SourceData)
	}
	return dst
}

func appendRow(dst []byte, row *Row) []byte {
	flags := byte(row.Type)
	if row.Negative {
		flags |= rowNegative
	}
	if row.Own {
		flags |= rowOwn
	} else if row.EventSeq != 0 {
		flags |= rowEarlier
	}
	dst = append(dst, flags)
	if !row.Own {
		dst = appendUvarint(dst, uint64(row.Currency))
	}
	dst = appendUvarint(dst, uint64(row.Grant))
	dst = appendAmount(dst, row.Amount)
	dst = appendAmount(dst, row.GrantRemaining)
	dst = appendAmount(dst, row.Balance)
	if flags&rowEarlier != 0 {
		dst = appendUvarint(dst, row.EventSeq)
		dst = appendUvarint(dst, uint64(row.Meter))
		dst = appendUvarint(dst, uint64(row.Subscription))
	}
	return dst
}

// RecordReader takes a record apart.
type RecordReader struct {
	Event    *RecordEvent // nil if the operation was no event
	RowCount int
	seq      uint64
	left     int
	r        reader
	event    RecordEvent
}

// Read starts on a record of the operation with the sequence and time. The
// RecordReader may be used again; it and its Event alias data.
func (rr *RecordReader) Read(data []byte, seq uint64, time int64) error {
	*rr = RecordReader{seq: seq, r: reader{b: data}}
	if rr.r.byte() != recordVersion {
		return ErrCorrupt
	}
	if rr.r.enum(recordHasEvent+1) == recordHasEvent {
		rr.readEvent(time)
	}
	rows := rr.r.uvarint()
	if rows > uint64(len(rr.r.b)) {
		rr.r.fail()
	}
	rr.RowCount, rr.left = int(rows), int(rows)
	return rr.r.err()
}

func (rr *RecordReader) readEvent(time int64) {
	r, e := &rr.r, &rr.event
	flags := r.enum(eventFlagsEnd)
	if flags&eventBatch != 0 {
		e.Channel = ViaBatch
	}
	e.Meter, e.Currency = r.uint32(), r.uint32()
	e.Value, e.Cost, e.Pending = r.decimal(), r.amount(), r.amount()
	e.Timestamp = seconds(time) - r.zigzag()
	e.HasTimestamp = flags&eventTimestamp != 0
	if e.packed = flags&eventUUID != 0; e.packed {
		e.identifier = r.take(uuidBytes)
	} else {
		e.identifier = r.bytes()
	}
	if flags&eventSubscription != 0 {
		if e.Subscription = r.uint32(); e.Subscription == 0 {
			r.fail() // a zero is left out
		}
	}
	if flags&eventMetadata != 0 {
		e.Metadata = r.bytes()
	}
	if flags&eventSource != 0 {
		e.SourceData = r.bytes()
	}
	rr.Event = e
}

// Next reads the next row; ok is false after the last. Err tells whether that
// was the end.
func (rr *RecordReader) Next(row *Row) (ok bool) {
	if rr.left == 0 || rr.r.bad {
		return false
	}
	rr.left--
	r := &rr.r
	flags := r.enum(rowFlagsEnd)
	*row = Row{Type: RowType(flags & rowTypeMask), Negative: flags&rowNegative != 0, Own: flags&rowOwn != 0}
	if !row.Own {
		row.Currency = r.uint32()
	}
	row.Grant, row.Amount, row.GrantRemaining, row.Balance = r.uint32(), r.amount(), r.amount(), r.amount()
	switch {
	case row.Own && (rr.Event == nil || flags&rowEarlier != 0):
		r.fail()
	case row.Own:
		row.Currency = rr.Event.Currency
		row.EventSeq, row.Meter, row.Subscription = rr.seq, rr.Event.Meter, rr.Event.Subscription
	case flags&rowEarlier != 0:
		row.EventSeq, row.Meter, row.Subscription = r.uvarint(), r.uint32(), r.uint32()
		if row.EventSeq == 0 {
			r.fail()
		}
	}
	return !r.bad
}

// Err is nil when all rows were read and nothing is left over.
func (rr *RecordReader) Err() error {
	if rr.left != 0 && !rr.r.bad {
		return nil // the caller stopped early
	}
	return rr.r.end()
}
