package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"drawdown/engine/ledger"
)

// BenchmarkApply carries out whole entries of new events, up to and with the
// index's memory and its background work: everything of an event's way that comes
// behind the log.
func BenchmarkApply(b *testing.B) {
	for _, customers := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint("customers=", customers), func(b *testing.B) { benchmarkApply(b, customers) })
	}
}

const benchmarkEvents = 8000 // of an entry

func benchmarkApply(b *testing.B, customers int) {
	e, err := New(b.TempDir(), Options{OnFatal: func(err error) { b.Error(err) }})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	index := grantAll(b, e, customers)
	var entries []*patchedEntry
	random := rand.New(rand.NewPCG(1, 1))
	for range 32 {
		entries = append(entries, newPatchedEntry(random, customers))
	}
	b.ReportAllocs()
	events := 0
	for i := 0; b.Loop(); i++ {
		index++
		data := entries[i%len(entries)].next(random)
		if _, err := e.Apply(index, data); err != nil {
			b.Fatal(err)
		}
		events += benchmarkEvents
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
}

// grantAll makes a meter, and the customers with a grant each.
func grantAll(b *testing.B, e *Engine, customers int) (index uint64) {
	apply := func(commands ...ledger.Command) {
		index++
		if _, err := e.Apply(index, encode(commands)); err != nil {
			b.Fatal(err)
		}
	}
	apply(&ledger.Init{HashKey: [16]byte{1, 2, 3}}, &ledger.CreateMeter{EventName: "tokens", Name: "tokens", Unit: "t"})
	var commands []ledger.Command
	for i := range customers {
		commands = append(commands, &ledger.CreateGrant{
			Customer: customerOf(i), Currency: ledger.CurrencyID(1), Amount: ledger.Decimal{Coef: ledger.NewAmount(1 << 40)},
		})
		if len(commands) == 4000 || i == customers-1 {
			apply(commands...)
			commands = commands[:0]
		}
	}
	return index
}

func customerOf(i int) string { return fmt.Sprintf("cus_%08d", i) }

func encode(commands []ledger.Command) []byte {
	var batch ledger.Batch
	data := ledger.AppendEntry(nil, time.Now().UnixNano(), len(commands))
	for _, c := range commands {
		batch.Reset()
		batch.Add(c)
		data = ledger.AppendCommand(data, batch.At(0))
	}
	return data
}

// patchedEntry is an encoded entry whose identifiers are replaced in place.
type patchedEntry struct {
	data []byte
	ids  []int // where they stand
}

func newPatchedEntry(random *rand.Rand, customers int) *patchedEntry {
	var commands []ledger.Command
	p := &patchedEntry{}
	var marks [][]byte
	for i := range benchmarkEvents {
		id := fmt.Sprintf("%08x-1111-4222-8333-%012x", i, random.Uint64()>>16)
		mark := binary.BigEndian.AppendUint32(nil, uint32(i))
		marks = append(marks, append(mark, 0x11, 0x11, 0x42, 0x22, 0x83, 0x33))
		commands = append(commands, &ledger.Report{
			Identifier: id, EventName: "tokens", Customer: customerOf(random.IntN(customers)),
			Value: ledger.Decimal{Coef: ledger.NewAmount(1)}, Channel: ledger.ViaBatch,
		})
	}
	p.data = encode(commands)
	at := 0
	for _, mark := range marks {
		at += bytes.Index(p.data[at:], mark)
		p.ids = append(p.ids, at)
	}
	return p
}

// next gives every event a new identifier.
func (p *patchedEntry) next(random *rand.Rand) []byte {
	for _, at := range p.ids {
		binary.LittleEndian.PutUint64(p.data[at:], random.Uint64())
	}
	return p.data
}
