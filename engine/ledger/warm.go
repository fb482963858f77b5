package ledger

// warmBlock is how many accounts are loaded side by side before their operations
// are carried out one after the other. An operation takes three loads that depend on
// each other (account, position, grant), which a million accounts seldom have in the
// cache; side by side the waits overlap. Much more would push out what was loaded
// before it is used.
const warmBlock = 64

// Warmer is the memory of Warm; the zero value is ready.
type Warmer struct {
	next [warmBlock]uint32
	seen uint64 // keeps the compiler from dropping the loads
}

// Warm loads what Apply will look at first for up to warmBlock operations, which
// are those of ops with the places given; it answers how many of them it took. It
// changes nothing. Only the book's goroutine may call it.
func (b *Book) Warm(w *Warmer, ops []Op, places []int) (taken int) {
	places = places[:min(len(places), warmBlock)]
	next := w.next[:len(places)]
	for i, at := range places {
		next[i] = 0
		if slot := ops[at].Account/b.shards + 1; b.accounts.has(slot) {
			next[i] = b.accounts.at(slot).firstPosition
		}
	}
	seen := uint64(0)
	for i, at := range next {
		if at != 0 {
			p := b.positions.at(at)
			seen ^= p.forfeited.Lo // in the second of its two cache lines
			next[i] = p.live
			if p.waits != 0 {
				seen ^= b.waits.at(p.waits).owed.Lo
			}
		}
	}
	for _, at := range next {
		if at != 0 {
			seen ^= b.grants.at(at).amount.Lo
		}
	}
	w.seen ^= seen
	return len(places)
}
