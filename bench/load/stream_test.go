package load

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var patterns = map[string]string{
	"uuid": `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, "ulid": `^[0-9A-HJKMNP-TV-Z]{26}$`,
	"hex16": `^[0-9a-f]{16}$`, "text36": `^[0-9a-f]{32}-req$`,
}

type event struct {
	EventName  string `json:"event_name"`
	Identifier string `json:"identifier"`
	Payload    struct {
		Customer string `json:"customer_id"`
		Value    string `json:"value"`
	} `json:"payload"`
}

// eventsOf reads a request's body with the standard library.
func eventsOf(t *testing.T, format string, body []byte) (events []event) {
	t.Helper()
	switch format {
	case "json":
		if err := json.Unmarshal(body, &events); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
	case "ndjson":
		decoder := json.NewDecoder(strings.NewReader(string(body)))
		for decoder.More() {
			var e event
			if err := decoder.Decode(&e); err != nil {
				t.Fatal(err)
			}
			events = append(events, e)
		}
		if strings.Count(string(body), "\n") != len(events) {
			t.Fatalf("%d events in %q", len(events), body)
		}
	case "protobuf":
		for _, message := range fieldsOf(t, body) {
			texts := fieldsOf(t, []byte(message))
			e := event{EventName: texts[0], Identifier: texts[1]}
			e.Payload.Customer, e.Payload.Value = texts[2], texts[3]
			events = append(events, e)
		}
	}
	return events
}

// TestTemplate: whatever the format and the shape, a filled template is a request
// of the stream's events, each time of the next ones.
func TestTemplate(t *testing.T) {
	for _, format := range Formats {
		for _, shape := range Shapes {
			e := Events{Name: "tokens", Customers: 1000, Identifiers: shape}
			const batch = 7
			template, err := NewTemplate("127.0.0.1:1", format, e, batch)
			if err != nil {
				t.Fatal(err)
			}
			stream, again := NewStream(e, 5), NewStream(e, 5)
			seen := map[string]bool{}
			for range 20 {
				request := template.Fill(stream)
				head, body, _ := strings.Cut(string(request), "\r\n\r\n")
				if want := fmt.Sprintf("Content-Length: %d", len(body)); !strings.Contains(head, want) ||
					!strings.Contains(head, contentTypes[format]) || !strings.HasPrefix(head, "POST "+batchPath+" ") || body != string(template.Body()) {
					t.Fatalf("head:\n%s\nwant %s", head, want)
				}
				events := eventsOf(t, format, []byte(body))
				if len(events) != batch {
					t.Fatalf("%s: %d events in %s", format, len(events), body)
				}
				for _, got := range events {
					customer := CustomerName(again.Customer(again.Next()))
					if seen[got.Identifier] || !regexp.MustCompile(patterns[shape]).MatchString(got.Identifier) ||
						got.Payload.Customer != customer || got.EventName != "tokens" || got.Payload.Value != "1" {
						t.Fatalf("%s %s: %+v, want customer %s", format, shape, got, customer)
					}
					seen[got.Identifier] = true
				}
			}
		}
	}
}

// TestSingle: one event goes by the single call, as an object.
func TestSingle(t *testing.T) {
	e := Events{Name: "tokens", Customers: 10}
	template, err := NewTemplate("h", "json", e, 1)
	if err != nil {
		t.Fatal(err)
	}
	var got event
	request := string(template.Fill(NewStream(e, 1)))
	if err := json.Unmarshal(template.Body(), &got); err != nil || got.Payload.Value != "1" || !strings.HasPrefix(request, "POST "+singlePath+" ") {
		t.Fatalf("%s: %v", request, err)
	}
}

// TestStream: identifiers are new unless repeats are asked for; a repeat is of the
// same customer; every customer comes, a skew prefers some.
func TestStream(t *testing.T) {
	const events, customers = 50_000, 100
	for _, e := range []Events{{Customers: customers}, {Customers: customers, Repeats: .3}, {Customers: customers, Zipf: 1.2, Repeats: .3}} {
		s := NewStream(e, 9)
		owner, count := map[[2]uint64]uint32{}, make([]int, customers)
		for range events {
			n := s.Next()
			high, low := s.Identifier(n)
			c := s.Customer(n)
			if first, known := owner[[2]uint64{high, low}]; known && first != c {
				t.Fatalf("event %d is of customer %d and of %d", n, first, c)
			}
			owner[[2]uint64{high, low}] = c
			count[c]++
		}
		if len(owner) != int(s.Made()) {
			t.Fatalf("%d identifiers of %d events", len(owner), s.Made())
		}
		if share := 1 - float64(len(owner))/events; share < e.Repeats-.02 || share > e.Repeats+.02 {
			t.Errorf("a share of %.3f repeats, want %v", share, e.Repeats)
		}
		most, least := slices.Max(count), slices.Min(count)
		if least == 0 || (most > 10*least) != (e.Zipf > 1) {
			t.Errorf("%+v: a customer has %d to %d events", e, least, most)
		}
	}
}

// TestStreamsDiffer: streams of different seeds share no identifier.
func TestStreamsDiffer(t *testing.T) {
	e := Events{Customers: 10}
	seen := map[string]bool{}
	shape, _ := shapeOf("uuid")
	for seed := range uint64(20) {
		s := NewStream(e, seed)
		for n := range uint64(5000) {
			high, low := s.Identifier(n)
			text := make([]byte, shape.width)
			shape.put(text, high, low)
			if seen[string(text)] {
				t.Fatalf("%s comes twice", text)
			}
			seen[string(text)] = true
		}
	}
}

// fieldsOf reads the length-delimited fields of a message, whose numbers must
// ascend or stay.
func fieldsOf(t *testing.T, message []byte) (texts []string) {
	t.Helper()
	last := byte(0)
	for len(message) > 0 {
		if message[0]&7 != 2 || message[0]>>3 < last {
			t.Fatalf("a tag of %d behind field %d", message[0], last)
		}
		last = message[0] >> 3
		size, shift, at := 0, 0, 1
		for {
			size |= int(message[at]&0x7f) << shift
			shift += 7
			if at++; message[at-1] < 0x80 {
				break
			}
		}
		texts = append(texts, string(message[at:at+size]))
		message = message[at+size:]
	}
	return texts
}

// BenchmarkFill is what an event costs the load before it is sent.
func BenchmarkFill(b *testing.B) {
	const batch = 1000
	for _, format := range Formats {
		for _, e := range []Events{{Name: "tokens", Customers: 100_000}, {Name: "tokens", Customers: 100_000, Zipf: 1.1, Repeats: .1}} {
			b.Run(fmt.Sprintf("%s/zipf=%v/repeats=%v", format, e.Zipf, e.Repeats), func(b *testing.B) {
				template, err := NewTemplate("127.0.0.1:8080", format, e, batch)
				if err != nil {
					b.Fatal(err)
				}
				stream := NewStream(e, 1)
				b.ReportAllocs()
				for b.Loop() {
					template.Fill(stream)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/event")
			})
		}
	}
}
