package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"github.com/hashicorp/raft"
)

// Sizes and marks of format version 1; doc.go draws them.
const (
	formatVersion = 1

	segmentHeaderBytes = 64
	batchHeaderBytes   = 56
	entryHeaderBytes   = 28
	// alignBytes: every batch begins at a multiple of it, so that a search for batches has few places to look.
	alignBytes = 8

	segmentMagic = "DRWDSEG\n"
	batchMagic   = 0x42_57_52_44 // "DRWB", little endian
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// logID is drawn once when a log is made. It is in every file's header and in every checksum's seed, so that a file
// of another log, or of another life of this one, is never read as one's own.
type logID [16]byte

// segmentSeed starts the checksums of one generation of one segment. A recycled file is full of batches that were
// right under another sequence number; under this seed none of them is.
func segmentSeed(id logID, seq uint64) uint32 {
	var b [24]byte
	copy(b[:], id[:])
	binary.LittleEndian.PutUint64(b[16:], seq)
	return crc32.Update(0, castagnoli, b[:])
}

// encodeSegmentHeader returns the first segmentHeaderBytes of the segment with this sequence number.
func encodeSegmentHeader(id logID, seq uint64) []byte {
	b := make([]byte, segmentHeaderBytes)
	copy(b, segmentMagic)
	binary.LittleEndian.PutUint32(b[8:], formatVersion)
	copy(b[16:], id[:])
	binary.LittleEndian.PutUint64(b[32:], seq)
	binary.LittleEndian.PutUint32(b[12:], crc32.Checksum(b[16:], castagnoli))
	return b
}

// headerFault says why a file's header cannot be used.
type headerFault struct {
	kase Case
	what string
}

// decodeSegmentHeader returns the log and sequence number that the file says it belongs to.
func decodeSegmentHeader(b []byte) (id logID, seq uint64, fault *headerFault) {
	if len(b) < segmentHeaderBytes || string(b[:8]) != segmentMagic {
		return id, 0, &headerFault{CaseBadHeader, "the segment's header is absent"}
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != formatVersion {
		return id, 0, &headerFault{CaseUnknownVersion, fmt.Sprintf("format version %d, this program reads version %d", v, formatVersion)}
	}
	if binary.LittleEndian.Uint32(b[12:]) != crc32.Checksum(b[16:segmentHeaderBytes], castagnoli) {
		return id, 0, &headerFault{CaseBadHeader, "the segment header's checksum does not match"}
	}
	copy(id[:], b[16:32])
	return id, binary.LittleEndian.Uint64(b[32:]), nil
}

// batchKind says what a batch does to the log.
type batchKind uint32

const (
	batchData  batchKind = iota + 1 // entries that follow the last one
	batchJump                       // entries that need not follow: all older ones are dropped
	batchTrunc                      // entries with an index >= first are dropped
	batchHead                       // entries with an index < head are dropped
	batchMark                       // not a batch: "all before this offset has been synced"
)

// batchHeader is the decoded form of a batch's first batchHeaderBytes.
type batchHeader struct {
	crc        uint32 // of the rest of the header and its offset; what the next batch's prevCRC repeats
	payloadCRC uint32
	kind       batchKind
	count      uint32 // entries
	length     uint32 // bytes of payload, padding included
	prevCRC    uint32 // crc of the batch before this one, in this segment or the one before
	first      uint64 // index of the first entry; without entries, of the entry that comes next
	head       uint64 // first index of the log once this batch has been applied
	prevEnd    uint64 // in a segment's first batch: where the segment before ended, bytes; otherwise 0
}

// next is the index that follows once this batch has been applied.
func (h *batchHeader) next() uint64 { return h.first + uint64(h.count) }

// bytes is the batch's whole length on disk.
func (h *batchHeader) bytes() int64 { return batchHeaderBytes + int64(h.length) }

// encode writes the header into b[:batchHeaderBytes] for a batch at this offset, and sets h.crc.
func (h *batchHeader) encode(b []byte, seed uint32, offset int64) {
	le := binary.LittleEndian
	le.PutUint32(b[0:], batchMagic)
	le.PutUint32(b[8:], h.payloadCRC)
	le.PutUint32(b[12:], uint32(h.kind))
	le.PutUint32(b[16:], h.count)
	le.PutUint32(b[20:], h.length)
	le.PutUint32(b[24:], h.prevCRC)
	le.PutUint32(b[28:], 0)
	le.PutUint64(b[32:], h.first)
	le.PutUint64(b[40:], h.head)
	le.PutUint64(b[48:], h.prevEnd)
	h.crc = batchHeaderCRC(b, seed, offset)
	le.PutUint32(b[4:], h.crc)
}

// batchHeaderCRC mixes the offset in, so that a batch that the disk put at the wrong place is not taken for another.
func batchHeaderCRC(b []byte, seed uint32, offset int64) uint32 {
	var at [8]byte
	binary.LittleEndian.PutUint64(at[:], uint64(offset))
	crc := crc32.Update(seed, castagnoli, at[:])
	return crc32.Update(crc, castagnoli, b[8:batchHeaderBytes])
}

// decodeBatchHeader reads the batch header at offset in a segment's bytes. ok is false unless the header belongs to
// this generation of the segment and to this offset.
func decodeBatchHeader(segment []byte, offset int64, seed uint32) (h batchHeader, ok bool) {
	if offset < 0 || offset+batchHeaderBytes > int64(len(segment)) {
		return h, false
	}
	return decodeBatchHeaderAt(segment[offset:offset+batchHeaderBytes], offset, seed)
}

// decodeBatchHeaderAt is decodeBatchHeader for bytes that were read at offset.
func decodeBatchHeaderAt(b []byte, offset int64, seed uint32) (h batchHeader, ok bool) {
	le := binary.LittleEndian
	if le.Uint32(b) != batchMagic {
		return h, false
	}
	h = batchHeader{
		crc: le.Uint32(b[4:]), payloadCRC: le.Uint32(b[8:]), kind: batchKind(le.Uint32(b[12:])),
		count: le.Uint32(b[16:]), length: le.Uint32(b[20:]), prevCRC: le.Uint32(b[24:]),
		first: le.Uint64(b[32:]), head: le.Uint64(b[40:]), prevEnd: le.Uint64(b[48:]),
	}
	return h, h.crc == batchHeaderCRC(b, seed, offset)
}

// payloadOf returns the bytes that follow the header at offset, if they are all there and their checksum matches.
func payloadOf(segment []byte, offset int64, h batchHeader, seed uint32) ([]byte, bool) {
	end := offset + h.bytes()
	if end > int64(len(segment)) {
		return nil, false
	}
	p := segment[offset+batchHeaderBytes : end]
	return p, crc32.Update(seed, castagnoli, p) == h.payloadCRC
}

// noTime stands for an entry without AppendedAt.
const noTime = math.MinInt64

var errBatchTooLarge = errors.New("wal: a batch must be smaller than 4 GiB")

// appendEntries appends the entries' encoding to b, padded so that the batch ends on an aligned offset when b
// began on one.
func appendEntries(b []byte, logs []*raft.Log) ([]byte, error) {
	start := len(b)
	le := binary.LittleEndian
	for _, e := range logs {
		if int64(len(b)-start)+int64(len(e.Data))+int64(len(e.Extensions)) > math.MaxUint32-1024 {
			return nil, errBatchTooLarge
		}
		b = le.AppendUint32(b, uint32(len(e.Data)))
		b = le.AppendUint32(b, uint32(len(e.Extensions)))
		b = le.AppendUint64(b, e.Term)
		b = le.AppendUint64(b, uint64(encodeTime(e.AppendedAt)))
		b = le.AppendUint32(b, uint32(e.Type))
		b = append(b, e.Data...)
		b = append(b, e.Extensions...)
	}
	for (len(b)-start)%alignBytes != 0 {
		b = append(b, 0)
	}
	return b, nil
}

// decodeEntries reads count entries, the first of which has the index first. The entries' Data and Extensions are
// parts of p. ok is false when the lengths do not add up, which under a matching checksum only a faulty writer brings
// about.
func decodeEntries(p []byte, first uint64, count uint32) (logs []raft.Log, ok bool) {
	if int64(count)*entryHeaderBytes > int64(len(p)) {
		return nil, false
	}
	le := binary.LittleEndian
	logs = make([]raft.Log, count)
	for i := range logs {
		if len(p) < entryHeaderBytes {
			return nil, false
		}
		data, ext := uint64(le.Uint32(p)), uint64(le.Uint32(p[4:]))
		kind := le.Uint32(p[24:])
		if kind > math.MaxUint8 || entryHeaderBytes+data+ext > uint64(len(p)) {
			return nil, false
		}
		e := &logs[i]
		e.Index, e.Term, e.Type = first+uint64(i), le.Uint64(p[8:]), raft.LogType(kind)
		e.AppendedAt = decodeTime(int64(le.Uint64(p[16:])))
		p = p[entryHeaderBytes:]
		e.Data, p = cut(p, data)
		e.Extensions, p = cut(p, ext)
	}
	return logs, len(p) < alignBytes
}

// cut splits p after n bytes; a part of no bytes is nil, as raft's own stores give it back.
func cut(p []byte, n uint64) (part, rest []byte) {
	if n == 0 {
		return nil, p
	}
	return p[:n:n], p[n:]
}

// encodeTime gives nanoseconds since 1970. Times before 1678 or after 2262 do not fit and are kept as no time at all:
// AppendedAt is for the operator's eyes only.
func encodeTime(t time.Time) int64 {
	if t.IsZero() || t.Year() < 1678 || t.Year() > 2261 {
		return noTime
	}
	return t.UnixNano()
}

func decodeTime(ns int64) time.Time {
	if ns == noTime {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

func alignUp(n int64) int64 { return (n + alignBytes - 1) &^ (alignBytes - 1) }
