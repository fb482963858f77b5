package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"drawdown/engine/ledger"
)

// twin is one event in both forms. strict says that both must give the same answer
// word for word; of other mistakes JSON cannot say in which field they are.
type twin struct {
	line, message string
	strict        bool
}

// anyText is a text, good most of the time, that JSON can say.
func anyText(r *rand.Rand) string {
	return oneOf(r, "x"+strings.Repeat("y", r.IntN(40)), "", "é", `q"\u`, strings.Repeat("z", 60+r.IntN(8)), "\x7f", strings.Repeat("é", 62+r.IntN(4)),
		strings.Repeat("w", 252+r.IntN(6)), "\ufffd", "a\tb", "\u2028", "\U0001f600", " ", "日本")
}

func anyNumber(r *rand.Rand) string {
	digits := func() string { return fmt.Sprint(r.Uint64() >> r.IntN(64)) }
	return oneOf(r, digits(), "0", digits()+"."+digits(), "-"+digits(), "0"+digits(), digits()+"e"+digits(), "-0", digits()+".", "."+digits(), "0.0",
		digits()+digits(), digits()+"E-2", "1e5", "null", "", " 1", "1é", strings.Repeat("1", 64), strings.Repeat("1", 65))
}

// anyMetadata is JSON, good or refused for what it says.
func anyMetadata(r *rand.Rand) string {
	return oneOf(r, `{"a":[1]}`, `{}`, `null`, `[]`, `[1, {"b":"é"}]`, `7`, ` { "x" : "y z" } `, `"\u0041"`,
		`{"a":"`+strings.Repeat("b", maxMetadata-9+r.IntN(3))+`"}`)
}

// quote is a text as JSON.
func quote(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// lineOf is an event in its JSON form.
func lineOf(e protobufEvent) string {
	var outer, payload []string
	for _, name := range slices.Sorted(maps.Keys(e)) {
		v := e[name]
		text := fmt.Sprint(v)
		if s, ok := v.(string); ok && name != "metadata" && name != "source_data" {
			text = quote(s)
		}
		text = `"` + name + `":` + text
		switch {
		case v == "": // proto3 does not tell an empty text from one that is left out
		case name == "customer_id" || name == "value" || name == "subscription_id":
			payload = append(payload, text)
		default:
			outer = append(outer, text)
		}
	}
	return "{" + strings.Join(append(outer, `"payload":{`+strings.Join(payload, ",")+"}"), ",") + "}"
}

// fieldsOf are an event's fields as bytes, without the library.
func fieldsOf(e protobufEvent) (fields []wire) {
	for _, f := range schema["MeterEvent"] {
		n := protowire.Number(f.number)
		switch v := e[f.name].(type) {
		case string:
			fields = append(fields, wireText(n, v))
		case int64:
			fields = append(fields, wireVarint(n, uint64(v)))
		case bool:
			fields = append(fields, wireVarint(n, protowire.EncodeBool(v)))
		}
	}
	return fields
}

func anyEvent(r *rand.Rand) protobufEvent {
	e := protobufEvent{"event_name": anyText(r), "identifier": anyText(r), "customer_id": anyText(r), "value": anyNumber(r)}
	optional := protobufEvent{
		"subscription_id": anyText(r), "timestamp": []int64{1_700_000_000, int64(maxMillis + r.IntN(3) - 1), -int64(r.Uint64() >> r.IntN(63)), r.Int64()}[r.IntN(4)],
		"livemode": r.IntN(2) == 0,
	}
	if r.IntN(4) == 0 {
		optional["metadata"], optional["source_data"] = anyMetadata(r), anyMetadata(r)
	}
	for _, name := range slices.Sorted(maps.Keys(optional)) {
		if r.IntN(2) == 0 {
			e[name] = optional[name]
		}
	}
	if r.IntN(20) == 0 {
		delete(e, schema["MeterEvent"][r.IntN(4)].name)
	}
	return e
}

// anyTwin is an event in both forms: one that breaks any of the rules, or a good
// one with a single fault that lies before them.
func anyTwin(r *rand.Rand) twin {
	e := anyEvent(r)
	line := lineOf(e)
	if r.IntN(2) == 0 {
		message, err := proto.MarshalOptions{Deterministic: true}.Marshal(e.message())
		if err != nil {
			panic(err)
		}
		return twin{line, string(message), true}
	}
	if r.IntN(2) == 0 {
		fields := append(fieldsOf(e), wireVarint(10, 1), wireText(77, "\xff"))
		r.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
		return twin{line, wires(fields...), true}
	}
	with := func(member string) string { return strings.Replace(goodEvent, "{", "{"+member+",", 1) }
	swap := func(old, new string) string { return strings.Replace(goodEvent, old, new, 1) }
	without := func(n protowire.Number, field wire) string {
		fields := goodFields()
		fields[n-1] = field
		return wires(fields...)
	}
	faults := []twin{
		{swap(`"id-1"`, "7"), without(2, wireVarint(2, 7)), true},
		{swap(`"tokens"`, "7"), without(1, wireFixed64(1, 7)), true},
		{swap(`"cus_a"`, "{}"), without(3, wireVarint(3, 7)), true},
		{with(`"timestamp":"1"`), goodWith(wireText(6, "1")), true},
		{with(`"livemode":1`), goodWith(wireText(9, "1")), true},
		{with(`"identifier":"id-1"`), goodWith(wireText(2, "id-1")), true},
		{swap(`"value"`, `"value":"2","value"`), goodWith(wireText(4, "2")), true},
		{swap(`"value"`, `"subscription_id":"s","subscription_id":"s","value"`), goodWith(wireText(5, "s"), wireText(5, "s")), true},
		{with(`"timestamp":1,"timestamp":1`), goodWith(wireVarint(6, 1), wireVarint(6, 1)), true},
		{swap("id-1", "\xff"), without(2, wireText(2, "\xff")), false},
		{swap("id-1", `\u0000`), without(2, wireText(2, "\x00")), false},
		{with(`"metadata":{"a":1,"a":1}`), goodWith(wireText(7, `{"a":1,"a":1}`)), false},
		{with(`"metadata":{"a":"\ud800"}`), goodWith(wireText(7, `{"a":"\ud800"}`)), false},
		{with("\"source_data\":[\"\xff\"]"), goodWith(wireText(8, "[\"\xff\"]")), false},
		{with(`"source_data":[}`), goodWith(wireText(8, "[}")), false},
		{with(`"metadata":` + strings.Repeat("[", 40) + strings.Repeat("]", 40)), goodWith(wireText(7, strings.Repeat("[", 40)+strings.Repeat("]", 40))), false},
	}
	return faults[r.IntN(len(faults))]
}

// TestProtobufSameAsJSON is that one batch gives the same commands and the same
// answer in both forms, however right or wrong its events are.
func TestProtobufSameAsJSON(t *testing.T) {
	r, random := newRig(t), rand.New(rand.NewPCG(9, 10))
	ask := func(query, contentType, body string) (reply, [][]byte) {
		r.commands = nil
		answer := r.do(post, batchPath+query, body, "Content-Type", contentType)
		return answer, r.commands
	}
	accepted, rejected := 0, 0
	for round := range 600 {
		var lines, messages []string
		var twins []twin
		for range random.IntN(20) {
			w := anyTwin(random)
			twins, lines, messages = append(twins, w), append(lines, w.line), append(messages, w.message)
		}
		if r.verdict = nil; round%3 == 0 {
			codes := []ledger.Code{ledger.OK, ledger.Duplicate, ledger.MeterUnknown, ledger.AmountPrecision}
			r.verdict = func(i int) ledger.Result {
				return ledger.Result{Code: codes[i%len(codes)], Account: 7, Seq: 42, Time: logTime, Consumed: ledger.NewAmount(150)}
			}
		}
		query := []string{"?results=all", "?results=all&livemode=false", "?results=all&livemode=true"}[round%3]
		want, wantCommands := ask(query, "application/x-ndjson", strings.Join(lines, "\n"))
		got, commands := ask(query, protobufType, batchOf(messages...))
		if want.status != 200 || got.status != 200 || !reflect.DeepEqual(commands, wantCommands) {
			t.Fatalf("%q:\n got %d %s %q\nwant %d %s %q", messages, got.status, got.text, commands, want.status, want.text, wantCommands)
		}
		if gotText, wantText := loosen(got.object, twins), loosen(want.object, twins); gotText != wantText {
			t.Fatalf("%q:\n got %s\nwant %s", messages, gotText, wantText)
		}
		accepted, rejected = accepted+int(got.at("accepted").(float64)), rejected+int(got.at("rejected").(float64))
	}
	if accepted < 1000 || rejected < 1000 {
		t.Errorf("%d events accepted, %d rejected: the test has lost its object", accepted, rejected)
	}
}

// loosen is an answer without the sentences on events that are not strict.
func loosen(answer map[string]any, twins []twin) string {
	results, _ := answer["results"].([]any)
	for _, item := range results {
		if item := item.(map[string]any); !twins[int(item["index"].(float64))].strict {
			delete(item, "error")
			delete(item, "param")
		}
	}
	return fmt.Sprint(answer)
}

// TestProtobufScanBatches holds the short way against the long one over batches of
// which bytes were changed, and both against the library.
func TestProtobufScanBatches(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	good, refused, failed := 0, 0, 0
	for range 15_000 {
		var messages []string
		for range r.IntN(5) {
			if r.IntN(2) == 0 {
				messages = append(messages, goodWith(wireVarint(eventTimestamp, 1_700_000_000)))
			} else {
				messages = append(messages, string(mutate(r, []byte(anyTwin(r).message))))
			}
		}
		text := []byte(batchOf(messages...))
		if r.IntN(3) == 0 {
			text = mutate(r, text)
		}
		o := sameAsLibrary(t, text, byte(r.IntN(256)))
		good, refused = good+len(o.commands), refused+len(o.refused)
		if o.err != nil {
			failed++
		}
	}
	if good < 4_000 || refused < 4_000 || failed < 1_500 {
		t.Errorf("%d events good, %d refused, %d batches failed: the test has lost its object", good, refused, failed)
	}
}

// sameAsLibrary reads a batch both ways, and holds what came of it against what the
// library and the JSON form make of the same bytes.
func sameAsLibrary(t *testing.T, text []byte, selector byte) outcome {
	t.Helper()
	m := eventModes[int(selector)%len(eventModes)]
	o := sameBatch(t, text, protobufType, m.mode, m.known)
	events, mode, ok := libraryBatch(text, m.mode, m.known)
	if ok = ok && len(events) <= maxBatchEvents; ok != (o.err == nil) {
		t.Fatalf("%q: %v, but the library says %v", text, o.err, ok)
	}
	if !ok {
		return o
	}
	if len(events) != len(o.items) {
		t.Fatalf("%q: %d events, want %d", text, len(o.items), len(events))
	}
	for i, event := range events {
		report, ok := libraryEvent(event, mode, m.known)
		if ok != (o.items[i].command != refusedBefore) {
			t.Fatalf("%q: event %d is taken: %v, want %v; refused are %v", text, i, !ok, ok, o.refused)
		}
		if !ok {
			continue
		}
		report.Channel = ledger.ViaBatch
		if got := o.commands[o.items[i].command]; !bytes.Equal(got, encode(&report)) {
			t.Fatalf("%q: event %d is\n%q, want\n%q", text, i, got, encode(&report))
		}
	}
	return o
}

// wellTyped says whether no field of the message is a group, and whether those of
// its schema have their types and stand there once, unless they are repeated.
func wellTyped(text []byte, m protoreflect.MessageDescriptor) bool {
	seen := map[protowire.Number]bool{}
	for len(text) > 0 {
		number, kind, n := protowire.ConsumeField(text)
		if n < 0 || kind == protowire.StartGroupType {
			return false
		}
		text = text[n:]
		f := m.Fields().ByNumber(number)
		if f == nil {
			continue
		}
		want := protowire.VarintType
		if f.Kind() == protoreflect.StringKind || f.Kind() == protoreflect.BytesKind {
			want = protowire.BytesType
		}
		if kind != want || seen[number] && !f.IsList() {
			return false
		}
		seen[number] = true
	}
	return true
}

// libraryBatch is what the library makes of a batch, of its framing alone.
func libraryBatch(text []byte, mode ledger.Mode, known bool) (events [][]byte, _ ledger.Mode, ok bool) {
	m := dynamicpb.NewMessage(apartType)
	if err := proto.Unmarshal(text, m); err != nil || !wellTyped(text, apartType) {
		return nil, mode, false
	}
	if live := apartType.Fields().ByName("livemode"); m.Has(live) && !known {
		mode = modeOf(m.Get(live).Bool())
	}
	list := m.Get(apartType.Fields().ByName("events")).List()
	for i := range list.Len() {
		events = append(events, list.Get(i).Bytes())
	}
	return events, mode, true
}

// libraryEvent is what the library reads of an event, written as JSON and read the
// long way.
func libraryEvent(text []byte, mode ledger.Mode, known bool) (r ledger.Report, ok bool) {
	m := dynamicpb.NewMessage(meterEventType)
	if err := proto.Unmarshal(text, m); err != nil || !wellTyped(text, meterEventType) {
		return r, false
	}
	e := protobufEvent{}
	for _, f := range schema["MeterEvent"] {
		field := meterEventType.Fields().ByName(protoreflect.Name(f.name))
		if !m.Has(field) {
			continue
		}
		v := m.Get(field).Interface()
		if s, isText := v.(string); isText && strings.Contains(s, "\x00") {
			return r, false
		}
		if f.name == "metadata" || f.name == "source_data" {
			if !json.Valid([]byte(v.(string))) {
				return r, false
			}
		}
		e[f.name] = v
	}
	var d document
	if err := d.parse([]byte(lineOf(e))); err != nil {
		return r, false
	}
	r, err := decodeEvent(&d, mode, known)
	return r, err == nil
}

// FuzzProtobufBatch holds the decoder against the library: the same batches are
// taken, and of them the same events, as the same commands.
func FuzzProtobufBatch(f *testing.F) {
	r := rand.New(rand.NewPCG(13, 14))
	for i := range 64 {
		var messages []string
		for range r.IntN(4) {
			messages = append(messages, anyTwin(r).message)
		}
		f.Add([]byte(batchOf(messages...)), byte(i))
	}
	f.Add([]byte(batchOf(goodWith())+wires(wireVarint(2, 0))), byte(0))
	f.Fuzz(func(t *testing.T, text []byte, selector byte) {
		sameAsLibrary(t, slices.Clip(text), selector)
	})
}
