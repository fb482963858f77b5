package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestJSON(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, c := range []struct {
		text string
		code string // "" is accepted
	}{
		{`{}`, ""}, {` [ ] `, ""}, {`null`, ""}, {"\t\r\n true", ""}, {`{"a":{"b":[1,-0.5e+10,"x\u0041\ud83d\ude00"]}}`, ""},
		{`"é"`, ""}, {`{"a":1,"b":{"a":1}}`, ""}, {`"\u00e9\n\/"`, ""},
		{``, "invalid_json"}, {` `, "invalid_json"}, {`{`, "invalid_json"}, {`{"a"}`, "invalid_json"}, {`{"a":}`, "invalid_json"},
		{`{"a":1,}`, "invalid_json"}, {`[1,]`, "invalid_json"}, {`[1 2]`, "invalid_json"}, {`{a:1}`, "invalid_json"},
		{`{'a':1}`, "invalid_json"}, {`nul`, "invalid_json"}, {`True`, "invalid_json"}, {`NaN`, "invalid_json"},
		{`Infinity`, "invalid_json"}, {`-Infinity`, "invalid_json"}, {`0x10`, "invalid_json"}, {`1_000`, "invalid_json"},
		{`01`, "invalid_json"}, {`.5`, "invalid_json"}, {`1.`, "invalid_json"}, {`1e`, "invalid_json"}, {`1e+`, "invalid_json"},
		{`+1`, "invalid_json"}, {`-`, "invalid_json"}, {`--1`, "invalid_json"}, {`{} {}`, "invalid_json"}, {`{}x`, "invalid_json"},
		{"{}\x00", "invalid_json"}, {"\ufeff{}", "invalid_json"}, {`"a`, "invalid_json"}, {"\"a\nb\"", "invalid_json"},
		{`"\x"`, "invalid_json"}, {`"\u12g4"`, "invalid_json"}, {`"\u12`, "invalid_json"}, {`"\`, "invalid_json"},
		{`// c`, "invalid_json"}, {`[1]/**/`, "invalid_json"}, {"\u00a0{}", "invalid_json"},
		{"\"\xff\"", "invalid_utf8"}, {"{\"\xc3\x28\":1}", "invalid_utf8"}, {"\"\\n\xff\"", "invalid_utf8"}, {"\"\xed\xa0\x80\"", "invalid_utf8"},
		{`"\ud800"`, "lone_surrogate"}, {`"\udc00"`, "lone_surrogate"}, {`"\ud800\u0041"`, "lone_surrogate"}, {`"\ud800\ud800"`, "lone_surrogate"},
		{`"\u0000"`, "nul_character"},
		{`{"a":1,"a":1}`, "duplicate_key"}, {`{"a":1,"\u0061":2}`, "duplicate_key"}, {`[{"x":{"b":1,"c":2,"b":3}}]`, "duplicate_key"},
		{nested(maxDepth), ""}, {nested(maxDepth + 1), "too_deep"}, {nested(maxRecursion), "too_deep"},
		{nested(maxRecursion + 1), "too_deep"}, {nested(1_000_000), "too_deep"}, {strings.Repeat(`{"a":`, 100_000), "invalid_json"},
	} {
		var d document
		err := d.parse([]byte(c.text))
		if got := codeOf(err); got != c.code {
			t.Errorf("%.60q: %q (%v), want %q", c.text, got, err, c.code)
		}
	}
}

func codeOf(err *Error) string {
	if err == nil {
		return ""
	}
	return err.Code
}

// TestJSONManyKeys keeps the comparison of keys from being quadratic.
func TestJSONManyKeys(t *testing.T) {
	var text bytes.Buffer
	text.WriteByte('{')
	for i := range 100_000 {
		fmt.Fprintf(&text, `"%d":0,`, i)
	}
	var d document
	if err := d.parse(append(text.Bytes(), `"x":0}`...)); err != nil {
		t.Error(err)
	}
	if err := d.parse(append(text.Bytes(), `"77777":0}`...)); codeOf(err) != "duplicate_key" {
		t.Errorf("a key twice among many: %v", err)
	}
}

func TestJSONCompact(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`{"a":1}`, `{"a":1}`},
		{"{ \"a b\" : [ 1 , 2 ]\n, \"c\\\" }\" : \"x\\\\\" }", `{"a b":[1,2],"c\" }":"x\\"}`},
		{`{"a":{ }}`, `{"a":{}}`},
		{` { } `, ``},
	} {
		var d document
		if err := d.parse([]byte(c.text)); err != nil {
			t.Fatal(err)
		}
		if got, err := d.root().object("metadata"); err != nil || string(got) != c.want {
			t.Errorf("%q is %q (%v), want %q", c.text, got, err, c.want)
		}
	}
}

// any rebuilds what a document says, as encoding/json would.
func (v value) any() any {
	n := v.node()
	switch n.kind {
	case kindFalse, kindTrue:
		return n.kind == kindTrue
	case kindNumber:
		return json.Number(v.text())
	case kindString:
		return string(v.text())
	case kindArray:
		list := []any{}
		for i := v.at + 1; i < n.next; i = v.d.nodes[i].next {
			list = append(list, value{v.d, i}.any())
		}
		return list
	case kindObject:
		object := map[string]any{}
		for i := v.at + 1; i < n.next; i = v.d.nodes[i+1].next {
			object[string(v.d.bytes(i))] = value{v.d, i + 1}.any()
		}
		return object
	}
	return nil
}

// FuzzJSON holds the reader against encoding/json: it accepts nothing that the
// other refuses, understands what both accept in the same way, and refuses what
// the other accepts only for the reasons that it adds itself.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		goodEvent, goodGrant, `[1,2.5e-3,"\ud83d\ude00",{"a":null,"b":[true,false]}]`, `{"a":1,"a":2}`, `"\ud800"`, "\"\xff\"",
		"{\"a\" : \n[ ] }", `[[[[]]]]`, `-0`, `1e400`, "\ufeff{}", `"\u0000"`, `{"":""}`,
	} {
		f.Add([]byte(seed))
	}
	own := map[string]bool{"invalid_utf8": true, "lone_surrogate": true, "nul_character": true, "duplicate_key": true, "too_deep": true}
	var d document
	f.Fuzz(func(t *testing.T, text []byte) {
		source := bytes.Clone(text)
		err := d.parse(text)
		if !bytes.Equal(source, text) {
			t.Fatal("the source was changed")
		}
		valid := json.Valid(text)
		switch {
		case err == nil && !valid:
			t.Fatalf("accepted %q", text)
		case err != nil && !own[err.Code] && valid && bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) <= maxRecursion:
			t.Fatalf("refused %q: %v", text, err)
		case err != nil:
			return
		}
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		var want any
		if err := decoder.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if got := d.root().any(); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q is %#v, want %#v", text, got, want)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, text); err != nil {
			t.Fatal(err)
		}
		if got := withoutSpace(text); !bytes.Equal(got, compact.Bytes()) {
			t.Fatalf("%q compact is %q, want %q", text, got, compact.Bytes())
		}
	})
}

// FuzzBatch holds the batch's way through a body against reading it as a whole.
func FuzzBatch(f *testing.F) {
	f.Add([]byte("[" + goodEvent + ", " + goodEvent + "]"))
	f.Add([]byte(`{"livemode":false,"events":[` + goodEvent + `,1,"]",{"a":[{}]}],"x":{}}`))
	f.Add([]byte(`{"events":[]}`))
	f.Add([]byte(`{"events":["\"]"],"events2":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		b := newBatch(text, "application/json")
		err := b.read()
		if err == nil && !json.Valid(text) {
			t.Fatalf("accepted %q", text)
		}
		if err != nil {
			return
		}
		var items []json.RawMessage
		if json.Unmarshal(text, &items) != nil {
			var envelope struct {
				Events []json.RawMessage `json:"events"`
			}
			if e := json.Unmarshal(text, &envelope); e != nil {
				var mismatch *json.UnmarshalTypeError
				if errors.As(e, &mismatch) {
					return
				}
				t.Fatal(e)
			}
			items = envelope.Events
		}
		if len(items) != len(b.items) {
			t.Fatalf("%q has %d items, %d were read", text, len(items), len(b.items))
		}
		for i, item := range b.items {
			if got := text[item.start:item.end]; !bytes.Equal(got, items[i]) {
				t.Fatalf("item %d of %q is %q, want %q", i, text, got, items[i])
			}
		}
	})
}
