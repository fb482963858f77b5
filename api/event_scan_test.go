package api

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"drawdown/engine/ledger"
)

// withScanning does something with the scanner on or off.
func withScanning(on bool, do func()) {
	defer func(was bool) { scanning = was }(scanning)
	scanning = on
	do()
}

// sameEvent reads the event at the start of text by the scanner and, if it takes
// it, holds that against the long way: as the whole of a body, and as an element
// of an array. It answers whether the scanner took the whole.
func sameEvent(t *testing.T, text []byte, mode ledger.Mode, known bool) bool {
	t.Helper()
	text = slices.Clip(bytes.Clone(text))
	source := bytes.Clone(text)
	var d document
	var element, whole ledger.Report
	if end := scanEvent(text, 0, mode, known, &element); end >= 0 {
		oldEnd, fault, syntax := d.next(text, 0)
		if fault != nil || syntax != nil || oldEnd != end {
			t.Fatalf("took %q to %d; the long way goes to %d: %v %v", text, end, oldEnd, fault, syntax)
		}
		sameReport(t, &d, &element, text, mode, known)
	}
	ok := scanWhole(text, mode, known, &whole)
	if ok {
		if err := d.parse(text); err != nil {
			t.Fatalf("took %q: %v", text, err)
		}
		sameReport(t, &d, &whole, text, mode, known)
	}
	if !bytes.Equal(text, source) {
		t.Fatalf("changed %q to %q", source, text)
	}
	return ok
}

func sameReport(t *testing.T, d *document, got *ledger.Report, text []byte, mode ledger.Mode, known bool) {
	t.Helper()
	want, err := decodeEvent(d, mode, known)
	if err != nil {
		t.Fatalf("took %q: %v", text, err)
	}
	if !reflect.DeepEqual(got, &want) {
		t.Fatalf("%q is\n%+v, want\n%+v", text, got, want)
	}
}

// eventModes are what a call may say of the mode.
var eventModes = []struct {
	mode  ledger.Mode
	known bool
}{{ledger.Live, false}, {ledger.Live, true}, {ledger.Test, true}, {ledger.Test, false}}

// TestScanEvent is what is read the short way, and what is not.
func TestScanEvent(t *testing.T) {
	const event, identifier = `{"event_name":"tokens","identifier":"id-1","payload":{"customer_id":"cus_a","value":"1.5"}}`, "id-1"
	replaced := func(old, new string) string {
		if !strings.Contains(event, old) {
			t.Fatalf("no %q", old)
		}
		return strings.Replace(event, old, new, 1)
	}
	value := func(text string) string { return replaced(`"1.5"`, text) }
	with := func(members string) string { return replaced(`}}`, `}`+members+`}`) }
	long := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		text  string
		plain bool
	}{
		{event, true}, {fmt.Sprintf(benchEvent, 7), true}, {" \n\r\t" + event + "\n ", true},
		{strings.NewReplacer(`,"`, ", \"", `":`, `": `).Replace(event), true},
		{strings.NewReplacer(`{`, "{\n\t", `}`, "\n}", `,`, ",\n\t", `":`, `": `).Replace(event), true},
		{`{"payload":{"value":0,"subscription_id":"","customer_id":"c"},"timestamp":0,"identifier":"i","livemode":false,"event_name":"e"}`, true},
		{`{"livemode":true,"payload":{"subscription_id":"s","value":7,"customer_id":"c"},"identifier":"i","event_name":"e"}`, true},
		{value(`0`), true}, {value(`"0"`), true}, {value(`0.00`), true}, {value(`1.50`), true}, {value(`"0.000000000000000001"`), true},
		{value(`"0.0000000000000000001"`), false}, {value(`9999999999999999999`), true}, {value(`10000000000000000000`), false},
		{value(`99999999999.99999999`), true}, {value(`100000000000.00000000`), false}, {value(`"9.999999999999999999"`), true}, {value(`12345678`), true}, {value(`123456789.12345678`), true},
		{value(`99999999999999999999999999999999`), false}, {value(long(0)), false}, {value(`""`), false}, {value(`"."`), false},
		{value(`01`), false}, {value(`"01"`), false}, {value(`00`), false}, {value(`"00.5"`), false}, {value(`.5`), false}, {value(`"5."`), false},
		{value(`-1`), false}, {value(`-0`), false}, {value(`"+1"`), false}, {value(`1e3`), false}, {value(`"1E3"`), false}, {value(`"1 "`), false},
		{value(`" 1"`), false}, {value(`"1`), false}, {value(`1"`), false}, {value(`null`), false}, {value(`true`), false}, {value(`"1.5.5"`), false},
		{value(`"1234567:"`), false}, {value(`"1234567/"`), false}, {value(`"12\u0030"`), false}, {value(`{}`), false}, {value(`"1,5"`), false},
		{with(`,"timestamp":1700000000`), true}, {with(`,"timestamp":17`), true}, {with(`,"timestamp":1700000000000`), true},
		{with(`,"timestamp":253402300799000`), true}, {with(`,"timestamp":253402300799001`), false}, {with(`,"timestamp":-1`), false},
		{with(`,"timestamp":"1700000000"`), false}, {with(`,"timestamp":1700000000.0`), false}, {with(`,"timestamp":17e8`), false},
		{with(`,"timestamp":01700000000`), false}, {with(`,"timestamp":null`), false}, {with(`,"timestamp":`), false},
		{with(`,"timestamp":18446744073709551617`), false}, {with(`,"timestamp":99999999999999999999`), false},
		{with(`,"livemode":true`), true}, {with(`,"livemode":null`), false}, {with(`,"livemode":1`), false}, {with(`,"livemode":tru`), false},
		{with(`,"livemode":falsey`), false}, {with(`,"livemode":True`), false},
		{with(`,"metadata":{}`), false}, {with(`,"source_data":[]`), false}, {with(`,"x":1`), false}, {with(`,"":1`), false}, {with(`,`), false},
		{with(`,"identifier":"id-1"`), false}, {with(`,"event_name":"tokens"`), false}, {with(`,"payload":{}`), false},
		{with(`,"Livemode":true`), false}, {with(`,"TIMESTAMP":1`), false}, {with(`,"timestamp" :1`), false}, {with(`,"t\u0069mestamp":1`), false},
		{with(` "timestamp":1`), false}, {with(`,,"timestamp":1`), false}, {with(`,"timestamp"`), false}, {with(`,"t`), false}, {with(`,"`), false},
		{replaced(`"value"`, `"Value"`), false}, {replaced(`"value"`, `"value":"2","value"`), false}, {replaced(`"value"`, `"values"`), false},
		{replaced(`,"value":"1.5"`, ``), false}, {replaced(`"customer_id":"cus_a",`, ``), false}, {replaced(`"event_name":"tokens",`, ``), false},
		{replaced(`"identifier":"id-1",`, ``), false}, {replaced(`{"customer_id":"cus_a","value":"1.5"}`, `{}`), false},
		{replaced(`{"customer_id":"cus_a","value":"1.5"}`, `null`), false}, {replaced(`{"customer_id":"cus_a","value":"1.5"}`, `[]`), false},
		{replaced(`"1.5"`, `"1.5","subscription_id":null`), false}, {replaced(`"1.5"`, `"1.5","subscription_id":"`+long(maxID)+`"`), true},
		{replaced(`"1.5"`, `"1.5","subscription_id":"`+long(maxID+1)+`"`), false}, {replaced(`"1.5"`, `"1.5","currency":"x"`), false},
		{replaced(`tokens`, long(maxEventName)), true}, {replaced(`tokens`, long(maxEventName+1)), false}, {replaced(`tokens`, ``), false},
		{replaced(identifier, long(maxIdentifier)), true}, {replaced(identifier, long(maxIdentifier+1)), false}, {replaced(identifier, ``), false},
		{replaced(`cus_a`, long(maxID)), true}, {replaced(`cus_a`, long(maxID+1)), false}, {replaced(`cus_a`, ``), false},
		{replaced(`"id-1"`, `1`), false}, {replaced(`"id-1"`, `null`), false}, {replaced(`"tokens"`, `{}`), false}, {replaced(`"cus_a"`, `5`), false},
		{replaced(identifier, ` !#[]{}:,/~`), true}, {replaced(identifier, `a\nb`), false}, {replaced(identifier, `\"`), false},
		{``, false}, {` `, false}, {`{}`, false}, {`{`, false}, {`[]`, false}, {`null`, false}, {"\ufeff" + event, false}, {event + event, false},
		{event + "x", false}, {event + "\x00", false}, {"\v" + event, false}, {event + "\u00a0", false}, {"[" + event + "]", false},
	} {
		for _, m := range eventModes {
			if got := sameEvent(t, []byte(c.text), m.mode, m.known); got != c.plain {
				t.Errorf("%.200q: plain is %v, want %v", c.text, got, c.plain)
			}
		}
	}
	for i := range event {
		if sameEvent(t, []byte(event[:i]), ledger.Live, false) {
			t.Errorf("took %q", event[:i])
		}
	}
}

// TestScanBytes tries every byte in every place of an event, in its stead and in
// front of it.
func TestScanBytes(t *testing.T) {
	event := []byte(`{"event_name":"tokens","timestamp":1700000000,"livemode":true,"payload":{"customer_id":"cus_a","value":"12.5",` +
		`"subscription_id":"sub_1"},"identifier":"0190b5a4-7c3e"}`)
	took := 0
	for i := range event {
		for c := range 256 {
			for _, width := range []int{0, 1} {
				if sameEvent(t, slices.Concat(event[:i], []byte{byte(c)}, event[i+width:]), ledger.Live, false) {
					took++
				}
			}
		}
	}
	if took < 1000 {
		t.Errorf("took only %d: the test has lost its object", took)
	}
}

// oneOf picks the first of the texts most of the time, so that most events have
// few oddities.
func oneOf(r *rand.Rand, texts ...string) string {
	if r.IntN(12) != 0 {
		return texts[0]
	}
	return texts[r.IntN(len(texts))]
}

func randomText(r *rand.Rand) string {
	return oneOf(r, `"x`+strings.Repeat("y", r.IntN(40))+`"`, `""`, `"é"`, `"\u0041"`, `"`+strings.Repeat("z", 60+r.IntN(8))+`"`, "\"\x7f\"",
		`"`+strings.Repeat("é", 62+r.IntN(4))+`"`, `"`+strings.Repeat("w", 252+r.IntN(6))+`"`, `null`, `7`, "\"\xff\"", "\"a\tb\"", `"\ud800"`, `{}`)
}

func randomNumber(r *rand.Rand) string {
	digits := func() string { return fmt.Sprint(r.Uint64() >> r.IntN(64)) }
	number := oneOf(r, digits(), "0", digits()+"."+digits(), "-"+digits(), "0"+digits(), digits()+"e"+digits(), "-0", digits()+".", "."+digits(), "0.0",
		digits()+digits(), digits()+"E-2", "1e5", "null", "true", "")
	return oneOf(r, number, `"`+number+`"`, `"`+number+`"`, `" `+number+`"`)
}

// member is one of an object, as text.
type member struct{ key, text string }

func randomObject(r *rand.Rand, members []member) string {
	space := func() string { return oneOf(r, "", " ", "\n\t", "\r\n  ", "\v") }
	var texts []string
	for _, m := range members {
		if r.IntN(30) == 0 {
			continue
		}
		if r.IntN(100) == 0 {
			m.key = strings.ToUpper(m.key)
		}
		texts = append(texts, space()+`"`+m.key+`"`+space()+":"+space()+m.text+space())
	}
	r.Shuffle(len(texts), func(i, j int) { texts[i], texts[j] = texts[j], texts[i] })
	if len(texts) > 0 && r.IntN(30) == 0 {
		texts = append(texts, texts[0])
	}
	return "{" + strings.Join(texts, oneOf(r, ",", ",,", ";", " ")) + oneOf(r, "", ",") + "}"
}

func randomEvent(r *rand.Rand) string {
	payload := []member{{"customer_id", randomText(r)}, {"value", randomNumber(r)}}
	if r.IntN(2) == 0 {
		payload = append(payload, member{"subscription_id", randomText(r)})
	}
	event := []member{{"event_name", randomText(r)}, {"identifier", randomText(r)}, {"payload", randomObject(r, payload)}}
	if r.IntN(2) == 0 {
		event = append(event, member{"timestamp", oneOf(r, "1700000000", randomNumber(r), fmt.Sprint(maxMillis+r.IntN(3)-1))})
	}
	if r.IntN(2) == 0 {
		event = append(event, member{"livemode", oneOf(r, "true", "false", "null", "1")})
	}
	if r.IntN(10) == 0 {
		event = append(event, member{oneOf(r, "metadata", "source_data", "x", "payloads"), oneOf(r, `{"a":[1]}`, `{}`, `null`, `1`)})
	}
	return randomObject(r, event)
}

// TestScanRandomEvents holds the two ways against each other over events made of
// good and odd parts.
func TestScanRandomEvents(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	took := 0
	const events = 30_000
	for range events {
		m := eventModes[r.IntN(len(eventModes))]
		if sameEvent(t, []byte(randomEvent(r)), m.mode, m.known) {
			took++
		}
	}
	if took < events/10 || took > events*9/10 {
		t.Errorf("took %d of %d: the test has lost its object", took, events)
	}
}

// outcome is all that reading a batch leaves behind.
type outcome struct {
	err      *Error
	items    []batchItem
	refused  []refusedItem
	commands [][]byte
	mode     ledger.Mode
}

func readBatch(text []byte, contentType string, mode ledger.Mode, known bool) (o outcome) {
	b := newBatch(slices.Clip(bytes.Clone(text)), contentType)
	b.mode, b.modeKnown = mode, known
	o.err = b.read()
	o.items, o.refused, o.mode = b.items, b.refused, b.mode
	for i := range b.commands.Len() {
		o.commands = append(o.commands, b.commands.At(i))
	}
	return o
}

// sameBatch reads a batch with the scanner and without, and wants one outcome.
func sameBatch(t *testing.T, text []byte, contentType string, mode ledger.Mode, known bool) (o outcome) {
	t.Helper()
	var want outcome
	withScanning(false, func() { want = readBatch(text, contentType, mode, known) })
	o = readBatch(text, contentType, mode, known)
	if !reflect.DeepEqual(o, want) {
		t.Fatalf("%s %q:\n got %+v\nwant %+v", contentType, text, o, want)
	}
	if got, want := skipArray(text, 0), skipArraySlowly(text); got != want {
		t.Fatalf("the array %q ends at %d, want %d", text, got, want)
	}
	return o
}

// skipArraySlowly is skipArray that looks at every byte.
func skipArraySlowly(text []byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// batchForms are the forms of a batch, of the events and what parts them.
var batchForms = []struct{ contentType, before, between, behind string }{
	{"application/json", "[", ",", "]"}, {"application/json", " [ ", " , ", " ] \n"}, {"application/json", "[\n", ",\n", "\n]"},
	{"application/json", `{"events":[`, ",", "]}"}, {"application/json", `{"livemode":false,"events":[`, ",", "]}"},
	{"application/json", `{"events":[`, ", ", `],"livemode":false}`}, {"application/json", `{"x":{"a":1},"events": [`, ",", `] , "y":"]"}`},
	{"application/x-ndjson", "", "\n", ""}, {"application/x-ndjson", "\n ", " \r\n\n", "\t\n"},
}

// mutate changes a few bytes of text.
func mutate(r *rand.Rand, text []byte) []byte {
	parts := []string{`"`, `\`, `,`, `:`, `{`, `}`, `[`, `]`, ` `, "\n", "\r\n", `0`, `-`, `.`, `e`, "\x7f", "\x00", "\xff", "é", "null", "true", "false",
		`\u0041`, `,"livemode":false`, `,"metadata":{"a":1}`, `,"x":[]`, `"timestamp":1,`, `"value":"2",`, "\ufeff", "7", `"events":`, "\t"}
	for range r.IntN(4) {
		i := r.IntN(len(text) + 1)
		j := min(len(text), i+r.IntN(4))
		switch r.IntN(6) {
		case 0: // cut
			text = slices.Concat(text[:i], text[j:])
		case 1: // repeat
			j = min(len(text), i+r.IntN(80))
			text = slices.Concat(text[:j], text[i:])
		case 2: // one bit
			if i < len(text) {
				text[i] ^= 1 << r.IntN(8)
			}
		case 3: // replace
			text = slices.Concat(text[:i], []byte(parts[r.IntN(len(parts))]), text[j:])
		default: // insert
			text = slices.Concat(text[:i], []byte(parts[r.IntN(len(parts))]), text[i:])
		}
	}
	return text
}

// TestScanBatches holds the two ways against each other over whole batches that
// were good before some of their bytes were changed.
func TestScanBatches(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	good, refused, failed := 0, 0, 0
	for range 15_000 {
		events := make([]string, r.IntN(5))
		for i := range events {
			if events[i] = numbered(i); r.IntN(2) == 0 {
				events[i] = randomEvent(r)
			}
		}
		form := batchForms[r.IntN(len(batchForms))]
		text := mutate(r, []byte(form.before+strings.Join(events, form.between)+form.behind))
		m := eventModes[r.IntN(len(eventModes))]
		o := sameBatch(t, text, form.contentType, m.mode, m.known)
		good, refused = good+len(o.commands), refused+len(o.refused)
		if o.err != nil {
			failed++
		}
	}
	if good < 4_000 || refused < 4_000 || failed < 1_500 {
		t.Errorf("%d events good, %d refused, %d batches failed: the test has lost its object", good, refused, failed)
	}
}

// TestScanBatchBound is that the bound on a batch's events is where it was.
func TestScanBatchBound(t *testing.T) {
	for _, events := range []int{maxBatchEvents, maxBatchEvents + 1} {
		list := slices.Repeat([]string{goodEvent}, events)
		for _, last := range []string{goodEvent, "7", `{`} {
			list[events-1] = last
			for _, form := range []int{0, 3, 7} {
				form := batchForms[form]
				text := form.before + strings.Join(list, form.between) + form.behind
				o := sameBatch(t, []byte(text), form.contentType, ledger.Live, false)
				if last == goodEvent && (o.err == nil) != (events == maxBatchEvents) {
					t.Errorf("%d events %q: %v", events, form.before, o.err)
				}
			}
		}
	}
}

// TestScanAnswers is that callers and the store cannot tell which way an event
// was read.
func TestScanAnswers(t *testing.T) {
	r, random := newRig(t), rand.New(rand.NewPCG(5, 6))
	type outcome struct {
		status   int
		text     string
		commands [][]byte
	}
	ask := func(path, body string, on bool) (o outcome) {
		r.commands = nil
		withScanning(on, func() {
			answer := r.do(post, path, body)
			o = outcome{answer.status, answer.text, r.commands}
		})
		return o
	}
	for round := range 100 {
		if r.verdict = nil; round%3 == 0 {
			r.verdict = func(int) ledger.Result { return ledger.Result{Code: ledger.Duplicate, Account: 7, Seq: 42} }
		}
		for _, query := range []string{"", "?livemode=true", "?livemode=false"} {
			event := string(mutate(random, []byte(oneOf(random, randomEvent(random), goodEvent, goodEvent, goodEvent))))
			for path, body := range map[string]string{"/api/meter-events": event, batchPath: "[" + goodEvent + "," + event + "]"} {
				if got, want := ask(path+query, body, true), ask(path+query, body, false); !reflect.DeepEqual(got, want) {
					t.Fatalf("%s%s %q:\n got %+v\nwant %+v", path, query, body, got, want)
				}
			}
		}
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	text := fmt.Appendf(nil, benchEvent, 7)
	var r ledger.Report
	if n := testing.AllocsPerRun(100, func() {
		r = ledger.Report{}
		if !scanWhole(text, ledger.Live, true, &r) {
			t.Fatal("not plain")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzScanEvent holds the scanner against the long way: what it takes, the other
// takes as the same report.
func FuzzScanEvent(f *testing.F) {
	r := rand.New(rand.NewPCG(7, 8))
	f.Add(fmt.Appendf(nil, benchEvent, 7), byte(0))
	f.Add([]byte(goodEvent), byte(1))
	for i := range 64 {
		f.Add([]byte(randomEvent(r)), byte(i))
	}
	f.Fuzz(func(t *testing.T, text []byte, how byte) {
		m := eventModes[int(how)%len(eventModes)]
		sameEvent(t, text, m.mode, m.known)
	})
}

// FuzzScanBatch holds batches read with the scanner against those read without.
func FuzzScanBatch(f *testing.F) {
	for i, form := range batchForms {
		f.Add([]byte(form.before+goodEvent+form.between+fmt.Sprintf(benchEvent, i)+form.behind), byte(i))
	}
	f.Fuzz(func(t *testing.T, text []byte, how byte) {
		m, form := eventModes[int(how)%len(eventModes)], batchForms[int(how/4)%len(batchForms)]
		sameBatch(t, text, form.contentType, m.mode, m.known)
	})
}

// BenchmarkScan reads the same events both ways, in turns, so that what else the
// machine does weighs on both alike. It tells the medians, in ns an event.
func BenchmarkScan(b *testing.B) {
	const events = 1000
	lines := make([]string, events)
	for i := range lines {
		lines[i] = fmt.Sprintf(benchEvent, i%256)
	}
	array := "[" + strings.Join(lines, ",") + "]"
	withMetadata := strings.ReplaceAll(array, `"}`, `","metadata":{"a":"b"}}`)
	one := []byte(lines[0])
	batchOf := func(text, contentType string) func() {
		batch := newBatch([]byte(text), contentType)
		return func() {
			batch.items, batch.refused = batch.items[:0], batch.refused[:0]
			batch.commands.Reset()
			if err := batch.read(); err != nil || len(batch.refused) != 0 || batch.commands.Len() != events {
				b.Fatal(err, batch.refused)
			}
		}
	}
	var d document
	var r ledger.Report
	for _, c := range []struct {
		name string
		read func()
	}{
		{"event", func() {
			for range events {
				r = ledger.Report{}
				if !scanWhole(one, ledger.Live, true, &r) {
					if err := d.parse(one); err != nil {
						b.Fatal(err)
					}
					r, _ = decodeEvent(&d, ledger.Live, true)
				}
			}
		}},
		{"array", batchOf(array, "application/json")},
		{"envelope", batchOf(`{"events":`+array+`}`, "application/json")},
		{"lines", batchOf(strings.Join(lines, "\n"), "application/x-ndjson")},
		{"spaced", batchOf(strings.NewReplacer(`,"`, `, "`, `":`, `": `).Replace(array), "application/json")},
		{"metadata", batchOf(withMetadata, "application/json")}, // never plain: what the vain look costs
	} {
		b.Run(c.name, func(b *testing.B) {
			var old, new []time.Duration
			timed := func() time.Duration {
				start := time.Now()
				c.read()
				return time.Since(start)
			}
			for b.Loop() {
				withScanning(false, func() { old = append(old, timed()) })
				withScanning(true, func() { new = append(new, timed()) })
			}
			slices.Sort(old)
			slices.Sort(new)
			before, after := old[len(old)/2], new[len(new)/2]
			b.ReportMetric(float64(before)/events, "ns-old")
			b.ReportMetric(float64(after)/events, "ns-new")
			b.ReportMetric(float64(before)/float64(after), "times")
			b.ReportMetric(float64(old[0])/events, "min-old")
			b.ReportMetric(float64(new[0])/events, "min-new")
		})
	}
}
