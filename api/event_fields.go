package api

import (
	"fmt"
	"strconv"
	"unsafe"

	"drawdown/engine/ledger"
)

// sent is a field as a caller sent it, whatever the form of the body: its type in
// JSON's words, and its text in the body's memory. The zero value was left out.
type sent struct {
	kind kind
	text []byte
}

// sentEvent is an event before anything is known to be right about it. Every form
// of body is read into it, and report alone has verdicts on what it holds.
type sentEvent struct {
	eventName, identifier, customer, value, subscription sent

	livemode  kind
	timestamp kind
	unix      int64 // what timestamp says, or notWhole

	metadata, sourceData value

	payload *Error // why nothing of the payload is there
}

// notWhole stands for a number that is not a whole one of 64 bits; it is below
// every bound.
const notWhole = -1

// report holds the event against the rules and makes r of it. As to every reader of
// events, the mode is the caller's unless the event tells its own, and known says
// that it must not. The report's texts share the body's memory.
func (e *sentEvent) report(r *ledger.Report, mode ledger.Mode, known bool) (err *Error) {
	r.Mode = mode
	if live, set, err := e.livemode.boolean("livemode"); err != nil {
		return err
	} else if set && !known {
		r.Mode = modeOf(live)
	}
	if r.EventName, err = e.eventName.aliased("event_name", &eventNameRule); err != nil {
		return err
	}
	if r.Identifier, err = e.identifier.aliased("identifier", &identifierRule); err != nil {
		return err
	}
	if err = e.reportPayload(r); err != nil {
		return err.under("payload")
	}
	if r.HasTimestamp, err = e.timestamp.number("timestamp"); err != nil {
		return err
	}
	if r.HasTimestamp {
		if r.Timestamp = e.unix; e.unix < 0 || e.unix > maxMillis {
			return notBetween("timestamp", 0, maxMillis)
		}
	}
	if r.Metadata, err = e.metadata.object("metadata"); err != nil {
		return err
	}
	r.SourceData, err = e.sourceData.objectOrArray("source_data")
	return err
}

// maxMillis is maxTime in milliseconds. A timestamp up to there is left to the
// ledger, which says what is wrong with it.
const maxMillis = maxTime * 1000

func (e *sentEvent) reportPayload(r *ledger.Report) (err *Error) {
	if e.payload != nil {
		return e.payload
	}
	if r.Customer, err = e.customer.aliased("customer_id", &idRule); err != nil {
		return err
	}
	if r.Value, err = e.value.decimal("value"); err != nil {
		return err
	}
	r.Subscription, err = e.subscription.aliased("subscription_id", &optionalIDRule)
	return err
}

// raw is a text field's bytes; nil if it is left out.
func (s sent) raw(name string, r *textRule) ([]byte, *Error) {
	switch s.kind {
	case kindNull:
		if r.required {
			return nil, required(name)
		}
		return nil, nil
	case kindString:
		return s.text, r.check(name, s.text)
	}
	return nil, badRequest(codeInvalidType, name, "must be a string")
}

// aliased is a text field that shares the body's memory: good until the handler
// returns, or the document reads on.
func (s sent) aliased(name string, r *textRule) (string, *Error) {
	text, err := s.raw(name, r)
	return unsafe.String(unsafe.SliceData(text), len(text)), err
}

// decimal is a required amount in whole tokens: a decimal string, or a number
// taken by its literal text.
func (s sent) decimal(name string) (ledger.Decimal, *Error) {
	switch s.kind {
	case kindNull:
		return ledger.Decimal{}, required(name)
	case kindString, kindNumber:
	default:
		return ledger.Decimal{}, badRequest(codeInvalidType, name, "must be a decimal string or a number")
	}
	if len(s.text) > maxNumber {
		return ledger.Decimal{}, badRequest(codeTooLong, name, fmt.Sprintf("must be at most %d characters long", maxNumber))
	}
	d, err := ledger.ParseDecimal(unsafe.String(unsafe.SliceData(s.text), len(s.text)))
	if err != nil {
		return ledger.Decimal{}, numberError(err, name)
	}
	return d, nil
}

// boolean is what a field of the kind says; set is false if it is left out.
func (k kind) boolean(name string) (is, set bool, err *Error) {
	switch k {
	case kindNull:
		return false, false, nil
	case kindTrue:
		return true, true, nil
	case kindFalse:
		return false, true, nil
	}
	return false, false, badRequest(codeInvalidType, name, "must be true or false")
}

// number says whether a field that must be a number is there.
func (k kind) number(name string) (set bool, err *Error) {
	switch k {
	case kindNull:
		return false, nil
	case kindNumber:
		return true, nil
	}
	return false, badRequest(codeInvalidType, name, "must be a number")
}

// wholeNumber is the number of a literal, or notWhole.
func wholeNumber(text []byte) int64 {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return notWhole
	}
	return n
}

func notBetween(name string, low, high int64) *Error {
	return invalid(name, fmt.Sprintf("must be a whole number from %d to %d", low, high))
}
