package api

import (
	"drawdown/engine/ledger"
)

type subscriptionAnswer struct {
	ID       string   `json:"id"`
	Object   string   `json:"object"`
	Livemode bool     `json:"livemode"`
	Prices   []string `json:"prices"`
}

// putSubscription tells which prices a subscription has. Subscriptions live
// elsewhere; the prices are all that drawing on grants needs to know of them.
func putSubscription(c *call) (any, *Error) {
	if err := idRule.check("id", []byte(c.id)); err != nil {
		return nil, err
	}
	v, err := c.body("prices")
	if err != nil {
		return nil, err
	}
	prices, set, err := v[0].texts("prices", maxPrices, idRule)
	if err != nil {
		return nil, err
	}
	if !set {
		return nil, required("prices")
	}
	command := &ledger.SetSubscription{Mode: c.mode, Subscription: c.id, Prices: prices}
	if _, err := c.submitOne(command, fieldNames{limit: "id"}); err != nil {
		return nil, err
	}
	if prices == nil {
		prices = []string{}
	}
	return &subscriptionAnswer{ID: c.id, Object: "subscription", Livemode: c.mode == ledger.Live, Prices: prices}, nil
}
