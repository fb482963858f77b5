package api

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"drawdown/engine/ledger"
)

const protobufType = "application/x-protobuf"

// goodMessage is goodEvent, and others may stand in its place.
func goodMessage(change protobufEvent) protobufEvent {
	e := protobufEvent{"event_name": "tokens", "identifier": "id-1", "customer_id": "cus_a", "value": "1.5"}
	maps.Copy(e, change)
	return e
}

func numberedMessage(n int) protobufEvent {
	return goodMessage(protobufEvent{"identifier": fmt.Sprintf("id-%d", n)})
}

// wire is a field as bytes: a text, a number, or what the test wants to be wrong.
type wire []byte

func wireText(number protowire.Number, text string) wire {
	return protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), text)
}

func wireVarint(number protowire.Number, n uint64) wire {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), n)
}

func wireFixed64(number protowire.Number, n uint64) wire {
	return protowire.AppendFixed64(protowire.AppendTag(nil, number, protowire.Fixed64Type), n)
}

func wireGroup(number protowire.Number) wire {
	return protowire.AppendTag(protowire.AppendTag(nil, number, protowire.StartGroupType), number, protowire.EndGroupType)
}

// wires are the fields one behind the other.
func wires(fields ...wire) string { return string(slices.Concat(fields...)) }

// goodFields are the fields of goodMessage.
func goodFields() []wire {
	return []wire{
		wireText(eventEventName, "tokens"), wireText(eventIdentifier, "id-1"), wireText(eventCustomer, "cus_a"), wireText(eventValue, "1.5"),
	}
}

// goodWith is goodMessage with fields behind it.
func goodWith(fields ...wire) string { return wires(append(goodFields(), fields...)...) }

// batchOf is a batch of events that are bytes already.
func batchOf(events ...string) string {
	var b []wire
	for _, e := range events {
		b = append(b, wireText(batchEvents, e))
	}
	return wires(b...)
}

func (r *rig) protobuf(query, body string) reply {
	r.Helper()
	return r.do(post, batchPath+query, body, "Content-Type", protobufType)
}

// refusedProtobuf is refused for a batch in Protocol Buffers, of which nothing may
// have been done.
func (r *rig) refusedProtobuf(body string, status int, code, param string) reply {
	r.Helper()
	r.commands = nil
	answer := r.protobuf("", body)
	got, _ := answer.object["param"].(string)
	sentence, _ := answer.object["error"].(string)
	if answer.status != status || answer.object["code"] != code || got != param || !strings.HasPrefix(sentence, param+" ") {
		r.Errorf("%.200q:\n got %d %s\nwant %d code %s param %q", body, answer.status, answer.text, status, code, param)
	}
	if r.commands != nil {
		r.Errorf("%.200q: %d commands were submitted", body, len(r.commands))
	}
	return answer
}

func TestProtobufForms(t *testing.T) {
	r := newRig(t)
	full := goodMessage(protobufEvent{
		"subscription_id": "sub_1", "timestamp": int64(1_700_000_000), "metadata": ` {"a": [1, "é"]} `, "source_data": "[1 ,2]", "livemode": true,
	})
	want := r.batchReport("id-1")
	want.Subscription, want.Timestamp, want.HasTimestamp = "sub_1", 1_700_000_000, true
	want.Metadata, want.SourceData = []byte(`{"a":[1,"é"]}`), []byte("[1,2]")
	fields := goodFields()
	slices.Reverse(fields)
	unknown := []wire{wireVarint(10, 1), wireText(11, "x"), wireFixed64(1<<29-1, 7), wireText(11, "x"), wireVarint(16, 1)}
	for _, c := range []struct {
		contentType, body string
		want              []ledger.Command
	}{
		{"application/x-protobuf", protobufBatch(nil, numberedMessage(1), full), []ledger.Command{r.batchReport("id-1"), want}},
		{"application/protobuf", protobufBatch(nil, numberedMessage(2)), []ledger.Command{r.batchReport("id-2")}},
		{" Application/X-Protobuf ; messageType=x", protobufBatch(nil, numberedMessage(2)), []ledger.Command{r.batchReport("id-2")}},
		{protobufType, batchOf(wires(fields...)), []ledger.Command{r.batchReport("id-1")}},
		{protobufType, batchOf(goodWith(unknown...)), []ledger.Command{r.batchReport("id-1")}},
		{protobufType, wires(wireVarint(3, 1), wire(batchOf(goodWith())), wireText(4, "\xff")), []ledger.Command{r.batchReport("id-1")}},
		{protobufType, batchOf(goodWith(wireText(eventSubscription, ""), wireText(eventMetadata, ""))), []ledger.Command{r.batchReport("id-1")}},
		// Numbers may be written longer than they need be.
		{protobufType, "\x8a\x00\x9a\x80\x00" + goodWith(), []ledger.Command{r.batchReport("id-1")}},
	} {
		answer := r.do(post, batchPath, c.body, "Content-Type", c.contentType)
		if answer.text != fmt.Sprintf(`{"accepted":%d,"duplicates":0,"rejected":0,"results":[]}`, len(c.want)) {
			t.Errorf("%s %q: %d %s", c.contentType, c.body, answer.status, answer.text)
		}
		r.submitted(t, c.want...)
	}
	if answer := r.protobuf("?results=all", ""); answer.text != `{"accepted":0,"duplicates":0,"rejected":0,"results":[]}` {
		t.Errorf("no events: %d %s", answer.status, answer.text)
	}
}

// TestProtobufFraming is that nothing is done of a batch whose events cannot be
// told apart, and that the answer says where.
func TestProtobufFraming(t *testing.T) {
	r := newRig(t)
	good := batchOf(goodWith())
	for _, c := range []struct{ tail, code, param, says string }{
		{"\x0a", "invalid_protobuf", "body", "is cut off"}, {"\x0a\x80", "invalid_protobuf", "body", "is cut off"},
		{"\x0a\x05abcd", "invalid_protobuf", "body", "is cut off"}, {"\x80", "invalid_protobuf", "body", "is cut off"},
		{"\x1d\x00\x00\x00", "invalid_protobuf", "body", "is cut off"}, {"\x19\x00", "invalid_protobuf", "body", "is cut off"},
		{"\x10\xff", "invalid_protobuf", "body", "is cut off"}, {"\x0a\xff\xff\xff\xff\x0f", "invalid_protobuf", "body", "is cut off"},
		{"\x00\x00", "invalid_protobuf", "body", "a number that"}, {wires(wireVarint(1<<29, 1)), "invalid_protobuf", "body", "a number that"}, {"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "invalid_protobuf", "body", "a number that"},
		{"\x0e", "invalid_protobuf", "body", "no such wire type"}, {"\x0f", "invalid_protobuf", "body", "no such wire type"},
		{wires(wireGroup(1)), "invalid_protobuf", "body", "groups"}, {wires(wireGroup(9)), "invalid_protobuf", "body", "groups"},
		{"\x0c", "invalid_protobuf", "body", "groups"}, {"[" + goodEvent + "]", "invalid_protobuf", "body", "groups"},
	} {
		answer := r.refusedProtobuf(good+c.tail, 400, c.code, c.param)
		at := fmt.Sprintf("at byte %d: ", len(good))
		if text, _ := answer.object["error"].(string); !strings.Contains(text, at) || !strings.Contains(text, c.says) {
			t.Errorf("%q: %s, want %q and %q", c.tail, answer.text, at, c.says)
		}
	}
	r.refusedProtobuf(good+wires(wireVarint(1, 5)), 400, codeInvalidType, "events")
	r.refusedProtobuf(good+wires(wireText(2, "x")), 400, codeInvalidType, "livemode")
	r.refusedProtobuf(wires(wireVarint(2, 1), wire(good), wireVarint(2, 1)), 400, "duplicate_key", "body")
}

// TestProtobufTruncated cuts a batch at every byte.
func TestProtobufTruncated(t *testing.T) {
	long := goodMessage(protobufEvent{"identifier": strings.Repeat("i", 200)})
	texts := []string{protobufBatch(nil, numberedMessage(1)), protobufBatch(nil, long), protobufBatch(new(bool), numberedMessage(2))}
	whole := strings.Join(texts, "")
	ends := map[int]int{0: 0, len(texts[0]): 1, len(texts[0]) + len(texts[1]): 2, len(whole) - 2: 3, len(whole): 3}
	begins := 0
	for i := range len(whole) + 1 {
		o := readBatch([]byte(whole[:i]), protobufType, ledger.Live, false)
		if events, good := ends[i]; good {
			if begins = i; o.err != nil || len(o.commands) != events {
				t.Errorf("%d bytes: %d events, %v", i, len(o.commands), o.err)
			}
			continue
		}
		at := fmt.Sprintf("at byte %d: ", begins)
		if o.err == nil || o.err.Status != 400 || !strings.Contains(o.err.Problem, at) {
			t.Errorf("%d bytes: %v, want an error %q", i, o.err, at)
		}
	}
	// Cut inside the framing that is left good, an event sinks itself alone.
	event := goodWith(wireVarint(eventTimestamp, 1_700_000_000), wireFixed64(12, 1), wireText(500, "x"))
	for i := range len(event) {
		o := readBatch([]byte(batchOf(goodWith(), event[:i], goodWith())), protobufType, ledger.Live, false)
		if o.err != nil || len(o.items) != 3 || o.items[0].command != 0 || o.items[2].command != int32(len(o.commands)-1) {
			t.Fatalf("%d bytes: %v, %v", i, o.err, o.items)
		}
	}
}

// TestProtobufVerdicts is that a bad event sinks itself alone, and is told why.
func TestProtobufVerdicts(t *testing.T) {
	r := newRig(t)
	replaced := func(n protowire.Number, field wire) string {
		fields := goodFields()
		fields[n-1] = field
		return wires(fields...)
	}
	var names []string
	for n := eventEventName; n <= lastEventField; n++ {
		names = append(names, wireNames[n])
	}
	type verdict struct{ event, code, param string }
	cases := []verdict{
		{"", codeRequired, "event_name"}, {replaced(1, nil), codeRequired, "event_name"}, {replaced(2, nil), codeRequired, "identifier"},
		{replaced(3, nil), codeRequired, "payload.customer_id"}, {replaced(4, nil), codeRequired, "payload.value"},
		{replaced(4, wireText(4, "")), codeRequired, "payload.value"}, {replaced(4, wireText(4, "-1")), "negative", "payload.value"},
		{replaced(4, wireText(4, "1,5")), codeInvalidValue, "payload.value"}, {replaced(4, wireText(4, "1\n")), codeInvalidValue, "payload.value"},
		{replaced(2, wireText(2, "a\tb")), codeInvalidValue, "identifier"}, {replaced(2, wireText(2, "a\x7f")), codeInvalidValue, "identifier"},
		{replaced(2, wireText(2, "a\ufffd")), codeInvalidValue, "identifier"}, {replaced(2, wireText(2, "a\u00a0")), codeInvalidValue, "identifier"},
		{goodWith(wireVarint(6, 1<<63)), codeInvalidValue, "timestamp"}, {goodWith(wireVarint(6, maxMillis+1)), codeInvalidValue, "timestamp"},
		{goodWith(wireText(7, "[]")), codeInvalidType, "metadata"}, {goodWith(wireText(7, "1")), codeInvalidType, "metadata"},
		{goodWith(wireText(8, `"x"`)), codeInvalidType, "source_data"}, {goodWith(wireText(7, "{")), "invalid_json", "metadata"},
		{goodWith(wireText(7, " ")), "invalid_json", "metadata"}, {goodWith(wireText(7, `{},"a":1`)), "invalid_json", "metadata"},
		{goodWith(wireText(8, "[1}")), "invalid_json", "source_data"}, {goodWith(wireText(7, "\ufeff{}")), "invalid_json", "metadata"},
		{goodWith(wireText(7, `{"a":1,"a":2}`)), "duplicate_key", "metadata"}, {goodWith(wireText(8, `{"a":"\ud800"}`)), "lone_surrogate", "source_data"},
		{goodWith(wireText(8, "{\"a\":\"\xff\"}")), "invalid_utf8", "source_data"}, {goodWith(wireText(7, `{"a":"\u0000"}`)), "nul_character", "metadata"},
		{goodWith(wireText(8, "[]"), wireText(7, "{")), "invalid_json", "metadata"}, {goodWith(wireText(7, "{}"), wireText(8, "[")), "invalid_json", "source_data"},
		{goodWith(wireGroup(12)), "invalid_protobuf", ""}, {goodWith(wire("\x12")), "invalid_protobuf", ""}, {goodWith(wire("\x52\x01")), "invalid_protobuf", ""},
		{goodWith(wire("\x00")), "invalid_protobuf", ""}, {goodWith(wire("\x56")), "invalid_protobuf", ""}, {"{" + goodEvent + "}", "invalid_protobuf", ""},
	}
	for n := eventEventName; n <= lastEventField; n++ {
		name := names[n-1]
		odd, value := wireVarint(n, 1), wireText(n, "{}")
		if n == eventTimestamp || n == eventLivemode {
			odd, value = wireText(n, "1"), wireVarint(n, 1)
		}
		if n > eventValue {
			cases = append(cases, verdict{goodWith(odd), codeInvalidType, name}, verdict{goodWith(value, value), "duplicate_key", ""})
		} else {
			cases = append(cases, verdict{replaced(n, odd), codeInvalidType, name}, verdict{goodWith(value), "duplicate_key", ""},
				verdict{replaced(n, wireText(n, "a\x00")), "nul_character", name})
		}
		cases = append(cases, verdict{goodWith(wireFixed64(n, 1))[len(goodWith()):], codeInvalidType, name})
		if n <= eventSubscription {
			cases = append(cases, verdict{wires(wireText(n, "ok\xc3")), "invalid_utf8", name})
		}
	}
	var body []string
	for _, c := range cases {
		body = append(body, goodWith(), c.event)
	}
	answer := r.protobuf("", batchOf(body...))
	r.expect(answer, map[string]any{"accepted": len(cases), "rejected": len(cases)})
	results, _ := answer.object["results"].([]any)
	if len(results) != len(cases) {
		t.Fatalf("%d results, want %d: %s", len(results), len(cases), answer.text)
	}
	for i, c := range cases {
		item := results[i].(map[string]any)
		param := strings.TrimSuffix(fmt.Sprintf("events[%d].%s", 2*i+1, c.param), ".")
		if item["index"] != float64(2*i+1) || item["code"] != c.code || item["param"] != param || !strings.HasPrefix(item["error"].(string), param+" ") {
			t.Errorf("%q is %v, want %s %s", c.event, item, c.code, param)
		}
	}
}

// TestProtobufLimits is every bound at the limit and one past it.
func TestProtobufLimits(t *testing.T) {
	r := newRig(t)
	ascii := func(n int) string { return strings.Repeat("a", n) }
	wide := func(n int) string { return strings.Repeat("ü", n) } // counts as n characters, 2n bytes
	metadata := func(n int) string { return `{ "a":"` + strings.Repeat("b", n-len(`{"a":""}`)) + `"}` }
	deep := func(n int) string { return `{"a":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + "}" }
	number := func(n int) string { return fmt.Sprintf("0.%s1e%02d", strings.Repeat("0", n-6), n-5) }
	digits := func(n int) string { return "0." + strings.Repeat("1", n) }
	for _, c := range []struct {
		field       string
		text        func(int) string
		limit       int
		code, param string
	}{
		{"event_name", ascii, maxEventName, codeTooLong, "event_name"}, {"event_name", wide, maxEventName, codeTooLong, "event_name"},
		{"identifier", ascii, maxIdentifier, codeTooLong, "identifier"}, {"customer_id", ascii, maxID, codeTooLong, "payload.customer_id"},
		{"subscription_id", ascii, maxID, codeTooLong, "payload.subscription_id"}, {"value", number, maxNumber, codeTooLong, "payload.value"},
		{"value", digits, ledger.MaxDecimals, "amount_precision", "payload.value"},
		{"metadata", metadata, maxMetadata, codeTooLong, "metadata"}, {"source_data", metadata, maxMetadata, codeTooLong, "source_data"},
		// The event is a level of its own, as in JSON.
		{"metadata", deep, maxDepth - 1, "too_deep", "metadata"}, {"source_data", deep, maxDepth - 1, "too_deep", "source_data"},
	} {
		body := protobufBatch(nil, goodMessage(protobufEvent{c.field: c.text(c.limit)}), goodMessage(protobufEvent{c.field: c.text(c.limit + 1)}))
		r.expect(r.protobuf("", body), map[string]any{
			"accepted": 1, "rejected": 1, "results.0.index": 1, "results.0.code": c.code, "results.0.param": "events[1]." + c.param,
		})
	}
	for _, n := range []int64{0, maxMillis} {
		r.expect(r.protobuf("", protobufBatch(nil, goodMessage(protobufEvent{"timestamp": n}))), map[string]any{"accepted": 1})
	}
	for _, n := range []int64{-1, maxMillis + 1} {
		r.expect(r.protobuf("", protobufBatch(nil, goodMessage(protobufEvent{"timestamp": n}))), map[string]any{"results.0.code": codeInvalidValue})
	}
	many := strings.Repeat(batchOf(goodWith()), maxBatchEvents)
	r.expect(r.protobuf("", many), map[string]any{"accepted": maxBatchEvents})
	r.refusedProtobuf(many+batchOf(goodWith()), 413, codeTooLarge, "events")
	r.refusedProtobuf(many+batchOf(""), 413, codeTooLarge, "events")
	padded := func(size int) string {
		good := batchOf(goodWith())
		return good + wires(wireText(9, strings.Repeat("x", size-len(good)-5)))
	}
	if len(padded(maxBatchBody)) != maxBatchBody {
		t.Fatal("the padding is wrong")
	}
	r.expect(r.protobuf("", padded(maxBatchBody)), map[string]any{"accepted": 1})
	r.refusedProtobuf(padded(maxBatchBody+1), 413, codeTooLarge, "body")
}

func TestProtobufMode(t *testing.T) {
	r := newRig(t)
	yes, no := true, false
	report := func(mode ledger.Mode) *ledger.Report {
		report := r.batchReport("id-1")
		report.Mode = mode
		return report
	}
	plain, live, test := goodMessage(nil), goodMessage(protobufEvent{"livemode": true}), goodMessage(protobufEvent{"livemode": false})
	for _, c := range []struct {
		query, body string
		want        []ledger.Command
	}{
		{"", protobufBatch(nil, test, plain), []ledger.Command{report(ledger.Test), report(ledger.Live)}},
		{"?livemode=true", protobufBatch(nil, test), []ledger.Command{report(ledger.Live)}},
		{"?livemode=false", protobufBatch(nil, plain, live), []ledger.Command{report(ledger.Test), report(ledger.Test)}},
		{"", protobufBatch(&no, plain, live), []ledger.Command{report(ledger.Test), report(ledger.Live)}},
		{"?livemode=true", protobufBatch(&no, plain), []ledger.Command{report(ledger.Live)}},
		{"", protobufBatch(nil, plain) + wires(wireVarint(2, 0)), []ledger.Command{report(ledger.Test)}},
		{"", protobufBatch(&yes, plain), []ledger.Command{report(ledger.Live)}},
		{"", batchOf(goodWith(wireVarint(9, 1<<40))) + wires(wireVarint(2, 0)), []ledger.Command{report(ledger.Live)}},
	} {
		r.expect(r.protobuf(c.query, c.body), map[string]any{"accepted": len(c.want)})
		r.submitted(t, c.want...)
	}
}

func TestProtobufAllocatesNothing(t *testing.T) {
	text, err := proto.Marshal(benchMessage(7).message())
	if err != nil {
		t.Fatal(err)
	}
	var r ledger.Report
	if n := testing.AllocsPerRun(100, func() {
		r = ledger.Report{}
		if !scanMessage(text, 0, len(text), ledger.Live, true, &r) {
			t.Fatal("not plain")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	b := newBatch([]byte(batchOf(goodWith(wireText(eventMetadata, `{"a":1}`)))), protobufType)
	if n := testing.AllocsPerRun(100, func() {
		b.items = b.items[:0]
		b.commands.Reset()
		if err := b.readProtobuf(); err != nil || len(b.refused) != 0 {
			t.Fatal(err, b.refused)
		}
	}); n != 0 {
		t.Errorf("the long way: %v allocations", n)
	}
}

// TestPlainText tries every byte in every place of a text, with and without
// something behind it.
func TestPlainText(t *testing.T) {
	for length := range 20 {
		for _, behind := range []string{"", "\x00", "abc", "\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
			text := []byte("\xff" + strings.Repeat("x", length) + behind)
			for i := range length {
				for c := range 256 {
					text[1+i] = byte(c)
					if want := c >= 0x20 && c < 0x7f; plainText(text, 1, 1+length) != want {
						t.Fatalf("%q from 1 to %d: not %v", text, 1+length, want)
					}
				}
				text[1+i] = 'x'
			}
			if !plainText(text, 1, 1+length) || bytes.Count(text, []byte("x")) != length {
				t.Fatalf("%q", text)
			}
		}
	}
}
