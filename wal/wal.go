package wal

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"
)

var (
	_ raft.LogStore    = (*Log)(nil)
	_ raft.StableStore = (*Log)(nil)
)

// Options of Open. The zero value means the defaults.
type Options struct {
	// FS is the disk. All access goes through it. nil means vfs.Default.
	FS vfs.FS
	// SegmentBytes is the size of a segment file; default 64 MiB, at least 512. A single batch may be larger.
	SegmentBytes int64
	// CacheBytes bounds the newest entries kept in memory for GetLog; default 64 MiB.
	CacheBytes int64
	// StallLimit is how long an append, a deletion or a Set may take before the disk counts as hanging; default 5 s.
	// Heartbeats go on while a leader's disk hangs, so that nobody else would notice.
	StallLimit time.Duration
	// OnFatal is called once, from a goroutine of its own, when a write or sync failed or hung, or damage was read.
	// The process is expected to end. nil means to panic.
	OnFatal func(error)
	// OnSync, if not nil, is told of each append: bytes written, and how long the sync took.
	OnSync func(bytes int, d time.Duration)
	// Logger; nil means slog.Default().
	Logger *slog.Logger
	// NoSync leaves out the sync of appends. For measuring what it costs; what is stored is not safe.
	NoSync bool
}

const (
	segmentBytesDefault = 64 << 20
	segmentBytesMin     = 512
	cacheBytesDefault   = 64 << 20
	stallLimitDefault   = 5 * time.Second
)

func (o Options) withDefaults() (Options, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = segmentBytesDefault
	}
	if o.SegmentBytes < segmentBytesMin {
		return o, fmt.Errorf("wal: segments of %d bytes, the least is %d", o.SegmentBytes, segmentBytesMin)
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = cacheBytesDefault
	}
	if o.StallLimit <= 0 {
		o.StallLimit = stallLimitDefault
	}
	if o.OnFatal == nil {
		o.OnFatal = func(err error) { panic(err) }
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o, nil
}

// Log is a segmented write-ahead log: raft's LogStore and StableStore. It may be used from many goroutines.
// One process at a time may open a directory; the caller sees to that.
type Log struct {
	o   Options
	fs  vfs.FS
	dir string
	id  logID

	floor atomic.Uint64 // see SetFloor

	// writeMu is held while something is appended, with its sync. It guards what only appending needs.
	writeMu sync.Mutex
	active  *segment
	end     int64  // where the next batch goes in active, bytes
	empty   bool   // active has no batch yet
	prevEnd int64  // where the segment before active ended, bytes; 0 for the log's first
	chain   uint32 // checksum of the last batch
	buf     []byte // the batch being written
	asked   bool   // the housekeeper has been asked for the segment after active

	// mu guards what readers see. It is never held during a write or a sync. Whoever changes it holds writeMu too, the
	// housekeeper excepted, which shortens segments at the front.
	mu       sync.RWMutex
	state    state
	cache    tail
	segments []*segment // in use, from the oldest

	cold coldBatches

	stableMu sync.Mutex
	stable   map[string][]byte

	keeper      housekeeper
	writeClock  stallClock
	stableClock stallClock
	fatal       atomic.Pointer[error]
	fatalOnce   sync.Once
	dead        chan struct{} // closed when the log is poisoned
	stop        chan struct{} // closed by Close
	closed      atomic.Bool
	watched     sync.WaitGroup

	syncs    atomic.Uint64
	lastSync atomic.Int64 // nanoseconds
}

// Open opens the log in dir, or makes one there if there is none. It returns a *CorruptError, having changed nothing,
// if anything on disk is damaged, and otherwise has made durable all that it found.
func Open(dir string, o Options) (*Log, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	l := &Log{o: o, fs: o.FS, dir: dir, dead: make(chan struct{}), stop: make(chan struct{})}
	l.keeper.init(l)
	found, err := inspect(l.fs, dir)
	if err != nil {
		return nil, err
	}
	if found.kase == CaseNew || found.kase == CaseUnfinished {
		err = l.create(found)
	} else {
		err = l.adopt(found)
	}
	if err != nil {
		l.closeFiles()
		return nil, fmt.Errorf("wal: opening %s: %w", dir, err)
	}
	l.watched.Add(1)
	go l.watch()
	go l.keeper.run()
	return l, nil
}

// create makes a new log, or goes on where a crash interrupted the making. The manifest names the log's first segment last,
// so that until then the directory counts as unfinished.
func (l *Log) create(found *inspection) error {
	if err := l.fs.MkdirAll(l.dir, 0o755); err != nil {
		return err
	}
	if err := l.removeAll(found.leftover); err != nil {
		return err
	}
	if found.kase == CaseNew {
		found.manifest.oldest = 1
		if _, err := rand.Read(found.manifest.id[:]); err != nil {
			return err
		}
		if err := found.manifest.save(l.fs, l.dir); err != nil {
			return err
		}
	}
	// Repeated when unfinished: the crash may have come before the directory's own entry was durable.
	if err := syncDir(l.fs, l.fs.PathDir(l.dir)); err != nil {
		return err
	}
	l.id = found.manifest.id
	l.stable = make(map[string][]byte)
	if err := replaceFile(l.fs, l.dir, stableName, encodeStable(l.id, l.stable)); err != nil {
		return err
	}
	l.keeper.manifest = found.manifest
	first, err := l.keeper.prepare(1, min(l.o.SegmentBytes, firstSegmentBytes))
	if err != nil {
		return err
	}
	l.segments = []*segment{first}
	l.active, l.end, l.empty = first, segmentHeaderBytes, true
	l.state = state{head: 1, next: 1}
	return nil
}

// adopt takes an existing log into use. First it makes durable what was found: the process before may have died
// between a write and its sync, and what is read from the page cache now must not be gone after a power cut.
func (l *Log) adopt(found *inspection) error {
	l.id, l.stable, l.state = found.manifest.id, found.stable, found.state
	l.segments = found.segments
	if err := l.removeAll(found.leftover); err != nil {
		return err
	}
	if err := replaceFile(l.fs, l.dir, stableName, encodeStable(l.id, l.stable)); err != nil {
		return err
	}
	for _, s := range l.segments {
		if err := s.open(l.fs, l.fs.PathJoin(l.dir, segmentName(s.seq))); err != nil {
			return err
		}
	}
	if err := l.wipe(found); err != nil {
		return err
	}
	l.active, l.end, l.empty = l.segments[found.active], found.end, found.last == 0
	l.chain, l.keeper.manifest = found.chain, found.manifest
	l.keeper.newest = max(firstSegmentBytes, l.segments[len(l.segments)-1].capacity)
	if err := l.secureLast(found); err != nil {
		return err
	}
	if found.active+1 < len(l.segments) {
		l.asked = true
		l.keeper.ready <- l.segments[found.active+1]
	}
	l.segments = l.segments[:found.active+1]
	return nil
}

// wipe overwrites an unfinished write with zeros, durably, before anything can be appended: with other bytes behind it,
// what is left of it might otherwise become whole again.
func (l *Log) wipe(found *inspection) error {
	cut := found.cut
	if cut.to == cut.from {
		return nil
	}
	s := l.segments[cut.segment]
	l.o.Logger.Warn("wal: the last write was not finished and is cut away; nothing says that it was ever synced",
		"file", segmentName(s.seq), "offset", cut.from, "bytes", cut.to-cut.from, "case", found.kase.String())
	if err := writeZeros(s.file, cut.from, cut.to); err != nil {
		return err
	}
	return s.file.SyncData()
}

// secureLast makes the last batch durable. If nothing proves that it had been synced, it is written once more: after a
// sync that failed, the kernel counts its pages as clean, and syncing them again would do nothing and report success.
func (l *Log) secureLast(found *inspection) error {
	s := l.active
	if found.last != 0 && !found.proven {
		b := make([]byte, found.end-found.last)
		if _, err := s.file.ReadAt(b, found.last); err != nil {
			return err
		}
		if _, err := s.file.WriteAt(b, found.last); err != nil {
			return err
		}
	}
	if err := s.file.SyncData(); err != nil {
		return err
	}
	return l.writeMark()
}

func (l *Log) removeAll(names []string) error {
	for _, name := range names {
		if err := l.fs.Remove(l.fs.PathJoin(l.dir, name)); err != nil {
			return err
		}
	}
	return syncDir(l.fs, l.dir)
}

// SetFloor tells the log that the newest snapshot covers every entry with an index <= index. StoreLogs may then leave a
// gap below index+1. A lower index than before has no effect.
func (l *Log) SetFloor(index uint64) {
	for {
		old := l.floor.Load()
		if index <= old || l.floor.CompareAndSwap(old, index) {
			return
		}
	}
}

// Stats is a picture of the log.
type Stats struct {
	Segments    int           // files in use; one more may be prepared, and some wait to be used again
	DiskBytes   int64         // size of the segments in use
	First, Last uint64        // indexes, 0 if the log is empty
	CachedBytes int64         // of entries in memory
	Syncs       uint64        // appends and deletions synced since Open
	LastSync    time.Duration // how long the last sync took
}

// Stats returns the log's figures. It does no I/O.
func (l *Log) Stats() Stats {
	l.mu.RLock()
	defer l.mu.RUnlock()
	s := Stats{
		Segments: len(l.segments), CachedBytes: l.cache.bytes,
		Syncs: l.syncs.Load(), LastSync: time.Duration(l.lastSync.Load()),
	}
	if l.state.head < l.state.next {
		s.First, s.Last = l.state.head, l.state.next-1
	}
	for _, seg := range l.segments {
		s.DiskBytes += seg.size.Load()
	}
	return s
}

// usable returns the reason why nothing can be written any more, or nil.
func (l *Log) usable() error {
	if l.closed.Load() {
		return ErrClosed
	}
	if err := l.fatal.Load(); err != nil {
		return *err
	}
	return nil
}

// poison ends all writing. What failed is never tried again: after a failed sync the kernel may have dropped the pages,
// and would report success for data that is gone.
func (l *Log) poison(cause error) error {
	l.fatalOnce.Do(func() {
		err := fmt.Errorf("%w: %w", ErrPoisoned, cause)
		l.fatal.Store(&err)
		close(l.dead)
		go l.o.OnFatal(err)
	})
	return *l.fatal.Load()
}

// Close waits for what is being written, syncs, and ends the log's goroutines. Of a poisoned log it returns the reason
// and syncs nothing, nor does it wait for a write that hangs.
func (l *Log) Close() error {
	if l.closed.Swap(true) {
		return ErrClosed
	}
	close(l.stop)
	err := l.settle()
	l.watched.Wait()
	return err
}

func (l *Log) settle() error {
	if err := l.fatal.Load(); err != nil && !l.writeMu.TryLock() {
		return *err // the disk may hang under the writer; its files are left to the process's end
	} else if err == nil {
		l.writeMu.Lock()
	}
	defer l.writeMu.Unlock()
	defer l.closeFiles()
	l.awaitKeeper()
	if err := l.fatal.Load(); err != nil {
		return *err
	}
	return l.active.file.SyncData() // the mark behind the last batch
}

// awaitKeeper waits until the housekeeper has stopped. If the log is poisoned that may be never, the disk hanging under
// it, and StallLimit must do.
func (l *Log) awaitKeeper() {
	select {
	case <-l.keeper.done:
		return
	case <-l.dead:
	}
	select {
	case <-l.keeper.done:
	case <-time.After(l.o.StallLimit):
	}
}

func (l *Log) closeFiles() {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, s := range l.segments {
		s.close()
	}
	if l.active != nil {
		l.active.close()
	}
	select {
	case s := <-l.keeper.ready:
		s.close()
	default:
	}
}
