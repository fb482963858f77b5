package ledger

import (
	"errors"
	"math/bits"
)

// Amount is an exact count of a currency's smallest unit, 0 <= a < 2^127. All
// money in the engine is an Amount: there is no floating point and no rounding
// anywhere. The zero value is zero. Whether an amount is added to or taken
// from a balance is said by the row that holds it, never by a sign.
type Amount struct {
	Hi, Lo uint64
}

// maxHi is the largest Hi of a valid Amount: the bound is 2^127, not 2^128, so
// that an amount always fits a signed 128-bit integer in other systems.
const maxHi = 1<<63 - 1

// ErrOverflow says that a sum or a product would reach 2^127.
var ErrOverflow = errors.New("amount is 2^127 or more")

// NewAmount is n units.
func NewAmount(n uint64) Amount { return Amount{Lo: n} }

// IsZero says whether a is 0.
func (a Amount) IsZero() bool { return a.Hi|a.Lo == 0 }

// Cmp is -1, 0 or 1 as a is less than, equal to or greater than b.
func (a Amount) Cmp(b Amount) int {
	switch {
	case a.Hi < b.Hi || a.Hi == b.Hi && a.Lo < b.Lo:
		return -1
	case a == b:
		return 0
	}
	return 1
}

// Less says whether a < b.
func (a Amount) Less(b Amount) bool { return a.Cmp(b) < 0 }

// Add is a + b; ok is false when the sum would reach 2^127.
func (a Amount) Add(b Amount) (sum Amount, ok bool) {
	lo, carry := bits.Add64(a.Lo, b.Lo, 0)
	hi, over := bits.Add64(a.Hi, b.Hi, carry)
	return Amount{hi, lo}, over == 0 && hi <= maxHi
}

// plus is a + b where the caller has already made sure that it fits. It panics
// when it does not: going on would be to invent or destroy credit (I3).
func (a Amount) plus(b Amount) Amount {
	sum, ok := a.Add(b)
	if !ok {
		panic("ledger: I3: amount overflow where a bound was promised")
	}
	return sum
}

// Sub is a - b; ok is false when b > a.
func (a Amount) Sub(b Amount) (diff Amount, ok bool) {
	lo, borrow := bits.Sub64(a.Lo, b.Lo, 0)
	hi, under := bits.Sub64(a.Hi, b.Hi, borrow)
	return Amount{hi, lo}, under == 0
}

// minus is a - b where the caller has already made sure that b <= a.
func (a Amount) minus(b Amount) Amount {
	diff, ok := a.Sub(b)
	if !ok {
		panic("ledger: I3: amount below zero")
	}
	return diff
}

// Min is the lesser of a and b.
func (a Amount) Min(b Amount) Amount {
	if b.Less(a) {
		return b
	}
	return a
}

// mul64 is a * m; ok is false when the product would reach 2^127.
func (a Amount) mul64(m uint64) (Amount, bool) {
	carry, lo := bits.Mul64(a.Lo, m)
	over, hi := bits.Mul64(a.Hi, m)
	hi, c := bits.Add64(hi, carry, 0)
	return Amount{hi, lo}, over == 0 && c == 0 && hi <= maxHi
}

// divmod64 is a / d and a % d; d must not be 0.
func (a Amount) divmod64(d uint64) (Amount, uint64) {
	hi, r := a.Hi/d, a.Hi%d
	lo, r := bits.Div64(r, a.Lo, d)
	return Amount{hi, lo}, r
}

// maxDigits is the number of decimal digits of the largest Amount (2^127-1).
const maxDigits = 39

// AppendText appends a in decimal digits without leading zeros.
func (a Amount) AppendText(dst []byte) ([]byte, error) {
	var digits [maxDigits]byte
	i := len(digits)
	for a.Hi != 0 {
		var r uint64
		a, r = a.divmod64(1e19)
		for range 19 {
			i--
			digits[i] = byte('0' + r%10)
			r /= 10
		}
	}
	for lo := a.Lo; lo != 0 || i == len(digits); lo /= 10 {
		i--
		digits[i] = byte('0' + lo%10)
	}
	// The 19-digit groups above may have left zeros in front.
	for i < len(digits)-1 && digits[i] == '0' {
		i++
	}
	return append(dst, digits[i:]...), nil
}

// String is a in decimal digits.
func (a Amount) String() string {
	text, _ := a.AppendText(nil)
	return string(text)
}

// ParseAmount reads an Amount from decimal digits, as String writes it. Used for
// amounts that are already in the smallest unit.
func ParseAmount(s string) (Amount, error) {
	if s == "" {
		return Amount{}, ErrNumber
	}
	var a Amount
	for i := range len(s) {
		d, err := digit(s[i])
		if err != nil {
			return Amount{}, err
		}
		if a, err = a.appendDigit(d); err != nil {
			return Amount{}, err
		}
	}
	return a, nil
}

func digit(c byte) (uint64, error) {
	if c < '0' || c > '9' {
		return 0, ErrNumber
	}
	return uint64(c - '0'), nil
}

// appendDigit is a * 10 + d.
func (a Amount) appendDigit(d uint64) (Amount, error) {
	a, ok := a.mul64(10)
	if !ok {
		return Amount{}, ErrOverflow
	}
	if a, ok = a.Add(Amount{Lo: d}); !ok {
		return Amount{}, ErrOverflow
	}
	return a, nil
}
