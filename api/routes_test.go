package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"drawdown/engine/ledger"
)

var (
	meterID    = ledger.MeterID(3)
	currencyID = ledger.CurrencyID(5)
	grantID    = ledger.GrantID{Account: 7, Ordinal: 1}.String()
	eventID    = ledger.EventID{Account: 7, Seq: 42}.String()
	rowID      = ledger.TransactionID{Account: 7, Seq: 42}.String()
)

const (
	goodEvent = `{"event_name":"tokens","identifier":"id-1","payload":{"customer_id":"cus_a","value":"1.5"}}`
	goodMeter = `{"name":"Tokens","event_name":"tokens","unit":"tk"}`
)

var goodGrant = `{"amount":"10","currency_id":"` + currencyID + `","customer_id":"cus_a","category":"paid"}`

// happy is one successful call of every route, and what its answer must hold.
var happy = []struct {
	pattern, method, target, body string
	want                          map[string]any
}{
	{"/api/meters", post, "/api/meters", goodMeter, map[string]any{
		"id": meterID, "object": "meter", "event_name": "tokens", "aggregation_method": "sum", "status": "active",
		"livemode": true, "currency_id": currencyID, "paymentCurrency.decimal": 2, "paymentCurrency.type": "credit",
		"metadata.a": 1, "created_at": "2023-11-14T22:13:20.000Z", "created_via": "api", "component_did": nil,
	}},
	{"/api/meters", get, "/api/meters", "", map[string]any{
		"count": 41, "total": 41, "list.0.id": meterID, "data.0.id": meterID, "paging.page": 1, "paging.pageSize": 20, "paging.totalPages": 3,
	}},
	{"/api/meters/{id}", get, "/api/meters/" + meterID, "", map[string]any{"event_name": "tokens"}},
	{"/api/meters/{id}", put, "/api/meters/tokens", `{"name":"New"}`, map[string]any{"id": meterID}},
	{"/api/meters/{id}/activate", put, "/api/meters/tokens/activate", "", map[string]any{"id": meterID}},
	{"/api/meters/{id}/deactivate", put, "/api/meters/tokens/deactivate", "", map[string]any{"id": meterID}},

	{"/api/payment-currencies", get, "/api/payment-currencies", "", nil},
	{"/api/payment-currencies/check-recurring-support", post, "/api/payment-currencies/check-recurring-support",
		`{"currency_ids":["` + currencyID + `"]}`, map[string]any{"supported": true}},
	{"/api/payment-currencies/{id}", get, "/api/payment-currencies/" + currencyID, "", map[string]any{
		"id": currencyID, "decimal": 2, "type": "credit", "symbol": "tk", "recharge_config": nil, "contract": nil,
	}},
	{"/api/payment-currencies/{id}", put, "/api/payment-currencies/" + currencyID, `{"name":"N","symbol":"S"}`, map[string]any{"id": currencyID}},
	{"/api/payment-currencies/{id}/recharge-config", get, "/api/payment-currencies/" + currencyID + "/recharge-config", "",
		map[string]any{"id": currencyID}},
	{"/api/payment-currencies/{id}/recharge-config", put, "/api/payment-currencies/" + currencyID + "/recharge-config",
		`{"base_price_id":"price_1"}`, map[string]any{"id": currencyID}},

	{"/api/customers", get, "/api/customers?did=cus_a", "", map[string]any{"list.0.did": "cus_a"}},
	{"/api/customers/search", get, "/api/customers/search?query=ann", "", map[string]any{"list.0.did": "cus_a"}},
	{"/api/customers/{id}", get, "/api/customers/cus_a", "", map[string]any{"id": "cus_a", "did": "cus_a", "name": "Ann", "delinquent": false}},
	{"/api/customers/{id}", put, "/api/customers/cus_a", `{"name":"Bea"}`, map[string]any{"id": "cus_a"}},

	{"/api/credit-grants", post, "/api/credit-grants", goodGrant, map[string]any{
		"id": grantID, "object": "credit_grant", "amount": "1000", "remaining_amount": "990", "consumed_amount": "10",
		"expired_amount": "0", "voided_amount": "0", "status": "granted", "priority": 50, "expires_at": nil,
		"effective_at": int(logSecond), "customer.id": "cus_a", "paymentCurrency.symbol": "tk", "category": "paid",
		"metadata.granted_by": "me", "applicability_config": nil, "voided_at": nil,
	}},
	{"/api/credit-grants", get, "/api/credit-grants?customer_id=cus_a", "", map[string]any{"count": 1, "list.0.id": grantID}},
	{"/api/credit-grants/summary", get, "/api/credit-grants/summary?customer_id=cus_a", "", map[string]any{
		currencyID + ".totalAmount": "1000", currencyID + ".remainingAmount": "990", currencyID + ".total": "10",
		currencyID + ".remaining": "9.9", currencyID + ".grantCount": 1, currencyID + ".paymentCurrency.decimal": 2,
	}},
	{"/api/credit-grants/verify-availability", get,
		"/api/credit-grants/verify-availability?customer_id=cus_a&currency_id=" + currencyID, "", map[string]any{"can_continue": true}},
	{"/api/credit-grants/holders", get, "/api/credit-grants/holders?currency_id=" + currencyID, "", map[string]any{
		"holders.0.customer_id": "cus_a", "holders.0.balance": "990", "holders.0.grantCount": 1, "currency.decimal": 2,
		"paging.page": 1, "paging.pageSize": 20, "paging.total": 21, "paging.totalPages": 2,
	}},
	{"/api/credit-grants/stats", get,
		"/api/credit-grants/stats?start_date=0&end_date=1700000000&timezone_offset=480&currency_id=" + currencyID, "", map[string]any{
			"stats.grant_count": 3, "stats.total_granted": "200", "stats.total_remaining": "100", "stats.total_consumed": "100",
			"stats.currency_id": currencyID, "stats.currency.id": currencyID, "daily_stats.0.date": "2023-11-14",
			"daily_stats.0.grant_count": 1, "daily_stats.0.currency_id": currencyID,
		}},
	{"/api/credit-grants/{id}", get, "/api/credit-grants/" + grantID, "", map[string]any{"id": grantID}},
	{"/api/credit-grants/{id}", put, "/api/credit-grants/" + grantID, `{"metadata":{"a":null}}`, map[string]any{"success": true}},
	{"/api/credit-grants/{id}/void", post, "/api/credit-grants/" + grantID + "/void", "", map[string]any{"id": grantID}},

	{"/api/meter-events", post, "/api/meter-events", goodEvent, map[string]any{
		"id": eventID, "object": "meter_event", "event_name": "tokens", "identifier": "id-1", "payload.customer_id": "cus_a",
		"payload.value": "1.5", "timestamp": int(logSecond), "status": "completed", "credit_consumed": "150",
		"credit_pending": "0", "livemode": true, "customer.did": "cus_a", "meter.id": meterID, "paymentCurrency.id": currencyID,
		"duplicate": nil, "processed_at": int(logSecond), "created_via": "api", "next_attempt": nil,
	}},
	{batchPath, post, batchPath, "[" + goodEvent + "]", map[string]any{"accepted": 1, "duplicates": 0, "rejected": 0}},
	{"/api/meter-events", get, "/api/meter-events?event_name=tokens", "", map[string]any{"list.0.id": eventID, "list.0.event_name": "tokens"}},
	{"/api/meter-events/stats", get, "/api/meter-events/stats?start=0&end=1700000000&meter_id=" + meterID, "", map[string]any{
		"count": 1, "list.0.date": "2023-11-14", "list.0.timestamp": "1699920000", "list.0.event_count": 2, "list.0.total_value": "150",
	}},
	{"/api/meter-events/pending-amount", get, "/api/meter-events/pending-amount?customer_id=cus_a", "", map[string]any{currencyID: "77"}},
	{"/api/meter-events/{id}", get, "/api/meter-events/" + eventID, "", map[string]any{"id": eventID, "timestamp": int(logSecond - 10)}},

	{"/api/credit-transactions", get, "/api/credit-transactions?customer_id=cus_a", "", map[string]any{"list.0.id": rowID}},
	{"/api/credit-transactions/summary", get, "/api/credit-transactions/summary?customer_id=cus_a&start=5", "", map[string]any{
		"total_quantity": "150", "total_credit_amount": "150", "transaction_count": 1, "filters.customer_id": "cus_a",
		"filters.start_time": 5, "filters.end_time": nil,
	}},
	{"/api/credit-transactions/{id}", get, "/api/credit-transactions/" + rowID, "", map[string]any{
		"id": rowID, "object": "credit_transaction", "type": "consumption", "activity_type": "consumption", "amount": "-150",
		"credit_amount": "150", "quantity": "150", "running_balance": "840", "remaining_balance": "840",
		"meter_event_id": eventID, "source": eventID, "meter_event_name": "tokens", "meter_unit": "tk", "meter_id": meterID,
		"credit_grant_id": grantID, "creditGrant.id": grantID, "creditGrant.paymentCurrency.id": currencyID,
		"customer.id": "cus_a", "meter.name": "Tokens", "paymentCurrency.id": currencyID, "livemode": true, "subscription_id": nil,
	}},

	{"/api/subscriptions/{id}", put, "/api/subscriptions/sub_1", `{"prices":["price_1"]}`, map[string]any{
		"id": "sub_1", "prices.0": "price_1",
	}},
	{"/healthz", get, "/healthz", "", map[string]any{"status": "ok"}},
	{"/readyz", get, "/readyz", "", map[string]any{"status": "ready"}},
	{"/metrics", get, "/metrics", "", nil},
	{"/cluster/status", get, "/cluster/status", "", map[string]any{"node": "n1", "role": "leader"}},
	{"/cluster/hash", get, "/cluster/hash", "", map[string]any{"index": 98, "hash": "0000000000000abc"}},
	{"/cluster/check", post, "/cluster/check", "", map[string]any{"ok": true}},
	{"/cluster/snapshot", post, "/cluster/snapshot", "", map[string]any{"index": 98}},
	{"/cluster/add", post, "/cluster/add", `{"node":"n4","raft":"127.0.0.1:1"}`, map[string]any{"node": "n4", "status": "joining"}},
	{"/cluster/remove", post, "/cluster/remove", `{"node":"n4"}`, map[string]any{"node": "n4", "status": "removed"}},
	{"/cluster/transfer", post, "/cluster/transfer", ``, map[string]any{"status": "transferred"}},
}

func TestEveryRouteAnswers(t *testing.T) {
	r := newRig(t)
	for _, call := range happy {
		answer := r.ok(call.method, call.target, call.body)
		r.expect(answer, call.want)
	}
	for _, line := range routes {
		found := false
		for _, call := range happy {
			found = found || call.method == line.method && call.pattern == line.pattern
		}
		if !found {
			t.Errorf("no test calls %s %s", line.method, line.pattern)
		}
	}
}

func TestIndexHeader(t *testing.T) {
	r := newRig(t)
	if got := r.ok(get, "/api/meters", "").header.Get(indexHeader); got != "98" {
		t.Errorf("a read answers index %q, want 98", got)
	}
	if got := r.ok(post, "/api/meter-events", goodEvent).header.Get(indexHeader); got != "99" {
		t.Errorf("a write answers index %q, want 99", got)
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{"/", "/api", "/api/", "/api/nothing", "/api/meters/", "/api/meters/a/b", "/api/meters/a/activate/b/c/d/e", "/api/Meters"} {
		r.refused(get, path, "", 404, codeNotFound, "")
	}
	answer := r.refused("DELETE", "/api/meters", "", 405, "method_not_allowed", "")
	if got := answer.header.Get("Allow"); got != "OPTIONS, POST, GET, HEAD" {
		t.Errorf("Allow is %q", got)
	}
	r.refused("PATCH", "/api/meters/x", "", 405, "method_not_allowed", "")
	answer = r.do("OPTIONS", "/api/meters/x", "")
	if answer.status != 204 || answer.header.Get("Allow") != "OPTIONS, GET, HEAD, PUT" {
		t.Errorf("OPTIONS answers %d, Allow %q", answer.status, answer.header.Get("Allow"))
	}
	answer = r.do("HEAD", "/api/meters", "")
	if answer.status != 200 || answer.text != "" {
		t.Errorf("HEAD answers %d %q", answer.status, answer.text)
	}
}

func TestPathIDs(t *testing.T) {
	r := newRig(t)
	r.meter.EventName = "a b/ü"
	r.ok(get, "/api/meters/a%20b%2F%C3%BC", "")
	r.refused(get, "/api/meters/a%20b", "", 404, "meter_unknown", "id")
	r.refused(get, "/api/meters/..%2f", "", 404, "meter_unknown", "id") // one odd name, no directory
}

func TestMetricsExposition(t *testing.T) {
	r := newRig(t)
	r.ok(post, "/api/meter-events", goodEvent)
	r.verdict = func(int) ledger.Result { return ledger.Result{Code: ledger.MeterUnknown} }
	r.refused(post, "/api/meter-events", goodEvent, 404, "meter_unknown", "event_name")
	r.refused(post, "/api/meter-events", "[]", 400, "invalid_type", "body")
	text := r.ok(get, "/metrics", "").text
	for _, want := range []string{
		`drawdown_http_events_total{outcome="counted"} 1`, `drawdown_http_events_total{outcome="meter_unknown"} 1`,
		`drawdown_http_events_total{outcome="malformed"} 1`,
		`drawdown_http_request_duration_seconds_count{class="2xx",route="/api/meter-events"} 1`,
		`drawdown_http_request_duration_seconds_count{class="4xx",route="/api/meter-events"} 2`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
}

func TestPanicAnswers(t *testing.T) {
	r := newRig(t)
	r.panics = true
	answer := r.refused(post, "/api/meter-events", goodEvent, 503, codeOutcomeUnknown, "")
	if answer.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	r.panics = false
	r.ok(post, "/api/meter-events", goodEvent)
}

func TestStoreErrors(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		err    error
		status int
		code   string
		param  string
	}{
		{ErrUnavailable, 503, codeUnavailable, ""},
		{ErrOverloaded, 503, codeOverloaded, ""},
		{ErrUnknown, 503, codeOutcomeUnknown, ""},
		{ErrTooLarge, 413, codeTooLarge, "body"},
		{http.ErrHandlerTimeout, 503, codeOutcomeUnknown, ""},
	} {
		r.submitErr = c.err
		for _, target := range []string{"/api/meter-events", batchPath, "/api/meters", "/api/credit-grants"} {
			body := map[string]string{"/api/meters": goodMeter, "/api/credit-grants": goodGrant, batchPath: "[" + goodEvent + "]"}[target]
			if body == "" {
				body = goodEvent
			}
			answer := r.refused(post, target, body, c.status, c.code, c.param)
			if (answer.header.Get("Retry-After") != "") != (c.status == 503) {
				t.Errorf("%v: Retry-After is %q", c.err, answer.header.Get("Retry-After"))
			}
		}
	}
	r.submitErr, r.readErr = nil, ErrUnavailable
	r.refused(get, "/api/meters", "", 503, codeUnavailable, "")
	r.refused(get, "/readyz", "", 503, codeUnavailable, "")
	r.ok(get, "/healthz", "")
	r.readErr = http.ErrHandlerTimeout
	r.refused(get, "/api/meters", "", 500, codeInternal, "")
}

func TestOverload(t *testing.T) {
	r := newRigWith(t, Options{MaxInFlight: 1})
	r.block = make(chan struct{})
	first := make(chan reply)
	go func() { first <- r.do(post, "/api/meter-events", goodEvent) }()
	for r.server.inFlight.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	answer := r.refused(get, "/api/meters", "", 503, codeOverloaded, "")
	if answer.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	r.ok(get, "/healthz", "")
	close(r.block)
	if got := <-first; got.status != 200 {
		t.Errorf("the call in flight: %d %s", got.status, got.text)
	}
	r.ok(get, "/api/meters", "")
}
