package ledger

import "testing"

// TestMergeKnowsEscapedKeys: one client writes é, another \u00e9, and both mean the
// same key. Two of them in one object would be a different object to each reader.
func TestMergeKnowsEscapedKeys(t *testing.T) {
	for _, c := range []struct{ base, patch, want string }{
		{`{"é":1}`, `{"\u00e9":2}`, `{"é":2}`},
		{`{"\u00e9":1}`, `{"é":null,"b":1}`, `{"b":1}`},
		{`{"a\/b":1}`, `{"a/b":2}`, `{"a/b":2}`},
		{`{"<":1}`, `{"\u003c":null,"\"":1}`, `{"\"":1}`},
		{`{"😀":1,"\ud83d\u0020":2}`, `{"\ud83d\ude00":3,"\n":4,"\u000a":null}`, `{"\ud83d ":2,"😀":3}`},
		{`{"\u0000x":1}`, `{"a\\":2}`, `{"\u0000x":1,"a\\":2}`},
	} {
		if got := string(mergeObjects([]byte(c.base), []byte(c.patch))); got != c.want {
			t.Errorf("%s with %s: %s, expected %s", c.base, c.patch, got, c.want)
		}
	}
}
