package ledger

import "slices"

// Hot state lives in arenas: values without pointers in blocks of fixed size,
// named by their index. The garbage collector has nothing to look at, growing
// never moves what is there, and a copy is a copy of blocks. Indices are stable
// for the life of the process; 0 names nothing. A block is a whole number of pages and
// begins at one, so that values of 32, 64, 96 or 128 bytes meet no more cache lines than
// they must.

const (
	arenaShift = 12
	arenaBlock = 1 << arenaShift
	arenaMask  = arenaBlock - 1
)

// arena holds values of T, which must not contain pointers.
type arena[T any] struct {
	blocks []*[arenaBlock]T
	used   uint32 // indices handed out, 0 included
}

// at is the value with the index; it stays valid, but belongs to the arena's
// owner (I9).
func (a *arena[T]) at(i uint32) *T { return &a.blocks[i>>arenaShift][i&arenaMask] }

// add makes a zero value and answers its index, which is never 0.
func (a *arena[T]) add() uint32 {
	if a.used == 0 {
		a.used = 1
	}
	i := a.used
	if i == 1<<32-1 {
		panic("ledger: an arena is full")
	}
	if int(i>>arenaShift) == len(a.blocks) {
		a.blocks = append(a.blocks, new([arenaBlock]T))
	}
	a.used++
	return i
}

// has says whether the index has been handed out.
func (a *arena[T]) has(i uint32) bool { return i != 0 && i < a.used }

// copyFrom makes a an exact copy of src, reusing a's memory: first touch of fresh
// memory costs several times the copy itself.
func (a *arena[T]) copyFrom(src *arena[T]) {
	for len(a.blocks) < len(src.blocks) {
		a.blocks = append(a.blocks, new([arenaBlock]T))
	}
	for i, block := range src.blocks {
		*a.blocks[i] = *block
	}
	a.used = src.used
}

// share is a view of what a holds now. a may go on growing, if nothing that is there
// is changed.
func (a *arena[T]) share() arena[T] { return arena[T]{slices.Clone(a.blocks), a.used} }

// textArena keeps byte strings for ever, one after the other. A reference is the
// place and the length in one word; a prefix of the arena never changes, so that
// a copy may share it.
type textArena struct {
	blocks [][]byte
}

const (
	textBlock   = 1 << 20
	textLenBits = 24 // longest text: 16 MiB
)

// textRef names a text in a textArena: offset << textLenBits | length. 0 is the
// empty text.
type textRef uint64

func (r textRef) len() int { return int(r & (1<<textLenBits - 1)) }

func (t *textArena) add(s []byte) textRef {
	if len(s) == 0 {
		return 0
	}
	if len(s) >= 1<<textLenBits {
		panic("ledger: text too long for its arena")
	}
	last := len(t.blocks) - 1
	if last < 0 || len(t.blocks[last])+len(s) > cap(t.blocks[last]) {
		t.blocks = append(t.blocks, make([]byte, 0, max(textBlock, len(s))))
		last++
	}
	at := len(t.blocks[last])
	t.blocks[last] = append(t.blocks[last], s...)
	return textRef((uint64(last)*textBlock+uint64(at))<<textLenBits | uint64(len(s)))
}

// get is the text; it must not be changed.
func (t *textArena) get(r textRef) []byte {
	if r == 0 {
		return nil
	}
	offset, n := uint64(r)>>textLenBits, r.len()
	block, at := offset/textBlock, offset%textBlock
	return t.blocks[block][at : at+uint64(n) : at+uint64(n)]
}

// share is a view of what t holds now. t may go on growing.
func (t *textArena) share() textArena {
	return textArena{blocks: append([][]byte(nil), t.blocks...)}
}
