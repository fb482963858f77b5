package wal

import (
	"fmt"
	"hash/crc32"
	"time"

	"github.com/hashicorp/raft"
)

// bufferBytesKept bounds the write buffer that is kept from one append to the next.
const bufferBytesKept = 8 << 20

// StoreLog is StoreLogs with one entry.
func (l *Log) StoreLog(e *raft.Log) error { return l.StoreLogs([]*raft.Log{e}) }

// StoreLogs appends the entries as one batch: one write and one sync. When it returns nil they are durable; when it
// returns ErrPoisoned it is not known whether they are; with ErrGap or ErrClosed nothing has been changed.
//
// The entries must follow the log's last one. Only where a snapshot covers all that comes before them (SetFloor) may
// they begin elsewhere beyond it, and then every older entry is dropped; an empty log may begin anywhere that the
// snapshot reaches.
//
// The log keeps the entries' Data and Extensions until they leave its memory. raft does not change them once an entry has
// been handed to it, and whoever made them must not either (I10).
func (l *Log) StoreLogs(logs []*raft.Log) error {
	if len(logs) == 0 {
		return nil
	}
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	kind, err := l.admit(logs)
	if err != nil {
		return err
	}
	if err := l.encodePayload(logs); err != nil {
		return err
	}
	h := batchHeader{kind: kind, count: uint32(len(logs)), first: logs[0].Index, head: l.state.head}
	if kind == batchJump {
		h.head = h.first
	}
	if err := l.append(h, logs); err != nil {
		return err
	}
	if kind == batchJump {
		l.keeper.wake()
	}
	return nil
}

// admit decides whether and how the entries may be appended. Only the holder of writeMu changes the state, so that
// reading it here needs no other lock.
func (l *Log) admit(logs []*raft.Log) (batchKind, error) {
	first := logs[0].Index
	for i, e := range logs {
		if e.Index != first+uint64(i) || e.Index == 0 {
			return 0, fmt.Errorf("%w: index %d at place %d of a batch that begins with %d", ErrGap, e.Index, i, first)
		}
	}
	empty := l.state.head == l.state.next
	switch floor := l.floor.Load(); {
	case first == l.state.next:
		return batchData, nil
	case (first > l.state.next || empty) && first-1 <= floor:
		return batchJump, nil
	default:
		return 0, fmt.Errorf("%w: index %d where %d is next, and snapshots cover up to %d", ErrGap, first, l.state.next, floor)
	}
}

func (l *Log) encodePayload(logs []*raft.Log) (err error) {
	if cap(l.buf) > bufferBytesKept || cap(l.buf) < batchHeaderBytes {
		l.buf = make([]byte, batchHeaderBytes, 64<<10)
	}
	l.buf, err = appendEntries(l.buf[:batchHeaderBytes], logs)
	return err
}

// DeleteRange deletes the entries min to max, both included, from the beginning or from the end of the log, durably.
// Indexes that the log does not hold are passed over. A range that touches neither end gives ErrMiddle.
//
// The beginning is deleted by a note in the log; the files are given up behind the caller's back, once nothing in them
// is needed. So is the end: the note outlives every crash, and what it has deleted does not come back.
func (l *Log) DeleteRange(min, max uint64) error {
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	if min > max {
		return fmt.Errorf("wal: DeleteRange from %d to %d", min, max)
	}
	s := &l.state
	if s.head == s.next || max < s.head || min >= s.next {
		return nil
	}
	h := batchHeader{kind: batchHead, first: s.next}
	switch {
	case min <= s.head && max >= s.next-1:
		h.head = s.next
	case min <= s.head:
		h.head = max + 1
	case max >= s.next-1:
		h = batchHeader{kind: batchTrunc, first: min, head: s.head}
	default:
		return fmt.Errorf("%w: %d to %d of %d to %d", ErrMiddle, min, max, s.head, s.next-1)
	}
	if err := l.encodePayload(nil); err != nil {
		return err
	}
	if err := l.append(h, nil); err != nil {
		return err
	}
	l.keeper.wake()
	return nil
}

// append writes the batch whose payload is in l.buf behind its header's place, syncs it, and only then lets it be seen.
func (l *Log) append(h batchHeader, logs []*raft.Log) error {
	l.writeClock.begin()
	defer l.writeClock.end()
	h.length = uint32(len(l.buf) - batchHeaderBytes)
	if err := l.makeRoom(h.bytes()); err != nil {
		return err
	}
	seg, at := l.active, l.end
	l.seal(&h)
	if err := l.writeSynced(seg, at); err != nil {
		return l.poison(err)
	}
	if err := l.usable(); err != nil {
		return err // the watchdog gave up waiting: what it said stands
	}
	l.end, l.empty, l.chain = at+h.bytes(), false, h.crc
	seg.grow(l.end)
	l.publish(h, logs, at)
	if err := l.writeMark(); err != nil {
		return l.poison(err)
	}
	if l.end > l.active.capacity/aheadShare && !l.asked {
		l.askNext()
	}
	return nil
}

// seal completes the header and puts it at the front of l.buf.
func (l *Log) seal(h *batchHeader) {
	h.payloadCRC = crc32.Update(l.active.seed, castagnoli, l.buf[batchHeaderBytes:])
	h.prevCRC = l.chain
	if l.empty {
		h.prevEnd = uint64(l.prevEnd)
	}
	h.encode(l.buf[:batchHeaderBytes], l.active.seed, l.end)
}

func (l *Log) writeSynced(seg *segment, at int64) error {
	if _, err := seg.file.WriteAt(l.buf, at); err != nil {
		return err
	}
	if l.o.NoSync {
		return nil
	}
	start := time.Now()
	if err := seg.file.SyncData(); err != nil {
		return err
	}
	d := time.Since(start)
	l.syncs.Add(1)
	l.lastSync.Store(int64(d))
	if l.o.OnSync != nil {
		l.o.OnSync(len(l.buf), d)
	}
	return nil
}

func (l *Log) publish(h batchHeader, logs []*raft.Log, at int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.segments[len(l.segments)-1] != l.active {
		// Not before its first batch is durable: the segment before it may be given up from now on.
		l.segments = append(l.segments, l.active)
	}
	l.state.apply(h, l.active, at)
	l.cache.apply(h, logs, l.o.CacheBytes)
}

// writeMark notes behind the last batch that it has been synced. The note itself is not: it costs one write into the
// page cache, the next batch overwrites it, and if it does reach the disk, recovery can tell a damaged batch from one that was
// never acknowledged.
func (l *Log) writeMark() error {
	if l.o.NoSync || l.empty {
		return nil
	}
	var b [batchHeaderBytes]byte
	mark := batchHeader{kind: batchMark, prevCRC: l.chain}
	mark.encode(b[:], l.active.seed, l.end)
	_, err := l.active.file.WriteAt(b[:], l.end)
	l.active.grow(l.end + batchHeaderBytes)
	return err
}

// makeRoom goes on to the next segment if the batch and its mark do not fit into this one. A batch that fits into none
// makes an empty one grow.
func (l *Log) makeRoom(bytes int64) error {
	if l.empty || l.end+bytes+batchHeaderBytes <= l.active.capacity {
		return nil
	}
	if !l.asked {
		l.askNext()
	}
	select {
	case next := <-l.keeper.ready:
		l.prevEnd, l.active, l.end, l.empty, l.asked = l.end, next, segmentHeaderBytes, true, false
		return nil
	case <-l.dead:
		return l.usable()
	}
}

func (l *Log) askNext() {
	l.asked = true
	l.keeper.wanted.Store(true)
	l.keeper.wake()
}
