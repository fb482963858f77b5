package ledger

// nameTable finds numbers by the hashes of their names: 8 bytes a name at a load of
// 0.70 to 0.875. It grows segment by segment, so that no new name waits for more than
// one segment to be moved, however many names there are (extendible hashing).
//
//	hash --first bits--> segment --all bits--> line: a cache line of 8 slots,
//	                                           when it is full the next one
//
// Names are never taken out: the slots of a line fill from the front, and a free one
// ends every search.
type nameTable struct {
	depth    uint8
	lines    [][]nameLine   // of the segments, by the first depth bits of the hash: all that a search needs
	segments []*nameSegment // by the same bits
}

// nameSegment holds the slots whose hashes share their first depth bits. With fewer of
// them than the table it stands in several places there, side by side.
type nameSegment struct {
	lines []nameLine
	used  int // slots
	depth uint8
}

type nameLine [8]nameSlot

type nameSlot struct {
	hash   uint32
	number uint32 // 0: free
}

const (
	// nameLoad is how many slots of a line may be used, in a segment's mean.
	nameLoad = 7
	// A segment begins with nameLinesLeast lines. It doubles up to nameLinesEven, and
	// from there on it grows in even steps, so that the load stays high. One that is
	// full at nameLinesMost (32 KiB) is split.
	nameLinesLeast = 8
	nameLinesEven  = 256
	nameLinesStep  = 64
	nameLinesMost  = 512
	// nameMovesMost is how many slots one new name may move: some 20 us of work.
	nameMovesMost = nameLinesMost * nameLoad
	// nameDepthMost bounds the list of segments; 2^32 names need 21 bits. A segment
	// that would need more goes on growing instead.
	nameDepthMost = 22
)

// segment is where a hash belongs. The table must not be empty.
func (t *nameTable) segment(hash uint32) *nameSegment { return t.segments[hash>>(32-t.depth)] }

func (t *nameTable) linesOf(hash uint32) []nameLine { return t.lines[hash>>(32-t.depth)] }

// homeOf is the line of a segment at which the search for a hash begins. The
// multiplication brings the bits that its hashes do not share to the front (Fibonacci
// hashing).
func homeOf(lines []nameLine, hash uint32) int {
	return int(uint64(hash*0x9e3779b1) * uint64(len(lines)) >> 32)
}

// after is the line of a segment in which the search goes on.
func after(lines []nameLine, at int) int {
	if at++; at == len(lines) {
		return 0
	}
	return at
}

// add puts a slot in and answers how many others had to move for it, at most
// nameMovesMost.
func (t *nameTable) add(slot nameSlot) (moved int) {
	if len(t.segments) == 0 {
		first := newNameSegment(0, 0)
		t.segments, t.lines = []*nameSegment{first}, [][]nameLine{first.lines}
	}
	s := t.segment(slot.hash)
	if s.used == len(s.lines)*nameLoad {
		moved = s.used
		t.makeRoom(s, slot.hash)
		s = t.segment(slot.hash)
	}
	s.place(slot)
	return moved
}

func (s *nameSegment) place(slot nameSlot) {
	for at := homeOf(s.lines, slot.hash); ; at = after(s.lines, at) {
		for i := range s.lines[at] {
			if free := &s.lines[at][i]; free.number == 0 {
				*free = slot
				s.used++
				return
			}
		}
	}
}

// newNameSegment has room for the slots, and for an eighth more.
func newNameSegment(slots int, depth uint8) *nameSegment {
	lines := nameLinesLeast
	for lines*nameLoad <= slots+slots/8 {
		if lines < nameLinesEven {
			lines *= 2
		} else {
			lines += nameLinesStep
		}
	}
	return &nameSegment{lines: make([]nameLine, lines), depth: depth}
}

// makeRoom puts a larger segment, or two, in the place of the full one of the hash.
func (t *nameTable) makeRoom(s *nameSegment, hash uint32) {
	zero := newNameSegment(s.used, s.depth)
	one, bit := zero, uint32(0)
	if len(s.lines) >= nameLinesMost && s.depth < nameDepthMost {
		bit = 1 << (31 - s.depth)
		ones := s.count(bit)
		zero, one = newNameSegment(s.used-ones, s.depth+1), newNameSegment(ones, s.depth+1)
	}
	for i := range s.lines {
		for _, slot := range &s.lines[i] {
			switch {
			case slot.number == 0:
			case slot.hash&bit == 0:
				zero.place(slot)
			default:
				one.place(slot)
			}
		}
	}
	t.replace(s.depth, hash, zero, one)
}

// count is how many of the hashes have the bit.
func (s *nameSegment) count(bit uint32) (n int) {
	for i := range s.lines {
		for _, slot := range &s.lines[i] {
			if slot.number != 0 && slot.hash&bit != 0 {
				n++
			}
		}
	}
	return n
}

// replace puts two segments (or one, twice) where that of the hash stood, whose depth
// is given: the first into the first half of its places.
func (t *nameTable) replace(depth uint8, hash uint32, zero, one *nameSegment) {
	if zero != one && depth == t.depth {
		t.deepen()
	}
	first, places := hash>>(32-depth)<<(t.depth-depth), uint32(1)<<(t.depth-depth)
	for i := range places {
		s := one
		if i < places/2 {
			s = zero
		}
		t.segments[first+i], t.lines[first+i] = s, s.lines
	}
}

// deepen doubles the lists of segments, of which there is one for some 2,500 names.
func (t *nameTable) deepen() {
	t.depth++
	segments, lines := make([]*nameSegment, 2*len(t.segments)), make([][]nameLine, 2*len(t.segments))
	for i := range segments {
		segments[i], lines[i] = t.segments[i/2], t.lines[i/2]
	}
	t.segments, t.lines = segments, lines
}
