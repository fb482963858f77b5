package ledger

import "encoding/binary"

// takenTable remembers which identifiers the entry at hand has taken so far: the
// numbers of the reports that did. It is small enough to stay in the cache.
type takenTable struct {
	cells []takenCell // length a power of 2, at least twice the reports
}

// takenCell holds a part of a fingerprint and the number, from 1, of the report
// that has it; a cell whose number is 0 is free.
type takenCell struct{ tag, number uint32 }

// reset empties the table and makes room for n identifiers.
func (t *takenTable) reset(n int) {
	size := max(64, len(t.cells))
	for size < n*2 {
		size *= 2
	}
	if size > len(t.cells) {
		t.cells = make([]takenCell, size)
		return
	}
	clear(t.cells)
}

// find is the number of the report that has taken the fingerprint of the n-th; ok is
// false if none has. The fingerprints are keyed hashes already: their own bits place
// them.
func (t *takenTable) find(fingerprints []Fingerprint, n int) (first int, ok bool) {
	c := t.cell(fingerprints, n)
	return int(c.number) - 1, c.number != 0
}

// put says that the n-th report has taken its fingerprint.
func (t *takenTable) put(fingerprints []Fingerprint, n int) {
	*t.cell(fingerprints, n) = takenCell{tagOf(&fingerprints[n]), uint32(n) + 1}
}

// cell is where the n-th fingerprint stands, or the free cell where it belongs.
func (t *takenTable) cell(fingerprints []Fingerprint, n int) *takenCell {
	f := &fingerprints[n]
	mask, tag := uint32(len(t.cells)-1), tagOf(f)
	for i := binary.LittleEndian.Uint32(f[:]) & mask; ; i = (i + 1) & mask {
		if c := &t.cells[i]; c.number == 0 || c.tag == tag && fingerprints[c.number-1] == *f {
			return c
		}
	}
}

func tagOf(f *Fingerprint) uint32 { return binary.LittleEndian.Uint32(f[4:]) }
