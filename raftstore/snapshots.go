package raftstore

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"
)

// snapshotStore keeps the snapshots in a directory of their own. It is raft's
// SnapshotStore.
type snapshotStore struct {
	fs    vfs.FS
	dir   string
	log   *slog.Logger
	clock func() time.Time
	// completed is told the index up to which the log is not needed any more.
	completed func(index uint64)
	// givenUp ends the connections by which a snapshot may be coming in.
	givenUp func()
	// receiving is the snapshot that is coming in, nil if none is.
	receiving atomic.Pointer[Transfer]
	// awaited is since when raft waits for more of a snapshot that another node sends,
	// nil if it does not; see guardTransfers.
	awaited atomic.Pointer[time.Time]

	mu    sync.Mutex
	known []*manifest    // newest first
	pins  map[string]int // being sent; not removed meanwhile
	stale []string       // to be removed once they are not being sent any more
}

var _ raft.SnapshotStore = (*snapshotStore)(nil)

// openSnapshots removes what was left unfinished and reads the manifests. The
// newest must be readable: to go back to an older one would be to forget what the
// log has already dropped.
func openSnapshots(fs vfs.FS, dir string, log *slog.Logger, clock func() time.Time) (*snapshotStore, error) {
	s := &snapshotStore{fs: fs, dir: dir, log: log, clock: clock, completed: func(uint64) {}, givenUp: func() {}, pins: map[string]int{}}
	names, err := fs.List(dir)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, name := range names {
		if strings.HasSuffix(name, temporary) {
			log.Info("removing an unfinished snapshot", "directory", fs.PathJoin(dir, name))
			if err := fs.RemoveAll(fs.PathJoin(dir, name)); err != nil {
				return nil, err
			}
		} else if _, _, ok := parseSnapshotID(name); ok {
			ids = append(ids, name)
		} else {
			log.Warn("this is no snapshot; it is left alone", "path", fs.PathJoin(dir, name))
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return compareIDs(b, a) })
	for i, id := range ids {
		m, err := s.readManifest(id)
		if err != nil && i == 0 {
			return nil, err
		}
		if err != nil {
			log.Warn("an older snapshot cannot be used; a newer one is there", "error", err)
			continue
		}
		s.known = append(s.known, m)
	}
	return s, nil
}

// compareIDs orders by index, then by term.
func compareIDs(a, b string) int {
	termA, indexA, _ := parseSnapshotID(a)
	termB, indexB, _ := parseSnapshotID(b)
	if c := compareUint(indexA, indexB); c != 0 {
		return c
	}
	return compareUint(termA, termB)
}

func compareUint(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// await notes that raft waits for another node from now on.
func (s *snapshotStore) await() {
	now := time.Now()
	s.awaited.Store(&now)
}

func (s *snapshotStore) path(elements ...string) string {
	return s.fs.PathJoin(append([]string{s.dir}, elements...)...)
}

func (s *snapshotStore) readManifest(id string) (*manifest, error) {
	file := s.path(id, manifestName)
	content, err := readFile(s.fs, file)
	if oserror.IsNotExist(err) {
		return nil, &DamagedError{file, "the manifest is missing", remedyRejoin}
	}
	if err != nil {
		return nil, err
	}
	m, err := decodeManifest(file, content)
	if err == nil && m.id() != id {
		err = &DamagedError{file, "it is the manifest of snapshot " + m.id(), remedyRejoin}
	}
	return m, err
}

// newest is the newest snapshot, nil if there is none.
func (s *snapshotStore) newest() *manifest {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) == 0 {
		return nil
	}
	return s.known[0]
}

// newestBytes is the size of the newest snapshot's state.
func (s *snapshotStore) newestBytes() int64 {
	if m := s.newest(); m != nil {
		return m.file(stateName).Bytes
	}
	return 0
}

func (s *snapshotStore) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.known)
}

func (s *snapshotStore) find(id string) *manifest {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.known {
		if m.id() == id {
			return m
		}
	}
	return nil
}

// List is the usable snapshots, newest first.
func (s *snapshotStore) List() ([]*raft.SnapshotMeta, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	metas := make([]*raft.SnapshotMeta, 0, len(s.known))
	for _, m := range s.known {
		meta, err := m.meta()
		if err != nil {
			return nil, err
		}
		metas = append(metas, meta)
	}
	return metas, nil
}

// Open answers the whole snapshot as a stream; stream.go draws it.
func (s *snapshotStore) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	m := s.pin(id)
	if m == nil {
		return nil, nil, fmt.Errorf("there is no snapshot %s", id)
	}
	meta, err := m.meta()
	if err == nil {
		var r *streamReader
		if r, err = s.stream(m); err == nil {
			return meta, r, nil
		}
	}
	s.unpin(id)
	return nil, nil, err
}

// pin finds a snapshot and keeps it from being removed until unpin.
func (s *snapshotStore) pin(id string) *manifest {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.known {
		if m.id() == id {
			s.pins[id]++
			return m
		}
	}
	return nil
}

func (s *snapshotStore) unpin(id string) {
	s.mu.Lock()
	if s.pins[id]--; s.pins[id] <= 0 {
		delete(s.pins, id)
	}
	s.mu.Unlock()
	s.removeStale()
}

// removeStale removes the snapshots that are too many and not being sent.
func (s *snapshotStore) removeStale() {
	s.mu.Lock()
	var old []string
	s.stale = slices.DeleteFunc(s.stale, func(id string) bool {
		if s.pins[id] > 0 {
			return false
		}
		old = append(old, id)
		return true
	})
	s.mu.Unlock()
	for _, id := range old {
		if err := s.remove(id); err != nil {
			s.log.Warn("an old snapshot cannot be removed", "snapshot", id, "error", err)
		}
	}
}

// verify compares the snapshot's files with its manifest. The state is left out
// where the caller reads it anyway.
func (s *snapshotStore) verify(dir string, m *manifest, withState bool) error {
	for i := range m.Files {
		f := &m.Files[i]
		path := s.fs.PathJoin(dir, f.Name)
		info, err := s.fs.Stat(path)
		if oserror.IsNotExist(err) {
			return &DamagedError{path, "the file is missing", remedyRejoin}
		}
		if err != nil {
			return err
		}
		if info.Size() != f.Bytes {
			return &DamagedError{path, fmt.Sprintf("it has %d bytes, not %d", info.Size(), f.Bytes), remedyRejoin}
		}
		if f.Name == stateName || f.Checksum == nil {
			continue
		}
		if _, sum, err := checksumFile(s.fs, path); err != nil {
			return err
		} else if sum != *f.Checksum {
			return &DamagedError{path, "the checksum does not match", remedyRejoin}
		}
	}
	if !withState {
		return nil
	}
	return verifyState(s.fs, s.fs.PathJoin(dir, stateName), m.file(stateName))
}

// add counts a snapshot as done, and removes those that are too many.
func (s *snapshotStore) add(m *manifest) {
	s.mu.Lock()
	s.known = slices.Insert(s.known, 0, m)
	slices.SortStableFunc(s.known, func(a, b *manifest) int { return compareIDs(b.id(), a.id()) })
	if len(s.known) > snapshotsKept {
		for _, old := range s.known[snapshotsKept:] {
			s.stale = append(s.stale, old.id())
		}
		s.known = s.known[:snapshotsKept:snapshotsKept]
	}
	s.mu.Unlock()
	s.completed(m.Index)
	s.removeStale()
}

// remove renames first, so that a half removed snapshot is never taken for one.
func (s *snapshotStore) remove(id string) error {
	err := s.fs.Rename(s.path(id), s.path(id+temporary))
	if err == nil {
		err = syncDir(s.fs, s.dir)
	}
	return errors.Join(err, s.fs.RemoveAll(s.path(id+temporary)))
}
