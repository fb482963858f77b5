package api

import (
	"encoding/binary"
	"math/bits"
	"unsafe"

	"drawdown/engine/ledger"
)

// Nearly all events have one plain shape: the five keys that matter, ASCII texts
// without escapes, a short number. scanEvent reads that shape straight into a
// report, several times as fast as document and decodeEvent do. It refuses
// nothing: whatever is out of the ordinary is notPlain, and the same bytes are
// read the long way, which alone has verdicts on mistakes. What scanEvent does
// take, the long way must take as the same report; FuzzScanEvent holds it to that.

// notPlain is the end of what is to be read the long way.
const notPlain = -1

// scanning is switched off by tests that compare the two ways.
var scanning = true

// The fields of an event and its payload, as bits.
const (
	fieldEventName uint = 1 << iota
	fieldIdentifier
	fieldPayload
	fieldTimestamp
	fieldLivemode
	fieldCustomer
	fieldValue
	fieldSubscription

	requiredOfEvent   = fieldEventName | fieldIdentifier | fieldPayload
	requiredOfPayload = fieldCustomer | fieldValue
)

// worthScanning says whether the batch's next event may be plain. Events of one
// sender are alike: after a few that were not, only some are still looked at.
func (b *batch) worthScanning() bool { return b.vain < 4 || len(b.items)%16 == 0 }

// scanWhole reads text that is one event with no more than white space around
// it. If it is not plain, what r holds means nothing.
func scanWhole(text []byte, mode ledger.Mode, known bool, r *ledger.Report) bool {
	end := scanEvent(text, behindSpace(text, 0), mode, known, r)
	return end >= 0 && behindSpace(text, end) == len(text)
}

// scanEvent reads the event at pos into r, which must be zero, and answers the
// position behind it or notPlain. As in decodeEvent the mode is the caller's
// unless the event tells its own, and known says that it must not. The report's
// texts share src's memory.
func scanEvent(src []byte, pos int, mode ledger.Mode, known bool, r *ledger.Report) (end int) {
	if !scanning || pos >= len(src) || src[pos] != '{' {
		return notPlain
	}
	r.Mode = mode
	for seen := uint(0); ; {
		pos = behindSpace(src, pos+1)
		if pos+1 >= len(src) {
			return notPlain
		}
		// The keys' first letters differ, so that one look tells which it can be.
		// Each is then compared with a literal: that needs no call.
		field := uint(0)
		switch key := src[pos:]; key[1] {
		case 'e':
			if len(key) >= 13 && string(key[:13]) == `"event_name":` {
				field = fieldEventName
				r.EventName, pos = scanText(src, pos+13, maxEventName)
			}
		case 'i':
			if len(key) >= 13 && string(key[:13]) == `"identifier":` {
				field = fieldIdentifier
				r.Identifier, pos = scanText(src, pos+13, maxIdentifier)
			}
		case 'p':
			if len(key) >= 10 && string(key[:10]) == `"payload":` {
				field = fieldPayload
				pos = scanPayload(src, pos+10, r)
			}
		case 't':
			if len(key) >= 12 && string(key[:12]) == `"timestamp":` {
				field = fieldTimestamp
				r.Timestamp, pos = scanTimestamp(src, pos+12)
			}
		case 'l':
			if len(key) >= 11 && string(key[:11]) == `"livemode":` {
				field = fieldLivemode
				var live bool
				if live, pos = scanBoolean(src, pos+11); !known {
					r.Mode = modeOf(live)
				}
			}
		}
		if field == 0 || seen&field != 0 || pos < 0 {
			return notPlain
		}
		seen |= field
		pos = behindSpace(src, pos)
		switch {
		case pos == len(src):
			return notPlain
		case src[pos] == ',':
		case src[pos] == '}' && seen&requiredOfEvent == requiredOfEvent && r.EventName != "" && r.Identifier != "":
			r.HasTimestamp = seen&fieldTimestamp != 0
			return pos + 1
		default:
			return notPlain
		}
	}
}

// scanPayload reads the payload at pos.
func scanPayload(src []byte, pos int, r *ledger.Report) (end int) {
	if pos = behindSpace(src, pos); pos == len(src) || src[pos] != '{' {
		return notPlain
	}
	for seen := uint(0); ; {
		pos = behindSpace(src, pos+1)
		if pos+1 >= len(src) {
			return notPlain
		}
		field := uint(0)
		switch key := src[pos:]; key[1] {
		case 'c':
			if len(key) >= 14 && string(key[:14]) == `"customer_id":` {
				field = fieldCustomer
				r.Customer, pos = scanText(src, pos+14, maxID)
			}
		case 'v':
			if len(key) >= 8 && string(key[:8]) == `"value":` {
				field = fieldValue
				r.Value, pos = scanValue(src, pos+8)
			}
		case 's':
			if len(key) >= 18 && string(key[:16]) == `"subscription_id` && string(key[16:18]) == `":` {
				field = fieldSubscription
				r.Subscription, pos = scanText(src, pos+18, maxID)
			}
		}
		if field == 0 || seen&field != 0 || pos < 0 {
			return notPlain
		}
		seen |= field
		pos = behindSpace(src, pos)
		switch {
		case pos == len(src):
			return notPlain
		case src[pos] == ',':
		case src[pos] == '}' && seen&requiredOfPayload == requiredOfPayload && r.Customer != "":
			return pos + 1
		default:
			return notPlain
		}
	}
}

// behindSpace is the position of the first byte from pos on that is not white
// space.
func behindSpace(src []byte, pos int) int {
	for pos < len(src) && src[pos] <= ' ' && (src[pos] == ' ' || src[pos] == '\n' || src[pos] == '\r' || src[pos] == '\t') {
		pos++
	}
	return pos
}

// scanText reads the string at pos, if it has at most most bytes, all of them
// printable ASCII. To the rules of the long way bytes are characters then.
func scanText(src []byte, pos, most int) (text string, end int) {
	if pos = behindSpace(src, pos); pos == len(src) || src[pos] != '"' {
		return "", notPlain
	}
	start := pos + 1
	end = skipPrintable(src, start)
	if end == len(src) || src[end] != '"' || end-start > most {
		return "", notPlain
	}
	return unsafe.String(unsafe.SliceData(src[start:end]), end-start), end + 1
}

// skipPrintable is skipPlain that stops at DEL as well.
func skipPrintable(src []byte, i int) int {
	const ones = 0x0101010101010101
	for i+8 <= len(src) {
		x := binary.LittleEndian.Uint64(src[i:])
		// Adding one carries only out of 0xff, which is odd itself.
		odd := (x | (x + ones) | (x - 0x20*ones) | ((x ^ '"'*ones) - ones) | ((x ^ '\\'*ones) - ones)) & (0x80 * ones)
		if odd != 0 {
			return i + bits.TrailingZeros64(odd)/8
		}
		i += 8
	}
	for i < len(src) && plain[src[i]] && src[i] != 0x7f {
		i++
	}
	return i
}

// plainDigits is how many digits a number may have to be read here: so many
// always fit into 64 bits. With at least one before the point, no more than
// ledger.MaxDecimals of them are behind it.
const plainDigits = 19

// scanNumber reads digits from pos on, without a zero in front.
func scanNumber(src []byte, pos int) (n uint64, end int) {
	n, end = appendDigits(src, pos, 0)
	if end == pos || end-pos > plainDigits || end-pos > 1 && src[pos] == '0' {
		return 0, notPlain
	}
	return n, end
}

// appendDigits appends the digits from pos on to n, whatever overflows.
func appendDigits(src []byte, pos int, n uint64) (uint64, int) {
	if pos+8 <= len(src) {
		if eight, ok := eightDigits(binary.LittleEndian.Uint64(src[pos:])); ok {
			n = n*1e8 + eight
			pos += 8
		}
	}
	for pos < len(src) && src[pos]-'0' <= 9 {
		n = n*10 + uint64(src[pos]-'0')
		pos++
	}
	return n, pos
}

// eightDigits is the number of eight digits, the first of them in the lowest byte.
// It joins neighbours, first to pairs, then to fours, then to all eight.
func eightDigits(text uint64) (n uint64, ok bool) {
	const ones = 0x0101010101010101
	n = text ^ '0'*ones
	if (n|(n+(0x80-10)*ones))&(0x80*ones) != 0 {
		return 0, false
	}
	n = (n*10 + n>>8) & 0x00ff00ff00ff00ff
	n = (n*100 + n>>16) & 0x0000ffff0000ffff
	n = (n*10000 + n>>32) & 0xffffffff
	return n, true
}

// scanValue reads digits and perhaps a fraction, in quotes or not.
func scanValue(src []byte, pos int) (d ledger.Decimal, end int) {
	if pos = behindSpace(src, pos); pos == len(src) || src[pos] != '"' {
		return scanDecimal(src, pos)
	}
	if d, end = scanDecimal(src, pos+1); end < 0 || end == len(src) || src[end] != '"' {
		return d, notPlain
	}
	return d, end + 1
}

func scanDecimal(src []byte, pos int) (d ledger.Decimal, end int) {
	n, end := scanNumber(src, pos)
	if end < 0 || end == len(src) || src[end] != '.' {
		return ledger.Decimal{Coef: ledger.NewAmount(n)}, end
	}
	point := end
	n, end = appendDigits(src, point+1, n)
	scale := end - point - 1
	if scale == 0 || end-pos-1 > plainDigits {
		return d, notPlain
	}
	return ledger.Decimal{Coef: ledger.NewAmount(n), Scale: uint8(scale)}, end
}

func scanTimestamp(src []byte, pos int) (t int64, end int) {
	n, end := scanNumber(src, behindSpace(src, pos))
	if n > maxMillis {
		return 0, notPlain
	}
	return int64(n), end
}

func scanBoolean(src []byte, pos int) (is bool, end int) {
	pos = behindSpace(src, pos)
	switch {
	case pos+4 <= len(src) && string(src[pos:pos+4]) == "true":
		return true, pos + 4
	case pos+5 <= len(src) && string(src[pos:pos+5]) == "false":
		return false, pos + 5
	}
	return false, notPlain
}
