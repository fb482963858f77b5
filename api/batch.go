package api

import (
	"bytes"
	"fmt"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"drawdown/engine/ledger"
)

// batch is one batch request on its way. Events are read one after the other in
// place and soon become commands; of each only its place in the body stays.
type batch struct {
	*call
	text     []byte
	doc      document
	commands ledger.Batch
	reports  []ledger.Report // read, and not yet commands
	items    []batchItem
	refused  []refusedItem // in the order of items
	vain     int           // events in a row that the scanner did not take
	protobuf bool          // the items are MeterEvents, not JSON
}

// batchItem is an event of the request.
type batchItem struct {
	start, end uint32 // in the body
	command    int32  // its place among the commands, or refusedBefore
}

// refusedBefore marks an item that never became a command.
const refusedBefore = -1

type refusedItem struct {
	index int
	err   *Error
}

var batches = sync.Pool{New: func() any { return new(batch) }}

// retainedBatch is the largest encoded batch that the pool keeps memory for.
const retainedBatch = 1 << 20

// createEvents counts many events. Each has its own verdict: a bad one never
// sinks the others, and the whole can be sent again unchanged.
func createEvents(c *call) (any, *Error) {
	all, err := c.wantsAllResults()
	if err != nil {
		return nil, err
	}
	b := batches.Get().(*batch)
	*b = batch{
		call: c, text: c.http.PostBody(), doc: b.doc, commands: b.commands, reports: b.reports[:0], items: b.items[:0],
		refused: b.refused[:0],
	}
	b.commands.Reset()
	begin := time.Now()
	if err := b.read(); err != nil {
		c.metrics.malformed.Inc()
		return nil, err
	}
	c.metrics.decoding.Observe(time.Since(begin).Seconds())
	c.metrics.batches.Observe(float64(len(b.items)))
	c.metrics.malformed.Add(float64(len(b.refused)))
	var results []ledger.Result
	if b.commands.Len() > 0 {
		if results, err = c.submit(&b.commands); err != nil {
			c.metrics.failed(err, b.commands.Len())
			return nil, err // b is not kept: the store may still be reading it
		}
	}
	answer, err := b.answer(results, all)
	b.release()
	return answer, err
}

// wantsAllResults says whether every item shall have its result, or only the
// rejected ones.
func (c *call) wantsAllResults() (bool, *Error) {
	text, err := c.query.text("results")
	if err != nil {
		return false, err
	}
	if text != "" && text != "all" && text != "rejected" {
		return false, invalid("results", "must be all or rejected")
	}
	return text == "all", nil
}

func (b *batch) release() {
	b.call, b.text = nil, nil
	b.doc.reset(nil)
	clear(b.refused)
	clear(b.reports[:cap(b.reports)]) // their texts are the request's (I10)
	if b.commands.Size() <= retainedBatch && cap(b.doc.nodes) <= retainedNodes {
		batches.Put(b)
	}
}

// read makes commands of the body's events.
func (b *batch) read() *Error {
	err := b.readBody()
	b.encode()
	return err
}

// readBody reads the body in one of its four forms: a JSON array, an object that
// holds one under "events", one event a line, or Protocol Buffers.
func (b *batch) readBody() *Error {
	contentType, _, _ := bytes.Cut(b.http.Request.Header.ContentType(), []byte(";"))
	switch string(bytes.ToLower(bytes.TrimSpace(contentType))) {
	case "application/x-ndjson", "application/ndjson", "application/jsonl":
		return b.readLines()
	case "application/x-protobuf", "application/protobuf":
		return b.readProtobuf()
	}
	b.doc.reset(b.text)
	pos := b.doc.space(0)
	var end int
	var err *Error
	switch b.doc.peek(pos) {
	case '[':
		end, err = b.readArray(pos)
	case '{':
		end, err = b.readEnvelope(pos)
	default:
		return badRequest("invalid_json", "body", "must be an array of events, an object that holds one, or one event a line")
	}
	if err != nil {
		return err
	}
	b.doc.reset(b.text)
	if end = b.doc.space(end); end != len(b.text) {
		return b.doc.fail(end, "there is something behind the value").syntax.under("body")
	}
	return nil
}

func (b *batch) readLines() *Error {
	for start := 0; start < len(b.text); {
		end, next := len(b.text), len(b.text)
		if i := bytes.IndexByte(b.text[start:], '\n'); i >= 0 {
			end, next = start+i, start+i+1
		}
		line := bytes.TrimRight(b.text[start:end], "\r \t")
		if len(line) > 0 {
			if err := b.takeLine(start, line); err != nil {
				return err
			}
		}
		start = next
	}
	return nil
}

func (b *batch) takeLine(start int, line []byte) *Error {
	var report ledger.Report
	if b.worthScanning() && scanWhole(line, b.mode, b.modeKnown, &report) {
		b.vain = 0
		return b.count(start, start+len(line), &report)
	}
	return b.take(start, start+len(line), b.doc.parse(line))
}

// readArray reads the events of the array at pos.
func (b *batch) readArray(pos int) (end int, err *Error) {
	d := &b.doc
	if pos = d.space(pos + 1); d.peek(pos) == ']' {
		return pos + 1, nil
	}
	for {
		if end, err = b.takeElement(pos); err != nil {
			return 0, err
		}
		pos = d.space(end)
		switch d.peek(pos) {
		case ',':
			pos = d.space(pos + 1)
		case ']':
			return pos + 1, nil
		default:
			return 0, located(d.fail(pos, "a comma or the end of the array is missing").syntax, "behind", len(b.items)-1)
		}
	}
}

// takeElement reads the array's element at pos.
func (b *batch) takeElement(pos int) (end int, err *Error) {
	var report ledger.Report
	if b.worthScanning() {
		if end = scanEvent(b.text, pos, b.mode, b.modeKnown, &report); end >= 0 {
			b.vain = 0
			return end, b.count(pos, end, &report)
		}
	}
	end, fault, syntax := b.doc.next(b.text, pos)
	if syntax != nil {
		return 0, located(syntax, "in", len(b.items))
	}
	return end, b.take(pos, end, fault)
}

// located is a syntax error of the array, with the event where it is.
func located(syntax *Error, where string, index int) *Error {
	e := syntax.under("body")
	e.Problem = fmt.Sprintf("%s, %s events[%d]", e.Problem, where, index)
	return e
}

// readEnvelope reads the object at pos. The mode may stand in it behind the
// events, so that these are passed over first.
func (b *batch) readEnvelope(pos int) (end int, err *Error) {
	d := &b.doc
	d.reset(b.text)
	eventsAt, eventsEnd, keys := 0, 0, make(map[string]bool, 2)
	if pos = d.space(pos + 1); d.peek(pos) == '}' {
		return 0, required("events")
	}
	for {
		key, behind, err := b.envelopeKey(pos, keys)
		if err != nil {
			return 0, err
		}
		pos = behind
		switch {
		case key == "events" && d.peek(pos) == '[':
			eventsAt = pos
			if pos = skipArray(b.text, pos); pos < 0 {
				return 0, b.brokenEvents(eventsAt, eventsAt, "an array has no end")
			}
			eventsEnd = pos
		case key == "events":
			return 0, badRequest(codeInvalidType, "events", "must be an array")
		default:
			if pos, err = b.envelopeValue(key, pos); err != nil {
				return 0, err
			}
		}
		pos = d.space(pos)
		if d.peek(pos) == '}' {
			break
		}
		if d.peek(pos) != ',' {
			return 0, b.brokenEvents(eventsAt, pos, "a comma or the end of the object is missing")
		}
		pos = d.space(pos + 1)
	}
	if eventsAt == 0 {
		return 0, required("events")
	}
	end = pos + 1
	behind, err := b.readArray(eventsAt)
	if err != nil {
		return 0, err
	}
	if behind != eventsEnd {
		return 0, d.fail(behind, "the array ends in two places").syntax.under("body")
	}
	return end, nil
}

// brokenEvents is the error of an envelope that goes wrong at pos: what is wrong with
// its events, if that is why, since they were only passed over.
func (b *batch) brokenEvents(eventsAt, pos int, problem string) *Error {
	if eventsAt > 0 {
		if _, err := b.readArray(eventsAt); err != nil {
			return err
		}
	}
	b.doc.reset(b.text)
	return b.doc.fail(pos, problem).syntax.under("body")
}

// envelopeKey reads a key of the envelope and the colon behind it.
func (b *batch) envelopeKey(pos int, keys map[string]bool) (key string, end int, err *Error) {
	d := &b.doc
	d.reset(b.text)
	if d.peek(pos) != '"' {
		return "", 0, d.fail(pos, "a key in double quotes is missing").syntax.under("body")
	}
	if end = d.text(pos); end < 0 {
		return "", 0, d.syntax.under("body")
	}
	if d.fault != nil {
		return "", 0, d.fault.under("body")
	}
	key = string(d.bytes(0))
	if _, err := indexName([]string{"events", "livemode"}, []byte(key)); err != nil {
		return "", 0, err
	}
	if keys[key] {
		return "", 0, badRequest("duplicate_key", "body", fmt.Sprintf("has the key %.64q twice", key))
	}
	if len(keys) == maxEnvelopeKeys {
		return "", 0, badRequest(codeTooLong, "body", fmt.Sprintf("has more than %d keys beside its events", maxEnvelopeKeys-1))
	}
	keys[key] = true
	if end = d.space(end); d.peek(end) != ':' {
		return "", 0, d.fail(end, "a colon is missing").syntax.under("body")
	}
	return key, d.space(end + 1), nil
}

// envelopeValue reads a value that is not the events.
func (b *batch) envelopeValue(key string, pos int) (end int, err *Error) {
	end, fault, syntax := b.doc.next(b.text, pos)
	switch {
	case syntax != nil:
		return 0, syntax.under("body")
	case fault != nil:
		return 0, fault.under("body")
	case key == "livemode":
		return end, b.bodyMode(b.doc.root())
	}
	return end, nil
}

// skipArray is the position behind the array at pos, or -1. It looks at brackets
// and quotes only: what is between them is read later.
func skipArray(text []byte, pos int) int {
	depth, quoted := 0, false
	for i := pos; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			if quoted = !quoted; quoted {
				i = skipPlain(text, i+1) - 1
			}
		case quoted:
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// take makes a command of the event that the document holds, or refuses it.
func (b *batch) take(start, end int, fault *Error) *Error {
	b.vain++
	if fault == nil {
		var report ledger.Report
		if report, fault = decodeEvent(&b.doc, b.mode, b.modeKnown); fault == nil {
			return b.countNow(start, end, &report)
		}
	}
	return b.refuse(start, end, fault)
}

// refuse notes why there is no command of an event.
func (b *batch) refuse(start, end int, fault *Error) *Error {
	if err := b.add(start, end, refusedBefore); err != nil {
		return err
	}
	b.refused = append(b.refused, refusedItem{len(b.items) - 1, fault})
	return nil
}

// countNow is count for an event whose texts share the document's memory, which the
// next event takes.
func (b *batch) countNow(start, end int, report *ledger.Report) *Error {
	err := b.count(start, end, report)
	b.encode()
	return err
}

// count takes an event, which will become a command. Its texts must share the body's
// memory.
func (b *batch) count(start, end int, report *ledger.Report) *Error {
	if err := b.add(start, end, int32(b.commands.Len()+len(b.reports))); err != nil {
		return err
	}
	report.Channel = ledger.ViaBatch
	if b.reports = append(b.reports, *report); len(b.reports) == encodeTogether {
		b.encode()
	}
	return nil
}

// encodeTogether is how many reports become commands at once: looking up their
// numbers side by side is several times faster than one by one.
const encodeTogether = 64

// encode makes commands of the reports that were read.
func (b *batch) encode() {
	b.view.Number(b.reports)
	for i := range b.reports {
		b.commands.Add(&b.reports[i])
	}
	b.reports = b.reports[:0]
}

// add appends an item, if there is room for it.
func (b *batch) add(start, end int, command int32) *Error {
	if len(b.items) == maxBatchEvents {
		return &Error{
			Status: fasthttp.StatusRequestEntityTooLarge, Code: codeTooLarge, Param: "events",
			Problem: fmt.Sprintf("are more than %d", maxBatchEvents),
		}
	}
	b.items = append(b.items, batchItem{start: uint32(start), end: uint32(end), command: command})
	return nil
}
