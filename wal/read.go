package wal

import (
	"sync"

	"github.com/hashicorp/raft"
)

// FirstIndex returns the index of the oldest entry, 0 if the log is empty. Like all reading it goes on when the log is
// poisoned: what it serves has been synced, and raft panics on a read that fails while the process is still ending.
func (l *Log) FirstIndex() (uint64, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed.Load() {
		return 0, ErrClosed
	}
	if l.state.head == l.state.next {
		return 0, nil
	}
	return l.state.head, nil
}

// LastIndex returns the index of the newest entry, 0 if the log is empty.
func (l *Log) LastIndex() (uint64, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed.Load() {
		return 0, ErrClosed
	}
	if l.state.head == l.state.next {
		return 0, nil
	}
	return l.state.next - 1, nil
}

// GetLog fills in the entry with this index, or returns raft.ErrLogNotFound. It never waits for a sync in progress. The
// entry's Data and Extensions belong to the log and must not be changed. Damage found while reading poisons the log
// (I7) and gives a *CorruptError.
func (l *Log) GetLog(index uint64, out *raft.Log) error {
	l.mu.RLock()
	if l.closed.Load() {
		l.mu.RUnlock()
		return ErrClosed
	}
	if index < l.state.head || index >= l.state.next {
		l.mu.RUnlock()
		return raft.ErrLogNotFound
	}
	if e := l.cache.get(index); e != nil {
		*out = *e
		l.mu.RUnlock()
		return nil
	}
	ref := l.state.find(index)
	l.mu.RUnlock()
	entries, err := l.readBatch(ref)
	if err != nil {
		return err
	}
	*out = entries[index-ref.first]
	return nil
}

// readBatch returns all entries of a batch, from its file or from the few that were read last. A batch never changes
// once it is written, so that no deletion can make these stale.
func (l *Log) readBatch(ref batchRef) ([]raft.Log, error) {
	key := batchKey{ref.segment.seq, ref.offset}
	if entries := l.cold.get(key); entries != nil {
		return entries, nil
	}
	b := make([]byte, ref.length)
	ref.segment.use.RLock()
	if ref.segment.file == nil {
		ref.segment.use.RUnlock()
		if l.closed.Load() {
			return nil, ErrClosed
		}
		return nil, raft.ErrLogNotFound // deleted since it was looked up
	}
	_, err := ref.segment.file.ReadAt(b, ref.offset)
	ref.segment.use.RUnlock()
	if err != nil {
		return nil, err
	}
	entries, err := l.checkBatch(ref, b)
	if err != nil {
		_ = l.poison(err)
		return nil, err
	}
	l.cold.add(key, entries, ref.length, l.o.CacheBytes/4)
	return entries, nil
}

func (l *Log) checkBatch(ref batchRef, b []byte) ([]raft.Log, error) {
	path := l.fs.PathJoin(l.dir, segmentName(ref.segment.seq))
	h, ok := decodeBatchHeaderAt(b, ref.offset, ref.segment.seed)
	if !ok || h.first != ref.first || h.bytes() != ref.length || h.next() < ref.end {
		return nil, corrupt(path, ref.offset, CaseDamagedMiddle, "the batch header read is not the one written")
	}
	payload, ok := payloadOf(b, 0, h, ref.segment.seed)
	if !ok {
		return nil, corrupt(path, ref.offset, CaseDamagedMiddle, "the batch's checksum does not match")
	}
	entries, ok := decodeEntries(payload, h.first, h.count)
	if !ok {
		return nil, corrupt(path, ref.offset, CaseBrokenChain, "a batch whose entries cannot be read")
	}
	return entries, nil
}

// tail is the newest entries, in memory.
type tail struct {
	entries []raft.Log // the live ones are entries[from:], with consecutive indexes
	from    int
	bytes   int64
}

// entryOverhead is about what an entry takes besides its bytes.
const entryOverhead = 128

func entryBytes(e *raft.Log) int64 {
	return int64(len(e.Data)) + int64(len(e.Extensions)) + entryOverhead
}

func (t *tail) get(index uint64) *raft.Log {
	if t.from == len(t.entries) || index < t.entries[t.from].Index {
		return nil
	}
	if i := t.from + int(index-t.entries[t.from].Index); i < len(t.entries) {
		return &t.entries[i]
	}
	return nil
}

// apply follows a batch that has been written. Data and Extensions are kept, not copied; see StoreLogs.
func (t *tail) apply(h batchHeader, logs []*raft.Log, limit int64) {
	switch h.kind {
	case batchJump:
		*t = tail{}
	case batchTrunc:
		for n := len(t.entries); n > t.from && t.entries[n-1].Index >= h.first; n-- {
			t.bytes -= entryBytes(&t.entries[n-1])
			t.entries[n-1] = raft.Log{}
			t.entries = t.entries[:n-1]
		}
	case batchHead:
		for t.from < len(t.entries) && t.entries[t.from].Index < h.head {
			t.dropFirst()
		}
	}
	for _, e := range logs {
		t.entries = append(t.entries, *e)
		t.bytes += entryBytes(e)
	}
	for t.bytes > limit && t.from < len(t.entries) {
		t.dropFirst()
	}
	if t.from > len(t.entries)/2 {
		n := copy(t.entries, t.entries[t.from:])
		clear(t.entries[n:])
		t.entries, t.from = t.entries[:n], 0
	}
}

func (t *tail) dropFirst() {
	t.bytes -= entryBytes(&t.entries[t.from])
	t.entries[t.from] = raft.Log{}
	t.from++
}

// coldBatches holds the batches last read from files, so that a follower that catches up, entry by entry, has each batch
// read and checked once.
type coldBatches struct {
	mu      sync.Mutex
	batches []coldBatch // from the oldest
	bytes   int64
}

type batchKey struct {
	seq    uint64
	offset int64
}

type coldBatch struct {
	key     batchKey
	entries []raft.Log
	bytes   int64
}

// coldBatchesMax: about one for each follower that may be behind, and some.
const coldBatchesMax = 8

func (c *coldBatches) get(key batchKey) []raft.Log {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.batches {
		if c.batches[i].key == key {
			return c.batches[i].entries
		}
	}
	return nil
}

// add keeps the batch and lets older ones go, but always keeps the newest, whatever its size.
func (c *coldBatches) add(key batchKey, entries []raft.Log, bytes, limit int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.batches = append(c.batches, coldBatch{key, entries, bytes})
	c.bytes += bytes
	for len(c.batches) > 1 && (c.bytes > limit || len(c.batches) > coldBatchesMax) {
		c.bytes -= c.batches[0].bytes
		c.batches[0] = coldBatch{}
		c.batches = c.batches[1:]
	}
}
