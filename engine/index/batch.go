package index

import "slices"

// Batch is what one log entry adds to the index. The zero value with a Reset is ready for use; Reset keeps the
// memory, so one Batch serves for a whole log. It is not safe for concurrent use.
type Batch struct {
	// Index is the raft index of the entry, greater than 0.
	Index uint64

	identifiers []identifier
	records     []batchRecord
	notes       []batchNote
	data        []byte // of notes
	unsorted    bool   // records are not in (Seq, Account) order
}

type batchRecord struct {
	Place
	time int64
	data []byte // the caller's
}

type batchNote struct {
	Place
	start, end int
}

// Reset empties the batch for the entry with the given raft index.
func (b *Batch) Reset(index uint64) {
	b.Index = index
	b.identifiers, b.records, b.notes = b.identifiers[:0], b.records[:0], b.notes[:0]
	b.data, b.unsorted = b.data[:0], false
}

// AddIdentifier says that the identifier with fingerprint f was first used at p. Where one fingerprint is added
// more than once, the lowest Seq counts.
func (b *Batch) AddIdentifier(f Fingerprint, p Place) {
	b.identifiers = append(b.identifiers, identifier{digestOf(f), p.Seq, p.Account})
}

// AddRecord adds a record to the history of p.Account. time is the entry's stamp in Unix nanoseconds; data must
// stay as it is until the next Apply or Settle. Within an account the Seq of every batch's records must be above those of all batches before; the
// order of calls within a batch is free.
func (b *Batch) AddRecord(p Place, time int64, data []byte) {
	if n := len(b.records); n > 0 && !earlier(b.records[n-1].Place, p) {
		b.unsorted = true
	}
	b.records = append(b.records, batchRecord{p, time, data})
}

// AddNote attaches a small value to the record at p, which need not be in this batch. The last note of a record
// replaces those before. data is copied.
func (b *Batch) AddNote(p Place, data []byte) {
	start := len(b.data)
	b.data = append(b.data, data...)
	b.notes = append(b.notes, batchNote{p, start, len(b.data)})
}

// sort brings the records into (Seq, Account) order, the one order that does not depend on how the entry's work
// was divided. The memory run relies on it.
func (b *Batch) sort() {
	if !b.unsorted {
		return
	}
	slices.SortFunc(b.records, func(x, y batchRecord) int {
		if earlier(x.Place, y.Place) {
			return -1
		}
		return 1
	})
	b.unsorted = false
}
