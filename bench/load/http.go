package load

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// Answer is what a system said of a request's events.
type Answer struct{ Accepted, Duplicates int }

// Sender sends one request after the other. It is used by one goroutine.
type Sender interface {
	// Send makes a request of the next events, sends it, waits for the answer and
	// checks it. An error says that the request failed or was answered wrongly.
	Send(now time.Time) (Answer, error)
	Close() error
}

// verdict reads the body of an answer with status 2xx to a request.
type verdict func(answer, request []byte, events int) (Answer, error)

// HTTPSender sends a template over a connection of its own.
type HTTPSender struct {
	conn     connection
	template *Template
	stream   *Stream
	fresh    bool // no event repeats another
	verdict  verdict
}

// NewHTTPSender sends a stream's events to Drawdown at host:port.
func NewHTTPSender(addr, format string, e Events, batch int, stream *Stream) (*HTTPSender, error) {
	t, err := NewTemplate(addr, format, e, batch)
	if err != nil {
		return nil, err
	}
	h := &HTTPSender{conn: connection{addr: addr}, template: t, stream: stream, fresh: e.Repeats == 0, verdict: batchVerdict}
	if batch == 1 && contentTypes[format] == "application/json" {
		h.verdict = singleVerdict
	}
	return h, nil
}

// Echoed makes the sender expect its own request's body as the answer.
func (h *HTTPSender) Echoed() { h.verdict = echoVerdict }

// StatusError is an answer other than 2xx.
type StatusError struct {
	Status int
	Body   string
}

func (e *StatusError) Error() string { return fmt.Sprintf("status %d: %.500s", e.Status, e.Body) }

// Send implements Sender.
func (h *HTTPSender) Send(now time.Time) (Answer, error) {
	status, body, err := h.conn.exchange(now, h.template.Fill(h.stream))
	if err != nil {
		return Answer{}, err
	}
	if status/100 != 2 {
		return Answer{}, &StatusError{status, string(body)}
	}
	a, err := h.verdict(body, h.template.Body(), h.template.events)
	if err == nil && h.fresh && a.Duplicates > 0 {
		err = fmt.Errorf("%d new identifiers were called duplicates", a.Duplicates)
	}
	return a, err
}

// Close implements Sender.
func (h *HTTPSender) Close() error { return h.conn.close() }

func singleVerdict(answer, _ []byte, _ int) (Answer, error) {
	if !bytes.HasPrefix(answer, []byte(`{"id":"`)) {
		return Answer{}, fmt.Errorf("the answer is no event: %.200s", answer)
	}
	if bytes.Contains(answer, []byte(`"duplicate":true`)) {
		return Answer{Duplicates: 1}, nil
	}
	return Answer{Accepted: 1}, nil
}

func batchVerdict(answer, _ []byte, events int) (a Answer, err error) {
	var counts [3]int
	rest := answer
	for i, name := range [3]string{`"accepted":`, `"duplicates":`, `"rejected":`} {
		at := bytes.Index(rest, []byte(name))
		if at < 0 {
			return a, fmt.Errorf("the answer does not tell %s %.200s", name, answer)
		}
		rest = rest[at+len(name):]
		counts[i], _ = digits(rest)
	}
	a = Answer{counts[0], counts[1]}
	if counts[2] != 0 || a.Accepted+a.Duplicates != events {
		return Answer{}, fmt.Errorf("of %d events %d accepted, %d duplicates, %d rejected: %.300s", events, counts[0], counts[1], counts[2], rest)
	}
	return a, nil
}

var errNoEcho = errors.New("the answer is not what was sent")

func echoVerdict(answer, request []byte, events int) (Answer, error) {
	if !bytes.Equal(answer, request) {
		return Answer{}, errNoEcho
	}
	return Answer{Accepted: events}, nil
}
