package api

import (
	"github.com/goccy/go-json"

	"drawdown/engine/ledger"
)

var currencyFields = fieldNames{currency: "id"}

// listCurrencies answers a bare array, as its clients expect of this list alone.
func listCurrencies(c *call) (any, *Error) {
	items := []*currencyAnswer{}
	for _, currency := range c.view.Currencies(c.mode) {
		items = append(items, renderCurrency(&currency))
	}
	return items, nil
}

func (c *call) findCurrency() (ledger.Currency, *Error) {
	currency, ok := c.view.Currency(c.mode, c.id)
	if !ok {
		return currency, refusal(ledger.CurrencyUnknown, currencyFields)
	}
	return currency, nil
}

func getCurrency(c *call) (any, *Error) {
	currency, err := c.findCurrency()
	if err != nil {
		return nil, err
	}
	return renderCurrency(&currency), nil
}

func updateCurrency(c *call) (any, *Error) {
	v, err := c.body("name", "symbol", "description", "logo", "metadata")
	if err != nil {
		return nil, err
	}
	u := &ledger.UpdateCurrency{Mode: c.mode, Currency: c.id}
	if u.Name, err = v[0].optStr("name", meterNameRule.optional()); err != nil {
		return nil, err
	}
	if u.Symbol, err = v[1].optStr("symbol", unitRule.optional()); err != nil {
		return nil, err
	}
	if u.Description, err = v[2].optStr("description", descriptionRule); err != nil {
		return nil, err
	}
	if u.Logo, err = v[3].optStr("logo", urlRule); err != nil {
		return nil, err
	}
	if u.Metadata, err = v[4].object("metadata"); err != nil {
		return nil, err
	}
	currency, err := c.changeCurrency(u)
	if err != nil {
		return nil, err
	}
	return renderCurrency(&currency), nil
}

func (c *call) changeCurrency(u *ledger.UpdateCurrency) (ledger.Currency, *Error) {
	if _, ok := ledger.ParseCurrencyID(u.Currency); !ok {
		return ledger.Currency{}, refusal(ledger.CurrencyUnknown, currencyFields)
	}
	if _, err := c.submitOne(u, currencyFields); err != nil {
		return ledger.Currency{}, err
	}
	currency, ok := c.view.Currency(c.mode, u.Currency)
	if !ok {
		return currency, c.lost("currency")
	}
	return currency, nil
}

// rechargeFields is the configuration of how a currency is bought. Numbers keep
// their literal text.
type rechargeFields struct {
	BasePriceID   string          `json:"base_price_id,omitempty"`
	PaymentLinkID string          `json:"payment_link_id,omitempty"`
	CheckoutURL   string          `json:"checkout_url,omitempty"`
	Settings      json.RawMessage `json:"settings,omitempty"`
}

// rechargeAnswer is the currency with the configuration's fields beside it: some
// callers read the whole currency, some the bare configuration.
type rechargeAnswer struct {
	currencyAnswer
	rechargeFields
}

func putRechargeConfig(c *call) (any, *Error) {
	v, err := c.body("base_price_id", "payment_link_id", "checkout_url", "settings")
	if err != nil {
		return nil, err
	}
	var f rechargeFields
	if f.BasePriceID, err = v[0].str("base_price_id", idRule); err != nil {
		return nil, err
	}
	if f.PaymentLinkID, err = v[1].str("payment_link_id", optionalIDRule); err != nil {
		return nil, err
	}
	if f.CheckoutURL, err = v[2].str("checkout_url", urlRule); err != nil {
		return nil, err
	}
	if f.Settings, err = v[3].object("settings"); err != nil {
		return nil, err
	}
	config, encodeErr := json.Marshal(f)
	if encodeErr != nil {
		return nil, errInternal
	}
	currency, err := c.changeCurrency(&ledger.UpdateCurrency{Mode: c.mode, Currency: c.id, Recharge: config})
	if err != nil {
		return nil, err
	}
	return c.renderRecharge(&currency)
}

func getRechargeConfig(c *call) (any, *Error) {
	currency, err := c.findCurrency()
	if err != nil {
		return nil, err
	}
	return c.renderRecharge(&currency)
}

func (c *call) renderRecharge(currency *ledger.Currency) (any, *Error) {
	answer := &rechargeAnswer{currencyAnswer: *renderCurrency(currency)}
	if len(currency.Recharge) != 0 {
		if err := json.Unmarshal(currency.Recharge, &answer.rechargeFields); err != nil {
			c.log.Error("stored recharge configuration cannot be read", "currency", answer.ID, "error", err)
			return nil, errInternal
		}
	}
	return answer, nil
}

type supportAnswer struct {
	Supported   bool          `json:"supported"`
	Unsupported []currencyRef `json:"unsupported_currencies"`
}

// checkRecurringSupport says yes: credit can always be drawn again.
func checkRecurringSupport(c *call) (any, *Error) {
	v, err := c.body("currency_ids")
	if err != nil {
		return nil, err
	}
	if _, set, err := v[0].texts("currency_ids", maxCurrencyIDs, idRule); err != nil {
		return nil, err
	} else if !set {
		return nil, required("currency_ids")
	}
	return &supportAnswer{Supported: true, Unsupported: []currencyRef{}}, nil
}

func renderCurrency(c *ledger.Currency) *currencyAnswer {
	return &currencyAnswer{
		ID: ledger.CurrencyID(c.Number), Object: "payment_currency", Active: true, Livemode: c.Mode == ledger.Live,
		Name: c.Name, Description: c.Description, Logo: c.Logo, Symbol: c.Symbol, Decimal: c.Decimals,
		MaximumPrecision: c.Decimals, MinimumPaymentAmount: "0", MaximumPaymentAmount: "0",
		Metadata: jsonOr(c.Metadata, emptyObject), Type: "credit", RechargeConfig: jsonOr(c.Recharge, nil),
		CreatedAt: isoTime(c.Created), UpdatedAt: isoTime(c.Updated),
	}
}
