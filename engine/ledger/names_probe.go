package ledger

// probeBlock is how many names are looked up side by side. A name takes three loads
// that depend on each other (slot, reference, text) and that a large table seldom has
// in the cache; side by side the waits of a block overlap. Much more would push out
// what was loaded before it is used.
const probeBlock = 64

// customersOf finds the customers of reports; those that have no number yet get 0.
// It changes nothing but n.seen: a customer is only given a number when it is the
// report's turn in the entry.
func (d *Directory) customersOf(reports []report, numbers []uint32) {
	for len(reports) > 0 {
		n := min(len(reports), probeBlock)
		d.customers.probe(reports[:n], numbers[:n])
		reports, numbers = reports[n:], numbers[n:]
	}
}

// probe is find for the customers of up to probeBlock reports.
func (n *names) probe(reports []report, numbers []uint32) {
	if len(n.table) == 0 {
		clear(numbers)
		return
	}
	var hashes [probeBlock]uint32
	mask, seen := uint32(len(n.table)-1), uint64(0)
	for i := range reports {
		hashes[i] = nameHash(n, reports[i].mode, reports[i].customer)
	}
	// Loops of loads and little else: the fewer instructions between two loads, the
	// more of them the processor has under way at once.
	for _, hash := range hashes[:len(reports)] {
		seen ^= uint64(n.table[hash&mask].hash)
	}
	for i := range reports {
		numbers[i] = n.candidate(hashes[i])
	}
	for _, number := range numbers {
		seen ^= uint64(n.refs.at(number).text) // of number 0 as well: it is there, and empty
	}
	for i := range reports {
		if text := n.text.get(n.refs.at(numbers[i]).text); len(text) > 0 {
			seen ^= uint64(text[0])
		}
	}
	for i := range reports {
		if numbers[i] == 0 {
			continue
		}
		if r, ref := &reports[i], n.refs.at(numbers[i]); ref.mode != r.mode || string(n.text.get(ref.text)) != string(r.customer) {
			numbers[i] = find(n, r.mode, r.customer) // two names share their hash's 32 bits
		}
	}
	n.seen = seen
}

// candidate is the first number with the hash, 0 if there is none.
func (n *names) candidate(hash uint32) uint32 {
	mask := uint32(len(n.table) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		if slot := n.table[i]; slot.number == 0 || slot.hash == hash {
			return slot.number
		}
	}
}
