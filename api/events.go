package api

import (
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"drawdown/engine/ledger"
)

var eventFields = fieldNames{
	meter: "event_name", customer: "payload.customer_id", currency: "event_name", amount: "payload.value",
	limit: "payload.customer_id",
}

// eventKeys and payloadKeys are what is read of an event, in the order in which
// clients send it.
var (
	eventKeys   = []string{"event_name", "timestamp", "payload", "identifier", "metadata", "source_data", "livemode"}
	payloadKeys = []string{"customer_id", "value", "subscription_id"}
)

// decodeEvent reads the event that is the document's root. The mode is the
// caller's unless the event tells its own, and known says that it must not. The
// report's texts share the document's memory.
func decodeEvent(d *document, mode ledger.Mode, known bool) (r ledger.Report, err *Error) {
	var v [7]value
	if err = d.root().pick(eventKeys, v[:]); err != nil {
		return r, err
	}
	e := sentEvent{
		eventName: v[0].sent(), identifier: v[3].sent(), livemode: v[6].kind(), timestamp: v[1].kind(), metadata: v[4], sourceData: v[5],
	}
	if e.timestamp == kindNumber {
		e.unix = wholeNumber(v[1].text())
	}
	e.readPayload(v[2])
	err = e.report(&r, mode, known)
	return r, err
}

func (e *sentEvent) readPayload(payload value) {
	if payload.missing() {
		e.payload = required("")
		return
	}
	var v [3]value
	if e.payload = payload.pick(payloadKeys, v[:]); e.payload == nil {
		e.customer, e.value, e.subscription = v[0].sent(), v[1].sent(), v[2].sent()
	}
}

// createEvent counts one event. When it answers, the event has been consumed.
func createEvent(c *call) (any, *Error) {
	var report ledger.Report
	if !scanWhole(c.http.PostBody(), c.mode, c.modeKnown, &report) {
		c.doc = documents.Get().(*document)
		if err := c.doc.parse(c.http.PostBody()); err != nil {
			c.metrics.malformed.Inc()
			return nil, err.under("body")
		}
		var err *Error
		if report, err = decodeEvent(c.doc, c.mode, c.modeKnown); err != nil {
			c.metrics.malformed.Inc()
			return nil, err.orBody()
		}
	}
	c.setMode(report.Mode == ledger.Live)
	var b ledger.Batch
	reports := []ledger.Report{report}
	c.view.Number(reports)
	b.Add(&reports[0])
	results, err := c.submit(&b)
	if err != nil {
		c.metrics.failed(err, 1)
		return nil, err
	}
	result := &results[0]
	switch {
	case result.Code == ledger.Duplicate:
		return c.answerDuplicate(&report, result)
	case result.Code.Refused():
		c.metrics.verdict(result.Code)
		return nil, refusal(result.Code, eventFields)
	}
	c.metrics.verdict(ledger.OK)
	return c.renderNew(&report, result)
}

// answerDuplicate answers an identifier that was counted before: with the first
// event as it stands now, or with what differs from it (I2).
func (c *call) answerDuplicate(report *ledger.Report, result *ledger.Result) (any, *Error) {
	first, err := c.firstEvent(result)
	if err != nil {
		return nil, err
	}
	if err := c.compare(report, &first); err != nil {
		c.metrics.conflict.Inc()
		return nil, err
	}
	c.metrics.verdict(ledger.Duplicate)
	answer, err := c.renderEvent(&first)
	if err != nil {
		return nil, err
	}
	answer.Duplicate = true
	return answer, nil
}

// firstEvent reads the event that a duplicate repeats, as it stands now.
func (c *call) firstEvent(result *ledger.Result) (ledger.Event, *Error) {
	first, ok, err := c.view.Event(c.ctx, c.mode, result.Event())
	return first, c.unlessRead(result, ok, err)
}

// unlessRead answers for a first event that cannot be read: that is not known to be
// a success or a conflict, and sending again may tell.
func (c *call) unlessRead(result *ledger.Result, ok bool, err error) *Error {
	if err == nil && ok {
		return nil
	}
	c.metrics.unknown.Inc()
	c.log.Error("the first event of an identifier cannot be read", "event", result.Event().String(), "found", ok, "error", err)
	return errOutcomeUnknown
}

// compare says in which field a repeated event differs from the first one.
func (c *call) compare(r *ledger.Report, first *ledger.Event) *Error {
	name := ""
	if meter := c.expanded.meter(first.Meter); meter != nil {
		name = meter.EventName
	}
	switch {
	case r.EventName != name:
		return conflict("event_name")
	case r.Customer != first.Customer:
		return conflict("payload.customer_id")
	case !r.Value.Equal(first.Value):
		return conflict("payload.value")
	case r.HasTimestamp && r.Timestamp != first.Timestamp && first.HasTimestamp:
		return conflict("timestamp")
	}
	return nil
}

func conflict(param string) *Error {
	return &Error{
		Status: fasthttp.StatusConflict, Code: codeConflict, Param: param,
		Problem: "differs from the first event that had this identifier",
	}
}

func seconds(nanos int64) int64 { return nanos / int64(time.Second) }

// renderNew renders an event from what was sent and the verdict on it, without
// reading it back.
func (c *call) renderNew(r *ledger.Report, result *ledger.Result) (*eventAnswer, *Error) {
	e := ledger.Event{
		ID: result.Event(), Identifier: r.Identifier, Customer: r.Customer, Value: r.Value, Consumed: result.Consumed,
		Pending: result.Pending, Timestamp: r.Timestamp, Subscription: r.Subscription, Metadata: r.Metadata,
		SourceData: r.SourceData, Channel: r.Channel, Created: result.Time, Processed: result.Time,
	}
	if !r.HasTimestamp {
		e.Timestamp = seconds(result.Time)
	}
	if !result.Pending.IsZero() {
		e.Status, e.Processed = ledger.EventRequiresCapture, 0
	}
	if meter, ok := c.view.Meter(c.mode, r.EventName); ok {
		e.Meter, e.Currency = meter.Number, meter.Currency
	}
	return c.renderEvent(&e)
}

func (c *call) renderEvent(e *ledger.Event) (*eventAnswer, *Error) {
	answer := &eventAnswer{
		ID: e.ID.String(), Object: "meter_event",
		Payload:    eventPayload{CustomerID: e.Customer, Value: e.Value.String(), SubscriptionID: e.Subscription},
		Identifier: e.Identifier, Timestamp: e.Timestamp, Livemode: c.mode == ledger.Live, Status: eventStatusNames[e.Status],
		AttemptCount: 1, CreditConsumed: e.Consumed.String(), CreditPending: e.Pending.String(),
		Metadata: jsonOr(e.Metadata, emptyObject), SourceData: jsonOr(e.SourceData, nil),
		CreatedVia: channelNames[e.Channel], CreatedAt: isoTime(e.Created), UpdatedAt: isoTime(max(e.Created, e.Processed)),
		Customer: c.expanded.customer(e.Customer), Meter: c.expanded.meter(e.Meter),
		PaymentCurrency: c.expanded.currency(e.Currency),
	}
	if e.Processed != 0 {
		answer.ProcessedAt = unset(seconds(e.Processed))
	}
	if answer.Meter != nil {
		answer.EventName = answer.Meter.EventName
	}
	return answer, nil
}

func getEvent(c *call) (any, *Error) {
	id, ok := ledger.ParseEventID(c.id)
	if !ok {
		return nil, notFound("id", "names no meter event")
	}
	event, ok, err := c.view.Event(c.ctx, c.mode, id)
	if err != nil {
		return nil, c.readFailed(err)
	}
	if !ok {
		return nil, notFound("id", "names no meter event")
	}
	return c.renderEvent(&event)
}

func listEvents(c *call) (any, *Error) {
	p, err := c.query.page()
	if err != nil {
		return nil, err
	}
	f := ledger.EventFilter{Mode: c.mode}
	if f.Customer, err = c.query.id("customer_id", optionalIDRule); err != nil {
		return nil, err
	}
	if f.Subscription, err = c.query.id("subscription_id", optionalIDRule); err != nil {
		return nil, err
	}
	if f.Time, err = c.query.interval("start", "end"); err != nil {
		return nil, err
	}
	if f.Query, err = c.query.search("q"); err != nil {
		return nil, err
	}
	meter, exists, err := c.meterFilter()
	if err != nil {
		return nil, err
	}
	if !exists {
		return emptyList(p)
	}
	f.Meter = meter
	events, total, readErr := c.view.Events(c.ctx, f, p)
	if readErr != nil {
		return nil, c.readFailed(readErr)
	}
	return listOf(events, total, p, c.renderEvent)
}

// meterFilter is the number of the meter that the query names by meter_id or
// event_name, 0 for none. exists is false when there is no such meter, or when
// the two name different ones.
func (c *call) meterFilter() (number uint32, exists bool, err *Error) {
	for _, name := range []string{"meter_id", "event_name"} {
		ref, err := c.query.id(name, optionalIDRule)
		if err != nil {
			return 0, false, err
		}
		if ref == "" {
			continue
		}
		meter, ok := c.view.Meter(c.mode, ref)
		if !ok || number != 0 && number != meter.Number {
			return 0, false, nil
		}
		number = meter.Number
	}
	return number, true, nil
}

type eventStatAnswer struct {
	Date       string `json:"date"`
	Timestamp  string `json:"timestamp"` // Unix seconds of the interval's start
	EventCount int    `json:"event_count"`
	TotalValue string `json:"total_value"` // in the smallest unit
}

type eventStatsAnswer struct {
	Count int               `json:"count"`
	List  []eventStatAnswer `json:"list"`
}

const (
	secondsPerMinute = 60
	secondsPerHour   = 60 * secondsPerMinute
	secondsPerDay    = 24 * secondsPerHour
)

// granularity is the length of a statistic's intervals in seconds, and how their
// starts are written.
func (c *call) granularity() (interval int64, layout string, err *Error) {
	text, err := c.query.text("granularity")
	if err != nil {
		return 0, "", err
	}
	switch text {
	case "minute":
		return secondsPerMinute, "2006-01-02T15:04:00Z", nil
	case "hour":
		return secondsPerHour, "2006-01-02T15:00:00Z", nil
	case "day", "":
		return secondsPerDay, time.DateOnly, nil
	}
	return 0, "", invalid("granularity", "must be minute, hour or day")
}

func getEventStats(c *call) (any, *Error) {
	f, err := c.eventStatsFilter()
	if err != nil {
		return nil, err
	}
	interval, layout, err := c.granularity()
	if err != nil {
		return nil, err
	}
	if (f.Time.End-f.Time.Start)/interval > maxStatRows {
		return nil, invalid("end", "is too far from start for this granularity")
	}
	stats, readErr := c.view.EventStats(c.ctx, f, interval)
	if readErr != nil {
		return nil, c.readFailed(readErr)
	}
	answer := &eventStatsAnswer{Count: len(stats), List: make([]eventStatAnswer, 0, len(stats))}
	for _, stat := range stats {
		answer.List = append(answer.List, eventStatAnswer{
			Date: time.Unix(stat.Start, 0).UTC().Format(layout), Timestamp: strconv.FormatInt(stat.Start, 10),
			EventCount: stat.Events, TotalValue: stat.Value.String(),
		})
	}
	return answer, nil
}

func (c *call) eventStatsFilter() (f ledger.EventFilter, err *Error) {
	id, err := c.query.id("meter_id", idRule)
	if err != nil {
		return f, err
	}
	meter, ok := c.view.Meter(c.mode, id)
	if !ok {
		return f, notFound("meter_id", "names no meter")
	}
	f = ledger.EventFilter{Mode: c.mode, Meter: meter.Number}
	if f.Time, err = c.requiredInterval("start", "end"); err != nil {
		return f, err
	}
	f.Customer, err = c.query.id("customer_id", optionalIDRule)
	return f, err
}

// getPendingAmount answers what events still owe, by currency.
func getPendingAmount(c *call) (any, *Error) {
	customer, err := c.query.id("customer_id", optionalIDRule)
	if err != nil {
		return nil, err
	}
	subscription, err := c.query.id("subscription_id", optionalIDRule)
	if err != nil {
		return nil, err
	}
	currency, exists, err := c.currencyFilter()
	if err != nil {
		return nil, err
	}
	answer := map[string]string{}
	if !exists {
		return answer, nil
	}
	amounts, readErr := c.view.Pending(c.ctx, c.mode, customer, currency, subscription)
	if readErr != nil {
		return nil, c.readFailed(readErr)
	}
	for _, a := range amounts {
		if !a.Total.IsZero() {
			answer[ledger.CurrencyID(a.Currency)] = a.Total.String()
		}
	}
	return answer, nil
}
