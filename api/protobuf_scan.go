package api

import (
	"encoding/binary"
	"unsafe"

	"google.golang.org/protobuf/encoding/protowire"

	"drawdown/engine/ledger"
)

// Like scanEvent for JSON, scanMessage reads the plain shape of nearly all events
// straight into a report, and refuses nothing: what is out of the ordinary is left
// to decodeMessage, which alone has verdicts. FuzzProtobufBatch holds the two
// against each other.

// The first byte of each field: its number and its wire type.
const (
	tagOfEvent        = byte(batchEvents)<<3 | byte(protowire.BytesType)
	tagOfEventName    = byte(eventEventName)<<3 | byte(protowire.BytesType)
	tagOfIdentifier   = byte(eventIdentifier)<<3 | byte(protowire.BytesType)
	tagOfCustomer     = byte(eventCustomer)<<3 | byte(protowire.BytesType)
	tagOfValue        = byte(eventValue)<<3 | byte(protowire.BytesType)
	tagOfSubscription = byte(eventSubscription)<<3 | byte(protowire.BytesType)
	tagOfTimestamp    = byte(eventTimestamp)<<3 | byte(protowire.VarintType)
	tagOfLivemode     = byte(eventLivemode)<<3 | byte(protowire.VarintType)

	requiredOfMessage = 1<<eventEventName | 1<<eventIdentifier | 1<<eventCustomer | 1<<eventValue
)

// oneByte is the first value that a length of one byte cannot say.
const oneByte = 0x80

// messageAt finds the event at pos of a batch. It answers notPlain for its end
// unless tag and length are whole, in three bytes at most, and the event as well.
func messageAt(src []byte, pos int) (start, end int) {
	if pos+2 >= len(src) || src[pos] != tagOfEvent {
		return 0, notPlain
	}
	n, start := int(src[pos+1]), pos+2
	if n >= oneByte {
		if src[pos+2] >= oneByte {
			return 0, notPlain
		}
		n, start = n&0x7f|int(src[pos+2])<<7, pos+3
	}
	if end = start + n; end > len(src) {
		return 0, notPlain
	}
	return start, end
}

// scanMessage reads the event between pos and end of src into r, which must be
// zero. If it answers false, what r holds means nothing. Mode and known are those
// of scanEvent, and the report's texts share src's memory.
func scanMessage(src []byte, pos, end int, mode ledger.Mode, known bool, r *ledger.Report) bool {
	if !scanning {
		return false
	}
	r.Mode = mode
	seen := uint(0)
	for pos+1 < end {
		tag := src[pos]
		field := uint(1) << (tag >> 3)
		if seen&field != 0 {
			return false
		}
		seen |= field
		start := pos + 2
		if tag&7 == byte(protowire.BytesType) {
			n := int(src[pos+1])
			if pos = start + n; n == 0 || n >= oneByte || pos > end || !plainText(src, start, pos) {
				return false
			}
			text := unsafe.String(&src[start], n)
			switch tag {
			case tagOfEventName:
				if r.EventName = text; n > maxEventName {
					return false
				}
			case tagOfIdentifier:
				r.Identifier = text
			case tagOfCustomer:
				r.Customer = text
			case tagOfSubscription:
				r.Subscription = text
			case tagOfValue:
				var behind int
				if r.Value, behind = scanDecimal(src[:pos], start); behind != pos {
					return false
				}
			default:
				return false
			}
			continue
		}
		switch tag {
		case tagOfTimestamp:
			n, size := protowire.ConsumeVarint(src[pos+1 : end])
			if size < 0 || n > maxMillis {
				return false
			}
			r.Timestamp, r.HasTimestamp = int64(n), true
			pos += 1 + size
		case tagOfLivemode:
			if src[pos+1] > 1 {
				return false
			}
			if !known {
				r.Mode = modeOf(src[pos+1] == 1)
			}
			pos = start
		default:
			return false
		}
	}
	return pos == end && seen&requiredOfMessage == requiredOfMessage
}

// plainText says whether all bytes between i and end are printable ASCII. It looks
// at eight of them at a time, at the last ones together with what follows.
func plainText(src []byte, i, end int) bool {
	const ones = 0x0101010101010101
	odd := uint64(0)
	for ; i+8 <= end; i += 8 {
		x := binary.LittleEndian.Uint64(src[i:])
		// A carry comes only out of 0xff, a borrow only out of less than 0x20: both
		// are odd themselves.
		odd |= x | (x + ones) | (x - 0x20*ones)
	}
	if i < end && i+8 <= len(src) {
		rest := uint64(1)<<(8*(end-i)) - 1
		x := binary.LittleEndian.Uint64(src[i:])&rest | ' '*ones&^rest
		odd |= x | (x + ones) | (x - 0x20*ones)
		i = end
	}
	for ; i < end; i++ {
		if c := src[i]; c < 0x20 || c >= 0x7f {
			return false
		}
	}
	return odd&(0x80*ones) == 0
}
