package load

import (
	"encoding/binary"
	"fmt"
)

// Shapes are the names of the shapes of identifiers.
var Shapes = []string{"uuid", "ulid", "hex16", "text36"}

// shape is how 128 bits are written as an identifier; all of one shape are of the
// same length.
type shape struct {
	width int
	put   func(dst []byte, high, low uint64)
}

var shapes = map[string]shape{
	"":       {36, putUUID},
	"uuid":   {36, putUUID},
	"ulid":   {26, putULID},
	"hex16":  {16, func(dst []byte, high, _ uint64) { putHex(dst[:16], high) }},
	"text36": {36, putText},
}

func shapeOf(name string) (shape, error) {
	s, ok := shapes[name]
	if !ok {
		return s, fmt.Errorf("identifiers: %q is none of %v", name, Shapes)
	}
	return s, nil
}

// Pairs of digits, as they lie in memory.
var hexPairs, decimalPairs = pairs("0123456789abcdef"), pairs("0123456789")

func pairs(digits string) (table [256]uint16) {
	for i := range len(digits) * len(digits) {
		table[i] = uint16(digits[i/len(digits)]) | uint16(digits[i%len(digits)])<<8
	}
	return table
}

func putPair(dst []byte, pair uint16) { binary.LittleEndian.PutUint16(dst, pair) }

func putHex(dst []byte, x uint64) {
	for i := 14; i >= 0; i -= 2 {
		putPair(dst[i:i+2], hexPairs[byte(x)])
		x >>= 8
	}
}

// UUID makes the bits those of a UUID of version 4.
func UUID(high, low uint64) (uint64, uint64) {
	return high&^0xf000 | 0x4000, low&^(0xc0<<56) | 0x80<<56
}

// AppendUUID appends the bits as a UUID of version 4.
func AppendUUID(dst []byte, high, low uint64) []byte {
	var text [36]byte
	putUUID(text[:], high, low)
	return append(dst, text[:]...)
}

// putUUID writes 8-4-4-4-12 hexadecimal digits. The dashes are written each time,
// so that dst may hold anything.
func putUUID(dst []byte, high, low uint64) {
	high, low = UUID(high, low)
	dst = dst[:36]
	for i, at := range [8]int{0, 2, 4, 6, 9, 11, 14, 16} {
		putPair(dst[at:at+2], hexPairs[byte(high>>(56-8*i))])
	}
	for i, at := range [8]int{19, 21, 24, 26, 28, 30, 32, 34} {
		putPair(dst[at:at+2], hexPairs[byte(low>>(56-8*i))])
	}
	dst[8], dst[13], dst[18], dst[23] = '-', '-', '-', '-'
}

func putULID(dst []byte, high, low uint64) {
	const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	for i := 25; i >= 0; i-- {
		dst[i] = crockford[low&31]
		low = low>>5 | high<<59
		high >>= 5
	}
}

func putText(dst []byte, high, low uint64) {
	putHex(dst[:16], high)
	putHex(dst[16:32], low)
	copy(dst[32:36], "-req")
}

// customerWidth is the length of a customer's name: "cus_" and eight digits.
const customerWidth = 12

// CustomerName is the name of customer i.
func CustomerName(i uint32) string {
	name := [customerWidth]byte{'c', 'u', 's', '_'}
	putDigits(name[4:], i)
	return string(name[:])
}

// PutCustomer writes the name of customer i over one that stands there.
func PutCustomer(dst []byte, i uint32) { putDigits(dst[customerWidth-8:], i) }

// putDigits writes eight decimal digits.
func putDigits(dst []byte, i uint32) {
	high, low := i/10_000, i%10_000
	dst = dst[:8]
	putPair(dst, decimalPairs[high/100])
	putPair(dst[2:], decimalPairs[high%100])
	putPair(dst[4:], decimalPairs[low/100])
	putPair(dst[6:], decimalPairs[low%100])
}
