package ledger

import (
	"encoding/binary"
	"math/bits"
)

// The state hash (I4) tells whether two nodes came to the same state at the same
// index. It guards against faults, not against an attacker, so it is a fast
// multiply-and-fold hash. Its result must be the same on every machine and in
// every version: the constants are part of the format.
const (
	hashA = 0x9e3779b97f4a7c15
	hashB = 0xd6e8feb86659fd93
)

// fold multiplies by a constant (odd, never 0) and folds the product.
func fold(a, constant uint64) uint64 {
	hi, lo := bits.Mul64(a, constant)
	return hi ^ lo
}

// mix is a hash of two words. Every word goes in by exclusive or, never as a
// factor: a factor that happens to be 0 would wipe out what came before.
func mix(a, b uint64) uint64 {
	return fold(fold(a^hashA, hashB)^b, hashA)
}

// hashBytes is the hash of b under a seed. Under a secret seed nobody can aim at
// collisions.
func hashBytes[T string | []byte](seed uint64, b T) uint64 {
	h := mix(seed, uint64(len(b)))
	for len(b) >= 8 {
		h = fold(h^le64(b), hashB)
		b = b[8:]
	}
	if len(b) > 0 {
		var tail [8]byte
		copy(tail[:], b)
		h = fold(h^binary.LittleEndian.Uint64(tail[:]), hashB)
	}
	return fold(h^seed, hashA)
}

func le64[T string | []byte](b T) uint64 {
	_ = b[7]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}
