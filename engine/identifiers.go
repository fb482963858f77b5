package engine

import (
	"encoding/binary"

	"github.com/dchest/siphash"

	"drawdown/engine/index"
	"drawdown/engine/ledger"
)

// identifiers is the ledger's view of the identifier index.
type identifiers struct {
	index  *index.Index
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

// FirstUses looks all identifiers of an entry up at once.
func (ids *identifiers) FirstUses(fingerprints []ledger.Fingerprint, uses []ledger.Use) error {
	ids.keys, ids.places, ids.found = ids.keys[:0], ids.places[:0], ids.found[:0]
	for _, f := range fingerprints {
		ids.keys = append(ids.keys, index.Fingerprint(f))
		ids.places = append(ids.places, index.Place{})
		ids.found = append(ids.found, false)
	}
	if err := ids.index.Lookup(ids.keys, ids.places, ids.found); err != nil {
		return err
	}
	for i, found := range ids.found {
		if found {
			uses[i] = ledger.Use(ids.places[i])
		}
	}
	return nil
}
