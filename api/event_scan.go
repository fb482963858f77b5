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

// The fields of an event, as bits. No two keys of one object begin with the same
// letter, and one look at that letter tells which one to compare with.
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
		field, at := eventField(src, behindSpace(src, pos+1))
		if field == 0 || seen&field != 0 {
			return notPlain
		}
		seen |= field
		switch field {
		case fieldEventName:
			r.EventName, pos = scanText(src, at, maxEventName)
		case fieldIdentifier:
			r.Identifier, pos = scanText(src, at, maxIdentifier)
		case fieldPayload:
			pos = scanPayload(src, at, r)
		case fieldTimestamp:
			r.Timestamp, pos = scanTimestamp(src, at)
		case fieldLivemode:
			var live bool
			if live, pos = scanBoolean(src, at); !known {
				r.Mode = modeOf(live)
			}
		}
		if pos < 0 {
			return notPlain
		}
		pos = behindSpace(src, pos)
		if pos < len(src) && src[pos] == ',' {
			continue
		}
		if pos == len(src) || src[pos] != '}' || seen&requiredOfEvent != requiredOfEvent || r.Identifier == "" || r.EventName == "" {
			return notPlain
		}
		r.HasTimestamp = seen&fieldTimestamp != 0
		return pos + 1
	}
}

// scanPayload reads the payload at pos.
func scanPayload(src []byte, pos int, r *ledger.Report) (end int) {
	if pos >= len(src) || src[pos] != '{' {
		return notPlain
	}
	for seen := uint(0); ; {
		field, at := payloadField(src, behindSpace(src, pos+1))
		if field == 0 || seen&field != 0 {
			return notPlain
		}
		seen |= field
		switch field {
		case fieldCustomer:
			r.Customer, pos = scanText(src, at, maxID)
		case fieldValue:
			r.Value, pos = scanValue(src, at)
		case fieldSubscription:
			r.Subscription, pos = scanText(src, at, maxID)
		}
		if pos < 0 {
			return notPlain
		}
		pos = behindSpace(src, pos)
		if pos < len(src) && src[pos] == ',' {
			continue
		}
		if pos == len(src) || src[pos] != '}' || seen&requiredOfPayload != requiredOfPayload || r.Customer == "" {
			return notPlain
		}
		return pos + 1
	}
}

// eventField is the field whose key is at pos, 0 for none, and the position of
// its value.
func eventField(src []byte, pos int) (field uint, at int) {
	if pos+1 >= len(src) {
		return 0, 0
	}
	switch key := src[pos:]; key[1] {
	case 'e':
		if begins(key, `"event_name":`) {
			return fieldEventName, behindSpace(src, pos+len(`"event_name":`))
		}
	case 'i':
		if begins(key, `"identifier":`) {
			return fieldIdentifier, behindSpace(src, pos+len(`"identifier":`))
		}
	case 'p':
		if begins(key, `"payload":`) {
			return fieldPayload, behindSpace(src, pos+len(`"payload":`))
		}
	case 't':
		if begins(key, `"timestamp":`) {
			return fieldTimestamp, behindSpace(src, pos+len(`"timestamp":`))
		}
	case 'l':
		if begins(key, `"livemode":`) {
			return fieldLivemode, behindSpace(src, pos+len(`"livemode":`))
		}
	}
	return 0, 0
}

// payloadField is eventField within the payload.
func payloadField(src []byte, pos int) (field uint, at int) {
	if pos+1 >= len(src) {
		return 0, 0
	}
	switch key := src[pos:]; key[1] {
	case 'c':
		if begins(key, `"customer_id":`) {
			return fieldCustomer, behindSpace(src, pos+len(`"customer_id":`))
		}
	case 'v':
		if begins(key, `"value":`) {
			return fieldValue, behindSpace(src, pos+len(`"value":`))
		}
	case 's':
		if begins(key, `"subscription_id":`) {
			return fieldSubscription, behindSpace(src, pos+len(`"subscription_id":`))
		}
	}
	return 0, 0
}

func begins(src []byte, key string) bool {
	return len(src) >= len(key) && string(src[:len(key)]) == key
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
	if pos >= len(src) || src[pos] != '"' {
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

// plainDigits is how many digits a number may have to be read here: so many fit
// into 64 bits, and are decimals enough for any currency.
const plainDigits = ledger.MaxDecimals

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
	for pos < len(src) && src[pos]-'0' <= 9 {
		n = n*10 + uint64(src[pos]-'0')
		pos++
	}
	return n, pos
}

// scanValue reads digits and perhaps a fraction, in quotes or not.
func scanValue(src []byte, pos int) (d ledger.Decimal, end int) {
	if pos >= len(src) || src[pos] != '"' {
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
	n, end := scanNumber(src, pos)
	if n > maxMillis {
		return 0, notPlain
	}
	return int64(n), end
}

func scanBoolean(src []byte, pos int) (is bool, end int) {
	switch {
	case pos+4 <= len(src) && string(src[pos:pos+4]) == "true":
		return true, pos + 4
	case pos+5 <= len(src) && string(src[pos:pos+5]) == "false":
		return false, pos + 5
	}
	return false, notPlain
}
