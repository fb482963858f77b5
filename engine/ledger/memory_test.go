package ledger

import (
	"fmt"
	"runtime"
	"testing"
)

// customerBytesMost is what a customer with one grant and a name of 12 bytes may take:
// 12 + 96 + 64 + 56 of the book, 8 + 12 + 8 + 11 of the directory, and 2 % for blocks
// that are not full.
const customerBytesMost = 272

// heapInUse is what is reachable on the heap.
func heapInUse() uint64 {
	runtime.GC()
	runtime.GC() // what the first one found free is swept
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// grantEach makes count customers with one grant each, by two shards.
func grantEach(tb testing.TB, count int) *driver {
	d := setUp(tb, 2)
	d.lenient = true
	commands := make([]Command, 0, 1000)
	for i := range count {
		commands = append(commands, &CreateGrant{
			Customer: fmt.Sprintf("cus_%08d", i), Currency: CurrencyID(1), Amount: Decimal{Coef: NewAmount(1 << 40)},
		})
		if len(commands) == cap(commands) || i == count-1 {
			d.do(0, commands...)
			commands = commands[:0]
		}
	}
	d.digests, d.outputs, d.records = nil, make([]Output, len(d.books)), nil
	d.machine.ops, d.machine.commands, d.machine.results = nil, nil, nil
	return d
}

// bytesPerCustomer is what the state takes for each of count customers.
func bytesPerCustomer(tb testing.TB, count int) float64 {
	before := heapInUse()
	d := grantEach(tb, count)
	after := heapInUse()
	runtime.KeepAlive(d)
	return (float64(after) - float64(before)) / float64(count)
}

func TestBytesPerCustomer(t *testing.T) {
	if testing.Short() {
		t.Skip("a million customers")
	}
	if bytes := bytesPerCustomer(t, 1_000_000); bytes > customerBytesMost || bytes < customerBytesMost/2 {
		t.Errorf("%.1f bytes a customer, at most %d expected", bytes, customerBytesMost)
	}
}

func BenchmarkBytesPerCustomer(b *testing.B) {
	for _, count := range []int{1_000_000, 10_000_000} {
		b.Run(fmt.Sprint("customers=", count), func(b *testing.B) {
			bytes := 0.0
			for range b.N {
				bytes = bytesPerCustomer(b, count)
			}
			b.ReportMetric(bytes, "bytes/customer")
		})
	}
}
