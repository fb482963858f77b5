package api

import (
	"fmt"

	"drawdown/engine/ledger"
)

var grantFields = fieldNames{
	currency: "currency_id", customer: "customer_id", grant: "id", amount: "amount", limit: "customer_id",
	meter: "applicability_config.scope.meters",
}

func createGrant(c *call) (any, *Error) {
	command, err := c.decodeGrant()
	if err != nil {
		return nil, err
	}
	result, err := c.submitOne(command, grantFields)
	if err != nil {
		return nil, err
	}
	return c.readGrant(result.Grant())
}

func (c *call) decodeGrant() (*ledger.CreateGrant, *Error) {
	v, err := c.body("amount", "currency_id", "customer_id", "category", "name", "priority", "effective_at", "expires_at",
		"applicability_config", "metadata")
	if err != nil {
		return nil, err
	}
	g := &ledger.CreateGrant{Mode: c.mode}
	if g.Amount, err = v[0].decimal("amount"); err != nil {
		return nil, err
	}
	if g.Currency, err = v[1].str("currency_id", idRule); err != nil {
		return nil, err
	}
	if g.Customer, err = v[2].str("customer_id", idRule); err != nil {
		return nil, err
	}
	if g.Category, err = decodeCategory(v[3]); err != nil {
		return nil, err
	}
	if g.Name, err = v[4].str("name", nameRule); err != nil {
		return nil, err
	}
	if g.Priority, err = decodePriority(v[5]); err != nil {
		return nil, err
	}
	if g.EffectiveAt, _, err = v[6].integer("effective_at", 0, maxTime); err != nil {
		return nil, err
	}
	if g.ExpiresAt, _, err = v[7].integer("expires_at", 0, maxTime); err != nil {
		return nil, err
	}
	if g.Applicability, g.Scope, err = decodeApplicability(v[8]); err != nil {
		return nil, err
	}
	g.Metadata, err = v[9].object("metadata")
	return g, err
}

func decodeCategory(v value) (ledger.Category, *Error) {
	text, err := v.str("category", idRule)
	if err != nil {
		return 0, err
	}
	i, ok := indexOf(categoryNames[:], text)
	if !ok {
		return 0, invalid("category", "must be paid or promotional")
	}
	return ledger.Category(i), nil
}

func decodePriority(v value) (uint32, *Error) {
	n, set, err := v.integer("priority", 0, ledger.MaxPriority)
	if !set {
		n = ledger.DefaultPriority
	}
	return uint32(n), err
}

// decodeApplicability reads what a grant may pay for. A price_type says only how
// prices are billed and excludes nothing.
func decodeApplicability(v value) (text []byte, s ledger.Scope, err *Error) {
	const field = "applicability_config"
	if text, err = v.object(field); err != nil || text == nil {
		return nil, s, err
	}
	var outer [1]value
	if err = v.only([]string{"scope"}, outer[:]); err != nil {
		return nil, s, err.under(field)
	}
	if outer[0].missing() {
		return text, s, nil
	}
	var inner [3]value
	if err = outer[0].only([]string{"prices", "meters", "price_type"}, inner[:]); err != nil {
		return nil, s, err.under(field + ".scope")
	}
	if s.Prices, _, err = inner[0].texts("prices", maxPrices, idRule); err != nil {
		return nil, s, err.under(field + ".scope")
	}
	if s.Meters, _, err = inner[1].texts("meters", maxPrices, idRule); err != nil {
		return nil, s, err.under(field + ".scope")
	}
	if _, err = inner[2].str("price_type", optionalIDRule); err != nil {
		return nil, s, err.under(field + ".scope")
	}
	return text, s, nil
}

// grantID is the id in the path.
func (c *call) grantID() (ledger.GrantID, *Error) {
	id, ok := ledger.ParseGrantID(c.id)
	if !ok {
		return id, refusal(ledger.GrantUnknown, grantFields)
	}
	return id, nil
}

// readGrant answers with a grant that this call has just written.
func (c *call) readGrant(id ledger.GrantID) (any, *Error) {
	grant, ok, err := c.view.Grant(c.ctx, c.mode, id)
	if err != nil {
		c.log.Error("a grant just written cannot be read", "grant", id.String(), "error", err)
		return nil, errOutcomeUnknown
	}
	if !ok {
		return nil, c.lost("grant")
	}
	return c.renderGrant(&grant)
}

func getGrant(c *call) (any, *Error) {
	id, err := c.grantID()
	if err != nil {
		return nil, err
	}
	grant, ok, readErr := c.view.Grant(c.ctx, c.mode, id)
	if readErr != nil {
		return nil, c.readFailed(readErr)
	}
	if !ok {
		return nil, refusal(ledger.GrantUnknown, grantFields)
	}
	return c.renderGrant(&grant)
}

type successAnswer struct {
	Success bool `json:"success"`
}

func updateGrant(c *call) (any, *Error) {
	id, err := c.grantID()
	if err != nil {
		return nil, err
	}
	v, err := c.body("metadata", "expired")
	if err != nil {
		return nil, err
	}
	u := &ledger.UpdateGrant{Mode: c.mode, Grant: id}
	if u.Metadata, err = v[0].object("metadata"); err != nil {
		return nil, err
	}
	if u.Expire, _, err = v[1].boolean("expired"); err != nil {
		return nil, err
	}
	if _, err = c.submitOne(u, grantFields); err != nil {
		return nil, err
	}
	return successAnswer{true}, nil
}

func voidGrant(c *call) (any, *Error) {
	id, err := c.grantID()
	if err != nil {
		return nil, err
	}
	if _, err := c.body(); err != nil {
		return nil, err
	}
	if _, err := c.submitOne(&ledger.VoidGrant{Mode: c.mode, Grant: id}, grantFields); err != nil {
		return nil, err
	}
	return c.readGrant(id)
}

func listGrants(c *call) (any, *Error) {
	p, err := c.query.page()
	if err != nil {
		return nil, err
	}
	f := ledger.GrantFilter{Mode: c.mode}
	if f.Customer, err = c.query.id("customer_id", optionalIDRule); err != nil {
		return nil, err
	}
	if f.Statuses, err = c.grantStatuses(); err != nil {
		return nil, err
	}
	if f.Category, err = c.grantCategory(); err != nil {
		return nil, err
	}
	if f.Subscription, err = c.query.id("subscription_id", optionalIDRule); err != nil {
		return nil, err
	}
	if f.GrantedBy, err = c.query.id("granted_by", optionalIDRule); err != nil {
		return nil, err
	}
	if f.Created, err = c.query.interval("start", "end"); err != nil {
		return nil, err
	}
	if f.Query, err = c.query.search("q"); err != nil {
		return nil, err
	}
	currency, exists, err := c.currencyFilter()
	if err != nil {
		return nil, err
	}
	if !exists {
		return emptyList(p)
	}
	f.Currency = currency
	grants, total, readErr := c.view.Grants(c.ctx, f, p)
	if readErr != nil {
		return nil, c.readFailed(readErr)
	}
	return listOf(grants, total, p, c.renderGrant)
}

// grantStatuses is the parameter status: one, or several between commas.
func (c *call) grantStatuses() (statuses []ledger.GrantStatus, err *Error) {
	for _, name := range c.query.list("status") {
		i, ok := indexOf(statusNames[:], name)
		if !ok {
			return nil, invalid("status", "must be pending, granted, depleted, expired or voided, or several of them between commas")
		}
		statuses = append(statuses, ledger.GrantStatus(i))
	}
	return statuses, nil
}

func (c *call) grantCategory() (*ledger.Category, *Error) {
	text, err := c.query.text("category")
	if err != nil || text == "" {
		return nil, err
	}
	i, ok := indexOf(categoryNames[:], text)
	if !ok {
		return nil, invalid("category", "must be paid or promotional")
	}
	category := ledger.Category(i)
	return &category, nil
}

// currencyFilter is the number of the currency that the query names, 0 for none.
// exists is false when it names one that there is not.
func (c *call) currencyFilter() (number uint32, exists bool, err *Error) {
	id, err := c.query.id("currency_id", optionalIDRule)
	if err != nil || id == "" {
		return 0, true, err
	}
	currency, ok := c.view.Currency(c.mode, id)
	return currency.Number, ok, nil
}

// requiredCurrency is the currency that the query has to name.
func (c *call) requiredCurrency() (ledger.Currency, *Error) {
	id, err := c.query.id("currency_id", idRule)
	if err != nil {
		return ledger.Currency{}, err
	}
	currency, ok := c.view.Currency(c.mode, id)
	if !ok {
		return currency, refusal(ledger.CurrencyUnknown, grantFields)
	}
	return currency, nil
}

func (c *call) renderGrant(g *ledger.Grant) (*grantAnswer, *Error) {
	return &grantAnswer{
		ID: g.ID.String(), Object: "credit_grant", Amount: g.Amount.String(), RemainingAmount: g.Remaining.String(),
		ConsumedAmount: g.Consumed.String(), ExpiredAmount: g.Expired.String(), VoidedAmount: g.Voided.String(),
		CurrencyID: ledger.CurrencyID(g.Currency), CustomerID: g.Customer, Category: categoryNames[g.Category], Name: g.Name,
		Priority: g.Priority, Status: statusNames[g.Status], EffectiveAt: unset(g.EffectiveAt), ExpiresAt: unset(g.ExpiresAt),
		VoidedAt: unset(g.VoidedAt), GrantedAt: unset(g.GrantedAt), ApplicabilityConfig: jsonOr(g.Applicability, nil),
		Livemode: c.mode == ledger.Live, Metadata: jsonOr(g.Metadata, emptyObject), CreatedVia: "api",
		CreatedAt: isoTime(g.Created), UpdatedAt: isoTime(g.Updated), Customer: c.expanded.customer(g.Customer),
		PaymentCurrency: c.expanded.currency(g.Currency),
	}, nil
}

// wholeNumber is a parameter that holds an amount in the smallest unit.
func (c *call) wholeNumber(name string) (a ledger.Amount, set bool, err *Error) {
	text, err := c.query.text(name)
	if err != nil || text == "" {
		return a, false, err
	}
	a, parseErr := ledger.ParseAmount(text)
	if parseErr != nil {
		return a, false, invalid(name, fmt.Sprintf("must be a whole number of the smallest unit, not %.64q", text))
	}
	return a, true, nil
}
