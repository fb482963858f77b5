package api

import (
	"fmt"
	"strings"
	"testing"

	"drawdown/engine/ledger"
)

// benchEvent is 170 bytes, as a client sends it.
const benchEvent = `{"event_name":"tokens","timestamp":1700000000,"payload":{"customer_id":"cus_0123456789","value":"12.50"},` +
	`"identifier":"0190b5a4-7c3e-7d2a-9f61-3b5c8e1d4a%02x"}`

// benchMessage is benchEvent as the Protocol Buffers form has it.
func benchMessage(n int) protobufEvent {
	return protobufEvent{
		"event_name": "tokens", "timestamp": int64(1700000000), "customer_id": "cus_0123456789", "value": "12.50",
		"identifier": fmt.Sprintf("0190b5a4-7c3e-7d2a-9f61-3b5c8e1d4a%02x", n),
	}
}

func BenchmarkDecodeEvent(b *testing.B) {
	text := fmt.Appendf(nil, benchEvent, 7)
	var d document
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if err := d.parse(text); err != nil {
			b.Fatal(err)
		}
		if _, err := decodeEvent(&d, ledger.Live, true); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadBatch(b *testing.B) {
	const events = 1000
	var text strings.Builder
	var messages []protobufEvent
	for i := range events {
		fmt.Fprintf(&text, benchEvent+"\n", i%256)
		messages = append(messages, benchMessage(i%256))
	}
	lines := []byte(text.String())
	array := []byte("[" + strings.ReplaceAll(strings.TrimSpace(text.String()), "\n", ",") + "]")
	for _, form := range []struct {
		name, contentType string
		text              []byte
	}{
		{"array", "application/json", array},
		{"envelope", "application/json", []byte(`{"events":` + string(array) + `}`)},
		{"lines", "application/x-ndjson", lines},
		{"protobuf", "application/x-protobuf", []byte(protobufBatch(nil, messages...))},
	} {
		b.Run(form.name, func(b *testing.B) {
			batch := newBatch(form.text, form.contentType)
			b.SetBytes(int64(len(form.text)))
			b.ReportAllocs()
			for b.Loop() {
				batch.items, batch.refused = batch.items[:0], batch.refused[:0]
				batch.commands.Reset()
				if err := batch.read(); err != nil || len(batch.refused) != 0 {
					b.Fatal(err, batch.refused)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
		})
	}
}
