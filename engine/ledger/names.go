package ledger

// names gives texts dense numbers, from 1 on, in the order in which they are
// first seen; each mode has its own texts, the numbers are common. It is a hash
// table without pointers: 10 million names cost the garbage collector nothing.
type names struct {
	seed  uint64 // secret, so that no caller can choose names that all meet
	text  textArena
	refs  arena[nameRef] // by number
	table []nameSlot     // open addressing, linear probing, length a power of 2
}

type nameRef struct {
	text textRef
	mode Mode
}

type nameSlot struct {
	hash   uint32
	number uint32 // 0: free
}

const namesInitial = 64

func nameHash[T string | []byte](n *names, mode Mode, s T) uint32 {
	return uint32(hashBytes(n.seed^uint64(mode), s) >> 32)
}

// find is the number of a name, 0 if there is none.
func find[T string | []byte](n *names, mode Mode, s T) uint32 {
	if len(n.table) == 0 {
		return 0
	}
	hash, mask := nameHash(n, mode, s), uint32(len(n.table)-1)
	for i := hash & mask; ; i = (i + 1) & mask {
		slot := n.table[i]
		if slot.number == 0 {
			return 0
		}
		if slot.hash == hash {
			ref := n.refs.at(slot.number)
			if ref.mode == mode && string(n.text.get(ref.text)) == string(s) {
				return slot.number
			}
		}
	}
}

// intern is the number of a name, which is given one if it has none.
func intern[T string | []byte](n *names, mode Mode, s T) (number uint32, fresh bool) {
	if number = find(n, mode, s); number != 0 {
		return number, false
	}
	if n.count()*4 >= len(n.table)*3 {
		n.grow()
	}
	number = n.refs.add()
	*n.refs.at(number) = nameRef{n.text.add([]byte(s)), mode}
	n.place(nameSlot{nameHash(n, mode, s), number})
	return number, true
}

func (n *names) count() int {
	if n.refs.used == 0 {
		return 0
	}
	return int(n.refs.used) - 1
}

func (n *names) place(slot nameSlot) {
	mask := uint32(len(n.table) - 1)
	i := slot.hash & mask
	for n.table[i].number != 0 {
		i = (i + 1) & mask
	}
	n.table[i] = slot
}

func (n *names) grow() {
	old := n.table
	n.table = make([]nameSlot, max(namesInitial, 2*len(old)))
	for _, slot := range old {
		if slot.number != 0 {
			n.place(slot)
		}
	}
}

// name is the text with the number; the bytes must not be changed.
func (n *names) name(number uint32) []byte { return n.text.get(n.refs.at(number).text) }

// mode is the mode in which the number was given.
func (n *names) mode(number uint32) Mode { return n.refs.at(number).mode }

// share is a copy to read from while n goes on growing, without the table: it
// answers numbers, it does not find names.
func (n *names) share() names {
	s := names{text: n.text.share()}
	s.refs = arena[nameRef]{blocks: append([][]nameRef(nil), n.refs.blocks...), used: n.refs.used}
	return s
}
