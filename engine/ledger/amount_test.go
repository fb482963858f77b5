package ledger

import (
	"errors"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var (
	limit    = new(big.Int).Lsh(big.NewInt(1), 127)
	maxUnits = Amount{maxHi, 1<<64 - 1}
)

func bigOf(a Amount) *big.Int {
	v := new(big.Int).SetUint64(a.Hi)
	return v.Add(v.Lsh(v, 64), new(big.Int).SetUint64(a.Lo))
}

func amountOf(v *big.Int) Amount {
	lo := new(big.Int).And(v, new(big.Int).SetUint64(1<<64-1))
	return Amount{new(big.Int).Rsh(v, 64).Uint64(), lo.Uint64()}
}

const (
	maxText  = "170141183460469231731687303715884105727" // 2^127-1
	overText = "170141183460469231731687303715884105728" // 2^127
)

func TestParseAmount(t *testing.T) {
	for _, c := range []struct {
		text string
		err  error
	}{
		{"0", nil}, {"1", nil}, {"18446744073709551615", nil}, {"18446744073709551616", nil}, {maxText, nil},
		{overText, ErrOverflow}, {"340282366920938463463374607431768211456", ErrOverflow},
		{strings.Repeat("9", 500), ErrOverflow}, {"", ErrNumber}, {"-1", ErrNumber}, {"+1", ErrNumber},
		{"1.0", ErrNumber}, {" 1", ErrNumber}, {"1e3", ErrNumber}, {"٣", ErrNumber}, {"0x10", ErrNumber},
	} {
		a, err := ParseAmount(c.text)
		if !errors.Is(err, c.err) {
			t.Errorf("%q: %v, expected %v", c.text, err, c.err)
		}
		if err == nil && a.String() != c.text {
			t.Errorf("%q came back as %q", c.text, a)
		}
	}
}

func TestParseDecimal(t *testing.T) {
	zeros := func(n int) string { return strings.Repeat("0", n) }
	for _, c := range []struct {
		text, echo string // echo: what String gives back
		err        error
	}{
		{"0", "0", nil}, {"1", "1", nil}, {"1.5", "1.5", nil}, {"1.50", "1.50", nil}, {"0.10", "0.10", nil},
		{"007", "", ErrNumber}, {"00", "", ErrNumber}, {"00.5", "", ErrNumber}, {"0.5", "0.5", nil},
		{"0.0", "0.0", nil}, {maxText, maxText, nil}, {overText, "", ErrOverflow},
		{"1e3", "1000", nil}, {"1E+3", "1000", nil}, {"1.5e1", "15", nil}, {"1.50e1", "15.0", nil},
		{"15e-1", "1.5", nil}, {"1e-18", "0.000000000000000001", nil}, {"1e-19", "", ErrPrecision},
		{"10e-19", "", ErrPrecision}, {"0.10e-17", "", ErrPrecision}, // written zeros count
		{"0.123456789012345678", "0.123456789012345678", nil},
		{"0.1234567890123456789", "", ErrPrecision}, {"0.1234567890123456780", "", ErrPrecision},
		{"1e400", "", ErrOverflow}, {"1e-400", "", ErrPrecision}, {"1e99999999999999999999", "", ErrOverflow},
		{"1e-99999999999999999999", "", ErrPrecision}, {"0e400", "0", nil}, {"0e-400", "", ErrPrecision}, {"0e-2", "0.00", nil},
		{"1e38", "1" + zeros(38), nil}, {"2e38", "", ErrOverflow}, {"1e39", "", ErrOverflow},
		// The exponent and the digits behind the point cancel out, however long both are.
		{"0." + zeros(399) + "1e400", "1", nil}, {"0." + zeros(400) + "1e401", "1", nil},
		{"0." + zeros(999) + "7e1000", "7", nil}, {"0." + zeros(999) + "7e999", "0.7", nil},
		{"", "", ErrNumber}, {".", "", ErrNumber}, {"1.", "", ErrNumber}, {".5", "", ErrNumber}, {"1..2", "", ErrNumber},
		{"1.2.3", "", ErrNumber}, {"+1", "", ErrNumber}, {"0x10", "", ErrNumber}, {"1_000", "", ErrNumber},
		{"1,000", "", ErrNumber}, {" 1", "", ErrNumber}, {"1 ", "", ErrNumber}, {"1 2", "", ErrNumber}, {"٣", "", ErrNumber},
		{"１", "", ErrNumber}, {"e3", "", ErrNumber}, {"1e", "", ErrNumber}, {"1e+", "", ErrNumber}, {"1e-", "", ErrNumber},
		{"1e1.5", "", ErrNumber}, {"1e٣", "", ErrNumber}, {"1.e3", "", ErrNumber}, {"NaN", "", ErrNumber},
		{"Infinity", "", ErrNumber}, {"null", "", ErrNumber}, {"1\x00", "", ErrNumber},
		{"-1", "", ErrNegative}, {"-0", "", ErrNegative}, {"-0.0", "", ErrNegative}, {"-1e400", "", ErrNegative},
		{"-", "", ErrNumber}, {"-x", "", ErrNumber}, {"--1", "", ErrNumber}, {"-+1", "", ErrNumber},
		{"-" + zeros(0) + overText, "", ErrNegative},
	} {
		d, err := ParseDecimal(c.text)
		if !errors.Is(err, c.err) {
			t.Errorf("%.60q: %v, expected %v", c.text, err, c.err)
		}
		if err == nil && d.String() != c.echo {
			t.Errorf("%.60q came back as %q, expected %q", c.text, d, c.echo)
		}
	}
}

// A number made of signs only is refused at once, not after one call a sign: the
// stack of a goroutine is finite, and a process does not survive its end.
func TestParseDecimalManySigns(t *testing.T) {
	text := strings.Repeat("-", 1<<25) + "1"
	if _, err := ParseDecimal(text); !errors.Is(err, ErrNumber) {
		t.Errorf("%v", err)
	}
}

func TestDecimalUnits(t *testing.T) {
	for _, c := range []struct {
		text     string
		decimals uint8
		units    string
		err      error
	}{
		{"1", 0, "1", nil}, {"1", 2, "100", nil}, {"1.5", 2, "150", nil}, {"1.50", 2, "150", nil},
		{"1.500", 2, "", ErrPrecision}, {"1.505", 2, "", ErrPrecision}, {"0.1", 0, "", ErrPrecision}, {"1.0", 0, "", ErrPrecision},
		{"1", 18, "1000000000000000000", nil}, {"0.000000000000000001", 18, "1", nil},
		{"0.000000000000000001", 17, "", ErrPrecision}, {"0", 18, "0", nil}, {"0.00", 0, "", ErrPrecision}, {"0.00", 2, "0", nil},
		{maxText, 0, maxText, nil}, {maxText, 1, "", ErrOverflow},
		{"170141183460469231731.687303715884105727", 18, maxText, nil},
		{"170141183460469231731.687303715884105728", 18, "", ErrOverflow},
		{"170141183460469231732", 18, "", ErrOverflow},
	} {
		d, err := ParseDecimal(c.text)
		var a Amount
		if err == nil {
			a, err = d.Units(c.decimals)
		}
		if !errors.Is(err, c.err) || err == nil && a.String() != c.units {
			t.Errorf("%s at %d decimals: %v, %v; expected %s, %v", c.text, c.decimals, a, err, c.units, c.err)
		}
	}
}

func TestTokens(t *testing.T) {
	for _, c := range []struct {
		units    string
		decimals uint8
		tokens   string
	}{
		{"0", 0, "0"}, {"0", 18, "0"}, {"99050", 2, "990.5"}, {"100", 2, "1"}, {"5", 2, "0.05"}, {"1", 18, "0.000000000000000001"},
		{maxText, 0, maxText}, {maxText, 18, "170141183460469231731.687303715884105727"},
	} {
		a, err := ParseAmount(c.units)
		if got := a.Tokens(c.decimals); err != nil || got != c.tokens {
			t.Errorf("%s units at %d decimals are %s, expected %s", c.units, c.decimals, got, c.tokens)
		}
	}
}

func TestDecimalEqual(t *testing.T) {
	for _, c := range []struct {
		a, b  string
		equal bool
	}{
		{"1.5", "1.50", true}, {"1", "1.000", true}, {"1e3", "1000", true}, {"0", "0.00", true}, {"1", "1.01", false},
		{"10", "1", false}, {"0.1", "1", false},
	} {
		if got := mustDecimal(t, c.a).Equal(mustDecimal(t, c.b)); got != c.equal {
			t.Errorf("%s = %s is %v", c.a, c.b, got)
		}
	}
}

// drawAmount draws amounts of every magnitude, the limits among them.
func drawAmount(t *rapid.T, label string) Amount {
	a := Amount{rapid.Uint64Range(0, maxHi).Draw(t, label+".hi"), rapid.Uint64().Draw(t, label+".lo")}
	shift := rapid.IntRange(0, 127).Draw(t, label+".shift")
	if rapid.Bool().Draw(t, label+".edge") {
		a = maxUnits
	}
	return amountOf(new(big.Int).Rsh(bigOf(a), uint(shift)))
}

func TestAmountArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, m := drawAmount(t, "a"), drawAmount(t, "b"), rapid.Uint64().Draw(t, "m")
		x, y := bigOf(a), bigOf(b)
		expect := func(what string, got Amount, ok bool, want *big.Int) {
			if fits := want.Sign() >= 0 && want.Cmp(limit) < 0; ok != fits || fits && bigOf(got).Cmp(want) != 0 {
				t.Fatalf("%s of %v, %v, %d: %v, %v; expected %v", what, a, b, m, got, ok, want)
			}
		}
		sum, ok := a.Add(b)
		expect("sum", sum, ok, new(big.Int).Add(x, y))
		diff, ok := a.Sub(b)
		expect("difference", diff, ok, new(big.Int).Sub(x, y))
		product, ok := a.mul64(m)
		expect("product", product, ok, new(big.Int).Mul(x, new(big.Int).SetUint64(m)))
		if m != 0 {
			q, r := a.divmod64(m)
			wantQ, wantR := new(big.Int).QuoRem(x, new(big.Int).SetUint64(m), new(big.Int))
			expect("quotient", q, true, wantQ)
			expect("remainder", NewAmount(r), true, wantR)
		}
		if a.Cmp(b) != x.Cmp(y) || a.Less(b) != (x.Cmp(y) < 0) || a.IsZero() != (x.Sign() == 0) {
			t.Fatalf("%v and %v compare as %d", a, b, a.Cmp(b))
		}
		if least := a.Min(b); bigOf(least).Cmp(x) > 0 || bigOf(least).Cmp(y) > 0 || least != a && least != b {
			t.Fatalf("the lesser of %v and %v is %v", a, b, least)
		}
		if a.String() != x.String() {
			t.Fatalf("%v is written %s", x, a)
		}
		if back, err := ParseAmount(a.String()); err != nil || back != a {
			t.Fatalf("%s came back as %v, %v", a, back, err)
		}
	})
}

func TestDecimalRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Decimal{drawAmount(t, "coef"), uint8(rapid.IntRange(0, MaxDecimals).Draw(t, "scale"))}
		back, err := ParseDecimal(d.String())
		if err != nil || back != d {
			t.Fatalf("%+v is written %s and came back as %+v, %v", d, d, back, err)
		}
		if tokens, err := ParseDecimal(d.Coef.Tokens(d.Scale)); err != nil || !tokens.Equal(d) {
			t.Fatalf("%+v in tokens is %v, %v", d, tokens, err)
		}
		checkDecimal(t, d.String())
	})
}

// checkDecimal holds ParseDecimal and Units against math/big.
func checkDecimal(t interface {
	Fatalf(format string, args ...any)
}, text string) {
	d, err := ParseDecimal(text)
	want, exact := bigDecimal(text)
	switch {
	case want == nil:
		if err == nil { // ErrNumber, or ErrOverflow when the digits in front are too many already
			t.Fatalf("%q is no number, but: %v, %v", text, d, err)
		}
		return
	case text[0] == '-':
		if !errors.Is(err, ErrNegative) {
			t.Fatalf("%q is negative, but: %v, %v", text, d, err)
		}
		return
	case !exact:
		return // too large for the judge
	case err != nil:
		return // which limit it was is what the tables say
	}
	got := new(big.Rat).SetFrac(bigOf(d.Coef), pow10(int(d.Scale)))
	if d.Scale > MaxDecimals || bigOf(d.Coef).Cmp(limit) >= 0 || got.Cmp(want) != 0 {
		t.Fatalf("%q is %+v, expected %v", text, d, want)
	}
	for decimals := uint8(0); decimals <= MaxDecimals; decimals++ {
		units := new(big.Rat).Mul(want, new(big.Rat).SetInt(pow10(int(decimals))))
		a, err := d.Units(decimals)
		switch {
		case d.Scale > decimals: // also where the digits too many are zeros
			if !errors.Is(err, ErrPrecision) {
				t.Fatalf("%q at %d decimals: %v, %v", text, decimals, a, err)
			}
		case units.Num().Cmp(limit) >= 0:
			if !errors.Is(err, ErrOverflow) {
				t.Fatalf("%q at %d decimals: %v, %v", text, decimals, a, err)
			}
		case err != nil || bigOf(a).Cmp(units.Num()) != 0:
			t.Fatalf("%q at %d decimals: %v, %v, expected %v", text, decimals, a, err, units)
		}
	}
}

func pow10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// bigDecimal reads -digits[.digits][e[+-]digits] by other means; nil for any other
// text. exact is false when the value is too large to work out.
func bigDecimal(text string) (value *big.Rat, exact bool) {
	mantissa, exponent, hasExponent := strings.Cut(strings.ToLower(strings.TrimPrefix(text, "-")), "e")
	whole, fraction, hasPoint := strings.Cut(mantissa, ".")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	if !digits(whole) || hasPoint && !digits(fraction) {
		return nil, false
	}
	unsigned := exponent
	if exponent != "" && (exponent[0] == '+' || exponent[0] == '-') {
		unsigned = exponent[1:]
	}
	if hasExponent && !digits(unsigned) {
		return nil, false
	}
	if len(strings.TrimLeft(unsigned, "0")) > 3 || len(text) > 2000 {
		return new(big.Rat), false
	}
	value, ok := new(big.Rat).SetString(strings.TrimPrefix(text, "-"))
	return value, ok
}

func FuzzDecimal(f *testing.F) {
	for _, s := range []string{"0", "1.50", "1e3", "0.00000000000000000001e20", "-1", "1e-400", maxText, overText} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		checkDecimal(t, text)
		if a, err := ParseAmount(text); err == nil && strings.TrimLeft(a.String(), "0") != strings.TrimLeft(text, "0") {
			t.Fatalf("%q is %v", text, a)
		}
	})
}
