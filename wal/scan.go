package wal

import "encoding/binary"

// scanned is what one segment's bytes hold.
type scanned struct {
	batches []foundBatch
	end     int64 // where the run of good batches stops, bytes
	stop    batchHeader
	facts   endFacts // without sealed and linked, which the next segment decides
	fault   string   // why the batch at end, good by its checksums, cannot be taken; or ""
}

type foundBatch struct {
	batchHeader
	offset int64
}

// scanSegment reads batches from the segment's beginning for as long as they are good and form a chain. It never fails:
// what it stops at is described, and judged by its caller.
func scanSegment(b []byte, seed uint32) (s scanned) {
	s.end = segmentHeaderBytes
	for {
		h, ok := decodeBatchHeader(b, s.end, seed)
		if !ok {
			s.facts.blank = blank(b, s.end)
			return s
		}
		if h.kind == batchMark {
			s.facts.mark = len(s.batches) > 0 && h.prevCRC == s.batches[len(s.batches)-1].crc
			if !s.facts.mark {
				s.fault = "a mark for another batch than the one before it"
			}
			return s
		}
		payload, ok := payloadOf(b, s.end, h, seed)
		if !ok || h.length%alignBytes != 0 {
			s.facts.header, s.stop = true, h
			return s
		}
		if s.fault = s.chainFault(h, payload); s.fault != "" {
			return s
		}
		s.batches = append(s.batches, foundBatch{h, s.end})
		s.end += h.bytes()
	}
}

// chainFault checks what can be checked about a batch inside its segment.
func (s *scanned) chainFault(h batchHeader, payload []byte) string {
	if n := len(s.batches); n > 0 && (h.prevCRC != s.batches[n-1].crc || h.prevEnd != 0) {
		return "a batch that names another batch as the one before it"
	}
	if _, ok := decodeEntries(payload, h.first, h.count); !ok {
		return "a batch whose entries cannot be read"
	}
	return ""
}

// lookBeyond searches everything behind the end, at every offset that the format permits, for a batch header or a mark
// of this generation. Either proves that what stands at the end had been synced: a batch is written only after the sync of
// the one before it succeeded, and so is a mark.
func (s *scanned) lookBeyond(b []byte, seed uint32) {
	for at := s.end + alignBytes; at+batchHeaderBytes <= int64(len(b)); at += alignBytes {
		if binary.LittleEndian.Uint32(b[at:]) != batchMagic {
			continue
		}
		if h, ok := decodeBatchHeader(b, at, seed); ok {
			if h.kind != batchMark {
				s.facts.laterBatch = true
				return
			}
			s.facts.laterMark = true
		}
	}
}

// firstHeader is the header of the segment's first batch, whose payload may be bad. It is there as soon as the segment
// has been written to.
func (s *scanned) firstHeader() (h batchHeader, ok bool) {
	switch {
	case len(s.batches) > 0:
		return s.batches[0].batchHeader, true
	case s.facts.header:
		return s.stop, true
	}
	return h, false
}

func blank(b []byte, from int64) bool {
	for _, c := range b[min(from, int64(len(b))):min(from+batchHeaderBytes, int64(len(b)))] {
		if c != 0 {
			return false
		}
	}
	return true
}
