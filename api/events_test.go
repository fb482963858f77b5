package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"drawdown/engine/ledger"
)

// newBatch is a batch that is read without a server.
func newBatch(text []byte, contentType string) *batch {
	rc := new(fasthttp.RequestCtx)
	rc.Request.Header.SetContentType(contentType)
	return &batch{call: &call{Server: &Server{view: newFake()}, http: rc}, text: text}
}

func decimal(t testing.TB, s string) ledger.Decimal {
	d, err := ledger.ParseDecimal(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestEventCommand(t *testing.T) {
	r := newRig(t)
	r.ok(post, "/api/meter-events?livemode=false", `{
		"identifier": "id-\u00e9", "event_name": "tokens", "timestamp": 1700000000, "unknown": {"x": [1]},
		"payload": {"value": 1.50, "customer_id": "cus_a", "subscription_id": "sub_1", "more": null},
		"metadata": {"a": [1, {"b": "c d"}]}, "source_data": [{"key": "k", "label": "l", "value": "v"}], "livemode": true
	}`)
	r.submitted(t, &ledger.Report{
		Mode: ledger.Test, Identifier: "id-é", EventName: "tokens", Customer: "cus_a", Value: decimal(t, "1.50"), Timestamp: 1700000000,
		HasTimestamp: true, Subscription: "sub_1", Metadata: []byte(`{"a":[1,{"b":"c d"}]}`),
		SourceData: []byte(`[{"key":"k","label":"l","value":"v"}]`),
	})
	r.ok(post, "/api/meter-events", strings.Replace(goodEvent, "{", `{"livemode":false,"metadata":null,"source_data":{},"timestamp":null,`, 1))
	r.submitted(t, &ledger.Report{Mode: ledger.Test, Identifier: "id-1", EventName: "tokens", Customer: "cus_a", Value: decimal(t, "1.5")})
}

func TestEventShortage(t *testing.T) {
	r := newRig(t)
	r.verdict = func(int) ledger.Result {
		return ledger.Result{Account: 7, Seq: 42, Time: logTime, Consumed: ledger.NewAmount(100), Pending: ledger.NewAmount(50)}
	}
	r.expect(r.ok(post, "/api/meter-events", goodEvent), map[string]any{
		"status": "requires_capture", "credit_consumed": "100", "credit_pending": "50", "processed_at": nil,
	})
}

// TestEventInput is what an event may not be, field by field.
func TestEventInput(t *testing.T) {
	r := newRig(t)
	event := func(field, text string) string {
		fields := map[string]string{
			"event_name": `"tokens"`, "identifier": `"id-1"`, "payload.customer_id": `"cus_a"`, "payload.value": `"1.5"`,
			"payload.subscription_id": `null`, "timestamp": `null`, "metadata": `null`, "source_data": `null`, "livemode": `null`,
		}
		fields[field] = text
		payload := fmt.Sprintf(`{"customer_id":%s,"value":%s,"subscription_id":%s}`,
			fields["payload.customer_id"], fields["payload.value"], fields["payload.subscription_id"])
		if field == "payload" {
			payload = text
		}
		return fmt.Sprintf(`{"event_name":%s,"identifier":%s,"payload":%s,"timestamp":%s,"metadata":%s,"source_data":%s,"livemode":%s}`,
			fields["event_name"], fields["identifier"], payload, fields["timestamp"], fields["metadata"], fields["source_data"], fields["livemode"])
	}
	const value = "payload.value"
	for _, c := range []struct{ field, text, code string }{
		{"event_name", `null`, codeRequired}, {"event_name", `""`, codeRequired}, {"event_name", `5`, codeInvalidType},
		{"identifier", `null`, codeRequired}, {"identifier", `""`, codeRequired}, {"identifier", `17`, codeInvalidType},
		{"identifier", `{}`, codeInvalidType}, {"identifier", `"a\nb"`, codeInvalidValue}, {"identifier", `"a\u007fb"`, codeInvalidValue},
		{"identifier", `"a\u0085"`, codeInvalidValue}, {"identifier", `"a\u200b"`, codeInvalidValue},
		{"identifier", `"a\u202e"`, codeInvalidValue}, {"identifier", `"a\ufffd"`, codeInvalidValue}, {"identifier", `"\ufeffa"`, codeInvalidValue},
		{"identifier", "\"a\u2028\"", codeInvalidValue},
		{"payload", `null`, codeRequired}, {"payload", `[]`, codeInvalidType}, {"payload", `"x"`, codeInvalidType},
		{"payload.customer_id", `null`, codeRequired}, {"payload.customer_id", `1`, codeInvalidType},
		{"payload.subscription_id", `1`, codeInvalidType}, {"payload.subscription_id", `"a\tb"`, codeInvalidValue},
		{value, `null`, codeRequired}, {value, `true`, codeInvalidType}, {value, `[]`, codeInvalidType}, {value, `""`, codeInvalidValue},
		{value, `"-1"`, "negative"}, {value, `-1`, "negative"}, {value, `-0`, "negative"}, {value, `"NaN"`, codeInvalidValue},
		{value, `"Infinity"`, codeInvalidValue}, {value, `"1_000"`, codeInvalidValue}, {value, `"0x10"`, codeInvalidValue},
		{value, `" 1"`, codeInvalidValue}, {value, `"+1"`, codeInvalidValue}, {value, `"1,5"`, codeInvalidValue},
		{value, `"١"`, codeInvalidValue}, {value, `1e400`, "amount_overflow"}, {value, `1e-400`, "amount_precision"},
		{value, `"1.` + strings.Repeat("0", 18) + `1"`, "amount_precision"}, {value, `"` + strings.Repeat("9", 40) + `"`, "amount_overflow"},
		{value, strings.Repeat("9", 40), "amount_overflow"}, {value, `170141183460469231731687303715884105728`, "amount_overflow"},
		{"timestamp", `"1700000000"`, codeInvalidType}, {"timestamp", `-1`, codeInvalidValue}, {"timestamp", `1.5`, codeInvalidValue},
		{"timestamp", `1e9`, codeInvalidValue}, {"timestamp", `9223372036854775808`, codeInvalidValue}, {"timestamp", `false`, codeInvalidType},
		{"metadata", `[]`, codeInvalidType}, {"metadata", `"x"`, codeInvalidType}, {"source_data", `"x"`, codeInvalidType},
		{"source_data", `1`, codeInvalidType}, {"livemode", `"true"`, codeInvalidType}, {"livemode", `1`, codeInvalidType},
	} {
		r.refused(post, "/api/meter-events", event(c.field, c.text), 400, c.code, c.field)
	}
	for _, c := range []struct{ body, code, param string }{
		{``, "invalid_json", "body"}, {`[]`, codeInvalidType, "body"}, {`null`, codeInvalidType, "body"}, {goodEvent + "x", "invalid_json", "body"},
		{strings.Replace(goodEvent, `"identifier"`, `"Identifier"`, 1), "misspelt_key", "identifier"},
		{strings.Replace(goodEvent, `"value"`, `"VALUE"`, 1), "misspelt_key", value},
		{strings.Replace(goodEvent, `"value"`, `"value":1,"value"`, 1), "duplicate_key", "body"},
		{strings.Replace(goodEvent, `id-1`, `\ud800`, 1), "lone_surrogate", "body"},
		{strings.Replace(goodEvent, `id-1`, "\xff", 1), "invalid_utf8", "body"},
		{strings.Replace(goodEvent, `id-1`, `\u0000`, 1), "nul_character", "body"},
		{strings.Replace(goodEvent, `"1.5"`, `NaN`, 1), "invalid_json", "body"},
	} {
		r.refused(post, "/api/meter-events", c.body, 400, c.code, c.param)
	}
	r.ok(post, "/api/meter-events", event(value, `0`))
	r.ok(post, "/api/meter-events", event(value, `170141183460469231731687303715884105727`))
}

func TestEventRefusals(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		code   ledger.Code
		status int
		param  string
	}{
		{ledger.MeterUnknown, 404, "event_name"}, {ledger.MeterInactive, 400, "event_name"}, {ledger.AmountPrecision, 400, "payload.value"},
		{ledger.AmountOverflow, 400, "payload.value"}, {ledger.TimestampAhead, 400, "timestamp"}, {ledger.LimitReached, 400, "payload.customer_id"},
	} {
		r.verdict = func(int) ledger.Result { return ledger.Result{Code: c.code} }
		r.refused(post, "/api/meter-events", goodEvent, c.status, c.code.String(), c.param)
	}
}

func TestEventRepeated(t *testing.T) {
	r := newRig(t)
	r.verdict = func(int) ledger.Result {
		return ledger.Result{Code: ledger.Duplicate, Account: 7, Seq: 42, Time: logTime}
	}
	with := func(old, new string) string { return strings.Replace(goodEvent, old, new, 1) }
	stamped := func(s string) string { return with("{", `{"timestamp":`+s+`,`) }
	for _, same := range []string{goodEvent, with(`"1.5"`, `1.500`), with(`"1.5"`, `"15e-1"`), stamped("1699999990")} {
		r.expect(r.ok(post, "/api/meter-events", same), map[string]any{
			"duplicate": true, "id": eventID, "timestamp": int(logSecond - 10), "payload.value": "1.5",
		})
	}
	for _, c := range []struct{ body, param string }{
		{with("tokens", "other"), "event_name"}, {with("cus_a", "cus_b"), "payload.customer_id"},
		{with(`"1.5"`, `1.51`), "payload.value"}, {stamped("1699999991"), "timestamp"},
	} {
		r.refused(post, "/api/meter-events", c.body, 409, codeConflict, c.param)
	}
	// The first event came without a time stamp: there is nothing to differ from.
	r.event.HasTimestamp = false
	r.ok(post, "/api/meter-events", stamped("5"))

	r.readErr = ErrUnavailable
	r.refused(post, "/api/meter-events", goodEvent, 503, codeOutcomeUnknown, "")
	r.readErr = nil
	r.event.ID.Seq++
	r.refused(post, "/api/meter-events", goodEvent, 503, codeOutcomeUnknown, "")
}

func TestEventLists(t *testing.T) {
	r := newRig(t)
	r.ok(get, "/api/meter-events?meter_id="+meterID+"&event_name=tokens&customer_id=cus_a&start=5&end=9&q=x&livemode=true&locale=en&foo[a]=1", "")
	if want := (ledger.EventFilter{Customer: "cus_a", Meter: 3, Time: ledger.Interval{Start: 5, End: 10}, Query: "x"}); r.filter != any(want) {
		t.Errorf("filter is %+v", r.filter)
	}
	r.filter = nil
	r.expect(r.ok(get, "/api/meter-events?event_name=nothing", ""), map[string]any{"count": 0})
	if r.filter != nil {
		t.Error("an unknown meter was searched for")
	}
	for _, c := range []struct{ query, param string }{
		{"start=-1", "start"}, {"start=x", "start"}, {"start=9&end=5", "end"}, {"end=99999999999999", "end"}, {"customer_id=a&customer_id=b", "customer_id"},
		{"customer_id[0]=a", "customer_id"},
	} {
		r.refused(get, "/api/meter-events?"+c.query, "", 400, codeInvalidValue, c.param)
	}
	r.refused(get, "/api/meter-events/me_x", "", 404, codeNotFound, "id")
	r.refused(get, "/api/meter-events/"+ledger.EventID{Account: 9, Seq: 1}.String(), "", 404, codeNotFound, "id")
}

func TestEventStats(t *testing.T) {
	r := newRig(t)
	base := "/api/meter-events/stats?meter_id=" + meterID + "&start=1699900000&end=1700000000"
	for _, c := range []struct {
		granularity, date string
		seconds           int64
	}{
		{"minute", "2023-11-14T22:13:00Z", 60}, {"hour", "2023-11-14T22:00:00Z", 3600}, {"day", "2023-11-14", 86400}, {"", "2023-11-14", 86400},
	} {
		r.expect(r.ok(get, base+"&granularity="+c.granularity, ""), map[string]any{"list.0.date": c.date})
		if r.offset != c.seconds {
			t.Errorf("%s: interval %d", c.granularity, r.offset)
		}
	}
	r.refused(get, base+"&granularity=week", "", 400, codeInvalidValue, "granularity")
	r.refused(get, "/api/meter-events/stats?start=1&end=2", "", 400, codeRequired, "meter_id")
	r.refused(get, "/api/meter-events/stats?meter_id="+meterID+"&end=2", "", 400, codeRequired, "start")
	r.refused(get, "/api/meter-events/stats?meter_id="+meterID+"&start=2", "", 400, codeRequired, "end")
	r.refused(get, "/api/meter-events/stats?meter_id=x&start=1&end=2", "", 404, codeNotFound, "meter_id")
	r.refused(get, "/api/meter-events/stats?granularity=minute&start=0&end=1700000000&meter_id="+meterID, "", 400, codeInvalidValue, "end")
}

func TestPendingAmount(t *testing.T) {
	r := newRig(t)
	r.expect(r.ok(get, "/api/meter-events/pending-amount?currency_id="+currencyID, ""), map[string]any{currencyID: "77"})
	if got := r.ok(get, "/api/meter-events/pending-amount?currency_id=pc_x", "").text; got != "{}" {
		t.Errorf("an unknown currency: %s", got)
	}
}
