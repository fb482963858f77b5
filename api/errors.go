package api

import (
	"context"
	"errors"
	"fmt"

	"github.com/valyala/fasthttp"

	"drawdown/engine/ledger"
)

// Error is an answer that is not a success. Its sentence is the field's name and
// what is wrong with it.
type Error struct {
	Status  int
	Code    string // snake_case
	Param   string // the field as the caller wrote it, "" when no field is to blame
	Problem string // follows the field's name, or stands alone
	Allow   string // of 405: the methods that there are
	Close   bool   // the connection cannot be used any further
}

// Error is the sentence.
func (e *Error) Error() string {
	if e.Param == "" {
		return e.Problem
	}
	return e.Param + " " + e.Problem
}

// under is e for a field that stands inside another one.
func (e *Error) under(outer string) *Error {
	if e == nil {
		return nil
	}
	inner := *e
	if inner.Param == "" {
		inner.Param = outer
	} else {
		inner.Param = outer + "." + inner.Param
	}
	return &inner
}

// orBody is e, with the body to blame if no field of it is.
func (e *Error) orBody() *Error {
	if e.Param == "" {
		return e.under("body")
	}
	return e
}

// Codes that more than one place answers. The ledger's verdicts are codes too.
const (
	codeRequired       = "required"
	codeInvalidType    = "invalid_type"
	codeInvalidValue   = "invalid_value"
	codeTooLong        = "too_long"
	codeTooLarge       = "too_large"
	codeNotFound       = "not_found"
	codeConflict       = "identifier_conflict"
	codeOverloaded     = "overloaded"
	codeUnavailable    = "unavailable"
	codeOutcomeUnknown = "outcome_unknown"
	codeInternal       = "internal"
)

func badRequest(code, param, problem string) *Error {
	return &Error{Status: fasthttp.StatusBadRequest, Code: code, Param: param, Problem: problem}
}

func required(param string) *Error { return badRequest(codeRequired, param, "is required") }

func invalid(param, problem string) *Error { return badRequest(codeInvalidValue, param, problem) }

func notFound(param, problem string) *Error {
	return &Error{Status: fasthttp.StatusNotFound, Code: codeNotFound, Param: param, Problem: problem}
}

var (
	errOverloaded = &Error{
		Status: fasthttp.StatusServiceUnavailable, Code: codeOverloaded,
		Problem: "too many requests are waiting; nothing was done, try again",
	}
	errUnavailable = &Error{
		Status: fasthttp.StatusServiceUnavailable, Code: codeUnavailable,
		Problem: "this node cannot serve the request at present; nothing was done, try again",
	}
	errOutcomeUnknown = &Error{
		Status: fasthttp.StatusServiceUnavailable, Code: codeOutcomeUnknown,
		Problem: "the outcome is unknown: it may have been applied; an event can be sent again under its identifier",
	}
	errInternal = &Error{
		Status: fasthttp.StatusInternalServerError, Code: codeInternal, Problem: "an internal error, see the server's log",
	}
	errBodyTooLarge = &Error{
		Status: fasthttp.StatusRequestEntityTooLarge, Code: codeTooLarge, Param: "body", Problem: "is too large", Close: true,
	}
)

// submitError classes an error of Store.Submit. What is in no class may have
// been applied (I6).
func submitError(err error) *Error {
	switch {
	case errors.Is(err, ErrUnknown):
		return errOutcomeUnknown
	case errors.Is(err, ErrOverloaded):
		return errOverloaded
	case errors.Is(err, ErrUnavailable):
		return errUnavailable
	case errors.Is(err, ErrTooLarge):
		return &Error{
			Status: fasthttp.StatusRequestEntityTooLarge, Code: codeTooLarge, Param: "body",
			Problem: "is more than one submission may hold; nothing was done",
		}
	}
	return errOutcomeUnknown
}

// readError classes an error of a read. cursor is the parameter that a page was
// asked by, if any.
func readError(err error, cursor string) *Error {
	switch {
	case errors.Is(err, ledger.ErrCursor):
		return invalid(cursor, "names no item of this list")
	case errors.Is(err, ErrOverloaded):
		return errOverloaded
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrUnknown), // a read changes nothing, whatever became of it
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return errUnavailable
	}
	return errInternal
}

// fieldNames are the names under which an endpoint knows what a verdict is about.
type fieldNames struct {
	meter, currency, customer, grant, amount, limit string
}

// refusal is the answer to a verdict that refuses.
func refusal(code ledger.Code, at fieldNames) *Error {
	status, param, problem := fasthttp.StatusBadRequest, "", ""
	switch code {
	case ledger.MeterUnknown:
		status, param, problem = fasthttp.StatusNotFound, at.meter, "names no meter"
	case ledger.MeterInactive:
		param, problem = at.meter, "names a meter that is inactive"
	case ledger.MeterExists:
		param, problem = at.meter, "is taken by another meter"
	case ledger.CurrencyUnknown:
		status, param, problem = fasthttp.StatusNotFound, at.currency, "names no currency"
	case ledger.CustomerUnknown:
		status, param, problem = fasthttp.StatusNotFound, at.customer, "names no customer"
	case ledger.GrantUnknown:
		status, param, problem = fasthttp.StatusNotFound, at.grant, "names no credit grant"
	case ledger.GrantEnded:
		status, param, problem = fasthttp.StatusConflict, at.grant, "names a credit grant of which nothing remains"
	case ledger.AmountZero:
		param, problem = at.amount, "must be more than zero"
	case ledger.AmountPrecision:
		param, problem = at.amount, "has more decimals than the currency"
	case ledger.AmountOverflow:
		param, problem = at.amount, "would make a sum of 2^127 or more"
	case ledger.TimestampAhead:
		param = "timestamp"
		problem = fmt.Sprintf("is more than %d seconds ahead of the server; it is in seconds, not milliseconds", ledger.MaxTimestampAhead)
	case ledger.ExpiryPast:
		param, problem = "expires_at", "must be after effective_at and in the future"
	case ledger.DecimalsConflict:
		param, problem = "decimal", "differs from the decimals of the currency"
	case ledger.LimitReached:
		param, problem = at.limit, "has reached the number of objects that there may be"
	case ledger.MetadataTooLong:
		param = "metadata"
		problem = fmt.Sprintf("would add up to more than %d bytes; a null deletes a key", ledger.MaxMetadata)
	default:
		param, problem = "", "was refused: "+code.String()
	}
	return &Error{Status: status, Code: code.String(), Param: param, Problem: problem}
}

// numberError says what ledger.ParseDecimal found wrong with a field.
func numberError(err error, param string) *Error {
	switch {
	case errors.Is(err, ledger.ErrNegative):
		return badRequest("negative", param, "must not be negative")
	case errors.Is(err, ledger.ErrPrecision):
		return badRequest(ledger.AmountPrecision.String(), param, fmt.Sprintf("has more than %d decimals", ledger.MaxDecimals))
	case errors.Is(err, ledger.ErrOverflow):
		return badRequest(ledger.AmountOverflow.String(), param, "is too large a number")
	}
	return invalid(param, "is not a decimal number")
}
