package ledger

import (
	"math/big"
	"math/bits"
)

// Total is a sum of amounts over accounts. Each account keeps below 2^127, but
// there may be many of them: a Total holds 2^64 times as much, so that adding
// never fails. It is for reading; what is spent is an Amount. The zero value is
// zero.
type Total struct{ high, mid, low uint64 }

// Add puts an amount to the total.
func (t *Total) Add(a Amount) {
	var carry uint64
	t.low, carry = bits.Add64(t.low, a.Lo, 0)
	t.mid, carry = bits.Add64(t.mid, a.Hi, carry)
	t.high += carry
}

// AddTotal puts another total to the total.
func (t *Total) AddTotal(o Total) {
	var carry uint64
	t.low, carry = bits.Add64(t.low, o.low, 0)
	t.mid, carry = bits.Add64(t.mid, o.mid, carry)
	t.high += o.high + carry
}

// TotalOf is one amount as a total.
func TotalOf(a Amount) (t Total) {
	t.Add(a)
	return t
}

// IsZero says whether the total is 0.
func (t Total) IsZero() bool { return t == Total{} }

// Minus is t - o in decimal digits, with a sign if o is the larger.
func (t Total) Minus(o Total) string { return new(big.Int).Sub(t.big(), o.big()).String() }

// String is the total in decimal digits.
func (t Total) String() string { return t.big().String() }

func (t Total) big() *big.Int {
	sum := new(big.Int).SetUint64(t.high)
	for _, word := range []uint64{t.mid, t.low} {
		sum.Lsh(sum, 64).Or(sum, new(big.Int).SetUint64(word))
	}
	return sum
}
