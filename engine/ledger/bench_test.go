package ledger

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// populated is one book with the accounts, each with two grants that last.
func populated(b *testing.B, accounts int) *driver {
	d := setUp(b, 1)
	d.lenient = true
	for first := 0; first < accounts; first += 1000 {
		var commands []Command
		for i := first; i < min(first+1000, accounts); i++ {
			for range 2 {
				commands = append(commands, &CreateGrant{
					Customer: fmt.Sprint("customer-", i), Currency: CurrencyID(1), Amount: Decimal{Coef: NewAmount(1 << 50)},
				})
			}
		}
		d.do(0, commands...)
	}
	return d
}

// noIdentifiers says of every identifier that it is new, at no cost.
type noIdentifiers struct{}

func (noIdentifiers) Fingerprint(_ *[16]byte, _ Mode, identifier []byte, _ bool) (f Fingerprint) {
	copy(f[:], identifier)
	return f
}
func (noIdentifiers) FirstUses([]Fingerprint, []Use) error { return nil }

// reportEntry is an entry of count reports of random customers.
func reportEntry(random *rand.Rand, accounts, count int) []byte {
	var commands []Command
	for range count {
		commands = append(commands, &Report{
			Identifier: fmt.Sprintf("%08x-0000-4000-8000-%012x", random.Uint32(), random.Uint64()>>16),
			EventName:  "tokens", Customer: fmt.Sprint("customer-", random.IntN(accounts)), Value: Decimal{Coef: NewAmount(1)},
		})
	}
	return entryOf(0, commands...)
}

func BenchmarkApplyReport(b *testing.B) {
	for _, accounts := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint("accounts=", accounts), func(b *testing.B) {
			d := populated(b, accounts)
			d.machine.ids = noIdentifiers{}
			if err := d.machine.Prepare(d.machine.Index+1, reportEntry(rand.New(rand.NewPCG(1, 1)), accounts, 100_000)); err != nil {
				b.Fatal(err)
			}
			ops, book, out := d.machine.Ops(), d.books[0], &d.outputs[0]
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if i%10_000 == 0 {
					out.Reset()
				}
				op := &ops[i%len(ops)]
				book.Apply(op, d.machine.Time, d.machine.Directory(), out)
			}
		})
	}
}

func BenchmarkPrepare1000Reports(b *testing.B) {
	const accounts = 100_000
	d := populated(b, accounts)
	d.machine.ids = noIdentifiers{}
	random := rand.New(rand.NewPCG(1, 2))
	var list [][]byte
	for range 64 {
		list = append(list, reportEntry(random, accounts, 1000))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := d.machine.Prepare(d.machine.Index+1, list[i%len(list)]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/event")
}

func BenchmarkFreeze1MAccounts(b *testing.B) {
	d := populated(b, 1_000_000)
	var f Frozen
	d.freeze(&f)
	for b.Loop() {
		d.freeze(&f)
	}
}

func BenchmarkEncode1MAccounts(b *testing.B) {
	d := populated(b, 1_000_000)
	var f Frozen
	d.freeze(&f)
	b.ReportAllocs()
	size := 0
	for b.Loop() {
		size = 0
		if err := f.Encode(func(chunk []byte) error {
			size += len(chunk)
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(size))
}

func BenchmarkRestore1MAccounts(b *testing.B) {
	chunks := populated(b, 1_000_000).snapshot()
	for b.Loop() {
		if _, _, err := Restore(noIdentifiers{}, 1, chunkSource(chunks)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCustomersOf looks the customers of reports up by their names.
func BenchmarkCustomersOf(b *testing.B) {
	for _, customers := range []int{100_000, 1_000_000, 10_000_000} {
		b.Run(fmt.Sprint("customers=", customers), func(b *testing.B) {
			d := newDirectory()
			d.seed(&[16]byte{1, 2, 3})
			for i := range customers {
				d.customer(Live, fmt.Append(nil, "cus_", i+10_000_000), 0)
			}
			const count = 1 << 17
			random := rand.New(rand.NewPCG(1, 1))
			reports, numbers := make([]report, count), make([]uint32, count)
			for i := range reports {
				reports[i].texts = &reportTexts{customer: fmt.Append(nil, "cus_", random.IntN(customers)+10_000_000)}
			}
			i := 0
			for b.Loop() {
				from := i % count
				d.customersOf(reports[from:from+probeBlock], numbers[from:from+probeBlock])
				i += probeBlock
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(i), "ns/name")
		})
	}
}
