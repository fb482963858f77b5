package wal

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// segment is one file of the log.
type segment struct {
	seq  uint64
	seed uint32       // of its checksums
	size atomic.Int64 // of the file, bytes
	// capacity is how much of the file was filled with zeros. Only a batch that fits into no segment goes beyond it.
	capacity int64

	// use is held for reading while somebody reads entries from the file, and for writing by whoever closes it.
	use  sync.RWMutex
	file vfs.File // nil once closed
}

func newSegment(seq uint64, seed uint32, size int64) *segment {
	s := &segment{seq: seq, seed: seed, capacity: size}
	s.size.Store(size)
	return s
}

func (s *segment) open(fs vfs.FS, path string) (err error) {
	s.file, err = fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	return err
}

// close waits for readers. It may be called more than once.
func (s *segment) close() {
	s.use.Lock()
	defer s.use.Unlock()
	if s.file != nil {
		_ = s.file.Close() // everything that matters has been synced
		s.file = nil
	}
}

func (s *segment) grow(size int64) {
	if size > s.size.Load() {
		s.size.Store(size)
	}
}

const (
	// zeroBytes are written and synced at once when a file is filled, so that a batch's sync never has to wait for
	// more than that.
	zeroBytes = 1 << 20
	// firstSegmentBytes is the size of a new log's first segment, which Open itself has to fill. Each further one is up
	// to growthFactor times as large as the one before, until SegmentBytes is reached.
	firstSegmentBytes = 1 << 20
	growthFactor      = 8
	// aheadShare: the next segment is prepared once this share of the active one is in use. A small log never needs it.
	aheadShare = 16
	// sparesMax is how many dropped files are kept to be used again: about as many as one snapshot frees. Filling a
	// file with zeros costs as much processor time and disk as writing the log into it.
	sparesMax = 8
)

var errStopped = errors.New("wal: closing")

var zeros [zeroBytes]byte

// writeZeros writes real zeros. A file that is only allocated changes its metadata with each write, and each sync pays
// for that.
func writeZeros(f vfs.File, from, to int64) error {
	for from < to {
		n := min(zeroBytes, to-from)
		if _, err := f.WriteAt(zeros[:n], from); err != nil {
			return err
		}
		from += n
	}
	return nil
}

// housekeeper is the one goroutine that makes segments and gives them up. It owns the manifest.
type housekeeper struct {
	log      *Log
	manifest manifest
	newest   int64         // capacity of the newest segment, bytes
	spares   int           // files named spareName(0) and on wait to be used again
	wanted   atomic.Bool   // the next segment is asked for
	ready    chan *segment // the next segment; holds one
	bell     chan struct{}
	done     chan struct{}
}

func (k *housekeeper) init(l *Log) {
	k.log = l
	k.ready = make(chan *segment, 1)
	k.bell = make(chan struct{}, 1)
	k.done = make(chan struct{})
}

// wake never blocks: one ring is enough for all that there is to do.
func (k *housekeeper) wake() {
	select {
	case k.bell <- struct{}{}:
	default:
	}
}

func (k *housekeeper) run() {
	defer close(k.done)
	k.wake() // a crash may have come between a deletion and the removal of files
	for {
		select {
		case <-k.log.stop:
			return
		case <-k.log.dead:
			return
		case <-k.bell:
		}
		if err := k.tidy(); err == errStopped {
			return
		} else if err != nil {
			k.log.poison(err)
			return
		}
	}
}

// tidy gives up what is not needed, then prepares what is.
func (k *housekeeper) tidy() error {
	if err := k.dropUnused(); err != nil {
		return err
	}
	if !k.wanted.Swap(false) {
		return nil
	}
	s, err := k.prepare(k.manifest.newest+1, min(k.log.o.SegmentBytes, growthFactor*k.newest))
	if err == nil {
		k.ready <- s // never blocks: one segment is asked for at a time
	}
	return err
}

// dropUnused gives up the segments before the oldest one that holds an entry. The manifest says so first; a crash
// afterwards leaves files that the next Open removes.
func (k *housekeeper) dropUnused() error {
	dropped := k.unlink()
	if len(dropped) == 0 {
		return nil
	}
	k.manifest.oldest = dropped[len(dropped)-1].seq + 1
	if err := k.manifest.save(k.log.fs, k.log.dir); err != nil {
		return err
	}
	for _, s := range dropped {
		s.close()
		if err := k.discard(s); err != nil {
			return err
		}
	}
	// Before a spare is written to, its old name must be gone for good.
	return syncDir(k.log.fs, k.log.dir)
}

// unlink takes the unused segments out of readers' sight. What a segment notes about the log's beginning and end is
// repeated in every later batch, so that only entries can keep a segment alive.
func (k *housekeeper) unlink() []*segment {
	l := k.log
	l.mu.Lock()
	defer l.mu.Unlock()
	keep := l.segments[len(l.segments)-1]
	if len(l.state.refs) > 0 {
		keep = l.state.refs[0].segment
	}
	n := 0
	for l.segments[n] != keep {
		n++
	}
	dropped := l.segments[:n:n]
	l.segments = append([]*segment(nil), l.segments[n:]...)
	return dropped
}

// discard keeps some files of the right size to be used again and removes the others.
func (k *housekeeper) discard(s *segment) error {
	fs, path := k.log.fs, k.log.fs.PathJoin(k.log.dir, segmentName(s.seq))
	if k.spares == sparesMax || s.size.Load() != k.log.o.SegmentBytes {
		return fs.Remove(path)
	}
	if err := fs.Rename(path, fs.PathJoin(k.log.dir, spareName(k.spares))); err != nil {
		return err
	}
	k.spares++
	return nil
}

// prepare makes the segment with this number: filled, with its header, under its name, in the manifest, all durable. From
// then on it must exist.
func (k *housekeeper) prepare(seq uint64, size int64) (*segment, error) {
	name := preparedName
	if k.spares > 0 {
		name, size = spareName(k.spares-1), k.log.o.SegmentBytes
	}
	path := k.log.fs.PathJoin(k.log.dir, name)
	s := newSegment(seq, segmentSeed(k.log.id, seq), size)
	if err := s.open(k.log.fs, path); err != nil {
		return nil, err
	}
	if err := k.furnish(s, path); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (k *housekeeper) furnish(s *segment, path string) error {
	fs, dir := k.log.fs, k.log.dir
	used := k.spares > 0
	if !used {
		if err := k.fill(s.file, s.size.Load()); err != nil {
			return err
		}
	}
	if _, err := s.file.WriteAt(encodeSegmentHeader(k.log.id, s.seq), 0); err != nil {
		return err
	}
	if err := s.file.Sync(); err != nil {
		return err
	}
	if used {
		k.spares--
	}
	if err := fs.Rename(path, fs.PathJoin(dir, segmentName(s.seq))); err != nil {
		return err
	}
	if err := syncDir(fs, dir); err != nil {
		return err
	}
	k.manifest.newest, k.newest = s.seq, s.capacity
	return k.manifest.save(fs, dir)
}

// fill writes zeros a piece at a time and stops between two pieces when the log closes.
func (k *housekeeper) fill(f vfs.File, size int64) error {
	for at := int64(0); at < size; at += zeroBytes {
		select {
		case <-k.log.stop:
			return errStopped
		case <-k.log.dead:
			return errStopped
		default:
		}
		if err := writeZeros(f, at, min(at+zeroBytes, size)); err != nil {
			return err
		}
		if err := f.SyncData(); err != nil {
			return err
		}
	}
	return nil
}
