package ledger

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// mergeMetadata is mergeObjects within MaxMetadata: patches are small, what they add
// up to must be too. What is deleted makes room, and what is too long already may
// get shorter.
func mergeMetadata(base, patch []byte) ([]byte, Code) {
	merged := mergeObjects(base, patch)
	if len(merged) > MaxMetadata && len(merged) > len(base) {
		return nil, MetadataTooLong
	}
	return merged, OK
}

// mergeObjects is base with the keys of patch put over it; a key whose value in
// patch is null is deleted. Both are compact, valid JSON objects without
// duplicate keys, or nil. Keys come out sorted, so that the result does not
// depend on the order in which changes arrived. An empty result is nil.
func mergeObjects(base, patch []byte) []byte {
	if patch == nil {
		return base
	}
	merged := map[string]string{}
	for _, m := range splitObject(base) {
		merged[plainKey(m.key)] = m.value
	}
	for _, m := range splitObject(patch) {
		if m.value == "null" {
			delete(merged, plainKey(m.key))
		} else {
			merged[plainKey(m.key)] = m.value
		}
	}
	if len(merged) == 0 {
		return nil
	}
	keys := make([]string, 0, len(merged))
	for key := range merged {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	out := []byte{'{'}
	for i, key := range keys {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, key...), ':'), merged[key]...)
	}
	return append(out, '}')
}

// plainKey is the one form in which a key is written, quotes and all: clients differ
// in what they escape, and mean the same key. Only quotes, backslashes and control
// characters stay escaped.
func plainKey(key string) string {
	if !strings.Contains(key, `\`) {
		return key
	}
	out := make([]byte, 0, len(key))
	for i := 0; i < len(key); {
		if key[i] != '\\' || i+1 == len(key) {
			out = append(out, key[i])
			i++
			continue
		}
		c, n := escaped(key[i:])
		switch {
		case c < 0: // no character
			out = append(out, key[i:i+n]...)
		case c == '"' || c == '\\':
			out = append(out, '\\', byte(c))
		case c < ' ':
			out = fmt.Appendf(out, `\u%04x`, c)
		default:
			out = utf8.AppendRune(out, c)
		}
		i += n
	}
	return string(out)
}

// escaped is the character that the escape at the start of s stands for, and the
// length of the escape; -1 for what is none.
func escaped(s string) (c rune, n int) {
	if s[1] != 'u' {
		if at := strings.IndexByte(`"\/bfnrt`, s[1]); at >= 0 {
			return rune("\"\\/\b\f\n\r\t"[at]), 2
		}
		return -1, 2
	}
	unit := unit16(s)
	if low := unit16(s[min(6, len(s)):]); unit >= 0xd800 && unit < 0xdc00 && low >= 0xdc00 && low < 0xe000 {
		return 0x10000 + (unit-0xd800)<<10 + (low - 0xdc00), 12
	}
	if unit < 0 || unit >= 0xd800 && unit < 0xe000 {
		return -1, 2 // the rest of it needs no escape, and is copied as it is
	}
	return unit, 6
}

// unit16 is the number of the \uXXXX at the start of s, -1 if there is none.
func unit16(s string) rune {
	if len(s) < 6 || s[:2] != `\u` {
		return -1
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	if err != nil {
		return -1
	}
	return rune(n)
}

// member is one key and value of an object, both as they stand in the JSON text.
type member struct{ key, value string }

// splitObject takes a compact JSON object apart at its top level. Keys keep
// their quotes and escapes. Of a text that is no object it makes something, the
// same on every node.
func splitObject(object []byte) (members []member) {
	s := string(object)
	for i := 1; i < len(s)-1; {
		key := skipValue(s, i)
		if key == len(s) {
			break
		}
		value := skipValue(s, key+1)
		members = append(members, member{s[i:key], s[key+1 : value]})
		i = value + 1 // past the comma
	}
	return members
}

// skipValue is the end of the JSON value that starts at i.
func skipValue(s string, i int) int {
	depth, quoted := 0, false
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case depth == 0 && (c == ',' || c == ':' || c == '}' || c == ']'):
			return i
		case c == '}' || c == ']':
			depth--
		}
	}
	return min(i, len(s)) // an escape may have led past the end
}

// objectText is the string value of a top-level key, without unescaping; ok is
// false when the key is missing or not a string.
func objectText(object []byte, key string) (value string, ok bool) {
	for _, m := range splitObject(object) {
		if m.key == `"`+key+`"` && len(m.value) >= 2 && m.value[0] == '"' {
			return m.value[1 : len(m.value)-1], true
		}
	}
	return "", false
}
