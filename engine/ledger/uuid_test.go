package ledger

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// Each byte value in each of the 36 places: packed is what the one form says, and
// nothing else is.
func TestPackUUID(t *testing.T) {
	const uuid = "0123abcd-ef01-2345-6789-9876543210ff"
	for at := range len(uuid) {
		for c := range 256 {
			text := []byte(uuid)
			text[at] = byte(c)
			dash := uuid[at] == '-'
			want := dash && c == '-' || !dash && strings.IndexByte("0123456789abcdef", byte(c)) >= 0
			packed, ok := packUUID(text)
			if ok != want {
				t.Fatalf("%q: packed %v, expected %v", text, ok, want)
			}
			if ok && unpackUUID(packed[:]) != string(text) {
				t.Fatalf("%q came back as %q", text, unpackUUID(packed[:]))
			}
		}
	}
	for _, text := range []string{"", uuid[:35], uuid + "0", strings.ToUpper(uuid)} {
		if _, ok := packUUID(text); ok {
			t.Errorf("%q was packed", text)
		}
	}
}

func TestEightHex(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		var text [8]byte
		for i := range text {
			text[i] = "0123456789abcdef"[random.IntN(16)]
		}
		if random.IntN(2) == 0 {
			text[random.IntN(8)] = byte(random.IntN(256))
		}
		want, err := hex.DecodeString(string(text[:]))
		lower := strings.ToLower(string(text[:])) == string(text[:])
		got, ok := eightHex(le64(text[:]))
		if ok != (err == nil && lower) {
			t.Fatalf("%q: %v", text, ok)
		}
		if ok && fmt.Sprintf("%02x%02x%02x%02x", byte(got), byte(got>>8), byte(got>>16), byte(got>>24)) != hex.EncodeToString(want) {
			t.Fatalf("%q: %08x", text, got)
		}
	}
}

func BenchmarkPackUUID(b *testing.B) {
	const uuid = "0123abcd-ef01-2345-6789-9876543210ff"
	for b.Loop() {
		if _, ok := packUUID(uuid); !ok {
			b.Fatal()
		}
	}
}
