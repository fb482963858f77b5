package api

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode"
	"unicode/utf8"

	"drawdown/engine/ledger"
)

// value is one JSON value of a document. The zero value is one that is not there.
type value struct {
	d  *document
	at uint32
}

func (v value) node() *node { return &v.d.nodes[v.at] }

// missing says whether the value is not there or null, which means the same.
func (v value) missing() bool { return v.d == nil || v.node().kind == kindNull }

// text is a string's text or any other value's source, in the document's memory.
func (v value) text() []byte { return v.d.bytes(v.at) }

// pick finds the members of an object that have the names, and ignores the rest;
// out gets one for each name. A key that is a name but for its letter case, or but
// for one character, is refused: to ignore "expire_at" would be to give credit that
// never expires.
func (v value) pick(names []string, out []value) *Error {
	if v.d == nil || v.node().kind != kindObject {
		return badRequest(codeInvalidType, "", "must be a JSON object")
	}
	clear(out)
	expected := 0 // callers tend to send the fields in one order
	for i, end := v.at+1, v.node().next; i < end; i = v.d.nodes[i+1].next {
		key := v.d.bytes(i)
		n := expected
		if n >= len(names) || string(key) != names[n] {
			var err *Error
			if n, err = indexName(names, key); err != nil {
				return err
			}
		}
		if n >= 0 {
			out[n] = value{v.d, i + 1}
			expected = n + 1
		}
	}
	return nil
}

// indexName is the place of key among the names, or -1.
func indexName(names []string, key []byte) (int, *Error) {
	for n, name := range names {
		if string(key) == name {
			return n, nil
		}
	}
	for _, name := range names {
		if len(key) >= len(name) && bytes.EqualFold(key, []byte(name)) {
			return 0, badRequest("misspelt_key", name, fmt.Sprintf("is spelt %.64q here; letter case matters", key))
		}
		if len(name) >= minMisspelt && oneApart(name, key) {
			return 0, badRequest("misspelt_key", name, fmt.Sprintf("is spelt %.64q here", key))
		}
	}
	return -1, nil
}

// minMisspelt is how long a name must be for a key that is one character away to
// be taken for it: short words are often one character apart.
const minMisspelt = 5

// oneApart says whether one character less, more or other makes a name of the key.
func oneApart(name string, key []byte) bool {
	if len(key) < len(name)-1 || len(key) > len(name)+1 {
		return false
	}
	same := 0
	for same < len(name) && same < len(key) && name[same] == key[same] {
		same++
	}
	nameRest, keyRest := name[same:], key[same:]
	switch {
	case len(keyRest) < len(nameRest):
		return nameRest[1:] == string(keyRest)
	case len(keyRest) > len(nameRest):
		return nameRest == string(keyRest[1:])
	}
	return len(nameRest) > 0 && nameRest[1:] == string(keyRest[1:])
}

// only is pick for objects in which every member matters: others are refused.
func (v value) only(names []string, out []value) *Error {
	if err := v.pick(names, out); err != nil {
		return err
	}
	for i, end := v.at+1, v.node().next; i < end; i = v.d.nodes[i+1].next {
		key := v.d.bytes(i)
		if n, err := indexName(names, key); err != nil || n < 0 {
			return badRequest("unknown_field", fmt.Sprintf("%.64s", key), "is not known here")
		}
	}
	return nil
}

// textRule says what a text may be.
type textRule struct {
	required bool
	empty    bool // "" is a value, not a mistake
	bytes    int  // at most so many bytes, if not 0
	chars    int  // at most so many characters, if not 0
	token    bool // a name that is compared byte by byte: see printable
}

var (
	identifierRule  = textRule{required: true, bytes: maxIdentifier, token: true}
	idRule          = textRule{required: true, bytes: maxID, token: true}
	optionalIDRule  = textRule{bytes: maxID, token: true}
	eventNameRule   = textRule{required: true, chars: maxEventName, token: true}
	nameRule        = textRule{chars: maxName, empty: true}
	meterNameRule   = textRule{required: true, chars: maxMeterName}
	unitRule        = textRule{required: true, chars: maxUnit}
	descriptionRule = textRule{chars: maxDescription, empty: true}
	urlRule         = textRule{bytes: maxURL, empty: true}
)

// optional is the rule for a field that may be left out.
func (r textRule) optional() textRule {
	r.required = false
	return r
}

// sent is the value as a field that was sent.
func (v value) sent() sent {
	if v.missing() {
		return sent{}
	}
	return sent{v.node().kind, v.text()}
}

// kind is the value's kind; that of one that is not there is null.
func (v value) kind() kind {
	if v.missing() {
		return kindNull
	}
	return v.node().kind
}

// check holds a text that is there against the rule.
func (r *textRule) check(name string, text []byte) *Error {
	switch {
	case len(text) == 0 && r.token && !r.required:
		return nil // callers send '' for an id that they leave out
	case len(text) == 0 && !r.empty:
		return badRequest(codeRequired, name, "must not be empty")
	case r.bytes > 0 && len(text) > r.bytes:
		return badRequest(codeTooLong, name, fmt.Sprintf("must be at most %d bytes long", r.bytes))
	case r.chars > 0 && len(text) > r.chars && utf8.RuneCount(text) > r.chars:
		return badRequest(codeTooLong, name, fmt.Sprintf("must be at most %d characters long", r.chars))
	case r.token && !printable(text):
		return invalid(name, "must hold printable characters only")
	case !r.token && hasControl(text):
		return invalid(name, "must not hold control characters")
	}
	return nil
}

// printable says whether an identifier holds nothing that cannot be seen:
// control and format characters, odd spaces, and U+FFFD, which is what lossy
// decoders upstream leave of texts that were different.
func printable(text []byte) bool {
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			if c < 0x20 || c == 0x7f {
				return false
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return false
		}
		i += size
	}
	return true
}

// hasControl says whether a free text holds control characters; line breaks and
// tabs are none.
func hasControl(text []byte) bool {
	for _, r := range string(text) {
		if unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' {
			return true
		}
	}
	return false
}

// str is a text field in memory of its own; "" if it is left out.
func (v value) str(name string, r textRule) (string, *Error) {
	text, err := v.sent().raw(name, &r)
	return string(text), err
}

// optStr is str that tells a field left out (nil) from an empty one.
func (v value) optStr(name string, r textRule) (*string, *Error) {
	text, err := v.sent().raw(name, &r)
	if err != nil || v.missing() {
		return nil, err
	}
	s := string(text)
	return &s, nil
}

// boolean is a field that is true or false; set is false if it is left out.
func (v value) boolean(name string) (is, set bool, err *Error) { return v.kind().boolean(name) }

// integer is a field that is a whole JSON number from low to high; set is false
// if it is left out.
func (v value) integer(name string, low, high int64) (n int64, set bool, err *Error) {
	if set, err = v.kind().number(name); err != nil || !set {
		return 0, false, err
	}
	n, parseErr := strconv.ParseInt(string(v.text()), 10, 64)
	if parseErr != nil || n < low || n > high {
		return 0, false, notBetween(name, low, high)
	}
	return n, true, nil
}

// decimal is a required amount in whole tokens: a decimal string, or a number
// taken by its literal text.
func (v value) decimal(name string) (ledger.Decimal, *Error) { return v.sent().decimal(name) }

// object is a field that holds a JSON object, compact; nil if it is left out or
// empty. It may share the document's source.
func (v value) object(name string) ([]byte, *Error) {
	if v.missing() {
		return nil, nil
	}
	if v.node().kind != kindObject {
		return nil, badRequest(codeInvalidType, name, "must be a JSON object")
	}
	return v.compact(name)
}

// objectOrArray is object that takes an array as well.
func (v value) objectOrArray(name string) ([]byte, *Error) {
	if v.missing() {
		return nil, nil
	}
	if k := v.node().kind; k != kindObject && k != kindArray {
		return nil, badRequest(codeInvalidType, name, "must be a JSON object or array")
	}
	return v.compact(name)
}

func (v value) compact(name string) ([]byte, *Error) {
	n := v.node()
	if n.next == v.at+1 {
		return nil, nil // {} or []
	}
	text := v.text()
	if n.spaced {
		text = withoutSpace(text)
	}
	if len(text) > maxMetadata {
		return nil, badRequest(codeTooLong, name, fmt.Sprintf("must be at most %d bytes of compact JSON", maxMetadata))
	}
	return text, nil
}

// withoutSpace is valid JSON without the white space between its tokens.
func withoutSpace(text []byte) []byte {
	out := make([]byte, 0, len(text))
	quoted := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quoted && c == '\\':
			out = append(out, c)
			i++
			c = text[i]
		case c == '"':
			quoted = !quoted
		case !quoted && (c == ' ' || c == '\n' || c == '\r' || c == '\t'):
			continue
		}
		out = append(out, c)
	}
	return out
}

// texts is a field that holds an array of at most max strings; set is false if
// it is left out.
func (v value) texts(name string, max int, r textRule) (list []string, set bool, err *Error) {
	if v.missing() {
		return nil, false, nil
	}
	if v.node().kind != kindArray {
		return nil, false, badRequest(codeInvalidType, name, "must be an array of strings")
	}
	for i, end := v.at+1, v.node().next; i < end; i = v.d.nodes[i].next {
		if len(list) == max {
			return nil, false, badRequest(codeTooLong, name, fmt.Sprintf("must hold at most %d items", max))
		}
		item, err := value{v.d, i}.str(fmt.Sprintf("%s[%d]", name, len(list)), r)
		if err != nil {
			return nil, false, err
		}
		list = append(list, item)
	}
	return list, true, nil
}
