package api

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// plain marks the bytes that stand for themselves in a string, and need no look
// at what follows.
var plain = func() (table [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		table[c] = c != '"' && c != '\\'
	}
	return table
}()

// skipPlain is the position of the first byte from i on that is not plain. It
// looks at eight bytes at a time: the high bit of a byte of odd is set where the
// byte is not ASCII, below 0x20, a quote or a backslash. A borrow can set it for
// bytes above such a one too, but never below, and the lowest is what counts.
func skipPlain(src []byte, i int) int {
	const ones = 0x0101010101010101
	for i+8 <= len(src) {
		x := binary.LittleEndian.Uint64(src[i:])
		odd := (x | (x - 0x20*ones) | ((x ^ '"'*ones) - ones) | ((x ^ '\\'*ones) - ones)) & (0x80 * ones)
		if odd != 0 {
			return i + bits.TrailingZeros64(odd)/8
		}
		i += 8
	}
	for i < len(src) && plain[src[i]] {
		i++
	}
	return i
}

// text reads the string whose opening quote is at pos.
func (d *document) text(pos int) int {
	ascii := true
	for i := skipPlain(d.src, pos+1); i < len(d.src); i = skipPlain(d.src, i+1) {
		switch c := d.src[i]; {
		case c == '"':
			if !ascii && !utf8.Valid(d.src[pos+1:i]) {
				d.blame("invalid_utf8", "holds invalid UTF-8 in the string at byte %d", pos)
			}
			d.add(kindString, pos+1, i)
			return i + 1
		case c == '\\':
			return d.escapedText(pos, i)
		case c < 0x20:
			return d.stop(i, "a control character in a string")
		}
		ascii = false
	}
	return d.stop(len(d.src), "a string has no end")
}

// escapedText reads the same string once its first backslash was met at i, and
// decodes it into scratch.
func (d *document) escapedText(pos, i int) int {
	start := len(d.scratch)
	d.scratch = append(d.scratch, d.src[pos+1:i]...)
	for i < len(d.src) {
		switch c := d.src[i]; {
		case c == '"':
			if !utf8.Valid(d.scratch[start:]) {
				d.blame("invalid_utf8", "holds invalid UTF-8 in the string at byte %d", pos)
			}
			d.add(kindString, start, len(d.scratch))
			d.nodes[len(d.nodes)-1].decoded = true
			return i + 1
		case c == '\\':
			if i = d.escape(i); i < 0 {
				return -1
			}
		case c < 0x20:
			return d.stop(i, "a control character in a string")
		default:
			d.scratch = append(d.scratch, c)
			i++
		}
	}
	return d.stop(len(d.src), "a string has no end")
}

// shortEscapes are the characters behind a backslash that stand for one byte.
var shortEscapes = [256]byte{
	'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t',
}

// escape decodes the escape whose backslash is at pos.
func (d *document) escape(pos int) int {
	c := d.peek(pos + 1)
	if short := shortEscapes[c]; short != 0 {
		d.scratch = append(d.scratch, short)
		return pos + 2
	}
	if c != 'u' {
		return d.stop(pos, "no such escape")
	}
	unit, ok := d.hex4(pos + 2)
	if !ok {
		return d.stop(pos, "an escape without four hexadecimal digits")
	}
	end := pos + 6
	switch {
	case unit == 0:
		d.blame("nul_character", "holds a NUL character at byte %d", pos)
	case unit >= 0xd800 && unit < 0xdc00:
		low, ok := rune(0), false
		if d.peek(end) == '\\' && d.peek(end+1) == 'u' {
			low, ok = d.hex4(end + 2)
		}
		if ok && low >= 0xdc00 && low < 0xe000 {
			unit = 0x10000 + (unit-0xd800)<<10 + (low - 0xdc00)
			end += 6
			break
		}
		fallthrough
	case unit >= 0xd800 && unit < 0xe000:
		// Decoders turn each of these into U+FFFD, so that two different texts
		// become one: a use would be lost (I2).
		d.blame("lone_surrogate", "holds half of a surrogate pair at byte %d", pos)
	}
	d.scratch = utf8.AppendRune(d.scratch, unit)
	return end
}

// hex4 is the number of the four hexadecimal digits at pos.
func (d *document) hex4(pos int) (rune, bool) {
	var unit rune
	for i := range 4 {
		digit, ok := hexDigit(d.peek(pos + i))
		if !ok {
			return 0, false
		}
		unit = unit<<4 | rune(digit)
	}
	return unit, true
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
