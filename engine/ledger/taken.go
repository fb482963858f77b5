package ledger

import "encoding/binary"

// takenTable remembers which identifiers the entry at hand has taken so far, and
// the slot of the command that did.
type takenTable struct {
	cells      []takenCell // length a power of 2, at least twice the reports
	generation uint32      // cells of older generations are free
}

type takenCell struct {
	fingerprint Fingerprint
	slot        int32
	generation  uint32
}

// reset empties the table and makes room for n identifiers.
func (t *takenTable) reset(n int) {
	t.generation++
	if size := max(64, len(t.cells)); n*2 > size || len(t.cells) == 0 || t.generation == 0 {
		for size < n*2 {
			size *= 2
		}
		t.cells, t.generation = make([]takenCell, size), 1
	}
}

// cell is where a fingerprint stands, or the free cell where it belongs. The
// fingerprint is a keyed hash already: its own bits place it.
func (t *takenTable) cell(f *Fingerprint) *takenCell {
	mask := uint64(len(t.cells) - 1)
	for i := binary.LittleEndian.Uint64(f[:]) & mask; ; i = (i + 1) & mask {
		c := &t.cells[i]
		if c.generation != t.generation || c.fingerprint == *f {
			return c
		}
	}
}

func (t *takenTable) find(f *Fingerprint) (slot int32, ok bool) {
	c := t.cell(f)
	return c.slot, c.generation == t.generation
}

func (t *takenTable) put(f *Fingerprint, slot int32) {
	*t.cell(f) = takenCell{*f, slot, t.generation}
}
