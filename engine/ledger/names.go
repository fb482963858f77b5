package ledger

// names gives texts dense numbers, from 1 on, in the order in which they are
// first seen; each mode has its own texts, the numbers are common. Its arenas and
// lines hold no pointers: 10 million names cost the garbage collector little.
type names struct {
	seed  uint64 // secret, so that no caller can choose names that all meet
	text  textArena
	refs  arena[nameRef] // by number
	table nameTable
}

// nameRef is a textRef and, in its highest bit, the mode.
type nameRef uint64

const nameRefMode = 63

func newNameRef(mode Mode, text textRef) nameRef {
	if text>>nameRefMode != 0 {
		panic("ledger: the names' texts are full")
	}
	return nameRef(text) | nameRef(mode)<<nameRefMode
}

func (r nameRef) mode() Mode    { return Mode(r >> nameRefMode) }
func (r nameRef) text() textRef { return textRef(r &^ (1 << nameRefMode)) }

func nameHash[T string | []byte](n *names, mode Mode, s T) uint32 {
	return uint32(hashBytes(n.seed^uint64(mode), s) >> 32)
}

// find is the number of a name, 0 if there is none.
func find[T string | []byte](n *names, mode Mode, s T) uint32 {
	if n.count() == 0 {
		return 0
	}
	hash := nameHash(n, mode, s)
	lines := n.table.linesOf(hash)
	for at := homeOf(lines, hash); ; at = after(lines, at) {
		for _, slot := range &lines[at] {
			if slot.number == 0 {
				return 0
			}
			if slot.hash == hash && isNamed(n, slot.number, mode, s) {
				return slot.number
			}
		}
	}
}

func isNamed[T string | []byte](n *names, number uint32, mode Mode, s T) bool {
	ref := *n.refs.at(number)
	return ref.mode() == mode && string(n.text.get(ref.text())) == string(s)
}

// intern is the number of a name, which is given one if it has none.
func intern[T string | []byte](n *names, mode Mode, s T) (number uint32, fresh bool) {
	if number = find(n, mode, s); number != 0 {
		return number, false
	}
	number = n.refs.add()
	*n.refs.at(number) = newNameRef(mode, n.text.add([]byte(s)))
	n.table.add(nameSlot{nameHash(n, mode, s), number})
	return number, true
}

func (n *names) count() int {
	if n.refs.used == 0 {
		return 0
	}
	return int(n.refs.used) - 1
}

// name is the text with the number; the bytes must not be changed.
func (n *names) name(number uint32) []byte { return n.text.get(n.refs.at(number).text()) }

// mode is the mode in which the number was given.
func (n *names) mode(number uint32) Mode { return n.refs.at(number).mode() }

// share is a copy to read from while n goes on growing, without the table: it
// answers numbers, it does not find names.
func (n *names) share() names {
	return names{text: n.text.share(), refs: n.refs.share()}
}
