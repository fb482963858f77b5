package index

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// formatVersion is the version of the keys and values of a run. It stands in the run's last row; a store with a
// run of a later version is refused on Open. Version 1 had other filters (digest.hashV1); its runs are read as they
// are, and a merge makes runs of the newest version of them.
const formatVersion = 2

// The first byte of a key is its space.
const (
	spaceNote byte = 'N' // note: one row per annotated record, the newest ingested wins
	spaceRun  byte = 'R' // everything else: a run's rows, all under the run's number
)

// section is the part of a run a row belongs to. The order is the order of writing: the counts and filters are
// known only once the rows have passed by, so they come last.
type section byte

const (
	sectionHistory       section = 1 // chunks of records, by (account, first sequence)
	sectionOrder         section = 2 // blocks of places, by (first sequence, first account)
	sectionIdentifiers   section = 3 // buckets of identifiers, by first fingerprint
	sectionFilter        section = 4 // parts of the filter over the fingerprints
	sectionAccountFilter section = 5 // parts of the filter over the accounts
	sectionMeta          section = 6 // the run's description, one row
)

const runPrefixLength = 1 + 8 + 1

// appendRunPrefix appends the prefix that all rows of one section of one run share.
func appendRunPrefix(dst []byte, run uint64, s section) []byte {
	dst = append(dst, spaceRun)
	dst = binary.BigEndian.AppendUint64(dst, run)
	return append(dst, byte(s))
}

// appendRunStart appends the smallest key that a run can have.
func appendRunStart(dst []byte, run uint64) []byte { return appendRunPrefix(dst, run, 0) }

func appendHistoryKey(dst []byte, run uint64, account uint32, firstSeq uint64) []byte {
	dst = appendRunPrefix(dst, run, sectionHistory)
	dst = binary.BigEndian.AppendUint32(dst, account)
	return binary.BigEndian.AppendUint64(dst, firstSeq)
}

func appendOrderKey(dst []byte, run uint64, first Place) []byte {
	dst = appendRunPrefix(dst, run, sectionOrder)
	dst = binary.BigEndian.AppendUint64(dst, first.Seq)
	return binary.BigEndian.AppendUint32(dst, first.Account)
}

func appendIdentifierKey(dst []byte, run uint64, first digest) []byte {
	dst = appendRunPrefix(dst, run, sectionIdentifiers)
	dst = binary.BigEndian.AppendUint64(dst, first.hi)
	return binary.BigEndian.AppendUint64(dst, first.lo)
}

func appendPartKey(dst []byte, run uint64, s section, part uint32) []byte {
	return binary.BigEndian.AppendUint32(appendRunPrefix(dst, run, s), part)
}

func appendNoteKey(dst []byte, p Place) []byte {
	dst = append(dst, spaceNote)
	dst = binary.BigEndian.AppendUint32(dst, p.Account)
	return binary.BigEndian.AppendUint64(dst, p.Seq)
}

// historyKeyTail reads account and first sequence from a history key.
func historyKeyTail(key []byte) (account uint32, firstSeq uint64, err error) {
	if len(key) != runPrefixLength+12 {
		return 0, 0, fmt.Errorf("history key of %d bytes: %w", len(key), errMalformed)
	}
	tail := key[runPrefixLength:]
	return binary.BigEndian.Uint32(tail), binary.BigEndian.Uint64(tail[4:]), nil
}

// runOfKey reads the run number of any key in the run space.
func runOfKey(key []byte) (uint64, error) {
	if len(key) < runPrefixLength || key[0] != spaceRun {
		return 0, fmt.Errorf("run key of %d bytes: %w", len(key), errMalformed)
	}
	return binary.BigEndian.Uint64(key[1:]), nil
}

// errMalformed is the root of every decoding error: bytes whose checksum may be right but whose content no
// writer of this version produces.
var errMalformed = errors.New("malformed")

// byteReader takes values off the front of a byte slice. After the first failure it stays failed and yields
// zeros, so that a decoder checks once.
type byteReader struct {
	rest   []byte
	failed bool
}

func (r *byteReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.failed, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *byteReader) varint() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (r *byteReader) bytes(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.failed, r.rest = true, nil
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func appendZigzag(dst []byte, v int64) []byte {
	return binary.AppendUvarint(dst, uint64(v)<<1^uint64(v>>63))
}
