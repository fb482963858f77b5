package bench

import (
	"math/rand/v2"

	"drawdown/bench/load"
)

// Workload is a fixed sequence of events: event i is the same whenever it is
// made, so that it can be sent again and its effect is known.
type Workload struct {
	Seed      uint64
	EventName string
	Customers int
	Batch     int // events of a batch
}

// Customer is the id of a customer of the workload.
func (w *Workload) Customer(i int) string { return load.CustomerName(uint32(i)) }

// CustomerOf is which customer event i belongs to.
func (w *Workload) CustomerOf(i int) int {
	return int(w.random(i, 1) % uint64(w.Customers))
}

// random is a number that depends on the seed, the event and the purpose alone.
func (w *Workload) random(i int, purpose uint64) uint64 {
	return rand.NewPCG(w.Seed^purpose<<32, uint64(i)).Uint64()
}

// identifier is event i's UUID.
func (w *Workload) identifier(dst []byte, i int) []byte {
	return load.AppendUUID(dst, w.random(i, 2), w.random(i, 3))
}

// Body is the JSON array of the batch with the number: events n*Batch and on. Each
// event uses one whole token.
func (w *Workload) Body(dst []byte, n int) []byte {
	dst = append(dst, '[')
	for i := n * w.Batch; i < (n+1)*w.Batch; i++ {
		if i > n*w.Batch {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"event_name":"`...)
		dst = append(dst, w.EventName...)
		dst = append(dst, `","identifier":"`...)
		dst = w.identifier(dst, i)
		dst = append(dst, `","payload":{"customer_id":"`...)
		dst = append(dst, w.Customer(w.CustomerOf(i))...)
		dst = append(dst, `","value":"1"}}`...)
	}
	return append(dst, ']')
}
