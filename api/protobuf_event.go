package api

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"drawdown/engine/ledger"
)

// The fields of a MeterEvent.
const (
	eventEventName protowire.Number = 1 + iota
	eventIdentifier
	eventCustomer
	eventValue
	eventSubscription
	eventTimestamp
	eventMetadata
	eventSourceData
	eventLivemode

	lastEventField = eventLivemode
)

// wireNames are the fields as answers name them, which is as the JSON form does.
var wireNames = [lastEventField + 1]string{
	eventEventName: "event_name", eventIdentifier: "identifier", eventCustomer: "payload.customer_id", eventValue: "payload.value",
	eventSubscription: "payload.subscription_id", eventTimestamp: "timestamp", eventMetadata: "metadata",
	eventSourceData: "source_data", eventLivemode: "livemode",
}

// decodeMessage reads the MeterEvent between start and end of the body.
func (b *batch) decodeMessage(start, end int) (r ledger.Report, err *Error) {
	var e sentEvent
	if err = b.readMessage(&e, start, end); err == nil {
		err = e.report(&r, b.mode, b.modeKnown)
	}
	return r, err
}

// readMessage reads the fields of an event into e. Like a document it has faults of
// its own, before any rule is asked: broken framing, a field that stands twice, one
// of another type, and texts that JSON could not say either.
func (b *batch) readMessage(e *sentEvent, start, end int) *Error {
	seen := uint(0)
	for pos := start; pos < end; {
		f, fault := readWireField(b.text, pos, end)
		if fault != nil {
			return fault
		}
		pos = f.end
		if f.number > lastEventField {
			continue
		}
		if seen>>f.number&1 != 0 {
			return twice(f.number)
		}
		seen |= 1 << f.number
		if fault := b.takeField(e, &f); fault != nil {
			return fault
		}
	}
	return nil
}

// twice is the fault of an event that says a field a second time. Taking the last
// one, as other readers do, would be to choose between two charges.
func twice(number protowire.Number) *Error {
	name := strings.TrimPrefix(wireNames[number], "payload.")
	return badRequest("duplicate_key", "", fmt.Sprintf("has the key %q twice", name))
}

func (b *batch) takeField(e *sentEvent, f *wireField) *Error {
	switch f.number {
	case eventTimestamp:
		if f.kind != protowire.VarintType {
			return badRequest(codeInvalidType, wireNames[f.number], "must be a number")
		}
		e.timestamp, e.unix = kindNumber, int64(f.varint)
		return nil
	case eventLivemode:
		if f.kind != protowire.VarintType {
			return badRequest(codeInvalidType, wireNames[f.number], "must be true or false")
		}
		if e.livemode = kindFalse; protowire.DecodeBool(f.varint) {
			e.livemode = kindTrue
		}
		return nil
	}
	if f.kind != protowire.BytesType {
		return badRequest(codeInvalidType, wireNames[f.number], "must be a string")
	}
	return b.takeText(e, f)
}

// takeText notes a text. An empty one is the same as one that is left out: proto3
// does not tell them apart.
func (b *batch) takeText(e *sentEvent, f *wireField) (fault *Error) {
	if f.start == f.end {
		return nil
	}
	text := sent{kindString, b.text[f.start:f.end:f.end]}
	switch f.number {
	case eventEventName:
		e.eventName = text
	case eventIdentifier:
		e.identifier = text
	case eventCustomer:
		e.customer = text
	case eventValue:
		e.value = text
	case eventSubscription:
		e.subscription = text
	case eventMetadata:
		e.metadata, fault = b.readJSON(e, f)
		return fault
	case eventSourceData:
		e.sourceData, fault = b.readJSON(e, f)
		return fault
	}
	return checkCharacters(wireNames[f.number], text.text)
}

// checkCharacters refuses what is no text, or none that JSON could hold.
func checkCharacters(name string, text []byte) *Error {
	if skipPrintable(text, 0) == len(text) {
		return nil
	}
	if !utf8.Valid(text) {
		return badRequest("invalid_utf8", name, "holds invalid UTF-8")
	}
	if i := bytes.IndexByte(text, 0); i >= 0 {
		return badRequest("nul_character", name, fmt.Sprintf("holds a NUL character at byte %d", i))
	}
	return nil
}

// readJSON reads a text that is JSON, as deep in its event as it would stand in the
// JSON form. The document holds both such texts of one event.
func (b *batch) readJSON(e *sentEvent, f *wireField) (value, *Error) {
	if e.metadata.d == nil && e.sourceData.d == nil {
		b.doc.reset(nil)
	}
	v, fault := b.doc.member(b.text, f.start, f.end)
	return v, fault.under(wireNames[f.number])
}
