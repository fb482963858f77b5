package api

import (
	"time"

	"drawdown/engine/ledger"
)

type summaryAnswer struct {
	PaymentCurrency *currencyRef `json:"paymentCurrency"`
	TotalAmount     string       `json:"totalAmount"`
	RemainingAmount string       `json:"remainingAmount"`
	Total           string       `json:"total"`     // in whole tokens
	Remaining       string       `json:"remaining"` // in whole tokens
	GrantCount      int          `json:"grantCount"`
}

// getSummary answers what a customer can spend now, by currency. A customer that
// nobody knows has nothing, which is no error.
func getSummary(c *call) (any, *Error) {
	customer, err := c.query.id("customer_id", idRule)
	if err != nil {
		return nil, err
	}
	subscription, err := c.query.id("subscription_id", optionalIDRule)
	if err != nil {
		return nil, err
	}
	sums, readErr := c.view.Summary(c.ctx, c.mode, customer, subscription)
	if readErr != nil {
		return nil, c.readFailed(readErr)
	}
	answer := make(map[string]*summaryAnswer, len(sums))
	for _, sum := range sums {
		ref := c.expanded.currency(sum.Currency)
		if ref == nil {
			continue
		}
		answer[ref.ID] = &summaryAnswer{
			PaymentCurrency: ref, TotalAmount: sum.Total.String(), RemainingAmount: sum.Remaining.String(),
			Total: sum.Total.Tokens(ref.Decimal), Remaining: sum.Remaining.Tokens(ref.Decimal), GrantCount: sum.Grants,
		}
	}
	return answer, nil
}

type availabilityAnswer struct {
	CanContinue bool   `json:"can_continue"`
	Reason      string `json:"reason,omitempty"`
}

// verifyAvailability answers whether a customer may go on using. With something
// left to spend, yes.
func verifyAvailability(c *call) (any, *Error) {
	customer, err := c.query.id("customer_id", idRule)
	if err != nil {
		return nil, err
	}
	currency, err := c.requiredCurrency()
	if err != nil {
		return nil, err
	}
	pending, _, err := c.wholeNumber("pending_amount")
	if err != nil {
		return nil, err
	}
	bound, bounded, err := c.wholeNumber("max_pending_amount")
	if err != nil {
		return nil, err
	}
	if _, _, err := c.query.integer("max_recharge_times", 0, maxTime); err != nil {
		return nil, err
	}
	sums, readErr := c.view.Summary(c.ctx, c.mode, customer, "")
	if readErr != nil {
		return nil, c.readFailed(readErr)
	}
	for _, sum := range sums {
		if sum.Currency == currency.Number && !sum.Remaining.IsZero() {
			return availabilityAnswer{CanContinue: true}, nil
		}
	}
	if bounded && bound.Less(pending) {
		return availabilityAnswer{Reason: "pending_amount_exceeded"}, nil
	}
	return availabilityAnswer{Reason: "insufficient_balance"}, nil
}

type holderAnswer struct {
	CustomerID string `json:"customer_id"`
	Balance    string `json:"balance"`
	GrantCount int    `json:"grantCount"`
}

type holdersPaging struct {
	Page       int `json:"page"`
	PageSize   int `json:"pageSize"`
	Total      int `json:"total"`
	TotalPages int `json:"totalPages"`
}

type holdersAnswer struct {
	Holders  []holderAnswer `json:"holders"`
	Currency *currencyRef   `json:"currency"`
	Paging   holdersPaging  `json:"paging"`
}

func listHolders(c *call) (any, *Error) {
	currency, err := c.requiredCurrency()
	if err != nil {
		return nil, err
	}
	p, err := c.query.page()
	if err != nil {
		return nil, err
	}
	holders, total, readErr := c.view.Holders(c.ctx, c.mode, currency.Number, p)
	if readErr != nil {
		return nil, c.readFailed(readErr)
	}
	part := pagingOf(total, p)
	answer := &holdersAnswer{
		Holders: make([]holderAnswer, 0, len(holders)), Currency: refCurrency(&currency),
		Paging: holdersPaging{part.Page, part.PageSize, total, part.TotalPages},
	}
	for _, h := range holders {
		answer.Holders = append(answer.Holders, holderAnswer{h.Customer, h.Balance.String(), h.Grants})
	}
	return answer, nil
}

type grantStatsAnswer struct {
	Stats grantStatsTotal `json:"stats"`
	Daily []grantStatsDay `json:"daily_stats"`
}

type grantStatsTotal struct {
	CurrencyID string       `json:"currency_id"`
	Currency   *currencyRef `json:"currency"`
	grantSums
}

type grantStatsDay struct {
	Date       string `json:"date"`
	CurrencyID string `json:"currency_id"`
	grantSums
}

type grantSums struct {
	GrantCount     int    `json:"grant_count"`
	TotalGranted   string `json:"total_granted"`
	TotalRemaining string `json:"total_remaining"`
	TotalConsumed  string `json:"total_consumed"`
}

func sumsOf(s *ledger.GrantStat) grantSums {
	return grantSums{s.Grants, s.Granted.String(), s.Remaining.String(), s.Consumed.String()}
}

// getGrantStats sums up a currency's grants by the day on which they were made,
// in the caller's time zone: timezone_offset is minutes ahead of UTC.
func getGrantStats(c *call) (any, *Error) {
	currency, err := c.requiredCurrency()
	if err != nil {
		return nil, err
	}
	f, offset, err := c.grantStatsFilter()
	if err != nil {
		return nil, err
	}
	f.Currency = currency.Number
	days, readErr := c.view.GrantStats(c.ctx, f, offset)
	if readErr != nil {
		return nil, c.readFailed(readErr)
	}
	id := ledger.CurrencyID(currency.Number)
	answer := &grantStatsAnswer{Daily: make([]grantStatsDay, 0, len(days))}
	var all ledger.GrantStat
	for i := range days {
		day := &days[i]
		date := time.Unix(day.Day*secondsPerDay, 0).UTC().Format(time.DateOnly)
		answer.Daily = append(answer.Daily, grantStatsDay{date, id, sumsOf(day)})
		all.Grants += day.Grants
		all.Granted.AddTotal(day.Granted)
		all.Remaining.AddTotal(day.Remaining)
		all.Consumed.AddTotal(day.Consumed)
	}
	answer.Stats = grantStatsTotal{id, refCurrency(&currency), sumsOf(&all)}
	return answer, nil
}

func (c *call) grantStatsFilter() (f ledger.GrantFilter, offset int64, err *Error) {
	f.Mode = c.mode
	if f.Created, err = c.requiredInterval("start_date", "end_date"); err != nil {
		return f, 0, err
	}
	if f.GrantedBy, err = c.query.id("granted_by", optionalIDRule); err != nil {
		return f, 0, err
	}
	if f.Category, err = c.grantCategory(); err != nil {
		return f, 0, err
	}
	minutes, _, err := c.query.integer("timezone_offset", -maxZoneMinutes, maxZoneMinutes)
	return f, minutes * 60, err
}

func (c *call) requiredInterval(start, end string) (ledger.Interval, *Error) {
	for _, name := range []string{start, end} {
		if text, err := c.query.text(name); err != nil {
			return ledger.Interval{}, err
		} else if text == "" {
			return ledger.Interval{}, required(name)
		}
	}
	return c.query.interval(start, end)
}
