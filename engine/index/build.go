package index

import (
	"fmt"
	"runtime"
	"slices"
)

// build writes a sealed memory run into SSTs: one file or more for the run, and one for its notes. Nothing of it
// can be seen until they are ingested.
func (x *Index) build(m *memRun, id uint64) (*diskRun, []string, error) {
	w := x.newRunWriter(id, uint64(len(m.identifiers.entries)))
	run, paths, err := w.build(m)
	if err != nil {
		w.abort()
		return nil, nil, err
	}
	return run, paths, nil
}

func (w *runWriter) build(m *memRun) (*diskRun, []string, error) {
	if err := w.buildHistory(m); err != nil {
		return nil, nil, fmt.Errorf("history: %w", err)
	}
	if err := w.buildOrder(m); err != nil {
		return nil, nil, fmt.Errorf("order: %w", err)
	}
	if err := w.buildIdentifiers(m); err != nil {
		return nil, nil, fmt.Errorf("identifiers: %w", err)
	}
	if _, _, err := w.finish(m.after, m.last); err != nil {
		return nil, nil, err
	}
	if err := w.buildNotes(m); err != nil {
		return nil, nil, fmt.Errorf("notes: %w", err)
	}
	return w.run, w.paths, nil
}

// gatherAhead is how many rows ahead of the one being written are loaded: the rows of one account lie all over
// the arena, and so many cache misses can be under way at once.
const gatherAhead = 64

// buildHistory sorts the rows by account, by counting, and writes them.
func (w *runWriter) buildHistory(m *memRun) error {
	order := m.rowsByAccount()
	var sink byte
	for i, n := range order {
		if i%4096 == 0 && w.x.stopped() {
			return ErrClosed
		}
		if i%gatherAhead == 0 {
			sink ^= m.touchRows(order, i+gatherAhead)
		}
		r := m.row(n)
		if err := w.addRecord(m.accounts.entries[r.slot].account, r.seq, r.time, m.rowData(r)); err != nil {
			return err
		}
	}
	gatherSink.Store(uint32(sink))
	return w.closeChunk()
}

// rowsByAccount returns all row numbers ordered by (account, Seq).
func (m *memRun) rowsByAccount() []uint32 {
	slots := make([]uint32, len(m.accounts.entries))
	for i := range slots {
		slots[i] = uint32(i)
	}
	slices.SortFunc(slots, func(a, b uint32) int {
		return compare(uint64(m.accounts.entries[a].account), uint64(m.accounts.entries[b].account))
	})
	next := make([]uint32, len(slots))
	total := uint32(0)
	for _, s := range slots {
		next[s] = total
		total += m.accounts.entries[s].count
	}
	order := make([]uint32, m.count)
	for n := range m.count {
		s := m.row(n).slot
		order[next[s]] = n
		next[s]++
	}
	return order
}

// touchRows loads the data of the gatherAhead rows from order[from] on.
func (m *memRun) touchRows(order []uint32, from int) (sink byte) {
	order = order[min(from, len(order)):min(from+gatherAhead, len(order))]
	for _, n := range order {
		sink ^= byte(m.row(n).length)
	}
	for _, n := range order {
		if data := m.rowData(m.row(n)); len(data) > 0 {
			sink ^= data[0] ^ data[len(data)-1]
		}
	}
	return sink
}

// buildOrder writes the places by (Seq, Account), span by span: spans do not overlap.
func (w *runWriter) buildOrder(m *memRun) error {
	var rows []uint32
	for _, s := range m.spans {
		rows = m.sortSpan(s, rows[:0])
		for _, n := range rows {
			r := m.row(n)
			if err := w.addPlace(Place{m.accounts.entries[r.slot].account, r.seq}); err != nil {
				return err
			}
		}
	}
	return w.closeOrder()
}

// sortSpan appends the span's row numbers by (Seq, Account). Mostly they are in order already.
func (m *memRun) sortSpan(s memSpan, rows []uint32) []uint32 {
	place := func(n uint32) Place {
		r := m.row(n)
		return Place{m.accounts.entries[r.slot].account, r.seq}
	}
	sorted := true
	for n := s.start; n < s.end; n++ {
		rows = append(rows, n)
		sorted = sorted && (n == s.start || earlier(place(n-1), place(n)))
	}
	if !sorted {
		slices.SortFunc(rows, func(a, b uint32) int {
			if earlier(place(a), place(b)) {
				return -1
			}
			return 1
		})
	}
	return rows
}

// buildIdentifiers sorts the identifiers and writes them.
func (w *runWriter) buildIdentifiers(m *memRun) error {
	for i, id := range sortIdentifiers(m.identifiers.entries) {
		if i%4096 == 0 && w.x.stopped() {
			return ErrClosed
		}
		if err := w.addIdentifier(id); err != nil {
			return err
		}
	}
	return w.closeBucket()
}

// sortIdentifiers returns a sorted copy. Many are scattered by their top 16 bits first, which for a hash leaves
// pieces small enough for the cache.
func sortIdentifiers(ids []identifier) []identifier {
	const top = 16
	if len(ids) < 1<<top/4 {
		sorted := slices.Clone(ids)
		sortByDigest(sorted)
		return sorted
	}
	ends := make([]uint32, 1<<top+1)
	for i := range ids {
		ends[ids[i].hi>>(64-top)+1]++
	}
	for i := range 1 << top {
		ends[i+1] += ends[i]
	}
	sorted := make([]identifier, len(ids))
	next := slices.Clone(ends)
	for i := range ids {
		b := ids[i].hi >> (64 - top)
		sorted[next[b]] = ids[i]
		next[b]++
	}
	for i := range 1 << top {
		if i%yieldEvery == 0 {
			runtime.Gosched()
		}
		if piece := sorted[ends[i]:ends[i+1]]; len(piece) > 1 {
			sortByDigest(piece)
		}
	}
	return sorted
}

func sortByDigest(ids []identifier) {
	slices.SortFunc(ids, func(a, b identifier) int { return a.digest.compare(b.digest) })
}

// buildNotes writes the notes into a table of their own: they lie outside the run, at one key per record, so
// that the newest ingested hides those before.
func (w *runWriter) buildNotes(m *memRun) error {
	if len(m.notes) == 0 {
		return nil
	}
	places := make([]Place, 0, len(m.notes))
	for p := range m.notes {
		places = append(places, p)
	}
	slices.SortFunc(places, func(a, b Place) int {
		if a.Account != b.Account {
			return compare(uint64(a.Account), uint64(b.Account))
		}
		return compare(a.Seq, b.Seq)
	})
	if err := w.openTable(fmt.Sprintf("notes-%d.sst", w.run.id)); err != nil {
		return err
	}
	for _, p := range places {
		w.key = appendNoteKey(w.key[:0], p)
		if err := w.table.Set(w.key, m.notes[p]); err != nil {
			return err
		}
	}
	return w.closeTable()
}
