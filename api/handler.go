package api

import (
	"context"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/goccy/go-json"
	"github.com/valyala/fasthttp"

	"drawdown/engine/ledger"
)

const indexHeader = "Drawdown-Index"

// Handler answers one request.
func (s *Server) Handler(rc *fasthttp.RequestCtx) {
	start := time.Now()
	observed := s.answer(rc)
	observed.observe(rc.Response.StatusCode(), time.Since(start))
	// Nothing refers to the body any more (I10). A large one is not kept.
	rc.Request.ReleaseBody(retainedBody)
}

// answer finds the route and writes its answer, or the error's.
func (s *Server) answer(rc *fasthttp.RequestCtx) *routeMetrics {
	if err := checkHeader(&rc.Request.Header); err != nil {
		writeError(rc, err)
		return &s.unrouted
	}
	method := string(rc.Request.Header.Method())
	target := string(rc.Request.Header.RequestURI())
	if target == "*" && method == fasthttp.MethodOptions {
		rc.SetStatusCode(fasthttp.StatusNoContent)
		return &s.unrouted
	}
	path, rawQuery, err := splitTarget(target)
	if err != nil {
		writeError(rc, err)
		return &s.unrouted
	}
	h, id, err := s.router.find(method, path)
	if err != nil {
		if method == fasthttp.MethodOptions && err.Allow != "" {
			rc.Response.Header.Set(fasthttp.HeaderAllow, err.Allow)
			rc.SetStatusCode(fasthttp.StatusNoContent)
		} else {
			writeError(rc, err)
		}
		return &s.unrouted
	}
	s.admit(rc, h, id, rawQuery)
	return &h.metrics
}

// admit lets a call in if there is room (I12).
func (s *Server) admit(rc *fasthttp.RequestCtx, h *handled, id, rawQuery string) {
	if h.kind != local {
		defer s.metrics.inFlight.Dec()
		defer s.inFlight.Add(-1)
		s.metrics.inFlight.Inc()
		if s.inFlight.Add(1) > s.maxInFlight {
			writeError(rc, errOverloaded)
			return
		}
	}
	defer s.recover(rc, h)
	q, err := parseQuery(rawQuery)
	if err != nil {
		writeError(rc, err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestTime)
	defer cancel()
	c := &call{Server: s, http: rc, ctx: ctx, query: q, id: id}
	defer c.release()
	result, err := c.run(h)
	if err != nil {
		c.writeIndex()
		writeError(rc, err)
		return
	}
	c.write(result)
}

// recover answers for a handler that panicked. A write may have been applied by
// then, and the answer says so (I6).
func (s *Server) recover(rc *fasthttp.RequestCtx, h *handled) {
	cause := recover()
	if cause == nil {
		return
	}
	s.log.Error("handler panicked", "route", h.pattern, "cause", cause, "stack", string(debug.Stack()))
	rc.Response.Reset()
	if h.kind == writes {
		writeError(rc, errOutcomeUnknown)
	} else {
		writeError(rc, errInternal)
	}
}

// call is one request in the hands of its handler.
type call struct {
	*Server
	http  *fasthttp.RequestCtx
	ctx   context.Context
	query query
	id    string // what stands for the placeholder of the route's pattern
	mode  ledger.Mode
	// modeKnown says that the query told the mode, which outranks the body.
	modeKnown bool
	index     uint64 // of the log, that the answer is true of; 0 is none
	doc       *document
	expanded  expander
}

func (c *call) run(h *handled) (any, *Error) {
	live, set, err := c.query.boolean("livemode")
	if err != nil {
		return nil, err
	}
	c.modeKnown = set
	c.setMode(live || !set)
	if h.kind == reads {
		if err := c.consistency(); err != nil {
			return nil, err
		}
	}
	return h.handle(c)
}

func (c *call) setMode(live bool) {
	c.mode = modeOf(live)
	c.expanded = expander{view: c.view, mode: c.mode, ctx: c.ctx}
}

func modeOf(live bool) ledger.Mode {
	if live {
		return ledger.Live
	}
	return ledger.Test
}

// linearize makes the reads that follow see all that was acknowledged (I5).
func (c *call) linearize() *Error {
	index, err := c.store.Linearize(c.ctx)
	if err != nil {
		return c.readFailed(err)
	}
	c.index = index
	return nil
}

// readFailed answers for a failed read and logs what the caller is not told.
func (c *call) readFailed(err error) *Error {
	answer := readError(err, c.cursor())
	if answer == errInternal {
		c.log.Error("read failed", "path", string(c.http.Path()), "error", err)
	}
	return answer
}

// cursor is the parameter by which the page was asked for.
func (c *call) cursor() string {
	if after, _ := c.query.text("starting_after"); after != "" {
		return "starting_after"
	}
	return "ending_before"
}

// submit carries out the commands of b and answers the verdicts. b must not be
// used again unless that went well: the store may still be reading it.
func (c *call) submit(b *ledger.Batch) ([]ledger.Result, *Error) {
	results, index, err := c.store.Submit(c.ctx, b)
	if err != nil {
		answer := submitError(err)
		if answer == errOutcomeUnknown {
			c.log.Warn("outcome unknown", "path", string(c.http.Path()), "error", err)
		}
		return nil, answer
	}
	if len(results) != b.Len() {
		c.log.Error("store answered the wrong number of verdicts", "commands", b.Len(), "verdicts", len(results))
		return nil, errOutcomeUnknown
	}
	c.index = index
	return results, nil
}

// submitOne is submit for a single command whose refusal is an error.
func (c *call) submitOne(command ledger.Command, at fieldNames) (ledger.Result, *Error) {
	var b ledger.Batch
	b.Add(command)
	results, err := c.submit(&b)
	if err != nil {
		return ledger.Result{}, err
	}
	if results[0].Code.Refused() {
		return results[0], refusal(results[0].Code, at)
	}
	return results[0], nil
}

// body reads the request's body, an object, and finds its members with the
// names. An empty body is an object without members.
func (c *call) body(names ...string) ([]value, *Error) {
	names = append(names, "livemode")
	out := make([]value, len(names))
	text := c.http.PostBody()
	if len(text) == 0 {
		return out[:len(out)-1], nil
	}
	c.doc = documents.Get().(*document)
	if err := c.doc.parse(text); err != nil {
		return nil, err.under("body")
	}
	if err := c.doc.root().pick(names, out); err != nil {
		return nil, err.orBody()
	}
	if err := c.bodyMode(out[len(out)-1]); err != nil {
		return nil, err
	}
	return out[:len(out)-1], nil
}

// bodyMode takes the mode from the body, if the query did not tell it.
func (c *call) bodyMode(livemode value) *Error {
	live, set, err := livemode.boolean("livemode")
	if err == nil && set && !c.modeKnown {
		c.setMode(live)
	}
	return err
}

func (c *call) release() {
	if c.doc != nil {
		releaseDocument(c.doc)
	}
}

// write answers with a result: an object to encode, or a list.
func (c *call) write(result any) {
	c.writeIndex()
	if result == nil {
		return // the handler wrote the answer itself
	}
	var text []byte
	var err error
	if l, ok := result.(*list); ok {
		text, err = l.encode()
	} else {
		text, err = json.Marshal(result)
	}
	if err != nil {
		panic("api: an answer cannot be encoded: " + err.Error())
	}
	c.http.SetContentTypeBytes(contentTypeJSON)
	c.http.SetBody(text)
}

func (c *call) writeIndex() {
	if c.index != 0 {
		var digits [20]byte
		c.http.Response.Header.SetBytesV(indexHeader, strconv.AppendUint(digits[:0], c.index, 10))
	}
}

var contentTypeJSON = []byte("application/json; charset=utf-8")

// errorAnswer is the body of every answer that is not a success.
type errorAnswer struct {
	Error string `json:"error"`
	Code  string `json:"code"`
	Param string `json:"param,omitempty"`
}

func writeError(rc *fasthttp.RequestCtx, e *Error) {
	text, err := json.Marshal(errorAnswer{e.Error(), e.Code, e.Param})
	if err != nil {
		panic("api: an error cannot be encoded: " + err.Error())
	}
	rc.SetStatusCode(e.Status)
	rc.SetContentTypeBytes(contentTypeJSON)
	rc.SetBody(text)
	if e.Status == fasthttp.StatusServiceUnavailable {
		rc.Response.Header.Set(fasthttp.HeaderRetryAfter, retryAfter)
	}
	if e.Allow != "" {
		rc.Response.Header.Set(fasthttp.HeaderAllow, e.Allow)
	}
	if e.Close {
		rc.SetConnectionClose()
	}
}
