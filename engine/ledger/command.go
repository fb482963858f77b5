package ledger

// MaxTimestampAhead is how far an event's own time stamp may be ahead of the
// log's time, in seconds. It catches callers who send milliseconds.
const MaxTimestampAhead = 3600

// Default and largest priority of a grant; a lower number is drawn on first.
const (
	DefaultPriority = 50
	MaxPriority     = 99999
)

// MaxMetadata is how long an object's metadata may get by merging, in bytes.
const MaxMetadata = 16 << 10

// DefaultDecimals is what a currency made together with a meter has when the
// caller names none.
const DefaultDecimals = 2

// Command is a change that somebody asks for. Commands are encoded by the node
// that takes the request (Batch.Add), replicated in entries, and carried out by
// every node alike. Texts must be valid UTF-8 within the limits that the API
// enforces; JSON texts must be compact, valid objects.
type Command interface {
	// appendTo appends the command's encoding, which starts with its kind.
	appendTo(dst []byte) []byte
}

// Report is a meter event: one use, under an identifier that counts once per
// mode for ever (I2).
//
// Number gives MeterNumber and CustomerNumber where a node knows them; with both, the
// command carries them instead of the names, which makes it half as long. Numbers
// never change, so whoever encodes may use those that it has applied.
type Report struct {
	Mode         Mode
	Channel      Channel
	Identifier   string
	EventName    string
	Customer     string
	Value        Decimal
	Timestamp    int64 // Unix seconds, meaningful if HasTimestamp; else the log's time counts
	HasTimestamp bool
	Subscription string
	Metadata     []byte // JSON object, or nil
	SourceData   []byte // JSON object or array, or nil

	MeterNumber, CustomerNumber uint32 // 0 where not known
}

func (c *Report) byNumber() bool { return c.MeterNumber != 0 && c.CustomerNumber != 0 }

// CreateMeter makes a meter and, unless Currency names one, the credit currency
// that its events cost (named Name, symbol Unit).
type CreateMeter struct {
	Mode        Mode
	Name        string
	EventName   string
	Unit        string
	Description string
	ComponentID string
	Aggregation Aggregation
	Currency    string // id of a currency, or ""
	Decimals    *uint8 // of the currency made; with Currency it must agree
	Metadata    []byte
}

// UpdateMeter changes the fields that are not nil. Metadata is merged: a null
// deletes a key.
type UpdateMeter struct {
	Mode        Mode
	Meter       string // id or event name
	Name        *string
	Unit        *string
	Description *string
	Active      *bool
	Metadata    []byte
}

// UpdateCurrency changes the fields that are not nil. Metadata is merged,
// Recharge replaced.
type UpdateCurrency struct {
	Mode        Mode
	Currency    string
	Name        *string
	Symbol      *string
	Description *string
	Logo        *string
	Metadata    []byte
	Recharge    []byte
}

// PutCustomer changes the fields of a customer that are not nil; Create makes
// the customer when there is none. Metadata is merged.
type PutCustomer struct {
	Mode        Mode
	Customer    string
	Create      bool
	Name        *string
	Email       *string
	Phone       *string
	Description *string
	Metadata    []byte
}

// CreateGrant gives a customer credit; an unknown customer is created. What the
// customer owes is settled from it in the same commit.
type CreateGrant struct {
	Mode          Mode
	Customer      string
	Currency      string // id
	Amount        Decimal
	Category      Category
	Priority      uint32 // 0 to MaxPriority
	EffectiveAt   int64  // Unix seconds; 0 is now
	ExpiresAt     int64  // Unix seconds; 0 is never
	Name          string
	Applicability []byte // applicability_config as given, a JSON object or nil
	Scope         Scope  // what it means
	Metadata      []byte
}

// Scope restricts what a grant may pay for; the zero Scope restricts nothing.
// Each list that is not empty must hold the event's own: Prices one of the
// prices of the event's subscription, Meters the event's meter.
type Scope struct {
	Prices []string
	Meters []string // ids or event names
}

// UpdateGrant merges metadata (a null deletes a key) and, with Expire, ends the
// grant now. Expire on a grant that is neither pending nor granted is GrantEnded.
type UpdateGrant struct {
	Mode     Mode
	Grant    GrantID
	Metadata []byte
	Expire   bool
}

// VoidGrant takes back what remains of a grant. It may be repeated; on a grant
// that is depleted or expired it is GrantEnded.
type VoidGrant struct {
	Mode  Mode
	Grant GrantID
}

// SetSubscription tells which prices a subscription has, for grants whose scope
// names prices. The list replaces the one before.
type SetSubscription struct {
	Mode         Mode
	Subscription string
	Prices       []string
}

// Settle carries out what is due in the accounts at the entry's time: expiry,
// activation, settlement. The leader writes it when something is due, so that
// rows come on time for accounts that nobody touches; on an account where
// nothing is due it does nothing.
type Settle struct {
	Accounts []uint32
}

// Init is the first command of a log. It fixes what all nodes must share.
type Init struct {
	Cluster [16]byte // a random name of this log
	HashKey [16]byte // the secret key of the identifiers' fingerprints
}

// Batch is a list of encoded commands on its way into the log. The bytes are its
// own: nothing in it aliases what was added (I10). The zero value is empty.
type Batch struct {
	data []byte
	ends []int
}

// Add appends a command. It panics on one that every node would have to refuse as
// damage (a negative time, a priority or a scale out of range): in the log it would
// stop them all.
func (b *Batch) Add(c Command) {
	b.data = c.appendTo(b.data)
	b.ends = append(b.ends, len(b.data))
}

// Len is the number of commands.
func (b *Batch) Len() int { return len(b.ends) }

// Size is the length of all encoded commands together, in bytes.
func (b *Batch) Size() int { return len(b.data) }

// At is the i-th encoded command, owned by the batch.
func (b *Batch) At(i int) []byte {
	start := 0
	if i > 0 {
		start = b.ends[i-1]
	}
	return b.data[start:b.ends[i]:b.ends[i]]
}

// Reset empties the batch for reuse. The caller must know that nobody reads the
// bytes any more.
func (b *Batch) Reset() { b.data, b.ends = b.data[:0], b.ends[:0] }
