package bench

import (
	"context"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// worker is one connection of a load: one request in flight.
type worker struct {
	load    *load
	number  int
	random  *rand.Rand
	zipf    *rand.Zipf
	prefix  uint64 // of this worker's identifiers
	sent    uint64 // identifiers made so far
	body    []byte
	latency *hdrhistogram.Histogram
	failed  int64
	failure error
}

func newWorker(l *load, number int) *worker {
	w := &worker{load: l, number: number, latency: newHistogram(), prefix: rand.Uint64()}
	w.random = rand.New(rand.NewPCG(rand.Uint64(), uint64(number)))
	if l.Zipf > 1 {
		w.zipf = rand.NewZipf(w.random, l.Zipf, 1, uint64(l.Customers-1))
	}
	return w
}

// run sends requests until the context ends. At a given rate every request has a
// time at which it is to be sent, and its latency counts from then: a stall
// delays the requests behind it and is not hidden.
func (w *worker) run(ctx context.Context) {
	interval := time.Duration(0)
	if w.load.Rate > 0 {
		interval = time.Duration(float64(w.load.Batch*w.load.Connections) / w.load.Rate * float64(time.Second))
	}
	due := time.Now().Add(interval * time.Duration(w.number) / time.Duration(w.load.Connections))
	for ctx.Err() == nil {
		if interval > 0 {
			if !sleepUntil(ctx, due) {
				return
			}
		} else {
			due = time.Now()
		}
		w.request(due)
		due = due.Add(interval)
	}
}

func sleepUntil(ctx context.Context, due time.Time) bool {
	wait := time.Until(due)
	if wait <= 0 {
		return true
	}
	select {
	case <-time.After(wait):
		return true
	case <-ctx.Done():
		return false
	}
}

// request sends one request that was due at a time, and notes what came of it.
func (w *worker) request(due time.Time) {
	l := w.load
	var answer BatchAnswer
	var err error
	if l.Batch == 1 {
		var single struct {
			Duplicate bool `json:"duplicate"`
		}
		w.body = w.appendEvent(w.body[:0])
		err = l.client.Send("POST", "/api/meter-events", w.body, &single)
		if answer.Accepted = 1; single.Duplicate {
			answer = BatchAnswer{Duplicates: 1}
		}
	} else {
		answer, err = l.client.Batch(w.appendBatch(w.body[:0]))
	}
	if !l.measuring.Load() {
		return
	}
	if err != nil {
		w.failed++
		if w.failure == nil {
			w.failure = err
		}
		return
	}
	_ = w.latency.RecordValue(max(1, time.Since(due).Microseconds()))
	l.events.Add(int64(answer.Accepted + answer.Duplicates))
	l.repeated.Add(int64(answer.Duplicates))
}

func (w *worker) appendBatch(dst []byte) []byte {
	dst = append(dst, '[')
	for i := range w.load.Batch {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = w.appendEvent(dst)
	}
	w.body = append(dst, ']')
	return w.body
}

func (w *worker) appendEvent(dst []byte) []byte {
	l := w.load
	n := w.sent
	if l.Repeats > 0 && n > 0 && w.random.Float64() < l.Repeats {
		n = w.random.Uint64N(n)
	} else {
		w.sent++
	}
	// What an identifier's event says follows from the identifier: a repeat must
	// not contradict the first.
	dst = append(dst, `{"event_name":"`...)
	dst = append(dst, l.event...)
	dst = append(dst, `","identifier":"`...)
	dst = w.appendIdentifier(dst, n)
	dst = append(dst, `","payload":{"customer_id":"`...)
	dst = appendCustomer(dst, w.customer(n))
	return append(dst, `","value":"1"}}`...)
}

// customer is whose event the n-th one is.
func (w *worker) customer(n uint64) int {
	if w.zipf != nil && w.load.Repeats == 0 {
		return int(w.zipf.Uint64())
	}
	return int(scramble(w.prefix^n) % uint64(w.load.Customers))
}

// scramble spreads the bits of x.
func scramble(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

func customerName(i int) string { return string(appendCustomer(nil, i)) }

func appendCustomer(dst []byte, i int) []byte {
	return strconv.AppendInt(append(dst, "cus_"...), int64(i), 10)
}

// appendIdentifier appends the n-th identifier of the worker in the load's shape.
func (w *worker) appendIdentifier(dst []byte, n uint64) []byte {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:], scramble(w.prefix+n))
	binary.BigEndian.PutUint64(raw[8:], scramble(n)^w.prefix)
	switch w.load.Identifiers {
	case "ulid":
		return ulidEncoding.AppendEncode(dst, raw[:])
	case "hex16":
		return hex.AppendEncode(dst, raw[8:])
	case "text36":
		return append(hex.AppendEncode(dst, raw[:]), "-req"...)
	}
	return appendUUID(dst, &raw)
}

var ulidEncoding = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// appendUUID appends the bytes as a UUID of version 4; it changes them.
func appendUUID(dst []byte, raw *[16]byte) []byte {
	raw[6], raw[8] = raw[6]&0x0f|0x40, raw[8]&0x3f|0x80
	for _, part := range [][]byte{raw[:4], raw[4:6], raw[6:8], raw[8:10]} {
		dst = append(hex.AppendEncode(dst, part), '-')
	}
	return hex.AppendEncode(dst, raw[10:])
}
