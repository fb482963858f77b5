package index

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	rowBlock  = 4096    // rows per block of the row arena
	dataBlock = 1 << 20 // bytes per block of the data arena
	// markEvery is how many records of one account lie between two marks. A search walks the marks, then at
	// most this many back links.
	markEvery = 64
	// applyAhead is how many table slots are loaded before they are needed, so that the waits overlap. The loops
	// that load do little else: the fewer instructions between two loads, the more are under way at once.
	applyAhead = 64
	// applyApart is how many records are worth a goroutine of their own.
	applyApart = 512
	// spanRows is how many rows a span collects before a new one may begin.
	spanRows = 1024
)

// memRow is one record of the memory run. prev links to the account's previous record (row number + 1, 0 =
// none), so that an account's newest records are found without any order among accounts.
type memRow struct {
	seq        uint64
	time       int64
	block, off uint32 // where the data lies
	length     uint32
	slot       uint32 // the account's entry in accounts.entries
	prev       uint32
	_          uint32
}

// memMark points at every markEvery-th record of an account and links to the account's previous mark.
type memMark struct{ row, prev uint32 }

// memSpan is a stretch of rows in order of application whose Seqs lie above those of all spans before.
type memSpan struct {
	start, end     uint32
	minSeq, maxSeq uint64
}

// memRun holds the newest batches, those after after up to last, without a pointer per record. One goroutine
// adds; readers take mu for as long as it takes to gather positions: what lies in the arenas never moves and
// never changes while a view refers to the run.
type memRun struct {
	after, last uint64
	batches     uint64 // batches applied

	mu       sync.RWMutex // guards all below but identifiers, which belong to the applying goroutine
	rows     [][]memRow
	count    uint32
	data     [][]byte
	dataFree int // index in data of the block being filled
	accounts memAccounts
	marks    []memMark
	spans    []memSpan
	notes    map[Place][]byte

	identifiers memIdentifiers

	used  atomic.Int64 // bytes in use: rows, data, identifiers, notes
	items atomic.Int64 // max(records, identifiers), what RunRecords bounds
	ids   atomic.Int64 // identifiers, for Stats
	refs  int          // views that refer to the run; guarded by Index.mu
}

// newMemRun makes a run that holds the given number of identifiers without its table ever growing: that would
// stop the answering path for tens of milliseconds.
func newMemRun(identifiers int) *memRun {
	m := &memRun{notes: make(map[Place][]byte), dataFree: -1}
	m.identifiers.reserve(min(identifiers, 4<<20))
	return m
}

// clear empties the run; its memory is kept, because the first touch of fresh memory is dear. begin readies it
// for the batches after index after.
func (m *memRun) clear() {
	m.batches, m.count, m.dataFree = 0, 0, -1
	m.accounts.reset()
	m.marks, m.spans = m.marks[:0], m.spans[:0]
	clear(m.notes)
	m.identifiers.reset()
	m.used.Store(0)
	m.items.Store(0)
	m.ids.Store(0)
}

func (m *memRun) begin(after uint64) { m.after, m.last = after, after }

func (m *memRun) empty() bool { return m.last == m.after }

func (m *memRun) row(n uint32) *memRow { return &m.rows[n/rowBlock][n%rowBlock] }

func (m *memRun) rowData(r *memRow) []byte {
	return m.data[r.block][r.off : r.off+r.length : r.off+r.length]
}

func (m *memRun) record(n uint32) Record {
	r := m.row(n)
	return Record{Place{m.accounts.entries[r.slot].account, r.seq}, r.time, m.rowData(r)}
}

// applyRecords adds a batch's records and notes, and counts it; its identifiers are in already. An error means that
// the caller broke the order of sequences and leaves the run unusable.
func (m *memRun) applyRecords(b *Batch) error {
	b.sort()
	m.mu.Lock()
	defer m.mu.Unlock()
	sink, first := uint64(0), m.count
	for i := range b.records {
		if i%applyAhead == 0 {
			sink ^= m.accounts.touch(b.records[i:min(i+applyAhead, len(b.records))])
		}
		r := &b.records[i]
		if err := m.addRecord(r.Place, r.time, r.data); err != nil {
			return fmt.Errorf("entry %d: %w", b.Index, err)
		}
	}
	if n := len(b.records); n > 0 {
		m.addSpan(first, b.records[0].Seq, b.records[n-1].Seq)
	}
	gatherSink.Store(uint32(sink))
	for _, n := range b.notes {
		m.notes[n.Place] = slices.Clone(b.data[n.start:n.end])
	}
	m.last = b.Index
	m.batches++
	m.account(b)
	return nil
}

// account brings the counters up to date that other goroutines look at.
func (m *memRun) account(b *Batch) {
	used := len(b.data) + len(b.notes)*64 + len(b.identifiers)*48 + len(b.records)*40
	for i := range b.records {
		used += len(b.records[i].data)
	}
	m.used.Add(int64(used))
	m.ids.Store(int64(len(m.identifiers.entries)))
	m.items.Store(max(int64(m.count), int64(len(m.identifiers.entries))))
}

func (m *memRun) addRecord(p Place, time int64, data []byte) error {
	slot := m.accounts.slot(p.Account)
	a := &m.accounts.entries[slot]
	if a.head != 0 && a.lastSeq >= p.Seq {
		return fmt.Errorf("account %d: record %d after %d", p.Account, p.Seq, a.lastSeq)
	}
	if int(m.count/rowBlock) == len(m.rows) {
		m.rows = append(m.rows, make([]memRow, rowBlock))
	}
	block, off := m.store(data)
	*m.row(m.count) = memRow{
		seq: p.Seq, time: time, block: block, off: off,
		length: uint32(len(data)), slot: slot, prev: a.head,
	}
	m.count++
	a.head, a.lastSeq = m.count, p.Seq
	a.count++
	if a.count%markEvery == 0 {
		m.marks = append(m.marks, memMark{row: m.count, prev: a.mark})
		a.mark = uint32(len(m.marks))
	}
	return nil
}

// store copies data into the arena. A block is filled up to its capacity; one larger than a block gets its own.
func (m *memRun) store(data []byte) (block, off uint32) {
	if m.dataFree < 0 || len(m.data[m.dataFree])+len(data) > cap(m.data[m.dataFree]) {
		m.dataFree++
		if m.dataFree == len(m.data) {
			m.data = append(m.data, nil)
		}
		if cap(m.data[m.dataFree]) < max(len(data), dataBlock) {
			m.data[m.dataFree] = make([]byte, 0, max(len(data), dataBlock))
		}
		m.data[m.dataFree] = m.data[m.dataFree][:0]
	}
	b := &m.data[m.dataFree]
	off = uint32(len(*b))
	*b = append(*b, data...)
	return uint32(m.dataFree), off
}

// addSpan notes the rows from first on, whose Seqs lie between low and high. Spans must not overlap; where
// batches do, they share one.
func (m *memRun) addSpan(first uint32, low, high uint64) {
	for len(m.spans) > 0 {
		last := &m.spans[len(m.spans)-1]
		if low > last.maxSeq && last.end-last.start >= spanRows {
			break
		}
		first, low, high = last.start, min(low, last.minSeq), max(high, last.maxSeq)
		m.spans = m.spans[:len(m.spans)-1]
		if len(m.spans) == 0 || low > m.spans[len(m.spans)-1].maxSeq {
			break
		}
	}
	m.spans = append(m.spans, memSpan{first, m.count, low, high})
}

// memTail is where a segment of an account's records ends: its newest row, as a row number + 1.
type memTail struct {
	row uint32
	seq uint64
}

// tails appends the ends of the segments of an account's records, newest first: its newest record, then its
// marks. It stops before the first mark below seq downTo.
func (m *memRun) tails(account uint32, downTo uint64, tails []memTail) []memTail {
	m.mu.RLock()
	defer m.mu.RUnlock()
	slot, ok := m.accounts.find(account)
	if !ok {
		return tails
	}
	a := m.accounts.entries[slot]
	tails = append(tails, memTail{a.head, a.lastSeq})
	for mark := a.mark; mark != 0; mark = m.marks[mark-1].prev {
		row := m.marks[mark-1].row
		if row == a.head {
			continue
		}
		seq := m.row(row - 1).seq
		if seq < downTo {
			break
		}
		tails = append(tails, memTail{row, seq})
	}
	return tails
}

// segment appends the records from row number (+1) tail back to, and without, row number stop or the first one
// below seq downTo, newest first.
func (m *memRun) segment(tail, stop uint32, downTo uint64, records []Record) []Record {
	m.mu.RLock()
	defer m.mu.RUnlock()
	for n := tail; n != 0 && n != stop; {
		r := m.row(n - 1)
		if r.seq < downTo {
			break
		}
		records = append(records, m.record(n-1))
		n = r.prev
	}
	return records
}

// note returns the run's note for p. The bytes are never changed after.
func (m *memRun) note(p Place) ([]byte, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	n, ok := m.notes[p]
	return n, ok
}
