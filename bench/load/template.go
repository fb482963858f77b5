package load

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Formats are the forms of a batch's body.
var Formats = []string{"json", "ndjson", "protobuf"}

// contentTypes are what the forms are called in HTTP.
var contentTypes = map[string]string{
	"": "application/json", "json": "application/json", "ndjson": "application/x-ndjson", "protobuf": "application/x-protobuf",
}

// The calls that events are reported with.
const (
	singlePath = "/api/meter-events"
	batchPath  = "/api/meter-events/batch"
)

// Template is an HTTP request of a fixed number of events, of which all is made
// already but identifiers and customers. Each event uses one whole token.
type Template struct {
	shape      shape
	request    []byte // head and body
	body       int    // where the body begins
	events     int
	stride     int // from one event to the next
	identifier int // where the first event's identifier is
	customer   int // where the digits of the first event's customer are
}

// NewTemplate makes a request to a host of so many events in one of Formats; one
// event in JSON goes by the single call.
func NewTemplate(host, format string, e Events, events int) (*Template, error) {
	contentType, ok := contentTypes[format]
	if !ok {
		return nil, fmt.Errorf("format: %q is none of %v", format, Formats)
	}
	shape, err := shapeOf(e.Identifiers)
	if err != nil {
		return nil, err
	}
	path := batchPath
	event, before, after, behind := jsonEvent(e.Name, shape), "[", ",", "]"
	switch {
	case contentType != "application/json" && format == "ndjson":
		before, after, behind = "", "\n", "\n"
	case format == "protobuf":
		event, before, after, behind = protobufEvent(e.Name, shape), "", "", ""
	case events == 1:
		path, before, after, behind = singlePath, "", "", ""
	}
	body := before + strings.Repeat(event+after, events)
	body = body[:len(body)-len(after)] + behind
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", path, host, contentType, len(body))
	first := len(head) + len(before)
	return &Template{
		shape: shape, request: []byte(head + body), body: len(head), events: events, stride: len(event) + len(after),
		identifier: first + strings.Index(event, identifierMark), customer: first + strings.Index(event, customerMark) + len("cus_"),
	}, nil
}

// What stands for identifiers and customers until they are filled in.
const (
	identifierMark = "????????????????"
	customerMark   = "cus_########"
)

func identifierBlank(s shape) string { return strings.Repeat("?", s.width) }

func jsonEvent(name string, s shape) string {
	return `{"event_name":"` + name + `","identifier":"` + identifierBlank(s) +
		`","payload":{"customer_id":"` + customerMark + `","value":"1"}}`
}

// protobufEvent is one element of MeterEventBatch.events (api/drawdown.proto):
// fields 1 to 4 of MeterEvent, all of them strings.
func protobufEvent(name string, s shape) string {
	var event []byte
	for i, text := range []string{name, identifierBlank(s), customerMark, "1"} {
		event = protobufField(event, i+1, text)
	}
	return string(protobufField(nil, 1, string(event)))
}

// protobufField appends a field of the wire type "length-delimited".
func protobufField(dst []byte, number int, value string) []byte {
	const delimited = 2
	dst = append(dst, byte(number<<3|delimited))
	dst = binary.AppendUvarint(dst, uint64(len(value)))
	return append(dst, value...)
}

// Fill makes it a request of the stream's next events and returns it, until the
// next call.
func (t *Template) Fill(s *Stream) []byte {
	at, customer := t.identifier, t.customer
	for range t.events {
		n := s.Next()
		high, low := s.Identifier(n)
		t.shape.put(t.request[at:at+t.shape.width], high, low)
		putDigits(t.request[customer:customer+8], s.Customer(n))
		at += t.stride
		customer += t.stride
	}
	return t.request
}

// Body is the body of what Fill made last.
func (t *Template) Body() []byte { return t.request[t.body:] }
