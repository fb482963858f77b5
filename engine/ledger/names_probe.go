package ledger

// probeBlock is how many names are looked up side by side. A name takes three loads
// that depend on each other (slot, reference, text) and that a large table seldom has
// in the cache; side by side the waits of a block overlap. Much more would push out
// what was loaded before it is used.
const probeBlock = 64

// customersOf finds the customers of reports; those that have no number yet get 0.
// It changes nothing: a customer is only given a number when it is the report's turn
// in the entry.
func (d *Directory) customersOf(reports []report, numbers []uint32) {
	for len(reports) > 0 {
		n := min(len(reports), probeBlock)
		d.customers.probe(reports[:n], numbers[:n])
		reports, numbers = reports[n:], numbers[n:]
	}
}

// probe is find for the customers of up to probeBlock reports. Its loops do one load
// and little else: the fewer instructions between two loads, the more of them the
// processor has under way at once.
func (n *names) probe(reports []report, numbers []uint32) {
	if n.count() == 0 {
		clear(numbers)
		return
	}
	var hashes [probeBlock]uint32
	var lines [probeBlock]*nameLine
	var firsts [probeBlock]uint32
	var refs [probeBlock]nameRef
	var letters [probeBlock]byte
	for i := range reports {
		hashes[i] = nameHash(n, reports[i].mode, reports[i].customer)
	}
	for i := range reports {
		segment := n.table.linesOf(hashes[i])
		lines[i] = &segment[homeOf(segment, hashes[i])]
	}
	for i := range reports {
		firsts[i] = lines[i][0].hash // the whole line comes with it
	}
	for i := range reports {
		numbers[i] = n.table.candidate(hashes[i], lines[i], firsts[i])
	}
	for i, number := range numbers {
		refs[i] = *n.refs.at(number) // also of number 0, which is there, and empty
	}
	for i := range reports {
		if text := n.text.get(refs[i].text()); len(text) > 0 {
			letters[i] = text[0]
		}
	}
	for i := range reports {
		r, ref := &reports[i], refs[i]
		same := ref.mode() == r.mode && len(r.customer) > 0 && letters[i] == r.customer[0] &&
			string(n.text.get(ref.text())) == string(r.customer)
		if numbers[i] != 0 && !same {
			numbers[i] = find(n, r.mode, r.customer) // two names share their hash's 32 bits
		}
	}
}

// candidate is the first number with the hash, 0 if there is none. line is the one to
// which the hash leads, first the hash in its first slot. It looks at all of the line:
// where in it the name stands cannot be foretold, and a branch that is not foretold
// costs more than the rest of the line.
func (t *nameTable) candidate(hash uint32, line *nameLine, first uint32) (number uint32) {
	for i := len(line) - 1; i > 0; i-- {
		if slot := line[i]; slot.hash == hash {
			number = slot.number
		}
	}
	if first == hash {
		number = line[0].number
	}
	if number == 0 && line[len(line)-1].number != 0 {
		return t.beyond(hash)
	}
	return number
}

// beyond is the first number with the hash in the lines behind its home, which is
// full; 0 if there is none.
func (t *nameTable) beyond(hash uint32) uint32 {
	lines := t.linesOf(hash)
	for at := after(lines, homeOf(lines, hash)); ; at = after(lines, at) {
		for _, slot := range &lines[at] {
			if slot.number == 0 || slot.hash == hash {
				return slot.number
			}
		}
	}
}
