package index

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/cockroachdb/pebble/v2"
)

// Record returns the record at p: a copy of its data, and its time in Unix nanoseconds. An error is damage or an
// I/O error.
func (x *Index) Record(p Place) (data []byte, time int64, ok bool, err error) {
	err = x.Scan(p.Account, p.Seq, false, func(r Record) bool {
		if r.Seq == p.Seq {
			data, time, ok = append([]byte{}, r.Data...), r.Time, true
		}
		return false
	})
	return data, time, ok, err
}

// Note returns a copy of the last note attached to the record at p.
func (x *Index) Note(p Place) ([]byte, bool, error) {
	v, err := x.acquire()
	if err != nil {
		return nil, false, err
	}
	defer x.release(v)
	if n, ok := v.mem.note(p); ok {
		return append([]byte{}, n...), true, nil
	}
	for _, m := range slices.Backward(v.sealed) {
		if n, ok := m.note(p); ok {
			return append([]byte{}, n...), true, nil
		}
	}
	value, closer, err := x.db.Get(appendNoteKey(nil, p))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, x.damaged("the notes", err)
	}
	note := append([]byte{}, value...)
	return note, true, closer.Close()
}

// Scan visits the records of one account in order of Seq, ascending or descending, until fn returns false. It
// begins at Seq from, inclusive; from = 0 means the end in question. Records applied after the call has begun
// may be missed. fn may call the index, but not Close.
//
// A page costs one or two chunks of a run that holds the account; runs that do not are skipped in memory. An
// error is damage or an I/O error; what fn got before it is right.
func (x *Index) Scan(account uint32, from uint64, descending bool, fn func(Record) bool) error {
	v, err := x.acquire()
	if err != nil {
		return err
	}
	defer x.release(v)
	if descending && from == 0 {
		from = math.MaxUint64
	}
	s := scan{x: x, account: account, from: from, descending: descending, fn: fn}
	if descending {
		err = s.downward(v)
	} else {
		err = s.upward(v)
	}
	return x.damaged(fmt.Sprintf("the history of account %d", account), errors.Join(err, s.close()))
}

// scan is one Scan under way.
type scan struct {
	x          *Index
	account    uint32
	from       uint64
	descending bool
	fn         func(Record) bool
	done       bool // fn has returned false

	iter    *pebble.Iterator // over all runs; opened when first needed
	key     []byte
	rows    []chunkRow
	records []Record
}

func (s *scan) close() error {
	if s.iter == nil {
		return nil
	}
	return s.iter.Close()
}

func (s *scan) downward(v *view) error {
	s.inMemory(v.mem)
	for i := len(v.sealed) - 1; i >= 0 && !s.done; i-- {
		s.inMemory(v.sealed[i])
	}
	for i := len(v.runs) - 1; i >= 0 && !s.done; i-- {
		if err := s.inRun(v.runs[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *scan) upward(v *view) error {
	for i := 0; i < len(v.runs) && !s.done; i++ {
		if err := s.inRun(v.runs[i]); err != nil {
			return err
		}
	}
	for i := 0; i < len(v.sealed) && !s.done; i++ {
		s.inMemory(v.sealed[i])
	}
	if !s.done {
		s.inMemory(v.mem)
	}
	return nil
}

// visit hands one record to the callback if it is on the right side of from.
func (s *scan) visit(r Record) {
	if s.descending && r.Seq > s.from || !s.descending && r.Seq < s.from {
		return
	}
	s.done = !s.fn(r)
}

// inMemory visits the account's segments. No lock is held while the callback runs.
func (s *scan) inMemory(m *memRun) {
	downTo := s.from
	if s.descending {
		downTo = 0
	}
	var space [8]memTail
	tails := m.tails(s.account, downTo, space[:0])
	for i := range tails {
		if !s.descending {
			i = len(tails) - 1 - i
		}
		stop := memTail{}
		if i+1 < len(tails) {
			stop = tails[i+1]
		}
		if s.descending && stop.seq > s.from {
			continue // the whole segment lies above
		}
		s.records = m.segment(tails[i].row, stop.row, downTo, s.records[:0])
		if !s.descending {
			slices.Reverse(s.records)
		}
		for _, r := range s.records {
			if s.visit(r); s.done {
				return
			}
		}
	}
}

// inRun visits the account's chunks of one run, if it has any.
func (s *scan) inRun(r *diskRun) error {
	if r.records == 0 || !r.accountFilter.has(accountHash(s.account)) ||
		s.descending && r.minSeq > s.from || !s.descending && r.maxSeq < s.from {
		return nil
	}
	if s.iter == nil {
		iter, err := s.x.newRunIter()
		if err != nil {
			return err
		}
		s.iter = iter
	}
	ok := s.seek(r)
	for ; ok && !s.done; ok = s.step() {
		if len(s.iter.Key()) < historyPrefixLength || string(s.iter.Key()[:historyPrefixLength]) != string(s.key[:historyPrefixLength]) {
			return nil
		}
		if err := s.inChunk(); err != nil {
			return fmt.Errorf("run %d: %w", r.id, err)
		}
	}
	return s.iter.Error()
}

const historyPrefixLength = runPrefixLength + 4

// seek goes to the chunk that holds Seq from: the last one that begins at or before it. Upward, an account that
// begins after from is entered at its first chunk.
func (s *scan) seek(r *diskRun) bool {
	s.key = append(appendHistoryKey(s.key[:0], r.id, s.account, s.from), 0) // just above the key
	ok := s.iter.SeekLT(s.key)
	if s.descending {
		return ok
	}
	if k := s.iter; ok && len(k.Key()) >= historyPrefixLength && string(k.Key()[:historyPrefixLength]) == string(s.key[:historyPrefixLength]) {
		return true
	}
	if s.iter.Error() != nil {
		return false
	}
	return s.iter.SeekGE(s.key[:historyPrefixLength])
}

func (s *scan) step() bool {
	if s.descending {
		return s.iter.Prev()
	}
	return s.iter.Next()
}

func (s *scan) inChunk() error {
	h, rows, data, err := readChunk(s.iter, s.rows)
	s.rows = rows
	if err != nil {
		return err
	}
	if !s.descending && h.lastSeq < s.from {
		return nil
	}
	for i := range rows {
		if s.descending {
			i = len(rows) - 1 - i
		}
		r := rows[i]
		s.visit(Record{Place{s.account, r.seq}, r.time, data[r.start:r.end:r.end]})
		if s.done {
			return nil
		}
	}
	return nil
}

// readChunk decodes the chunk that the iterator stands on and holds it against its key.
func readChunk(iter *pebble.Iterator, rows []chunkRow) (chunkHeader, []chunkRow, []byte, error) {
	value, err := iter.ValueAndErr()
	if err != nil {
		return chunkHeader{}, rows, nil, err
	}
	_, firstSeq, err := historyKeyTail(iter.Key())
	if err != nil {
		return chunkHeader{}, rows, nil, err
	}
	h, rows, data, err := decodeChunk(value, rows)
	if err == nil && h.firstSeq != firstSeq {
		err = fmt.Errorf("chunk at %d begins at %d: %w", firstSeq, h.firstSeq, errMalformed)
	}
	return h, rows, data, err
}

// findRow returns the row of a chunk that has the given Seq.
func findRow(rows []chunkRow, seq uint64) (chunkRow, bool) {
	i := sort.Search(len(rows), func(i int) bool { return rows[i].seq >= seq })
	if i == len(rows) || rows[i].seq != seq {
		return chunkRow{}, false
	}
	return rows[i], true
}

// newRunIter iterates over all runs. The caller must hold a view, so that what it looks for is not dropped.
func (x *Index) newRunIter() (*pebble.Iterator, error) {
	return x.db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceRun}, UpperBound: []byte{spaceRun + 1}})
}
