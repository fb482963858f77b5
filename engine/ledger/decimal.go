package ledger

import "errors"

// MaxDecimals is the largest number of decimals that a currency may have, and
// with it the largest scale of a Decimal.
const MaxDecimals = 18

// Errors of reading a decimal number. Each is the caller's mistake.
var (
	ErrNumber    = errors.New("not a decimal number")
	ErrNegative  = errors.New("must not be negative")
	ErrPrecision = errors.New("has more decimals than the currency")
)

// Decimal is an exact number of whole tokens as a caller wrote it: Coef / 10^Scale.
// "1.50" and "1.5" are two Decimals of the same value; the scale is kept so that
// an answer can repeat what was sent.
type Decimal struct {
	Coef  Amount
	Scale uint8 // 0 to MaxDecimals
}

// maxExponent bounds the exponent that ParseDecimal looks at. It is larger than
// the length of any text that reaches it, so that an exponent at the bound cannot
// be made good by the number of digits behind the point.
const maxExponent = 1 << 27

// ParseDecimal reads a JSON number's or string's literal text: digits, an
// optional fraction, an optional exponent. A sign is ErrNegative for '-' (also
// for -0) and ErrNumber for '+'. More than MaxDecimals decimals is ErrPrecision,
// a coefficient of 2^127 or more ErrOverflow. Nothing is ever rounded.
func ParseDecimal(s string) (Decimal, error) {
	if s == "" || s[0] != '-' {
		return parseUnsigned(s)
	}
	if _, err := parseUnsigned(s[1:]); errors.Is(err, ErrNumber) {
		return Decimal{}, ErrNumber
	}
	return Decimal{}, ErrNegative
}

func parseUnsigned(s string) (Decimal, error) {
	coef, scale, rest, err := parseMantissa(s)
	if err != nil {
		return Decimal{}, err
	}
	exponent, err := parseExponent(rest)
	if err != nil {
		return Decimal{}, err
	}
	return normalize(coef, scale-exponent)
}

// parseMantissa reads digits[.digits]; scale is the number of digits behind the
// point, and rest what follows.
func parseMantissa(s string) (coef Amount, scale int, rest string, err error) {
	i, point := 0, -1
	for ; i < len(s); i++ {
		if s[i] == '.' && point < 0 {
			point = i
			continue
		}
		d, notDigit := digit(s[i])
		if notDigit != nil {
			break
		}
		if coef, err = coef.appendDigit(d); err != nil {
			return Amount{}, 0, "", err
		}
	}
	switch {
	case i == 0, point == 0, point == i-1:
		return Amount{}, 0, "", ErrNumber
	case s[0] == '0' && i > 1 && point != 1: // a zero in front, which an echo would drop
		return Amount{}, 0, "", ErrNumber
	case point >= 0:
		scale = i - point - 1
	}
	return coef, scale, s[i:], nil
}

// parseExponent reads what follows the mantissa: nothing, or e[+-]digits.
func parseExponent(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	if s[0] != 'e' && s[0] != 'E' {
		return 0, ErrNumber
	}
	s, sign := s[1:], 1
	if s != "" && (s[0] == '-' || s[0] == '+') {
		if s[0] == '-' {
			sign = -1
		}
		s = s[1:]
	}
	if s == "" {
		return 0, ErrNumber
	}
	n := 0
	for i := range len(s) {
		d, err := digit(s[i])
		if err != nil {
			return 0, err
		}
		n = min(n*10+int(d), maxExponent)
	}
	return sign * n, nil
}

// normalize brings coef / 10^scale to a scale within 0 to MaxDecimals. Digits that
// were written behind the point count as decimals, zeros too: they are never cut.
func normalize(coef Amount, scale int) (Decimal, error) {
	if scale > MaxDecimals {
		return Decimal{}, ErrPrecision
	}
	for ; scale < 0 && !coef.IsZero(); scale++ {
		var ok bool
		if coef, ok = coef.mul64(10); !ok {
			return Decimal{}, ErrOverflow
		}
	}
	return Decimal{coef, uint8(max(0, scale))}, nil
}

// Units is d in the smallest unit of a currency with the given decimals.
// ErrPrecision when d is written with more of them, ErrOverflow from 2^127 on.
func (d Decimal) Units(decimals uint8) (Amount, error) {
	if d.Scale > decimals {
		return Amount{}, ErrPrecision
	}
	a := d.Coef
	for s := d.Scale; s < decimals; s++ {
		var ok bool
		if a, ok = a.mul64(10); !ok {
			return Amount{}, ErrOverflow
		}
	}
	return a, nil
}

// Equal says whether d and e are the same number, whatever their scales.
func (d Decimal) Equal(e Decimal) bool { return d.trim() == e.trim() }

// trim drops zeros at the end of the fraction.
func (d Decimal) trim() Decimal {
	for d.Scale > 0 {
		q, r := d.Coef.divmod64(10)
		if r != 0 {
			break
		}
		d.Coef, d.Scale = q, d.Scale-1
	}
	return d
}

// String is d with exactly Scale decimals.
func (d Decimal) String() string {
	text, _ := d.Coef.AppendText(nil)
	if d.Scale == 0 {
		return string(text)
	}
	for len(text) <= int(d.Scale) {
		text = append([]byte{'0'}, text...)
	}
	point := len(text) - int(d.Scale)
	return string(text[:point]) + "." + string(text[point:])
}

// Tokens is an amount of smallest units as a number of whole tokens, without
// zeros at the end of its fraction: 99050 at 2 decimals is "990.5".
func (a Amount) Tokens(decimals uint8) string {
	return Decimal{a, decimals}.trim().String()
}
