package index

import (
	"encoding/binary"
	"fmt"
)

// meta describes one run. It is the run's last row, and ingested in the same atomic step as all the others.
type meta struct {
	version byte // of the run's format

	// The run holds exactly the batches with after < Index <= last. Runs form a chain without gaps; a run
	// whose range lies within another's has been merged into that one.
	after, last uint64

	records     uint64
	identifiers uint64
	accounts    uint64 // distinct accounts with records
	bytes       uint64 // of the records' data
	minSeq      uint64 // of the records; 0 if there are none
	maxSeq      uint64
}

// size is what the merge policy weighs a run by.
func (m *meta) size() uint64 { return max(m.records, m.identifiers) }

func (m *meta) appendTo(dst []byte) []byte {
	dst = append(dst, m.version)
	for _, v := range [...]uint64{m.after, m.last, m.records, m.identifiers, m.accounts, m.bytes, m.minSeq, m.maxSeq} {
		dst = binary.BigEndian.AppendUint64(dst, v)
	}
	return dst
}

func decodeMeta(value []byte) (m meta, err error) {
	if len(value) == 0 {
		return m, fmt.Errorf("empty run description: %w", errMalformed)
	}
	if m.version = value[0]; m.version == 0 || m.version > formatVersion {
		return m, fmt.Errorf("run has format version %d, this program reads up to %d", m.version, formatVersion)
	}
	fields := [...]*uint64{&m.after, &m.last, &m.records, &m.identifiers, &m.accounts, &m.bytes, &m.minSeq, &m.maxSeq}
	if len(value) != 1+8*len(fields) {
		return m, fmt.Errorf("run description of %d bytes: %w", len(value), errMalformed)
	}
	for i, f := range fields {
		*f = binary.BigEndian.Uint64(value[1+8*i:])
	}
	if m.after >= m.last || m.minSeq > m.maxSeq {
		return m, fmt.Errorf("run description out of order: %w", errMalformed)
	}
	return m, nil
}
