package raftstore

import (
	"encoding/binary"
	"errors"
	"fmt"

	"drawdown/engine/ledger"
)

// What nodes send each other about a batch. The batch has the form of an entry
// without a time stamp; the answer is
//
//	index | term | committed | count | results
//
// and a result code, account, ordinal, seq, time since the result before, then
// consumed and pending as two halves each; all as uvarints.

func encodeBatch(b *ledger.Batch) []byte {
	data := make([]byte, 0, b.Size()+ledger.EntryOverhead(b.Len()))
	data = ledger.AppendEntry(data, 0, b.Len())
	for i := range b.Len() {
		data = ledger.AppendCommand(data, b.At(i))
	}
	return data
}

// decodeBatch refuses commands that no node could carry out: in the log they would
// stop the cluster. The numbers by which reports name meters and customers are left to
// the caller to check (admitNumbers).
func decodeBatch(data []byte) (*ledger.Batch, []ledger.ReportNumbers, error) {
	r, err := ledger.ReadEntry(data)
	if err != nil {
		return nil, nil, err
	}
	b, receiver := new(ledger.Batch), new(ledger.Receiver)
	for {
		command, ok := r.Next()
		if !ok {
			break
		}
		if err := receiver.Add(b, command); err != nil {
			return nil, nil, err
		}
	}
	return b, receiver.Numbers(), r.Err()
}

// forwarded is the leader's answer to a batch, or to the question for a read index.
type forwarded struct {
	index     uint64 // of the last entry with commands
	term      uint64 // of the entry at index, or at committed if that is set; 0 if unknown
	committed uint64
	results   []ledger.Result
}

func encodeForwarded(f *forwarded) []byte {
	const usual = 24 // bytes of a result
	b := make([]byte, 0, 32+usual*len(f.results))
	for _, n := range []uint64{f.index, f.term, f.committed, uint64(len(f.results))} {
		b = binary.AppendUvarint(b, n)
	}
	last := int64(0)
	for i := range f.results {
		r := &f.results[i]
		for _, n := range [...]uint64{uint64(r.Code), uint64(r.Account), uint64(r.Ordinal), r.Seq} {
			b = binary.AppendUvarint(b, n)
		}
		b = binary.AppendVarint(b, r.Time-last)
		last = r.Time
		for _, n := range [...]uint64{r.Consumed.Lo, r.Consumed.Hi, r.Pending.Lo, r.Pending.Hi} {
			b = binary.AppendUvarint(b, n)
		}
	}
	return b
}

var errCut = errors.New("it is cut short")

// numbers reads uvarints.
type numbers struct {
	b   []byte
	bad bool
}

func (n *numbers) next() uint64 {
	v, size := binary.Uvarint(n.b)
	if size <= 0 {
		n.bad, n.b = true, nil
		return 0
	}
	n.b = n.b[size:]
	return v
}

func (n *numbers) signed() int64 {
	v, size := binary.Varint(n.b)
	if size <= 0 {
		n.bad, n.b = true, nil
		return 0
	}
	n.b = n.b[size:]
	return v
}

// decodeForwarded reads an answer, which must have as many results as there were
// commands.
func decodeForwarded(b []byte, commands int) (*forwarded, error) {
	n := numbers{b: b}
	f := &forwarded{index: n.next(), term: n.next(), committed: n.next()}
	count := n.next()
	if n.bad {
		return nil, errCut
	}
	if count != uint64(commands) {
		return nil, fmt.Errorf("it has %d results for %d commands", count, commands)
	}
	f.results = make([]ledger.Result, commands)
	last := int64(0)
	for i := range f.results {
		r := &f.results[i]
		r.Code, r.Account, r.Ordinal, r.Seq = ledger.Code(n.next()), uint32(n.next()), uint32(n.next()), n.next()
		last += n.signed()
		r.Time = last
		r.Consumed.Lo, r.Consumed.Hi, r.Pending.Lo, r.Pending.Hi = n.next(), n.next(), n.next(), n.next()
	}
	if n.bad || len(n.b) != 0 {
		return nil, errCut
	}
	return f, nil
}
