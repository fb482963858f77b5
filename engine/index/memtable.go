package index

import "math/bits"

// memAccounts finds an account's entry by its number: open addressing over entry numbers, no pointers.
type memAccounts struct {
	entries []memAccount
	slots   []uint32 // entry number + 1; 0 = free; the length is a power of two
}

// memAccount is what the memory run knows of one account.
type memAccount struct {
	lastSeq uint64
	account uint32
	head    uint32 // the newest record's row number + 1
	count   uint32 // records
	mark    uint32 // the newest mark's number + 1; 0 = none
}

func (t *memAccounts) reset() {
	t.entries = t.entries[:0]
	clear(t.slots)
}

func (t *memAccounts) find(account uint32) (slot uint32, ok bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	mask := uint64(len(t.slots) - 1)
	for i := accountHash(account) & mask; ; i = (i + 1) & mask {
		n := t.slots[i]
		if n == 0 {
			return 0, false
		}
		if t.entries[n-1].account == account {
			return n - 1, true
		}
	}
}

// touch loads what find will look at for the accounts of up to applyAhead records. The result must be used, or
// the compiler drops the loads.
func (t *memAccounts) touch(records []batchRecord) (seen uint64) {
	if len(t.slots) == 0 {
		return 0
	}
	var at [applyAhead]uint32
	mask := uint64(len(t.slots) - 1)
	for i := range records {
		at[i] = uint32(accountHash(records[i].Account) & mask)
	}
	for i, slot := range at[:len(records)] {
		at[i] = t.slots[slot]
	}
	for _, n := range at[:len(records)] {
		if n != 0 {
			seen ^= t.entries[n-1].lastSeq
		}
	}
	return seen
}

// slot returns the account's entry number, which it gives it if need be.
func (t *memAccounts) slot(account uint32) uint32 {
	if slot, ok := t.find(account); ok {
		return slot
	}
	if 2*(len(t.entries)+1) > len(t.slots) {
		t.grow()
	}
	t.entries = append(t.entries, memAccount{account: account})
	t.place(uint32(len(t.entries)))
	return uint32(len(t.entries) - 1)
}

func (t *memAccounts) grow() {
	t.slots = make([]uint32, max(1024, 2*len(t.slots)))
	for n := range t.entries {
		t.place(uint32(n + 1))
	}
}

func (t *memAccounts) place(n uint32) {
	mask := uint64(len(t.slots) - 1)
	i := accountHash(t.entries[n-1].account) & mask
	for t.slots[i] != 0 {
		i = (i + 1) & mask
	}
	t.slots[i] = n
}

// memIdentifiers maps fingerprints to places: open addressing over entry numbers. A slot carries 32 bits of the
// hash beside the entry's number, so that an absent fingerprint seldom costs a second memory access.
type memIdentifiers struct {
	entries []identifier
	slots   []uint64 // hash's upper half << 32 | entry number + 1; 0 = free; the length is a power of two
}

// reserve makes room for n identifiers in an empty table.
func (t *memIdentifiers) reserve(n int) {
	t.slots = make([]uint64, max(1024, 1<<bits.Len(uint(n+n/2+n/16))))
	t.entries = make([]identifier, 0, n) // fresh memory costs nothing before it is used
}

func (t *memIdentifiers) reset() {
	t.entries = t.entries[:0]
	clear(t.slots)
}

// addAll adds identifiers, whose slots it loads ahead.
func (t *memIdentifiers) addAll(ids []identifier) {
	sink := uint64(0)
	for len(ids) > 0 {
		n := min(len(ids), applyAhead)
		for i := range ids[:n] {
			sink ^= t.touch(ids[i].hash())
		}
		for i := range ids[:n] {
			t.add(&ids[i])
		}
		ids = ids[n:]
	}
	gatherSink.Store(uint32(sink))
}

// add stores id, or lowers the place of one that is there. (I2: the lowest sequence is the first use.)
func (t *memIdentifiers) add(id *identifier) {
	if 3*(len(t.entries)+1) > 2*len(t.slots) {
		t.grow()
	}
	hash := id.hash()
	tag, mask := hash&^(1<<32-1), uint64(len(t.slots)-1)
	i := hash & mask
	for ; t.slots[i] != 0; i = (i + 1) & mask {
		if t.slots[i]&^(1<<32-1) != tag {
			continue
		}
		if e := &t.entries[uint32(t.slots[i])-1]; e.digest == id.digest {
			if earlier(id.place(), e.place()) {
				*e = *id
			}
			return
		}
	}
	t.entries = append(t.entries, *id)
	t.slots[i] = tag | uint64(len(t.entries))
}

func (t *memIdentifiers) grow() {
	t.slots = make([]uint64, max(1024, 2*len(t.slots)))
	mask := uint64(len(t.slots) - 1)
	for n := range t.entries {
		hash := t.entries[n].hash()
		i := hash & mask
		for t.slots[i] != 0 {
			i = (i + 1) & mask
		}
		t.slots[i] = hash&^(1<<32-1) | uint64(n+1)
	}
}

// touch loads the slot that a hash leads to, so that a later find does not wait for memory. The result must be
// used for something, or the compiler drops the load.
func (t *memIdentifiers) touch(hash uint64) uint64 {
	if len(t.slots) == 0 {
		return 0
	}
	return t.slots[hash&uint64(len(t.slots)-1)]
}

func (t *memIdentifiers) find(d digest, hash uint64) (Place, bool) {
	if len(t.slots) == 0 {
		return Place{}, false
	}
	tag, mask := hash&^(1<<32-1), uint64(len(t.slots)-1)
	for i := hash & mask; t.slots[i] != 0; i = (i + 1) & mask {
		if t.slots[i]&^(1<<32-1) == tag {
			if e := &t.entries[uint32(t.slots[i])-1]; e.digest == d {
				return e.place(), true
			}
		}
	}
	return Place{}, false
}
