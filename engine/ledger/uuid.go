package ledger

import (
	"encoding/binary"
	"encoding/hex"
)

const uuidBytes = 16

// packUUID is the 16 bytes of a UUID in its usual lower-case form. Any other
// text is not packed, so that the very bytes can be given back. Most identifiers
// pass here, so that eight digits are read at once.
func packUUID[T string | []byte](s T) (packed [uuidBytes]byte, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return packed, false
	}
	a, okA := eightHex(le64(s))
	b, okB := eightHex(le32(s[9:]) | le32(s[14:])<<32)
	c, okC := eightHex(le32(s[19:]) | le32(s[24:])<<32)
	d, okD := eightHex(le64(s[28:]))
	binary.LittleEndian.PutUint32(packed[:], a)
	binary.LittleEndian.PutUint32(packed[4:], b)
	binary.LittleEndian.PutUint32(packed[8:], c)
	binary.LittleEndian.PutUint32(packed[12:], d)
	return packed, okA && okB && okC && okD
}

func le32[T string | []byte](b T) uint64 {
	_ = b[3]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24
}

// eightHex is the four bytes that eight lower-case hexadecimal digits stand for, the
// first digit and the first byte in the lowest places. ok is false if any of the
// eight is something else.
func eightHex(text uint64) (bytes uint32, ok bool) {
	const ones = 0x0101010101010101
	letter := text >> 6 & ones                 // 1 in each place that may be a letter
	value := text&(0x0f*ones) + 9*letter       // 0 to 9, 10 to 15 if it is what it may be
	upper := text >> 4 & (0x0f * ones)         // 3 of a digit, 6 of a letter
	beyondNine := (value + 6*ones) >> 4 & ones // 1 in each place whose value is 10 or more
	if upper != 3*ones+3*letter || beyondNine != letter || value&(0xf0*ones) != 0 {
		return 0, false
	}
	value = (value<<4 | value>>8) & 0x00ff00ff00ff00ff
	value = (value | value>>8) & 0x0000ffff0000ffff
	return uint32(value | value>>16), true
}

// unpackUUID is the inverse of packUUID.
func unpackUUID(b []byte) string {
	var s [36]byte
	hex.Encode(s[0:8], b[0:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:36], b[10:16])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}
