package api

import (
	"drawdown/engine/ledger"
)

func getTransaction(c *call) (any, *Error) {
	id, ok := ledger.ParseTransactionID(c.id)
	if !ok {
		return nil, notFound("id", "names no credit transaction")
	}
	row, ok, err := c.view.Transaction(c.ctx, c.mode, id)
	if err != nil {
		return nil, c.readFailed(err)
	}
	if !ok {
		return nil, notFound("id", "names no credit transaction")
	}
	return c.renderTransaction(&row)
}

func listTransactions(c *call) (any, *Error) {
	p, err := c.query.page()
	if err != nil {
		return nil, err
	}
	f, exists, err := c.transactionFilter()
	if err != nil {
		return nil, err
	}
	types, some, err := c.rowTypes()
	if err != nil {
		return nil, err
	}
	if !exists || !some {
		return emptyList(p)
	}
	f.Types = types
	rows, total, readErr := c.view.Transactions(c.ctx, f, p)
	if readErr != nil {
		return nil, c.readFailed(readErr)
	}
	return listOf(rows, total, p, c.renderTransaction)
}

// transactionFilter reads what the list and its summary are filtered by. exists
// is false when it names something that there is not.
func (c *call) transactionFilter() (f ledger.TransactionFilter, exists bool, err *Error) {
	f.Mode = c.mode
	if f.Customer, err = c.query.id("customer_id", optionalIDRule); err != nil {
		return f, false, err
	}
	if f.Subscription, err = c.query.id("subscription_id", optionalIDRule); err != nil {
		return f, false, err
	}
	if f.Created, err = c.query.interval("start", "end"); err != nil {
		return f, false, err
	}
	if f.Query, err = c.query.search("q"); err != nil {
		return f, false, err
	}
	grant, err := c.query.id("credit_grant_id", optionalIDRule)
	if err != nil {
		return f, false, err
	}
	source, err := c.query.id("source", optionalIDRule)
	if err != nil {
		return f, false, err
	}
	currency, knownCurrency, err := c.currencyFilter()
	if err != nil {
		return f, false, err
	}
	meter, knownMeter, err := c.meterFilter()
	if err != nil {
		return f, false, err
	}
	f.Currency, f.Meter, exists = currency, meter, knownCurrency && knownMeter
	var ok bool
	if grant != "" {
		f.Grant, ok = ledger.ParseGrantID(grant)
		exists = exists && ok
	}
	if source != "" {
		f.Source, ok = ledger.ParseEventID(source)
		exists = exists && ok
	}
	return f, exists, nil
}

// rowTypes reads which rows are asked for; nil is all. some is false when the
// parameters leave none.
func (c *call) rowTypes() (types []ledger.RowType, some bool, err *Error) {
	grants, set, err := c.query.boolean("include_grants")
	if err != nil {
		return nil, false, err
	}
	withGrants := grants || !set
	for _, parameter := range []string{"type", "activity_type"} {
		names := c.query.list(parameter)
		for _, name := range names {
			i, ok := indexOf(rowNames[:], name)
			if !ok {
				return nil, false, invalid(parameter, "must be grant, consumption, adjustment or expiration, or several of them between commas")
			}
			if t := ledger.RowType(i); withGrants || t != ledger.RowGrant {
				types = append(types, t)
			}
		}
		if names != nil {
			return types, types != nil, nil
		}
	}
	if !withGrants {
		types = []ledger.RowType{ledger.RowConsumption, ledger.RowExpiration, ledger.RowAdjustment}
	}
	return types, true, nil
}

func (c *call) renderTransaction(t *ledger.Transaction) (*transactionAnswer, *Error) {
	amount := t.Amount.String()
	answer := &transactionAnswer{
		ID: t.ID.String(), Object: "credit_transaction", Type: rowNames[t.Type], ActivityType: rowNames[t.Type], Amount: amount,
		RunningBalance: t.Balance.String(), Quantity: t.Quantity.String(), CreditAmount: amount,
		RemainingBalance: t.GrantRemaining.String(), CustomerID: t.Customer, CurrencyID: ledger.CurrencyID(t.Currency),
		CreditGrantID: t.Grant.String(), SubscriptionID: orNull(t.Subscription), Metadata: emptyObject,
		Livemode: c.mode == ledger.Live, CreatedAt: isoTime(t.Created), UpdatedAt: isoTime(t.Created),
		Customer: c.expanded.customer(t.Customer), PaymentCurrency: c.expanded.currency(t.Currency),
	}
	if t.Negative && !t.Amount.IsZero() {
		answer.Amount = "-" + amount
	}
	if t.Event != (ledger.EventID{}) {
		event := t.Event.String()
		answer.MeterEventID, answer.Source = &event, &event
	}
	if meter := c.meterOf(t); meter != nil {
		answer.Meter, answer.MeterID, answer.MeterEventName, answer.MeterUnit = meter, &meter.ID, &meter.EventName, &meter.Unit
	}
	grant, err := c.expanded.grant(t.Grant)
	if err != nil {
		return nil, c.readFailed(err)
	}
	if grant != nil {
		answer.CreditGrant = grant
		if t.Type == ledger.RowGrant {
			answer.Name, answer.Metadata = grant.Name, jsonOr(grant.grant.Metadata, emptyObject)
		}
	}
	return answer, nil
}

func (c *call) meterOf(t *ledger.Transaction) *meterRef {
	if t.Meter == 0 {
		return nil
	}
	return c.expanded.meter(t.Meter)
}

type transactionSummaryAnswer struct {
	TotalQuantity     string             `json:"total_quantity"`
	TotalCreditAmount string             `json:"total_credit_amount"`
	TransactionCount  int                `json:"transaction_count"`
	Filters           transactionFilters `json:"filters"`
}

// transactionFilters repeats what the caller filtered by.
type transactionFilters struct {
	CustomerID     *string `json:"customer_id"`
	SubscriptionID *string `json:"subscription_id"`
	MeterEventName *string `json:"meter_event_name"`
	MeterID        *string `json:"meter_id"`
	CurrencyID     *string `json:"currency_id"`
	StartTime      *int64  `json:"start_time"`
	EndTime        *int64  `json:"end_time"`
}

func getTransactionSummary(c *call) (any, *Error) {
	f, exists, err := c.transactionFilter()
	if err != nil {
		return nil, err
	}
	var totals ledger.TransactionTotals
	if exists {
		var readErr error
		if totals, readErr = c.view.TransactionTotals(c.ctx, f); readErr != nil {
			return nil, c.readFailed(readErr)
		}
	}
	answer := &transactionSummaryAnswer{
		TotalQuantity: totals.Net(), TotalCreditAmount: totals.Net(), TransactionCount: totals.Rows,
	}
	sent := func(name string) *string {
		text, _ := c.query.text(name)
		return orNull(text)
	}
	answer.Filters = transactionFilters{
		CustomerID: sent("customer_id"), SubscriptionID: sent("subscription_id"), MeterID: sent("meter_id"),
		MeterEventName: sent("event_name"), CurrencyID: sent("currency_id"), StartTime: unset(f.Created.Start),
	}
	if f.Created.End != 0 {
		answer.Filters.EndTime = unset(f.Created.End - 1)
	}
	if f.Meter != 0 {
		if meter := c.expanded.meter(f.Meter); meter != nil {
			answer.Filters.MeterEventName = &meter.EventName
		}
	}
	return answer, nil
}
