package api

import (
	"time"

	"github.com/goccy/go-json"

	"drawdown/engine/ledger"
)

// The objects of the answers, fields in the order in which they are documented.
// Amounts are integer strings in the smallest unit.

type meterAnswer struct {
	ID                string          `json:"id"`
	Object            string          `json:"object"`
	Name              string          `json:"name"`
	EventName         string          `json:"event_name"`
	AggregationMethod string          `json:"aggregation_method"`
	Status            string          `json:"status"`
	Unit              string          `json:"unit"`
	Description       string          `json:"description"`
	ComponentDID      *string         `json:"component_did"`
	Livemode          bool            `json:"livemode"`
	Metadata          json.RawMessage `json:"metadata"`
	CurrencyID        string          `json:"currency_id"`
	CreatedVia        string          `json:"created_via"`
	CreatedAt         string          `json:"created_at"`
	UpdatedAt         string          `json:"updated_at"`
	PaymentCurrency   *currencyRef    `json:"paymentCurrency"`
}

type currencyAnswer struct {
	ID                   string          `json:"id"`
	Object               string          `json:"object"`
	PaymentMethodID      *string         `json:"payment_method_id"`
	Active               bool            `json:"active"`
	Livemode             bool            `json:"livemode"`
	Locked               bool            `json:"locked"`
	IsBaseCurrency       bool            `json:"is_base_currency"`
	Name                 string          `json:"name"`
	Description          string          `json:"description"`
	Logo                 string          `json:"logo"`
	Symbol               string          `json:"symbol"`
	Decimal              uint8           `json:"decimal"`
	MaximumPrecision     uint8           `json:"maximum_precision"`
	MinimumPaymentAmount string          `json:"minimum_payment_amount"`
	MaximumPaymentAmount string          `json:"maximum_payment_amount"`
	Contract             *string         `json:"contract"`
	Metadata             json.RawMessage `json:"metadata"`
	Type                 string          `json:"type"`
	VaultConfig          *string         `json:"vault_config"`
	RechargeConfig       json.RawMessage `json:"recharge_config"`
	TokenConfig          *string         `json:"token_config"`
	CreatedAt            string          `json:"created_at"`
	UpdatedAt            string          `json:"updated_at"`
}

type customerAnswer struct {
	ID           string          `json:"id"`
	Object       string          `json:"object"`
	DID          string          `json:"did"`
	Livemode     bool            `json:"livemode"`
	Name         string          `json:"name"`
	Email        string          `json:"email"`
	Phone        string          `json:"phone"`
	Description  string          `json:"description"`
	Metadata     json.RawMessage `json:"metadata"`
	Balance      string          `json:"balance"`
	TokenBalance *string         `json:"token_balance"`
	CurrencyID   *string         `json:"currency_id"`
	Delinquent   bool            `json:"delinquent"`
	CreatedAt    string          `json:"created_at"`
	UpdatedAt    string          `json:"updated_at"`
}

type grantAnswer struct {
	ID                  string          `json:"id"`
	Object              string          `json:"object"`
	Amount              string          `json:"amount"`
	RemainingAmount     string          `json:"remaining_amount"`
	ConsumedAmount      string          `json:"consumed_amount"`
	ExpiredAmount       string          `json:"expired_amount"`
	VoidedAmount        string          `json:"voided_amount"`
	CurrencyID          string          `json:"currency_id"`
	CustomerID          string          `json:"customer_id"`
	Category            string          `json:"category"`
	Name                string          `json:"name"`
	Priority            uint32          `json:"priority"`
	Status              string          `json:"status"`
	EffectiveAt         *int64          `json:"effective_at"`
	ExpiresAt           *int64          `json:"expires_at"`
	VoidedAt            *int64          `json:"voided_at"`
	GrantedAt           *int64          `json:"granted_at"`
	ApplicabilityConfig json.RawMessage `json:"applicability_config"`
	Livemode            bool            `json:"livemode"`
	Metadata            json.RawMessage `json:"metadata"`
	CreatedVia          string          `json:"created_via"`
	CreatedAt           string          `json:"created_at"`
	UpdatedAt           string          `json:"updated_at"`
	Customer            *customerRef    `json:"customer"`
	PaymentCurrency     *currencyRef    `json:"paymentCurrency"`
}

type eventAnswer struct {
	ID              string          `json:"id"`
	Object          string          `json:"object"`
	EventName       string          `json:"event_name"`
	Payload         eventPayload    `json:"payload"`
	Identifier      string          `json:"identifier"`
	Timestamp       int64           `json:"timestamp"`
	Livemode        bool            `json:"livemode"`
	Status          string          `json:"status"`
	ProcessedAt     *int64          `json:"processed_at"`
	AttemptCount    int             `json:"attempt_count"`
	NextAttempt     *int64          `json:"next_attempt"`
	CreditConsumed  string          `json:"credit_consumed"`
	CreditPending   string          `json:"credit_pending"`
	Metadata        json.RawMessage `json:"metadata"`
	SourceData      json.RawMessage `json:"source_data"`
	CreatedVia      string          `json:"created_via"`
	CreatedAt       string          `json:"created_at"`
	UpdatedAt       string          `json:"updated_at"`
	Customer        *customerRef    `json:"customer"`
	Meter           *meterRef       `json:"meter"`
	PaymentCurrency *currencyRef    `json:"paymentCurrency"`
	Duplicate       bool            `json:"duplicate,omitempty"`
}

type eventPayload struct {
	CustomerID     string `json:"customer_id"`
	Value          string `json:"value"` // whole tokens, as it was sent
	SubscriptionID string `json:"subscription_id,omitempty"`
}

type transactionAnswer struct {
	ID               string          `json:"id"`
	Object           string          `json:"object"`
	Type             string          `json:"type"`
	ActivityType     string          `json:"activity_type"`
	Amount           string          `json:"amount"` // signed: + adds to the balance
	RunningBalance   string          `json:"running_balance"`
	Quantity         string          `json:"quantity"`
	CreditAmount     string          `json:"credit_amount"`
	RemainingBalance string          `json:"remaining_balance"`
	CustomerID       string          `json:"customer_id"`
	CurrencyID       string          `json:"currency_id"`
	CreditGrantID    string          `json:"credit_grant_id"`
	MeterID          *string         `json:"meter_id"`
	MeterEventID     *string         `json:"meter_event_id"`
	MeterEventName   *string         `json:"meter_event_name"`
	MeterUnit        *string         `json:"meter_unit"`
	SubscriptionID   *string         `json:"subscription_id"`
	Source           *string         `json:"source"`
	Name             string          `json:"name,omitempty"` // of the grant, in its row
	Metadata         json.RawMessage `json:"metadata"`
	Livemode         bool            `json:"livemode"`
	TransferStatus   *string         `json:"transfer_status"`
	CreatedAt        string          `json:"created_at"`
	UpdatedAt        string          `json:"updated_at"`
	Customer         *customerRef    `json:"customer"`
	PaymentCurrency  *currencyRef    `json:"paymentCurrency"`
	CreditGrant      *grantRef       `json:"creditGrant"`
	Meter            *meterRef       `json:"meter"`
}

// The names of the ledger's enumerations.
var (
	aggregationNames = [...]string{ledger.Sum: "sum", ledger.Count: "count", ledger.Last: "last"}
	categoryNames    = [...]string{ledger.Paid: "paid", ledger.Promotional: "promotional"}
	statusNames      = [...]string{
		ledger.GrantPending: "pending", ledger.GrantGranted: "granted", ledger.GrantDepleted: "depleted",
		ledger.GrantExpired: "expired", ledger.GrantVoided: "voided",
	}
	eventStatusNames = [...]string{ledger.EventCompleted: "completed", ledger.EventRequiresCapture: "requires_capture"}
	channelNames     = [...]string{ledger.ViaAPI: "api", ledger.ViaBatch: "batch"}
	rowNames         = [...]string{
		ledger.RowGrant: "grant", ledger.RowConsumption: "consumption", ledger.RowExpiration: "expiration",
		ledger.RowAdjustment: "adjustment",
	}
)

func indexOf(names []string, name string) (int, bool) {
	for i, n := range names {
		if n == name {
			return i, true
		}
	}
	return 0, false
}

var emptyObject = json.RawMessage("{}")

// jsonOr is a stored JSON text, or what stands for none.
func jsonOr(text []byte, none json.RawMessage) json.RawMessage {
	if len(text) == 0 {
		return none
	}
	return text
}

// isoTime is log time as clients read it.
func isoTime(nanos int64) string {
	return time.Unix(0, nanos).UTC().Format("2006-01-02T15:04:05.000Z")
}

// unset is nil for 0, which stands for a time that has not come.
func unset(seconds int64) *int64 {
	if seconds == 0 {
		return nil
	}
	return &seconds
}

// orNull is nil for "".
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func statusOfMeter(active bool) string {
	if active {
		return "active"
	}
	return "inactive"
}

// warmEncoders makes the encoder compile all types before requests come in at
// once.
func warmEncoders() {
	for _, v := range []any{
		&meterAnswer{}, &currencyAnswer{}, []*currencyAnswer{}, &rechargeAnswer{}, &customerAnswer{}, &grantAnswer{}, &eventAnswer{},
		&transactionAnswer{}, []*meterAnswer{}, []*customerAnswer{}, []*grantAnswer{}, []*eventAnswer{},
		[]*transactionAnswer{}, &batchAnswer{}, errorAnswer{}, paging{}, map[string]*summaryAnswer{},
		map[string]string{}, &holdersAnswer{}, &grantStatsAnswer{}, &eventStatsAnswer{}, &transactionSummaryAnswer{},
		&subscriptionAnswer{}, &supportAnswer{}, availabilityAnswer{}, successAnswer{}, hashAnswer{}, Status{}, CheckReport{},
		[]struct{}{}, indexAnswer{}, healthAnswer{},
	} {
		if _, err := json.Marshal(v); err != nil {
			panic("api: an answer's type cannot be encoded: " + err.Error())
		}
	}
}
