package engine

import (
	"encoding/binary"
	"sync"

	"github.com/dchest/siphash"

	"drawdown/engine/index"
	"drawdown/engine/ledger"
)

// identifiers is the ledger's view of the identifier index.
type identifiers struct {
	index   *index.Index
	lookups sync.Pool // of *lookup
}

// lookup is the memory of one call of FirstUses.
type lookup struct {
	keys   []index.Fingerprint
	places []index.Place
	found  []bool
}

// Fingerprint is SipHash-2-4 with 128 bits under the log's secret key: nobody who
// does not hold the key can make two identifiers meet. The first byte keeps the
// modes apart, and a packed UUID from a text of 16 bytes.
func (ids *identifiers) Fingerprint(key *[16]byte, mode ledger.Mode, identifier []byte, packed bool) (f ledger.Fingerprint) {
	var buf [256]byte
	buf[0] = byte(mode)
	if packed {
		buf[0] |= 0x80
	}
	message := append(buf[:1], identifier...)
	lo, hi := siphash.Hash128(binary.LittleEndian.Uint64(key[:8]), binary.LittleEndian.Uint64(key[8:]), message)
	binary.LittleEndian.PutUint64(f[:8], lo)
	binary.LittleEndian.PutUint64(f[8:], hi)
	return f
}

// FirstUses looks many identifiers up at once.
func (ids *identifiers) FirstUses(fingerprints []ledger.Fingerprint, uses []ledger.Use) error {
	l, ok := ids.lookups.Get().(*lookup)
	if !ok {
		l = new(lookup)
	}
	defer ids.lookups.Put(l)
	l.keys, l.places, l.found = l.keys[:0], l.places[:0], l.found[:0]
	for _, f := range fingerprints {
		l.keys = append(l.keys, index.Fingerprint(f))
		l.places = append(l.places, index.Place{})
		l.found = append(l.found, false)
	}
	if err := ids.index.Lookup(l.keys, l.places, l.found); err != nil {
		return err
	}
	for i, found := range l.found {
		if found {
			uses[i] = ledger.Use(l.places[i])
		}
	}
	return nil
}
