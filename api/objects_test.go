package api

import (
	"strings"
	"testing"

	"drawdown/engine/ledger"
)

func ptr[T any](v T) *T { return &v }

// TestCommands is what the writes submit.
func TestCommands(t *testing.T) {
	r := newRig(t)
	grant := ledger.GrantID{Account: 7, Ordinal: 1}
	currency := "/api/payment-currencies/" + currencyID
	for _, c := range []struct {
		method, target, body string
		want                 ledger.Command
	}{
		{post, "/api/meters", goodMeter, &ledger.CreateMeter{Name: "Tokens", EventName: "tokens", Unit: "tk"}},
		{post, "/api/meters", `{"name":"N","event_name":"e","unit":"u","aggregation_method":"last","currency_id":"pc_1","decimal":0,
			"description":"d","component_did":"z1","metadata":{"a":[ ]}}`,
			&ledger.CreateMeter{Name: "N", EventName: "e", Unit: "u", Description: "d", ComponentID: "z1", Aggregation: ledger.Last,
				Currency: "pc_1", Decimals: ptr(uint8(0)), Metadata: []byte(`{"a":[]}`)}},
		{put, "/api/meters/tokens", `{"name":"N","description":"","status":"inactive","metadata":{"a":null},"unit":"u"}`,
			&ledger.UpdateMeter{Meter: "tokens", Name: ptr("N"), Description: ptr(""), Active: ptr(false), Metadata: []byte(`{"a":null}`), Unit: ptr("u")}},
		{put, "/api/meters/tokens", `{}`, &ledger.UpdateMeter{Meter: "tokens"}},
		{put, "/api/meters/tokens/activate", ``, &ledger.UpdateMeter{Meter: "tokens", Active: ptr(true)}},
		{put, "/api/meters/tokens/deactivate", ``, &ledger.UpdateMeter{Meter: "tokens", Active: ptr(false)}},
		{put, currency, `{"name":"N","symbol":"S","description":"d","logo":"l","metadata":{"a":1}}`,
			&ledger.UpdateCurrency{Currency: currencyID, Name: ptr("N"), Symbol: ptr("S"), Description: ptr("d"), Logo: ptr("l"), Metadata: []byte(`{"a":1}`)}},
		{put, currency + "/recharge-config", `{"settings":{"min_recharge_amount": 1.50},"base_price_id":"p","other":1,"checkout_url":"u"}`,
			&ledger.UpdateCurrency{Currency: currencyID, Recharge: []byte(`{"base_price_id":"p","checkout_url":"u","settings":{"min_recharge_amount":1.50}}`)}},
		{put, "/api/customers/cus_a", `{"name":"N","email":"e","phone":"","description":"d","metadata":{"a":null}}`,
			&ledger.PutCustomer{Customer: "cus_a", Name: ptr("N"), Email: ptr("e"), Phone: ptr(""), Description: ptr("d"), Metadata: []byte(`{"a":null}`)}},
		{post, "/api/credit-grants", goodGrant,
			&ledger.CreateGrant{Customer: "cus_a", Currency: currencyID, Amount: decimal(t, "10"), Category: ledger.Paid, Priority: ledger.DefaultPriority}},
		{post, "/api/credit-grants", `{"amount":0.25,"currency_id":"pc_1","customer_id":"c","category":"promotional","name":"n","priority":0,
			"effective_at":5,"expires_at":9,"metadata":{"a":1},"applicability_config":{"scope":{"prices":["p"],"meters":["m"],"price_type":"metered"}}}`,
			&ledger.CreateGrant{Customer: "c", Currency: "pc_1", Amount: decimal(t, "0.25"), Category: ledger.Promotional, EffectiveAt: 5,
				ExpiresAt: 9, Name: "n", Metadata: []byte(`{"a":1}`), Scope: ledger.Scope{Prices: []string{"p"}, Meters: []string{"m"}},
				Applicability: []byte(`{"scope":{"prices":["p"],"meters":["m"],"price_type":"metered"}}`)}},
		{put, "/api/credit-grants/" + grantID, `{"metadata":{"k":"v"},"expired":true}`,
			&ledger.UpdateGrant{Grant: grant, Metadata: []byte(`{"k":"v"}`), Expire: true}},
		{post, "/api/credit-grants/" + grantID + "/void", ``, &ledger.VoidGrant{Grant: grant}},
		{put, "/api/subscriptions/sub_1", `{"prices":["a","b"]}`, &ledger.SetSubscription{Subscription: "sub_1", Prices: []string{"a", "b"}}},
		{put, "/api/subscriptions/sub_1", `{"prices":[]}`, &ledger.SetSubscription{Subscription: "sub_1"}},
	} {
		r.ok(c.method, c.target, c.body)
		r.submitted(t, c.want)
	}
}

// TestObjectInput is what the bodies of the other writes may not hold.
func TestObjectInput(t *testing.T) {
	r := newRig(t)
	with := func(base, field, text string) string { return strings.Replace(base, "{", `{"`+field+`":`+text+",", 1) }
	without := func(base, field string) string { return strings.Replace(base, `"`+field+`"`, `"-"`, 1) }
	scope := func(text string) string { return with(goodGrant, "applicability_config", `{"scope":`+text+`}`) }
	currency := "/api/payment-currencies/" + currencyID
	for _, c := range []struct{ method, target, body, code, param string }{
		{post, "/api/meters", ``, codeRequired, "name"}, {post, "/api/meters", `[]`, codeInvalidType, "body"}, {post, "/api/meters", `{`, "invalid_json", "body"},
		{post, "/api/meters", without(goodMeter, "name"), codeRequired, "name"}, {post, "/api/meters", without(goodMeter, "event_name"), codeRequired, "event_name"},
		{post, "/api/meters", without(goodMeter, "unit"), codeRequired, "unit"}, {post, "/api/meters", strings.Replace(goodMeter, `"tk"`, `""`, 1), codeRequired, "unit"},
		{post, "/api/meters", strings.Replace(goodMeter, `"Tokens"`, `"a\u0007"`, 1), codeInvalidValue, "name"},
		{post, "/api/meters", with(goodMeter, "aggregation_method", `"max"`), codeInvalidValue, "aggregation_method"},
		{post, "/api/meters", with(goodMeter, "decimal", `"2"`), codeInvalidType, "decimal"},
		{post, "/api/meters", with(goodMeter, "Decimal", `2`), "misspelt_key", "decimal"},
		{post, "/api/meters", with(goodMeter, "description", `1`), codeInvalidType, "description"},
		{post, "/api/meters", with(goodMeter, "metadata", `[]`), codeInvalidType, "metadata"},
		{put, "/api/meters/tokens", `{"name":""}`, codeRequired, "name"}, {put, "/api/meters/tokens", `{"status":"off"}`, codeInvalidValue, "status"},
		{put, "/api/meters/tokens", `{"status":true}`, codeInvalidType, "status"}, {put, "/api/meters/tokens", `{"unit":1}`, codeInvalidType, "unit"},
		{put, currency, `{"name":""}`, codeRequired, "name"}, {put, currency, `{"symbol":7}`, codeInvalidType, "symbol"},
		{put, currency + "/recharge-config", `{}`, codeRequired, "base_price_id"},
		{put, currency + "/recharge-config", `{"base_price_id":"p","settings":[]}`, codeInvalidType, "settings"},
		{post, "/api/payment-currencies/check-recurring-support", `{}`, codeRequired, "currency_ids"},
		{post, "/api/payment-currencies/check-recurring-support", `{"currency_ids":"x"}`, codeInvalidType, "currency_ids"},
		{post, "/api/payment-currencies/check-recurring-support", `{"currency_ids":["x",1]}`, codeInvalidType, "currency_ids[1]"},
		{put, "/api/customers/cus_a", `{"name":5}`, codeInvalidType, "name"}, {put, "/api/customers/cus_a", `{"metadata":"x"}`, codeInvalidType, "metadata"},
		{get, "/api/customers/cus_b?create=maybe", ``, codeInvalidValue, "create"},
		{post, "/api/credit-grants", without(goodGrant, "amount"), codeRequired, "amount"}, {post, "/api/credit-grants", without(goodGrant, "currency_id"), codeRequired, "currency_id"},
		{post, "/api/credit-grants", without(goodGrant, "customer_id"), codeRequired, "customer_id"}, {post, "/api/credit-grants", without(goodGrant, "category"), codeRequired, "category"},
		{post, "/api/credit-grants", strings.Replace(goodGrant, `"10"`, `-10`, 1), "negative", "amount"},
		{post, "/api/credit-grants", strings.Replace(goodGrant, `"10"`, `"ten"`, 1), codeInvalidValue, "amount"},
		{post, "/api/credit-grants", strings.Replace(goodGrant, `"paid"`, `"gift"`, 1), codeInvalidValue, "category"},
		{post, "/api/credit-grants", with(goodGrant, "priority", `"1"`), codeInvalidType, "priority"},
		{post, "/api/credit-grants", with(goodGrant, "expires_at", `"never"`), codeInvalidType, "expires_at"},
		{post, "/api/credit-grants", with(goodGrant, "applicability_config", `[]`), codeInvalidType, "applicability_config"},
		{post, "/api/credit-grants", scope(`[]`), codeInvalidType, "applicability_config.scope"},
		{post, "/api/credit-grants", scope(`{"prices":"p"}`), codeInvalidType, "applicability_config.scope.prices"},
		{post, "/api/credit-grants", scope(`{"prices":["p",null]}`), codeRequired, "applicability_config.scope.prices[1]"},
		{post, "/api/credit-grants", scope(`{"meters":[1]}`), codeInvalidType, "applicability_config.scope.meters[0]"},
		{post, "/api/credit-grants", scope(`{"price_type":1}`), codeInvalidType, "applicability_config.scope.price_type"},
		{put, "/api/credit-grants/" + grantID, `{"expired":"yes"}`, codeInvalidType, "expired"},
		{put, "/api/credit-grants/" + grantID, `{"metadata":1}`, codeInvalidType, "metadata"},
		{put, "/api/subscriptions/s", `{}`, codeRequired, "prices"}, {put, "/api/subscriptions/s", `{"prices":["",""]}`, codeRequired, "prices[0]"},
	} {
		r.refused(c.method, c.target, c.body, 400, c.code, c.param)
	}
}

func TestUnknownObjects(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct{ method, target, body, code, param string }{
		{get, "/api/meters/none", "", "meter_unknown", "id"}, {get, "/api/payment-currencies/pc_x", "", "currency_unknown", "id"},
		{put, "/api/payment-currencies/pc_x", "{}", "currency_unknown", "id"}, {get, "/api/payment-currencies/pc_x/recharge-config", "", "currency_unknown", "id"},
		{get, "/api/customers/none", "", "customer_unknown", "id"}, {get, "/api/credit-grants/cg_x", "", "grant_unknown", "id"},
		{get, "/api/credit-grants/" + ledger.GrantID{Account: 9, Ordinal: 9}.String(), "", "grant_unknown", "id"},
		{put, "/api/credit-grants/cg_x", "{}", "grant_unknown", "id"}, {post, "/api/credit-grants/cg_x/void", "", "grant_unknown", "id"},
		{get, "/api/credit-transactions/ct_x", "", codeNotFound, "id"},
		{get, "/api/credit-grants/holders?currency_id=pc_x", "", "currency_unknown", "currency_id"},
		{get, "/api/meters/" + meterID + "?livemode=false", "", "meter_unknown", "id"},
	} {
		r.refused(c.method, c.target, c.body, 404, c.code, c.param)
	}
}

func TestVerdictsOnObjects(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		target, body string
		code         ledger.Code
		status       int
		param        string
	}{
		{"/api/meters", goodMeter, ledger.MeterExists, 400, "event_name"}, {"/api/meters", goodMeter, ledger.CurrencyUnknown, 404, "currency_id"},
		{"/api/meters", goodMeter, ledger.DecimalsConflict, 400, "decimal"}, {"/api/meters", goodMeter, ledger.LimitReached, 400, "event_name"},
		{"/api/credit-grants", goodGrant, ledger.CurrencyUnknown, 404, "currency_id"}, {"/api/credit-grants", goodGrant, ledger.AmountZero, 400, "amount"},
		{"/api/credit-grants", goodGrant, ledger.AmountPrecision, 400, "amount"}, {"/api/credit-grants", goodGrant, ledger.AmountOverflow, 400, "amount"},
		{"/api/credit-grants", goodGrant, ledger.ExpiryPast, 400, "expires_at"}, {"/api/credit-grants", goodGrant, ledger.LimitReached, 400, "customer_id"},
		{"/api/credit-grants/" + grantID + "/void", "", ledger.GrantEnded, 409, "id"},
		{"/api/credit-grants/" + grantID + "/void", "", ledger.GrantUnknown, 404, "id"},
	} {
		r.verdict = func(int) ledger.Result { return ledger.Result{Code: c.code} }
		r.refused(post, c.target, c.body, c.status, c.code.String(), c.param)
	}
	r.verdict = func(int) ledger.Result { return ledger.Result{Code: ledger.GrantEnded} }
	r.refused(put, "/api/credit-grants/"+grantID, `{"expired":true}`, 409, "grant_ended", "id")
}

func TestCustomerCreate(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct{ query, body string }{{"?create=true", ""}, {"", `{"create":true}`}} {
		r.absent = true
		r.refused(get, "/api/customers/cus_a", "", 404, "customer_unknown", "id")
		r.refused(get, "/api/customers/cus_a?create=false", `{"create":false}`, 404, "customer_unknown", "id")
		r.expect(r.ok(get, "/api/customers/cus_a"+c.query, c.body), map[string]any{"id": "cus_a"})
		r.submitted(t, &ledger.PutCustomer{Customer: "cus_a", Create: true})
		r.commands = nil
		r.ok(get, "/api/customers/cus_a"+c.query, c.body) // it is there now, nothing to write
		if r.commands != nil {
			t.Error("an existing customer was written")
		}
	}
}

func TestRechargeConfig(t *testing.T) {
	r := newRig(t)
	target := "/api/payment-currencies/" + currencyID + "/recharge-config"
	r.currency.Recharge = []byte(`{"base_price_id":"p","settings":{"max_recharge_amount":7}}`)
	for _, answer := range []reply{r.ok(get, target, ""), r.ok(put, target, `{"base_price_id":"p"}`)} {
		r.expect(answer, map[string]any{
			"id": currencyID, "recharge_config.base_price_id": "p", "base_price_id": "p", "settings.max_recharge_amount": 7,
		})
	}
}

func TestCurrenciesBareArray(t *testing.T) {
	r := newRig(t)
	if text := r.ok(get, "/api/payment-currencies", "").text; !strings.HasPrefix(text, `[{"id":"`+currencyID) || !strings.HasSuffix(text, "]") {
		t.Errorf("%s", text)
	}
}

func TestGrantFilters(t *testing.T) {
	r := newRig(t)
	r.ok(get, "/api/credit-grants?customer_id=c&status=granted,pending&status=expired&category=paid&subscription_id=s&granted_by=g&start=1&end=2&q=x&currency_id="+currencyID, "")
	f := r.filter.(ledger.GrantFilter)
	if f.Customer != "c" || len(f.Statuses) != 3 || *f.Category != ledger.Paid || f.Subscription != "s" || f.GrantedBy != "g" ||
		f.Created != (ledger.Interval{Start: 1, End: 3}) || f.Query != "x" || f.Currency != 5 {
		t.Errorf("%+v", f)
	}
	r.refused(get, "/api/credit-grants?status=gone", "", 400, codeInvalidValue, "status")
	r.refused(get, "/api/credit-grants?category=gift", "", 400, codeInvalidValue, "category")
	r.expect(r.ok(get, "/api/credit-grants?currency_id=pc_none", ""), map[string]any{"count": 0, "total": 0, "paging.totalPages": 0})
}

func TestGrantReports(t *testing.T) {
	r := newRig(t)
	base := "/api/credit-grants/"
	currency := "currency_id=" + currencyID
	for _, c := range []struct {
		target, code, param string
	}{
		{"summary", codeRequired, "customer_id"}, {"verify-availability?customer_id=c", codeRequired, "currency_id"},
		{"verify-availability?" + currency, codeRequired, "customer_id"},
		{"verify-availability?customer_id=c&pending_amount=1.5&" + currency, codeInvalidValue, "pending_amount"},
		{"verify-availability?customer_id=c&max_pending_amount=-1&" + currency, codeInvalidValue, "max_pending_amount"},
		{"verify-availability?customer_id=c&max_recharge_times=x&" + currency, codeInvalidValue, "max_recharge_times"},
		{"holders", codeRequired, "currency_id"}, {"stats?start_date=1&end_date=2", codeRequired, "currency_id"},
		{"stats?end_date=2&" + currency, codeRequired, "start_date"}, {"stats?start_date=2&" + currency, codeRequired, "end_date"},
		{"stats?start_date=1&end_date=2&category=x&" + currency, codeInvalidValue, "category"},
	} {
		r.refused(get, base+c.target, "", 400, c.code, c.param)
	}
	if text := r.ok(get, base+"summary?customer_id=nobody", "").text; text != "{}" {
		t.Errorf("a customer without credit: %s", text)
	}
	verify := base + "verify-availability?customer_id=nobody&" + currency
	r.expect(r.ok(get, verify, ""), map[string]any{"can_continue": false, "reason": "insufficient_balance"})
	r.expect(r.ok(get, verify+"&pending_amount=11&max_pending_amount=10", ""), map[string]any{"can_continue": false, "reason": "pending_amount_exceeded"})
	r.ok(get, base+"stats?start_date=10&end_date=20&timezone_offset=-90&granted_by=g&category=promotional&"+currency, "")
	f := r.filter.(ledger.GrantFilter)
	if r.offset != -90*60 || f.GrantedBy != "g" || f.Created != (ledger.Interval{Start: 10, End: 21}) || *f.Category != ledger.Promotional {
		t.Errorf("%d %+v", r.offset, f)
	}
}

func TestTransactionRows(t *testing.T) {
	r := newRig(t)
	r.row = ledger.Transaction{
		ID: r.row.ID, Type: ledger.RowGrant, Customer: "cus_a", Currency: 5, Grant: r.grant.ID, Amount: ledger.NewAmount(1000),
		GrantRemaining: ledger.NewAmount(1000), Balance: ledger.NewAmount(1000), Created: logTime,
	}
	r.expect(r.ok(get, "/api/credit-transactions/"+rowID, ""), map[string]any{
		"type": "grant", "amount": "1000", "credit_amount": "1000", "quantity": "0", "name": "Welcome", "metadata.granted_by": "me",
		"meter_id": nil, "meter": nil, "meter_event_id": nil, "source": nil,
	})
}

func TestTransactionFilters(t *testing.T) {
	r := newRig(t)
	r.ok(get, "/api/credit-transactions?customer_id=c&subscription_id=s&credit_grant_id="+grantID+"&meter_id="+meterID+"&source="+eventID+
		"&start=1&end=2&q=x&currency_id="+currencyID+"&type=grant,expiration", "")
	f := r.filter.(ledger.TransactionFilter)
	if f.Customer != "c" || f.Subscription != "s" || f.Grant != r.grant.ID || f.Meter != 3 || f.Source != r.event.ID || f.Currency != 5 ||
		f.Query != "x" || len(f.Types) != 2 || f.Created != (ledger.Interval{Start: 1, End: 3}) {
		t.Errorf("%+v", f)
	}
	for _, c := range []struct {
		query string
		types int // -1: nothing can be found, so that nothing is looked for
	}{
		{"", 0}, {"include_grants=true", 0}, {"include_grants=false", 3}, {"type=grant&include_grants=false", -1}, {"activity_type=adjustment", 1},
		{"credit_grant_id=x", -1}, {"source=x", -1}, {"meter_id=x", -1}, {"currency_id=x", -1},
	} {
		r.filter = nil
		r.ok(get, "/api/credit-transactions?"+c.query, "")
		got := -1
		if f, ok := r.filter.(ledger.TransactionFilter); ok {
			got = len(f.Types)
		}
		if got != c.types {
			t.Errorf("%q: %d types, want %d", c.query, got, c.types)
		}
	}
	r.refused(get, "/api/credit-transactions?type=gift", "", 400, codeInvalidValue, "type")
	r.refused(get, "/api/credit-transactions?include_grants=yes", "", 400, codeInvalidValue, "include_grants")
	r.expect(r.ok(get, "/api/credit-transactions/summary?meter_id=none", ""), map[string]any{"transaction_count": 0, "total_quantity": "0", "filters.meter_id": "none"})
	r.expect(r.ok(get, "/api/credit-transactions/summary?end=9&meter_id="+meterID, ""), map[string]any{"filters.end_time": 9, "filters.meter_event_name": "tokens"})
}
