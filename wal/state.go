package wal

import "sort"

// batchRef says where the entries [first, end) are. A batch has one, however many entries it holds.
type batchRef struct {
	first, end uint64 // end shrinks when a suffix is deleted
	offset     int64  // of the batch header in the segment, bytes
	length     int64  // of the whole batch, bytes
	segment    *segment
}

// state is what the batches of the log add up to. The running log and recovery change it through the same function,
// so that what is in memory is what a restart would find.
type state struct {
	head, next uint64     // the log holds the entries [head, next)
	refs       []batchRef // by index; they cover [head, next), the first may begin before head
}

// follows says what speaks against applying the batch next, or "".
func (s *state) follows(h batchHeader) string {
	end := h.next()
	switch {
	case h.first == 0 || end < h.first || h.head == 0 || h.head > end:
		return "a batch whose indexes make no sense"
	case (h.kind == batchData || h.kind == batchJump) != (h.count > 0):
		return "a batch whose number of entries does not suit its kind"
	}
	ok := false
	switch h.kind {
	case batchData:
		ok = h.first == s.next && h.head == s.head
	case batchJump:
		ok = h.head == h.first
	case batchTrunc:
		ok = h.first >= s.head && h.first < s.next && h.head == s.head
	case batchHead:
		ok = h.first == s.next && h.head > s.head
	}
	if !ok {
		return "a batch that does not follow the one before it"
	}
	return ""
}

// begin makes any batch acceptable as the oldest one that is still there: what led up to it has been dropped.
func (s *state) begin(h batchHeader) {
	s.head, s.next = h.head, h.first
	switch h.kind {
	case batchTrunc:
		s.next++
	case batchHead:
		s.head--
	}
}

// apply adds a batch for which follows returned "".
func (s *state) apply(h batchHeader, seg *segment, offset int64) {
	switch h.kind {
	case batchJump:
		clear(s.refs)
		s.refs = s.refs[:0]
	case batchTrunc:
		n := sort.Search(len(s.refs), func(i int) bool { return s.refs[i].first >= h.first })
		clear(s.refs[n:])
		s.refs = s.refs[:n]
		if n > 0 {
			s.refs[n-1].end = min(s.refs[n-1].end, h.first)
		}
	case batchHead:
		n := sort.Search(len(s.refs), func(i int) bool { return s.refs[i].end > h.head })
		clear(s.refs[:n])
		s.refs = s.refs[n:]
	}
	if h.count > 0 {
		s.refs = append(s.refs, batchRef{h.first, h.next(), offset, h.bytes(), seg})
	}
	s.head, s.next = h.head, h.next()
}

// find returns the batch that holds the entry, which must be in [head, next).
func (s *state) find(index uint64) batchRef {
	return s.refs[sort.Search(len(s.refs), func(i int) bool { return s.refs[i].end > index })]
}

// complete reports whether every entry of [head, next) has a batch. Batches follow one another without a gap, so it
// is enough to look at the first one.
func (s *state) complete() bool {
	return s.head == s.next || (len(s.refs) > 0 && s.refs[0].first <= s.head)
}
