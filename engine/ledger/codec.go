package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// ErrCorrupt says that bytes are not what this version, or any older one, wrote.
// Met in the log or in a snapshot it must stop the node (I7): to skip the bytes
// would make this node differ from the others.
var ErrCorrupt = errors.New("ledger: corrupt or unknown encoding")

// The primitives of every encoding in this package. There is exactly one
// encoding of a value, and the reader refuses all others, so that bytes can be
// compared and hashed instead of what they mean.

func appendUvarint(dst []byte, v uint64) []byte { return binary.AppendUvarint(dst, v) }

// appendZigzag appends a signed number; small magnitudes take few bytes.
func appendZigzag(dst []byte, v int64) []byte {
	return binary.AppendUvarint(dst, uint64(v)<<1^uint64(v>>63))
}

func appendBytes[T string | []byte](dst []byte, s T) []byte {
	dst = appendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// appendAmount appends 7 bits a byte, low ones first, as a uvarint does.
func appendAmount(dst []byte, a Amount) []byte {
	for a.Hi != 0 {
		dst = append(dst, byte(a.Lo)|0x80)
		a.Lo = a.Lo>>7 | a.Hi<<57
		a.Hi >>= 7
	}
	return appendUvarint(dst, a.Lo)
}

func appendDecimal(dst []byte, d Decimal) []byte {
	if d.Scale > MaxDecimals {
		panic("ledger: a number with too many decimals")
	}
	return appendAmount(append(dst, d.Scale), d.Coef)
}

func appendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// reader takes an encoding apart. After the first wrong byte every read answers
// zero, and err says so: callers check once at the end. Byte slices that it
// returns alias its input.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) fail() { r.bad, r.b = true, nil }

func (r *reader) err() error {
	if r.bad {
		return ErrCorrupt
	}
	return nil
}

// end is err, or ErrCorrupt when bytes are left over.
func (r *reader) end() error {
	if len(r.b) != 0 {
		return fmt.Errorf("%w: %d bytes too many", ErrCorrupt, len(r.b))
	}
	return r.err()
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

// enum reads one byte below n.
func (r *reader) enum(n byte) byte {
	c := r.byte()
	if c >= n {
		r.fail()
		return 0
	}
	return c
}

func (r *reader) bool() bool { return r.enum(2) == 1 }

func (r *reader) uvarint() uint64 {
	if len(r.b) > 0 && r.b[0] < 0x80 {
		c := r.b[0]
		r.b = r.b[1:]
		return uint64(c)
	}
	v, n := binary.Uvarint(r.b)
	if n <= 0 || r.b[n-1] == 0 { // cut short, too long, or padded
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) uint32() uint32 {
	v := r.uvarint()
	if v>>32 != 0 {
		r.fail()
		return 0
	}
	return uint32(v)
}

func (r *reader) zigzag() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	s := r.b[:n:n]
	r.b = r.b[n:]
	return s
}

func (r *reader) bytes() []byte  { return r.take(r.uvarint()) }
func (r *reader) string() string { return string(r.bytes()) }

func (r *reader) fixed64() uint64 {
	s := r.take(8)
	if s == nil {
		return 0
	}
	return binary.LittleEndian.Uint64(s)
}

func (r *reader) amount() Amount {
	var a Amount
	for shift := uint(0); shift < 133; shift += 7 {
		c := r.byte()
		if c == 0 && shift > 0 { // padded
			break
		}
		v := uint64(c & 0x7f)
		if shift < 64 {
			a.Lo |= v << shift
			if shift > 57 {
				a.Hi |= v >> (64 - shift)
			}
		} else {
			if bits.Len64(v)+int(shift)-64 > 63 {
				break
			}
			a.Hi |= v << (shift - 64)
		}
		if c < 0x80 {
			return a
		}
	}
	r.fail()
	return Amount{}
}

func (r *reader) decimal() Decimal {
	scale := r.enum(MaxDecimals + 1)
	return Decimal{Scale: scale, Coef: r.amount()}
}

// Commands that are not on the hot path are written as fields: a tag, a length
// and the value, tags ascending, fields with no value left out. A newer version
// may add tags; an older one that meets an unknown tag refuses the entry rather
// than carry out half of it.

type fieldWriter struct{ b []byte }

func (w *fieldWriter) raw(tag byte, v []byte) {
	if v != nil {
		w.b = appendBytes(append(w.b, tag), v)
	}
}

func (w *fieldWriter) text(tag byte, s string) {
	if s != "" {
		w.b = appendBytes(append(w.b, tag), s)
	}
}

func (w *fieldWriter) optText(tag byte, s *string) {
	if s != nil {
		w.b = appendBytes(append(w.b, tag), *s)
	}
}

func (w *fieldWriter) number(tag byte, v uint64) {
	if v != 0 {
		w.b = append(w.b, tag, byte(uvarintLen(v)))
		w.b = appendUvarint(w.b, v)
	}
}

func (w *fieldWriter) optNumber(tag byte, v *uint64) {
	if v != nil {
		w.b = append(w.b, tag, byte(uvarintLen(*v)))
		w.b = appendUvarint(w.b, *v)
	}
}

func (w *fieldWriter) texts(tag byte, list []string) {
	for _, s := range list {
		w.b = appendBytes(append(w.b, tag), s)
	}
}

func uvarintLen(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

// fieldReader reads what fieldWriter wrote. It is asked for the tags in ascending
// order, so that a field out of order or unknown is left over and refused at the
// end.
type fieldReader struct{ r reader }

// has says whether the next field is the one with the tag, and if so reads up to
// its value.
func (f *fieldReader) has(tag byte) bool {
	if f.r.bad || len(f.r.b) == 0 || f.r.b[0] != tag {
		return false
	}
	f.r.b = f.r.b[1:]
	return true
}

func (f *fieldReader) raw(tag byte) []byte {
	if !f.has(tag) {
		return nil
	}
	return f.r.bytes()
}

func (f *fieldReader) text(tag byte) string {
	if !f.has(tag) {
		return ""
	}
	s := f.r.string()
	if s == "" {
		f.r.fail() // an empty text is left out
	}
	return s
}

func (f *fieldReader) optText(tag byte) *string {
	if !f.has(tag) {
		return nil
	}
	s := f.r.string()
	return &s
}

func (f *fieldReader) optNumber(tag byte) *uint64 {
	if !f.has(tag) {
		return nil
	}
	value := reader{b: f.r.bytes()}
	v := value.uvarint()
	if value.end() != nil {
		f.r.fail()
	}
	return &v
}

func (f *fieldReader) number(tag byte) uint64 {
	v := f.optNumber(tag)
	if v == nil {
		return 0
	}
	if *v == 0 {
		f.r.fail() // a zero is left out
	}
	return *v
}

// below is number, refused from n on.
func (f *fieldReader) below(tag byte, n uint64) uint64 {
	v := f.number(tag)
	if v >= n {
		f.r.fail()
		return 0
	}
	return v
}

func (f *fieldReader) texts(tag byte) (list []string) {
	for f.has(tag) {
		list = append(list, f.r.string())
	}
	return list
}
