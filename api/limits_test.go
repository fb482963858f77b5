package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"drawdown/engine/ledger"
)

// TestTextLimits sends every bounded text at its limit and one past it.
func TestTextLimits(t *testing.T) {
	r := newRig(t)
	quoted := func(s string) string { return `"` + s + `"` }
	ascii := func(n int) string { return quoted(strings.Repeat("a", n)) }
	wide := func(n int) string { return quoted(strings.Repeat("ü", n)) } // counts as n characters, 2n bytes
	metadata := func(n int) string { return `{"a":"` + strings.Repeat("b", n-len(`{"a":""}`)) + `"}` }
	list := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat(`"p",`, n), ",") + "]" }
	// 1, written with n characters.
	number := func(n int) string { return quoted(fmt.Sprintf("0.%s1e%02d", strings.Repeat("0", n-6), n-5)) }
	event := func(from string) func(string) string {
		return func(text string) string { return strings.Replace(goodEvent, from, text, 1) }
	}
	add := func(base, field string) func(string) string {
		return func(text string) string { return strings.Replace(base, "{", `{"`+field+`":`+text+",", 1) }
	}
	swap := func(base, from string) func(string) string {
		return func(text string) string { return strings.Replace(base, from, text, 1) }
	}
	recharge := `{"base_price_id":"p"}`
	currency := "/api/payment-currencies/" + currencyID
	for _, c := range []struct {
		method, target string
		body           func(string) string
		text           func(int) string
		limit          int
		param          string
	}{
		{post, "/api/meter-events", event(`"id-1"`), ascii, maxIdentifier, "identifier"},
		{post, "/api/meter-events", event(`"cus_a"`), ascii, maxID, "payload.customer_id"},
		{post, "/api/meter-events", event(`"tokens"`), wide, maxEventName, "event_name"},
		{post, "/api/meter-events", event(`"1.5"`), number, maxNumber, "payload.value"},
		{post, "/api/meter-events", add(goodEvent, "metadata"), metadata, maxMetadata, "metadata"},
		{post, "/api/meter-events", add(goodEvent, "source_data"), metadata, maxMetadata, "source_data"},
		{post, "/api/meters", swap(goodMeter, `"Tokens"`), wide, maxMeterName, "name"},
		{post, "/api/meters", swap(goodMeter, `"tokens"`), wide, maxEventName, "event_name"},
		{post, "/api/meters", swap(goodMeter, `"tk"`), wide, maxUnit, "unit"},
		{post, "/api/meters", add(goodMeter, "description"), wide, maxDescription, "description"},
		{post, "/api/meters", add(goodMeter, "component_did"), ascii, maxID, "component_did"},
		{post, "/api/meters", add(goodMeter, "metadata"), metadata, maxMetadata, "metadata"},
		{put, currency, add(`{"x":1}`, "name"), wide, maxMeterName, "name"},
		{put, currency, add(`{"x":1}`, "symbol"), wide, maxUnit, "symbol"},
		{put, currency, add(`{"x":1}`, "logo"), ascii, maxURL, "logo"},
		{put, currency + "/recharge-config", swap(recharge, `"p"`), ascii, maxID, "base_price_id"},
		{put, currency + "/recharge-config", add(recharge, "checkout_url"), ascii, maxURL, "checkout_url"},
		{put, "/api/customers/cus_a", add(`{"x":1}`, "email"), wide, maxName, "email"},
		{post, "/api/credit-grants", add(goodGrant, "name"), wide, maxName, "name"},
		{put, "/api/subscriptions/s", swap(`{"prices":P}`, "P"), list, maxPrices, "prices"},
		{post, "/api/payment-currencies/check-recurring-support", swap(`{"currency_ids":P}`, "P"), list, maxCurrencyIDs, "currency_ids"},
		{post, "/api/credit-grants", swap(add(goodGrant, "applicability_config")(`{"scope":{"prices":P}}`), "P"), list, maxPrices,
			"applicability_config.scope.prices"},
	} {
		if answer := r.do(c.method, c.target, c.body(c.text(c.limit))); answer.status != 200 {
			t.Errorf("%s %s: %d of %s: %d %s", c.method, c.target, c.limit, c.param, answer.status, answer.text)
		}
		r.refused(c.method, c.target, c.body(c.text(c.limit+1)), 400, codeTooLong, c.param)
	}
	// White space does not count, and subscription ids have the same bound.
	r.ok(post, "/api/meter-events", add(goodEvent, "metadata")("{"+strings.Repeat(" ", maxMetadata)+`"a":1}`))
	r.ok(put, "/api/subscriptions/"+strings.Repeat("s", maxID), `{"prices":[]}`)
	r.refused(put, "/api/subscriptions/"+strings.Repeat("s", maxID+1), `{"prices":[]}`, 400, codeTooLong, "id")
}

// TestNumberLimits sends every bounded number at its bounds and one past them.
func TestNumberLimits(t *testing.T) {
	r := newRig(t)
	grant := func(field string) func(string) (string, string, string) {
		return func(n string) (string, string, string) {
			return post, "/api/credit-grants", strings.Replace(goodGrant, "{", `{"`+field+`":`+n+",", 1)
		}
	}
	query := func(target string) func(string) (string, string, string) {
		return func(n string) (string, string, string) { return get, target + n, "" }
	}
	meter := func(n string) (string, string, string) {
		return post, "/api/meters", strings.Replace(goodMeter, "{", `{"decimal":`+n+",", 1)
	}
	stats := "/api/credit-grants/stats?start_date=0&end_date=5&currency_id=" + currencyID + "&timezone_offset="
	for _, c := range []struct {
		call      func(string) (method, target, body string)
		low, high int64
		param     string
	}{
		{grant("priority"), 0, ledger.MaxPriority, "priority"},
		{grant("effective_at"), 0, maxTime, "effective_at"},
		{grant("expires_at"), 0, maxTime, "expires_at"},
		{meter, 0, ledger.MaxDecimals, "decimal"},
		{query("/api/meters?page="), 1, maxPage, "page"},
		{query("/api/meter-events?start="), 0, maxTime, "start"},
		{query(stats), -maxZoneMinutes, maxZoneMinutes, "timezone_offset"},
	} {
		for _, n := range []int64{c.low, c.high} {
			method, target, body := c.call(fmt.Sprint(n))
			if answer := r.do(method, target, body); answer.status != 200 {
				t.Errorf("%s = %d: %d %s", c.param, n, answer.status, answer.text)
			}
		}
		for _, n := range []string{fmt.Sprint(c.low - 1), fmt.Sprint(c.high + 1), "1.5", "99999999999999999999"} {
			method, target, body := c.call(n)
			r.refused(method, target, body, 400, codeInvalidValue, c.param)
		}
	}
}

func TestPageSizeLimit(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		query string
		size  int
	}{
		{"", defaultPageSize}, {"pageSize=1", 1}, {"limit=7", 7}, {"pageSize=7&limit=7", 7}, {"pageSize=", defaultPageSize},
		{fmt.Sprintf("pageSize=%d", maxPageSize), maxPageSize}, {fmt.Sprintf("pageSize=%d", maxPageSize+1), maxPageSize}, {"limit=100000", maxPageSize},
	} {
		r.expect(r.ok(get, "/api/meters?"+c.query, ""), map[string]any{"paging.pageSize": c.size})
		if r.page.Size != c.size {
			t.Errorf("%s: page size %d, want %d", c.query, r.page.Size, c.size)
		}
	}
	for _, c := range []string{"pageSize=0", "pageSize=-1", "pageSize=x", "pageSize=1e2", "pageSize=+5"} {
		r.refused(get, "/api/meters?"+c, "", 400, codeInvalidValue, "pageSize")
	}
	r.refused(get, "/api/meters?pageSize=5&limit=6", "", 400, codeInvalidValue, "limit")
	r.ok(get, "/api/meters?q="+strings.Repeat("x", maxSearch), "")
	r.refused(get, "/api/meters?q="+strings.Repeat("x", maxSearch+1), "", 400, codeTooLong, "q")
}

func TestDepthLimit(t *testing.T) {
	r := newRig(t)
	event := func(depth int) string {
		inner := strings.Repeat("[", depth-2) + strings.Repeat("]", depth-2)
		return strings.Replace(goodEvent, "{", `{"metadata":{"a":`+inner+"},", 1)
	}
	r.ok(post, "/api/meter-events", event(maxDepth))
	r.refused(post, "/api/meter-events", event(maxDepth+1), 400, "too_deep", "body")
	// In a batch the limit is the event's own, and one too deep sinks no other.
	answer := r.ok(post, batchPath, "["+event(maxDepth)+","+event(maxDepth+1)+","+goodEvent+"]")
	r.expect(answer, map[string]any{"accepted": 2, "rejected": 1, "results.0.index": 1, "results.0.code": "too_deep"})
	answer = r.ok(post, batchPath, "["+event(100_000)+","+goodEvent+"]")
	r.expect(answer, map[string]any{"accepted": 1, "rejected": 1, "results.0.index": 0, "results.0.code": "too_deep"})
}

func TestBodyLimits(t *testing.T) {
	r := newRig(t)
	padded := func(body string, size int) string { return body + strings.Repeat(" ", size-len(body)) }
	r.ok(post, "/api/meter-events", padded(goodEvent, maxBody))
	r.refused(post, "/api/meter-events", padded(goodEvent, maxBody+1), 413, codeTooLarge, "body")
	r.ok(post, batchPath, padded("["+goodEvent+"]", maxBatchBody))
	r.refused(post, batchPath, padded("["+goodEvent+"]", maxBatchBody+1), 413, codeTooLarge, "body")
	// The larger bound is the batch call's alone, also on the same connection.
	r.refused(post, "/api/meters", padded(goodMeter, maxBody+1), 413, codeTooLarge, "body")
	r.ok(post, "/api/meter-events", goodEvent)
}

func TestBatchLimit(t *testing.T) {
	r := newRig(t)
	body := func(n int) string { return "[" + strings.TrimSuffix(strings.Repeat(goodEvent+",", n), ",") + "]" }
	r.expect(r.ok(post, batchPath, body(maxBatchEvents)), map[string]any{"accepted": maxBatchEvents})
	r.refused(post, batchPath, body(maxBatchEvents+1), 413, codeTooLarge, "events")
	lines := strings.Repeat(goodEvent+"\n", maxBatchEvents+1)
	if answer := r.do(post, batchPath, lines, "Content-Type", "application/x-ndjson"); answer.status != 413 {
		t.Errorf("lines: %d", answer.status)
	}
	keys := func(n int) string {
		var b strings.Builder
		b.WriteString(`{"events":[]`)
		for i := range n - 1 {
			fmt.Fprintf(&b, `,"k%d":0`, i)
		}
		return b.String() + "}"
	}
	r.ok(post, batchPath, keys(maxEnvelopeKeys))
	r.refused(post, batchPath, keys(maxEnvelopeKeys+1), 400, codeTooLong, "body")
}

func TestHeaderLimit(t *testing.T) {
	r := newRig(t)
	if answer := r.do(get, "/healthz", "", "X-Padding", strings.Repeat("x", maxHeader-500)); answer.status != 200 {
		t.Errorf("headers within the limit: %d", answer.status)
	}
	answer := r.do(get, "/healthz", "", "X-Padding", strings.Repeat("x", maxHeader))
	if answer.status != http.StatusRequestHeaderFieldsTooLarge || answer.object["code"] != codeTooLarge {
		t.Errorf("headers past the limit: %d %s", answer.status, answer.text)
	}
}

func TestStatRowsLimit(t *testing.T) {
	r := newRig(t)
	target := func(seconds int64) string {
		return fmt.Sprintf("/api/meter-events/stats?granularity=minute&meter_id=%s&start=0&end=%d", meterID, seconds)
	}
	// The end is inclusive, so that the span is one second longer.
	r.ok(get, target(maxStatRows*secondsPerMinute+secondsPerMinute-2), "")
	r.refused(get, target(maxStatRows*secondsPerMinute+secondsPerMinute-1), "", 400, codeInvalidValue, "end")
}
