package api

import (
	"fmt"
	"strings"
	"testing"

	"drawdown/engine/ledger"
)

func numbered(n int) string {
	return strings.Replace(goodEvent, "id-1", fmt.Sprintf("id-%d", n), 1)
}

func (r *rig) batchReport(identifier string) *ledger.Report {
	return &ledger.Report{
		Channel: ledger.ViaBatch, Identifier: identifier, EventName: "tokens", Customer: "cus_a", Value: decimal(r.T, "1.5"),
	}
}

func TestBatchForms(t *testing.T) {
	r := newRig(t)
	a, b := numbered(1), numbered(2)
	for _, c := range []struct{ contentType, body string }{
		{"application/json", "[" + a + "," + b + "]"},
		{"application/json; charset=utf-8", " [ " + a + " , " + b + " ] \n"},
		{"application/json", `{"events":[` + a + "," + b + `]}`},
		{"application/json", ` { "x" : {"events":[1]} , "events" : [ ` + a + "\n," + b + ` ] , "y" : "]" } `},
		{"application/x-ndjson", a + "\n" + b + "\n"},
		{"Application/X-NDJSON; charset=utf-8", "\n" + a + "\r\n\n  \n" + b},
	} {
		answer := r.do(post, batchPath, c.body, "Content-Type", c.contentType)
		if answer.text != `{"accepted":2,"duplicates":0,"rejected":0,"results":[]}` {
			t.Errorf("%s %q: %d %s", c.contentType, c.body, answer.status, answer.text)
		}
		r.submitted(t, r.batchReport("id-1"), r.batchReport("id-2"))
	}
	for _, body := range []string{"[]", `{"events":[]}`} {
		r.expect(r.ok(post, batchPath, body), map[string]any{"accepted": 0, "rejected": 0})
	}
	if answer := r.do(post, batchPath, "", "Content-Type", "application/x-ndjson"); answer.status != 200 {
		t.Errorf("no lines: %d %s", answer.status, answer.text)
	}
}

func TestBatchShape(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct{ body, code, param string }{
		{``, "invalid_json", "body"}, {`5`, "invalid_json", "body"}, {`[`, "invalid_json", "body"}, {`[1,]`, "invalid_json", "body"},
		{`[1 2]`, "invalid_json", "body"}, {`[1]x`, "invalid_json", "body"}, {`[1}`, "invalid_json", "body"}, {`[{"a":1]`, "invalid_json", "body"},
		{"\ufeff[]", "invalid_json", "body"}, {`{}`, codeRequired, "events"}, {`{"a":1}`, codeRequired, "events"},
		{`{"events":1}`, codeInvalidType, "events"}, {`{"events":null}`, codeInvalidType, "events"}, {`{"events":[1}`, "invalid_json", "body"},
		{`{"events":[}]}`, "invalid_json", "body"}, {`{"events":[]`, "invalid_json", "body"}, {`{"events":[],}`, "invalid_json", "body"},
		{`{"events":[]} {}`, "invalid_json", "body"}, {`{"events":[],"events":[]}`, "duplicate_key", "body"},
		{`{"Events":[]}`, "misspelt_key", "events"}, {`{"events":[],"livemode":1}`, codeInvalidType, "livemode"},
		{`{"events":[],"x":{"a":1,"a":2}}`, "duplicate_key", "body"}, {`{"events":[],"x":nul}`, "invalid_json", "body"},
		{`{"events" []}`, "invalid_json", "body"}, {`{"ev` + "\xff" + `":[]}`, "invalid_utf8", "body"},
	} {
		r.refused(post, batchPath, c.body, 400, c.code, c.param)
	}
	r.refused(post, batchPath+"?results=some", "[]", 400, codeInvalidValue, "results")
}

// TestBatchBroken is that the error of a broken array says in which event and at
// which byte it broke.
func TestBatchBroken(t *testing.T) {
	r := newRig(t)
	a := goodEvent
	for _, c := range []struct{ body, at, where string }{
		{`[` + a + `,` + a + `,{"event_name" 1}]`, `1}]`, "in events[2]"}, {`[` + a + `,x]`, `x]`, "in events[1]"}, {`[` + a + `,]`, `]`, "in events[1]"},
		{`[` + a + ` ` + a + `]`, a + `]`, "behind events[0]"}, {`[` + a + `,` + a, ``, "behind events[1]"}, {`[`, ``, "in events[0]"},
		{`[` + a + `,{"a":"`, ``, "in events[1]"}, {`{"events":[` + a + `,1x]}`, `x]}`, "behind events[1]"},
		{`{"events":[` + a + `,` + a, ``, "behind events[1]"}, {`{"events":[` + a + `,}]}`, `}]}`, "in events[1]"},
		{`{"events":[` + a + `,{"a":]}`, `]}`, "in events[1]"}, {`{"events":[` + a + `}]}`, `}]}`, "behind events[0]"},
	} {
		answer := r.refused(post, batchPath, c.body, 400, "invalid_json", "body")
		text, _ := answer.object["error"].(string)
		at := fmt.Sprintf("at byte %d: ", len(c.body)-len(c.at))
		if !strings.Contains(text, at) || !strings.HasSuffix(text, ", "+c.where) {
			t.Errorf("%s: %s, want %q and %q", c.body, text, at, c.where)
		}
	}
	answer := r.refused(post, batchPath, `{"events":[`+a+`]]}`, 400, "invalid_json", "body")
	if text, _ := answer.object["error"].(string); !strings.Contains(text, fmt.Sprintf("at byte %d: ", len(a)+12)) {
		t.Errorf("behind the events: %s", text)
	}
}

// TestBatchVerdicts is that every item has a verdict of its own.
func TestBatchVerdicts(t *testing.T) {
	r := newRig(t)
	codes := []ledger.Code{ledger.OK, ledger.MeterUnknown, ledger.Duplicate, ledger.Duplicate, ledger.OK}
	r.verdict = func(i int) ledger.Result {
		return ledger.Result{Code: codes[i], Account: 7, Seq: 42, Time: logTime, Consumed: ledger.NewAmount(150)}
	}
	lines := []string{
		numbered(1),               // counted
		`{"event_name":"tokens"}`, // no identifier
		numbered(2),               // no such meter
		strings.Replace(goodEvent, `"1.5"`, `-1`, 1), // negative
		goodEvent, // repeated
		strings.Replace(goodEvent, `"1.5"`, `"2"`, 1),       // repeated, but different
		strings.Replace(goodEvent, `id-1`, `\ud800`, 1),     // half of a character
		strings.Replace(goodEvent, `{`, `{"a":1,"a":2,`, 1), // a key twice
		`7`,
		numbered(3), // counted
	}
	rejected := []struct {
		index       int
		code, param string
	}{
		{1, codeRequired, "events[1].identifier"}, {2, "meter_unknown", "events[2].event_name"},
		{3, "negative", "events[3].payload.value"}, {5, codeConflict, "events[5].payload.value"},
		{6, "lone_surrogate", "events[6]"}, {7, "duplicate_key", "events[7]"}, {8, codeInvalidType, "events[8]"},
	}
	check := func(answer reply, all bool) {
		t.Helper()
		r.expect(answer, map[string]any{"accepted": 2, "duplicates": 1, "rejected": 7})
		results, _ := answer.object["results"].([]any)
		want := len(rejected)
		if all {
			want = len(lines)
		}
		if len(results) != want {
			t.Fatalf("%d results, want %d: %s", len(results), want, answer.text)
		}
		next := 0
		for _, result := range results {
			item := result.(map[string]any)
			index := int(item["index"].(float64))
			if next < len(rejected) && rejected[next].index == index {
				c := rejected[next]
				if item["code"] != c.code || item["param"] != c.param || !strings.HasPrefix(item["error"].(string), c.param+" ") {
					t.Errorf("item %d is %v, want %v", index, item, c)
				}
				next++
			} else if item["id"] != eventID || item["error"] != nil {
				t.Errorf("item %d is %v", index, item)
			}
		}
		if next != len(rejected) {
			t.Errorf("results out of order: %s", answer.text)
		}
	}
	array := "[" + strings.Join(lines, ",\n") + "]"
	check(r.ok(post, batchPath, array), false)
	check(r.ok(post, batchPath+"?results=all", array), true)
	check(r.ok(post, batchPath+"?results=all", `{"events":`+array+"}"), true)
	r.submitted(t, r.batchReport("id-1"), r.batchReport("id-2"), r.batchReport("id-1"),
		&ledger.Report{Channel: ledger.ViaBatch, Identifier: "id-1", EventName: "tokens", Customer: "cus_a", Value: decimal(t, "2")},
		r.batchReport("id-3"))

	// Of lines, one that is no JSON at all does not sink the others either.
	lines[8] = `{"event_name":`
	rejected[6].code = "invalid_json"
	answer := r.do(post, batchPath, strings.Join(lines, "\n"), "Content-Type", "application/x-ndjson")
	check(answer, false)
}

func TestBatchMode(t *testing.T) {
	r := newRig(t)
	test := strings.Replace(goodEvent, "{", `{"livemode":false,`, 1)
	report := func(mode ledger.Mode) *ledger.Report {
		report := r.batchReport("id-1")
		report.Mode = mode
		return report
	}
	for _, c := range []struct {
		query, body string
		want        []ledger.Command
	}{
		{"", "[" + test + "," + goodEvent + "]", []ledger.Command{report(ledger.Test), report(ledger.Live)}},
		{"?livemode=true", "[" + test + "]", []ledger.Command{report(ledger.Live)}},
		{"?livemode=false", "[" + goodEvent + "]", []ledger.Command{report(ledger.Test)}},
		{"", `{"events":[` + goodEvent + `],"livemode":false}`, []ledger.Command{report(ledger.Test)}},
		{"?livemode=true", `{"livemode":false,"events":[` + goodEvent + `]}`, []ledger.Command{report(ledger.Live)}},
	} {
		r.expect(r.ok(post, batchPath+c.query, c.body), map[string]any{"accepted": len(c.want)})
		r.submitted(t, c.want...)
	}
}

// TestBatchReread is that a first event which cannot be read makes the whole
// answer unknown, not a success.
func TestBatchReread(t *testing.T) {
	r := newRig(t)
	r.verdict = func(int) ledger.Result { return ledger.Result{Code: ledger.Duplicate, Account: 7, Seq: 43} }
	r.refused(post, batchPath, "["+goodEvent+"]", 503, codeOutcomeUnknown, "")
}

// TestBatchLines is that one event a line goes the short way, is bounded, and that
// no line sinks another.
func TestBatchLines(t *testing.T) {
	r := newRig(t)
	lines := func(query string, list ...string) reply {
		return r.do(post, batchPath+query, strings.Join(list, "\n"), "Content-Type", "application/x-ndjson")
	}
	bad := []string{
		`{`, `}`, `[`, `"`, `x`, "\xff", "\x00", "\ufeff" + goodEvent, goodEvent + goodEvent, `[` + goodEvent + `]`, `null`,
		goodEvent + ",", "\v", `{"a":` + strings.Repeat("[", 10_000), strings.Repeat(`{"a":`, 300) + "1" + strings.Repeat("}", 300),
	}
	var list []string
	for i, line := range bad {
		list = append(list, numbered(2*i), line)
	}
	answer := lines("", list...)
	r.expect(answer, map[string]any{"accepted": len(bad), "rejected": len(bad)})
	results, _ := answer.object["results"].([]any)
	for i := range results {
		if item := results[i].(map[string]any); item["index"] != float64(2*i+1) || item["code"] == "" {
			t.Errorf("%q is %v", bad[i], item)
		}
	}
	// Lines of white space are no events, however many they are.
	answer = lines("", strings.Repeat(" \t\r\n", maxBatchBody/8), goodEvent)
	r.expect(answer, map[string]any{"accepted": 1, "rejected": 0})
	b := newBatch([]byte(strings.Repeat(goodEvent+"\n", 1000)), "application/x-ndjson")
	if err := b.read(); err != nil || len(b.items) != 1000 || cap(b.doc.nodes) != 0 {
		t.Errorf("%d events, %v; the document was used for %d nodes", len(b.items), err, cap(b.doc.nodes))
	}
}
