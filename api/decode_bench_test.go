package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

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

// batchBodies is one batch in each form.
func batchBodies(events int) (forms []struct {
	name, contentType string
	text              []byte
}) {
	var lines []string
	var messages []protobufEvent
	for i := range events {
		lines = append(lines, fmt.Sprintf(benchEvent, i%256))
		messages = append(messages, benchMessage(i%256))
	}
	array := "[" + strings.Join(lines, ",") + "]"
	for _, form := range [][3]string{
		{"array", "application/json", array}, {"envelope", "application/json", `{"events":` + array + "}"},
		{"lines", "application/x-ndjson", strings.Join(lines, "\n")}, {"protobuf", protobufType, protobufBatch(nil, messages...)},
	} {
		forms = append(forms, struct {
			name, contentType string
			text              []byte
		}{form[0], form[1], []byte(form[2])})
	}
	return forms
}

// readAgain reads the batch as if it were new.
func (b *batch) readAgain() *Error {
	b.items, b.refused = b.items[:0], b.refused[:0]
	b.commands.Reset()
	return b.read()
}

// BenchmarkBatchForms reads the forms in turns, so that what else the machine does
// weighs on all alike. It tells the medians, in ns an event.
func BenchmarkBatchForms(b *testing.B) {
	const events = 1000
	forms := batchBodies(events)
	batches := make([]*batch, len(forms))
	times := make([][]time.Duration, len(forms))
	for i, form := range forms {
		batches[i] = newBatch(form.text, form.contentType)
	}
	b.ReportAllocs()
	for b.Loop() {
		for i, batch := range batches {
			start := time.Now()
			if err := batch.readAgain(); err != nil || batch.commands.Len() != events {
				b.Fatal(err, batch.refused)
			}
			times[i] = append(times[i], time.Since(start))
		}
	}
	for i, form := range forms {
		slices.Sort(times[i])
		b.ReportMetric(float64(times[i][len(times[i])/2])/events, form.name+"-ns")
	}
}

func BenchmarkReadBatch(b *testing.B) {
	const events = 1000
	for _, form := range batchBodies(events) {
		b.Run(form.name, func(b *testing.B) {
			batch := newBatch(form.text, form.contentType)
			b.SetBytes(int64(len(form.text)))
			b.ReportAllocs()
			for b.Loop() {
				if err := batch.readAgain(); err != nil || len(batch.refused) != 0 {
					b.Fatal(err, batch.refused)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
		})
	}
}
