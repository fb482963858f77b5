package ledger

// Mode separates live from test data. The two share nothing: not identifiers,
// not event names, not customers.
type Mode uint8

// The two modes.
const (
	Live Mode = iota
	Test
)

// Aggregation is how a meter's events turn into a cost.
type Aggregation uint8

// The aggregations a meter may have.
const (
	Sum   Aggregation = iota // an event costs its value
	Count                    // an event costs one token, whatever its value
	Last                     // the value is a level: an event costs the change since the latest level
)

// Channel is the way an object came to be ("created_via").
type Channel uint8

// The channels.
const (
	ViaAPI Channel = iota
	ViaBatch
)

// Category says who paid for a grant. Of two grants that are otherwise equal the
// promotional one is drawn on first.
type Category uint8

// The categories of a grant.
const (
	Paid Category = iota
	Promotional
)

// GrantStatus is where a grant is in its life:
//
//	pending -> granted <-> depleted
//	   |          |----> expired
//	   |----------'----> voided
//
// The way back from depleted is that a level falls and gives credit back.
type GrantStatus uint8

// The states of a grant. Expired and voided are final.
const (
	GrantPending GrantStatus = iota
	GrantGranted
	GrantDepleted
	GrantExpired
	GrantVoided
)

// RowType is the kind of a transaction.
type RowType uint8

// The kinds of a transaction.
const (
	RowGrant       RowType = iota // credit arrived
	RowConsumption                // an event drew on a grant
	RowExpiration                 // a grant ran out of time, the rest of it is forfeited
	RowAdjustment                 // a correction: a grant was voided, or consumption flowed back
)

// Meter says what is counted, and in which currency it is paid for. Texts are
// owned by the reader; Metadata is a JSON object or nil.
type Meter struct {
	Number      uint32
	Mode        Mode
	Name        string
	EventName   string
	Unit        string
	Description string
	ComponentID string
	Aggregation Aggregation
	Active      bool
	Currency    uint32 // number of the Currency that its events cost
	Metadata    []byte
	Created     int64 // log time, Unix nanoseconds, as every time in this package unless said
	Updated     int64
}

// Currency is a kind of credit. Amounts count its smallest unit: a whole token
// is 10^Decimals of them.
type Currency struct {
	Number      uint32
	Mode        Mode
	Name        string
	Symbol      string
	Description string
	Logo        string
	Decimals    uint8 // 0 to MaxDecimals, never changed
	Metadata    []byte
	Recharge    []byte // the recharge configuration, a JSON object or nil
	Created     int64
	Updated     int64
}

// Customer is somebody who holds credit.
type Customer struct {
	Number      uint32
	Mode        Mode
	ID          string // the string by which the caller named the customer first
	Name        string
	Email       string
	Phone       string
	Description string
	Metadata    []byte
	Created     int64
	Updated     int64
}

// GrantID names a grant: the account that holds it and its place among that
// account's grants, from 1 on.
type GrantID struct {
	Account uint32
	Ordinal uint32
}

// Grant is a batch of credit that a customer holds.
// I3: Amount = Remaining + Consumed + Expired + Voided.
type Grant struct {
	ID            GrantID
	Customer      string
	Currency      uint32
	Amount        Amount
	Remaining     Amount
	Consumed      Amount
	Expired       Amount // forfeited by expiry
	Voided        Amount // taken back by a void
	Category      Category
	Status        GrantStatus
	Priority      uint32
	EffectiveAt   int64 // Unix seconds
	ExpiresAt     int64 // Unix seconds, exclusive; 0 is never
	VoidedAt      int64 // Unix seconds; 0 unless voided
	GrantedAt     int64 // Unix seconds; 0 until granted
	Name          string
	Applicability []byte // the applicability_config as given, a JSON object or nil
	Metadata      []byte
	Created       int64
	Updated       int64
}

// EventID names a meter event: its account and its sequence.
type EventID struct {
	Account uint32
	Seq     uint64
}

// EventStatus is where an event is in its life.
type EventStatus uint8

// The states of an event.
const (
	EventCompleted       EventStatus = iota // all of its cost is consumed
	EventRequiresCapture                    // some of its cost waits for credit
)

// Event is one reported use as it stands at the time of reading.
// I3: Cost = Consumed + Pending.
type Event struct {
	ID           EventID
	Identifier   string
	Meter        uint32
	Customer     string
	Currency     uint32
	Value        Decimal
	Cost         Amount
	Consumed     Amount
	Pending      Amount
	Status       EventStatus
	Timestamp    int64 // Unix seconds, the caller's
	HasTimestamp bool  // the caller sent it, else it is the log's
	Subscription string
	Metadata     []byte
	SourceData   []byte
	Channel      Channel
	Created      int64
	Processed    int64 // when the last of its cost was consumed; 0 while some is pending
}

// TransactionID names a transaction: the operation (account and sequence) that
// wrote it and its place among the rows of that operation.
type TransactionID struct {
	Account uint32
	Seq     uint64
	Row     uint32
}

// Transaction is one row of the ledger.
type Transaction struct {
	ID             TransactionID
	Type           RowType
	Customer       string
	Currency       uint32
	Grant          GrantID
	Amount         Amount // what moved; see Change for the direction
	GrantRemaining Amount // of the grant, after the row
	Balance        Amount // of the customer in this currency, after the row
	Negative       bool   // the balance went down by Amount, else up
	Meter          uint32 // 0 unless an event is behind the row
	Event          EventID
	Quantity       Amount // what was used, in the smallest unit; of consumption rows
	Subscription   string
	Created        int64
}

// BalanceSummary is what a customer can spend now in one currency.
type BalanceSummary struct {
	Currency  uint32
	Total     Amount // sum of the amounts of the grants counted
	Remaining Amount // sum of what they still hold
	Grants    int
}

// Holder is one line of the list of who holds a currency.
type Holder struct {
	Customer string
	Number   uint32
	Balance  Amount
	Grants   int
}
