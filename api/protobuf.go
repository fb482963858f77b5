package api

import (
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"

	"drawdown/engine/ledger"
)

// The Protocol Buffers form of a batch is drawn in drawdown.proto. It is read in
// place: what an event's fields say goes to sentEvent.report, as in every form.

// The fields of a MeterEventBatch.
const (
	batchEvents   protowire.Number = 1
	batchLivemode protowire.Number = 2
)

// wireField is one field of a message: where its value is, and the value itself if
// it is a varint.
type wireField struct {
	number     protowire.Number
	kind       protowire.Type
	start, end int
	varint     uint64
}

// readWireField reads the field at pos of the message that ends at end.
func readWireField(src []byte, pos, end int) (f wireField, fault *Error) {
	src = src[:end]
	number, kind, n := protowire.ConsumeTag(src[pos:])
	if n < 0 {
		return f, brokenWire(pos, n)
	}
	if number > protowire.MaxValidNumber {
		return f, notProtobuf(pos, badNumber)
	}
	f = wireField{number: number, kind: kind, start: pos + n, end: len(src)}
	rest := src[f.start:]
	switch kind {
	case protowire.VarintType:
		f.varint, n = protowire.ConsumeVarint(rest)
	case protowire.Fixed32Type:
		_, n = protowire.ConsumeFixed32(rest)
	case protowire.Fixed64Type:
		_, n = protowire.ConsumeFixed64(rest)
	case protowire.BytesType:
		var text []byte
		text, n = protowire.ConsumeBytes(rest)
		f.start += max(n, 0) - len(text)
		n = min(n, len(text))
	case protowire.StartGroupType, protowire.EndGroupType:
		return f, notProtobuf(pos, "groups are not read")
	default:
		return f, notProtobuf(pos, "there is no such wire type")
	}
	if n < 0 {
		return f, brokenWire(pos, n)
	}
	f.end = f.start + n
	return f, nil
}

// brokenWire is what protowire's error n means for the field at pos.
func brokenWire(pos, n int) *Error {
	if errors.Is(protowire.ParseError(n), io.ErrUnexpectedEOF) {
		return notProtobuf(pos, "the field that begins there is cut off")
	}
	return notProtobuf(pos, badNumber)
}

const badNumber = "a number that no field or value can have"

func notProtobuf(pos int, problem string) *Error {
	return badRequest("invalid_protobuf", "", fmt.Sprintf("is not Protocol Buffers at byte %d: %s", pos, problem))
}

// readProtobuf reads the body as a MeterEventBatch. The mode may stand behind the
// events, so that these are passed over first; from then on the framing is good.
func (b *batch) readProtobuf() *Error {
	b.protobuf = true
	if err := b.readProtobufMode(); err != nil {
		return err
	}
	for pos := 0; pos < len(b.text); {
		start, end := messageAt(b.text, pos)
		if end < 0 {
			f, err := readWireField(b.text, pos, len(b.text))
			if err != nil {
				return err.under("body") // cannot be: it was read before
			}
			if pos = f.end; f.number != batchEvents {
				continue
			}
			start, end = f.start, f.end
		}
		if err := b.takeMessage(start, end); err != nil {
			return err
		}
		pos = end
	}
	return nil
}

// readProtobufMode walks the fields of the batch, and takes its mode.
func (b *batch) readProtobufMode() *Error {
	told := false
	for pos := 0; pos < len(b.text); {
		if _, end := messageAt(b.text, pos); end >= 0 {
			pos = end
			continue
		}
		f, err := readWireField(b.text, pos, len(b.text))
		if err != nil {
			return err.under("body")
		}
		switch pos = f.end; {
		case f.number == batchEvents && f.kind != protowire.BytesType:
			return badRequest(codeInvalidType, "events", "must be messages")
		case f.number == batchLivemode && f.kind != protowire.VarintType:
			return badRequest(codeInvalidType, "livemode", "must be true or false")
		case f.number == batchLivemode && told:
			return badRequest("duplicate_key", "body", `has the key "livemode" twice`)
		case f.number == batchLivemode:
			if told = true; !b.modeKnown {
				b.setMode(protowire.DecodeBool(f.varint))
			}
		}
	}
	return nil
}

// takeMessage makes a command of the event between start and end, or refuses it.
func (b *batch) takeMessage(start, end int) *Error {
	var report ledger.Report
	if b.worthScanning() && scanMessage(b.text, start, end, b.mode, b.modeKnown, &report) {
		b.vain = 0
		return b.count(start, end, &report)
	}
	b.vain++
	report, fault := b.decodeMessage(start, end)
	if fault != nil {
		return b.refuse(start, end, fault)
	}
	return b.countNow(start, end, &report)
}
