package ledger

import (
	"fmt"
	"math/bits"
	"testing"
)

// Bytes that differ have different hashes, under different seeds too: all lengths
// up to three words, every single byte changed.
func TestHashBytesDiffer(t *testing.T) {
	seen := map[uint64]string{}
	note := func(h uint64, what string) {
		if other, ok := seen[h]; ok {
			t.Fatalf("%s and %s have the hash %x", what, other, h)
		}
		seen[h] = what
	}
	for length := range 25 {
		text := make([]byte, length)
		for seed := range uint64(3) {
			note(hashBytes(seed, text), fmt.Sprint(length, " zeros, seed ", seed))
		}
		for i := range text {
			for _, c := range []byte{1, 0x80, 0xff} {
				text[i] = c
				note(hashBytes(0, text), fmt.Sprintf("%x", text))
				text[i] = 0
			}
		}
	}
}

// One bit of the input turns over about half of the hash.
func TestHashSpreads(t *testing.T) {
	for _, text := range []string{"a", "customer-1", "0123456789abcdef0123456789abcdef"} {
		h, flipped := hashBytes(1, text), 0
		for i := range 8 * len(text) {
			other := []byte(text)
			other[i/8] ^= 1 << (i % 8)
			flipped += bits.OnesCount64(h ^ hashBytes(1, other))
		}
		if mean := flipped / (8 * len(text)); mean < 24 || mean > 40 {
			t.Errorf("%q: a changed bit changes %d bits of the hash", text, mean)
		}
	}
}

// The values are part of the format: they must never change.
func TestHashValues(t *testing.T) {
	for _, c := range []struct {
		seed uint64
		text string
		hash uint64
	}{
		{0, "", 0xf1e5d5c678b7c8e2}, {0, "a", 0xb0fd5e8dbe8395d}, {1, "a", 0xf180b5a38894f40c},
		{7, "customer-1", 0x84acbd8320cfc894}, {7, "0123456789abcdef", 0x2bd0e4063a39b557},
	} {
		if h := hashBytes(c.seed, c.text); h != c.hash || hashBytes(c.seed, []byte(c.text)) != h {
			t.Errorf("{%d, %q, %#x},", c.seed, c.text, h)
		}
	}
}

// Names spread over the table, and are found again whatever was added since.
func TestNames(t *testing.T) {
	var n names
	const count = 50_000
	for i := range count {
		mode := Mode(i % 2)
		number, fresh := intern(&n, mode, fmt.Sprint("customer-", i/2))
		if !fresh || number != uint32(i+1) {
			t.Fatalf("name %d has number %d, fresh %v", i, number, fresh)
		}
	}
	for i := range count {
		mode, text := Mode(i%2), fmt.Sprint("customer-", i/2)
		if number := find(&n, mode, []byte(text)); number != uint32(i+1) {
			t.Fatalf("%s has number %d, expected %d", text, number, i+1)
		}
		if string(n.name(uint32(i+1))) != text || n.mode(uint32(i+1)) != mode {
			t.Fatalf("number %d is %s", i+1, n.name(uint32(i+1)))
		}
		if number, fresh := intern(&n, mode, text); fresh || number != uint32(i+1) {
			t.Fatalf("%s was given a second number %d", text, number)
		}
	}
	if find(&n, Live, "nobody") != 0 || find(&names{}, Live, "nobody") != 0 {
		t.Error("nobody was found")
	}
}
