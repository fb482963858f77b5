package ledger

// Code is the verdict on one command. It is part of the replicated result: every
// node comes to the same one (I4).
type Code uint8

// The verdicts. Everything from MeterUnknown on is a refusal: nothing changed,
// and an event's identifier is still unused. A verdict's number is part of the
// state hash and never changes; new ones go to the end.
const (
	OK               Code = iota // done
	Duplicate                    // the identifier was counted before; Account and Seq name the first event
	MeterUnknown                 // no meter has this event name or id
	MeterInactive                // the meter accepts no events
	MeterExists                  // the event name is taken
	CurrencyUnknown              // no such currency in this mode
	CustomerUnknown              // no such customer, and the command does not create one
	GrantUnknown                 // no such grant in this mode
	GrantEnded                   // depleted, expired or voided: nothing remains to act on
	AmountZero                   // a grant of nothing
	AmountPrecision              // more decimals than the currency has
	AmountOverflow               // some sum would reach 2^127
	TimestampAhead               // more than MaxTimestampAhead ahead of the log's time
	ExpiryPast                   // expires_at is not after effective_at and the log's time
	DecimalsConflict             // decimals other than those that the named currency has
	LimitReached                 // a count that is bounded (meters, grants of a customer) is at its bound
	MetadataTooLong              // merged, it would be longer than MaxMetadata
	codeEnd
)

var codeNames = [codeEnd]string{
	"ok", "duplicate", "meter_unknown", "meter_inactive", "meter_exists", "currency_unknown", "customer_unknown",
	"grant_unknown", "grant_ended", "amount_zero", "amount_precision", "amount_overflow", "timestamp_ahead",
	"expiry_past", "decimals_conflict", "limit_reached", "metadata_too_long",
}

// String is the verdict in snake_case.
func (c Code) String() string {
	if c >= codeEnd {
		return "unknown_code"
	}
	return codeNames[c]
}

// Refused says whether the command was refused, so that nothing changed.
func (c Code) Refused() bool { return c >= MeterUnknown }

// Result is what became of one command. It holds no pointers.
type Result struct {
	Code    Code
	Account uint32 // of a Report, CreateGrant, UpdateGrant, VoidGrant, PutCustomer: the customer's number
	Ordinal uint32 // of CreateGrant: the grant's; of CreateMeter: the meter's number
	Seq     uint64 // of a Report: the event's sequence (that of the first event for a Duplicate)
	Time    int64  // the entry's time stamp, Unix nanoseconds
	// Of a Report that is OK: how much of its cost was drawn, and how much waits
	// for credit.
	Consumed, Pending Amount
}

// Event is the id of the event that a Report made, or repeated.
func (r *Result) Event() EventID { return EventID{r.Account, r.Seq} }

// Grant is the id of the grant that a CreateGrant made.
func (r *Result) Grant() GrantID { return GrantID{r.Account, r.Ordinal} }
