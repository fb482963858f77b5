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
	if len(n.table) == 0 {
		clear(numbers)
		return
	}
	var hashes [probeBlock]uint32
	var slots [probeBlock]nameSlot
	var refs [probeBlock]nameRef
	var firsts [probeBlock]byte
	for i := range reports {
		hashes[i] = nameHash(n, reports[i].mode, reports[i].customer)
	}
	mask := uint32(len(n.table) - 1)
	for i := range reports {
		slots[i] = n.table[hashes[i]&mask]
	}
	for i := range reports {
		numbers[i] = n.candidate(hashes[i], slots[i])
	}
	for i, number := range numbers {
		refs[i] = *n.refs.at(number) // also of number 0, which is there, and empty
	}
	for i := range reports {
		if text := n.text.get(refs[i].text); len(text) > 0 {
			firsts[i] = text[0]
		}
	}
	for i := range reports {
		r, ref := &reports[i], &refs[i]
		same := ref.mode == r.mode && len(r.customer) > 0 && firsts[i] == r.customer[0] &&
			string(n.text.get(ref.text)) == string(r.customer)
		if numbers[i] != 0 && !same {
			numbers[i] = find(n, r.mode, r.customer) // two names share their hash's 32 bits
		}
	}
}

// candidate is the first number with the hash, 0 if there is none. slot is the one
// to which the hash leads.
func (n *names) candidate(hash uint32, slot nameSlot) uint32 {
	mask := uint32(len(n.table) - 1)
	for i := hash & mask; slot.number != 0 && slot.hash != hash; {
		i = (i + 1) & mask
		slot = n.table[i]
	}
	return slot.number
}
