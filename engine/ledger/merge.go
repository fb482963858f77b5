package ledger

import "sort"

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
		merged[m.key] = m.value
	}
	for _, m := range splitObject(patch) {
		if m.value == "null" {
			delete(merged, m.key)
		} else {
			merged[m.key] = m.value
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
