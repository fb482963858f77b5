package load

import (
	"math/bits"
	"math/rand/v2"
	"sync"
)

// MaxCustomers bounds the customers of a workload: their names have eight digits.
const MaxCustomers = 100_000_000

// Events describes what events a load consists of.
type Events struct {
	Name        string  // event name
	Customers   int     // 1 to MaxCustomers
	Zipf        float64 // skew of the customers, above 1; 0 is uniform
	Repeats     float64 // share of events that repeat an earlier identifier of the same stream, 0 to 1
	Identifiers string  // shape, one of Shapes; "" is uuid
}

// Stream is an endless sequence of events. What an event says follows from its
// number alone. A Stream is used by one goroutine.
type Stream struct {
	seed      uint64
	customers uint64
	skewed    []uint32 // customers, each as often as it is likely; nil is uniform
	repeats   float64
	random    *rand.Rand
	made      uint64
}

// NewStream is a stream of its own for each seed.
func NewStream(e Events, seed uint64) *Stream {
	s := &Stream{seed: scramble(seed), customers: uint64(e.Customers), repeats: e.Repeats, random: rand.New(rand.NewPCG(seed, 1))}
	if e.Zipf > 1 {
		s.skewed = skewedCustomers(e.Zipf, e.Customers)
	}
	return s
}

// Next is the number of the event that is to be sent next: mostly a new one.
func (s *Stream) Next() uint64 {
	if s.repeats > 0 && s.made > 0 && s.random.Float64() < s.repeats {
		return s.random.Uint64N(s.made)
	}
	s.made++
	return s.made - 1
}

// Made is how many different events there were so far: those below it.
func (s *Stream) Made() uint64 { return s.made }

// Customers is how many customers the events are of.
func (s *Stream) Customers() int { return int(s.customers) }

// Identifier is the 128 bits that event n's identifier is made of. The first half
// is a bijection of n, and the streams differ by their seeds.
func (s *Stream) Identifier(n uint64) (high, low uint64) {
	high = scramble(s.seed + n)
	return high, bits.RotateLeft64(high, 23)*0x9fb21c651e98df25 ^ s.seed
}

// Customer is whose event n is, below the number of customers.
func (s *Stream) Customer(n uint64) uint32 {
	h := scramble(s.seed ^ ^n)
	if s.skewed != nil {
		return s.skewed[h%uint64(len(s.skewed))]
	}
	high, _ := bits.Mul64(h, s.customers)
	return uint32(high)
}

// scramble spreads the bits of x; no two numbers give the same.
func scramble(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// skewSamples is how finely a skew is drawn: 1 MiB of memory, read at random.
const skewSamples = 1 << 18

type skew struct {
	exponent  float64
	customers int
}

var (
	skewsMutex sync.Mutex
	skews      = map[skew][]uint32{}
)

// skewedCustomers is a sample of a Zipf distribution, shared by all streams: one
// look into it is much cheaper than drawing, and always gives the same.
func skewedCustomers(exponent float64, customers int) []uint32 {
	skewsMutex.Lock()
	defer skewsMutex.Unlock()
	key := skew{exponent, customers}
	if table := skews[key]; table != nil {
		return table
	}
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 2)), exponent, 1, uint64(customers-1))
	table := make([]uint32, skewSamples)
	for i := range table {
		table[i] = uint32(zipf.Uint64())
	}
	skews[key] = table
	return table
}
