package ledger

import "fmt"

// probeBlock is how many names are looked up side by side. A name takes three loads
// that depend on each other (slot, reference, text) and that a large table seldom has
// in the cache; side by side the waits of a block overlap. Much more would push out
// what was loaded before it is used.
const probeBlock = 64

// nameKey is what a name is looked up by.
type nameKey[T string | []byte] struct {
	mode Mode
	name T
}

// customersOf finds the customers of reports; those that have no number yet get 0.
// It changes nothing: a customer is only given a number when it is the report's turn
// in the entry.
func (d *Directory) customersOf(reports []report, numbers []uint32) {
	var keys [probeBlock]nameKey[[]byte]
	for len(reports) > 0 {
		n, named := min(len(reports), probeBlock), false
		for i := range reports[:n] {
			r := &reports[i]
			keys[i] = nameKey[[]byte]{r.mode, r.texts.customer}
			numbers[i] = r.account
			named = named || r.account == 0
		}
		if named {
			probe(&d.customers, keys[:n], numbers[:n])
		}
		reports, numbers = reports[n:], numbers[n:]
	}
}

// Number gives reports the numbers of their meters and customers, as far as they have
// any. It only reads: it may run beside others that do.
func (d *Directory) Number(reports []Report) {
	var keys [probeBlock]nameKey[string]
	var numbers [probeBlock]uint32
	name, mode, meter := "", Live, uint32(0)
	for len(reports) > 0 {
		n := min(len(reports), probeBlock)
		for i := range reports[:n] {
			r := &reports[i]
			keys[i] = nameKey[string]{r.Mode, r.Customer}
			if meter == 0 || r.Mode != mode || r.EventName != name {
				name, mode, meter = r.EventName, r.Mode, d.eventNames[r.Mode][r.EventName]
			}
			r.MeterNumber = meter
		}
		clear(numbers[:n])
		probe(&d.customers, keys[:n], numbers[:n])
		for i := range reports[:n] {
			reports[i].CustomerNumber = numbers[i]
		}
		reports = reports[n:]
	}
}

// checkNumbers holds a report's numbers against the directory. Whoever made the
// command had applied them, so that they must be here, too.
func (d *Directory) checkNumbers(r *report) error {
	if r.meter == 0 {
		return nil
	}
	if int(r.meter) > len(d.meters) || d.meter(r.meter).Mode != r.mode || !d.customers.refs.has(r.account) {
		return fmt.Errorf("%w: a report on meter %d by customer %d, who are not known", ErrCorrupt, r.meter, r.account)
	}
	return nil
}

// probe is find for up to probeBlock names that have no number yet. Its loops do one
// load and little else: the fewer instructions between two loads, the more of them
// the processor has under way at once.
func probe[T string | []byte](n *names, keys []nameKey[T], numbers []uint32) {
	if n.count() == 0 {
		return
	}
	var hashes, found [probeBlock]uint32
	var lines [probeBlock]*nameLine
	var firsts [probeBlock]uint32
	var refs [probeBlock]nameRef
	var letters [probeBlock]byte
	for i := range keys {
		hashes[i] = nameHash(n, keys[i].mode, keys[i].name)
	}
	for i := range keys {
		segment := n.table.linesOf(hashes[i])
		lines[i] = &segment[homeOf(segment, hashes[i])]
	}
	for i := range keys {
		firsts[i] = lines[i][0].hash // the whole line comes with it
	}
	for i := range keys {
		found[i] = n.table.candidate(hashes[i], lines[i], firsts[i])
	}
	for i := range keys {
		refs[i] = *n.refs.at(found[i]) // also of number 0, which is there, and empty
	}
	for i := range keys {
		if text := n.text.get(refs[i].text()); len(text) > 0 {
			letters[i] = text[0]
		}
	}
	for i := range keys {
		if numbers[i] != 0 || found[i] == 0 {
			continue
		}
		k, ref := &keys[i], refs[i]
		numbers[i] = found[i]
		same := ref.mode() == k.mode && len(k.name) > 0 && letters[i] == k.name[0] &&
			string(n.text.get(ref.text())) == string(k.name)
		if !same {
			numbers[i] = find(n, k.mode, k.name) // two names share their hash's 32 bits
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
