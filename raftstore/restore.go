package raftstore

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"
)

// Names of the index while it is being replaced.
const (
	indexNewName = indexName + ".new" + temporary
	indexOldName = indexName + ".old" + temporary
)

// keyCurrentTerm is where raft keeps its term.
var keyCurrentTerm = []byte("CurrentTerm")

// restore makes the machine: from the newest snapshot, or empty. The log that
// follows is carried out later, when raft knows how much of it is committed.
// Nothing here falls back to something older (I7).
func (s *Store) restore(b *backend) error {
	for _, left := range []string{indexNewName, indexOldName} {
		if err := s.o.FS.RemoveAll(s.dir.join(left)); err != nil {
			return err
		}
	}
	newest := s.snapshots.newest()
	if err := s.checkLog(newest); err != nil {
		return err
	}
	if newest == nil {
		m, err := b.newMachine(s.dir.join(indexName))
		if err != nil {
			return fmt.Errorf("%s: %w. Remedy: if the disk is sound, remove this directory; "+
				"it is made again from the log", s.dir.join(indexName), err)
		}
		s.machine = newReplaceable(m)
		return nil
	}
	if err := s.snapshots.verify(s.snapshots.path(newest.id()), newest, false); err != nil {
		return err
	}
	m, err := s.restoreFrom(b, newest)
	if err == nil {
		s.machine = newReplaceable(m)
	}
	return err
}

// checkLog makes sure that log and snapshot belong together and that nothing
// is missing between them.
func (s *Store) checkLog(newest *manifest) error {
	first, err := s.wal.FirstIndex()
	if err != nil {
		return err
	}
	if newest == nil {
		if first > 1 {
			return &DamagedError{s.dir.join(snapshotsName),
				fmt.Sprintf("there is no snapshot, but the log begins at %d", first), remedyRejoin}
		}
		return nil
	}
	if first > newest.Index+1 {
		return &DamagedError{s.dir.join(logName),
			fmt.Sprintf("the log begins at %d, the newest snapshot ends at %d", first, newest.Index), remedyRejoin}
	}
	term, err := s.wal.GetUint64(keyCurrentTerm)
	if err != nil && err.Error() != "not found" {
		return err
	}
	if term < newest.Term {
		return &DamagedError{s.dir.join(logName),
			fmt.Sprintf("the log knows term %d, the newest snapshot is of term %d: the log was lost or exchanged",
				term, newest.Term), remedyRejoin}
	}
	s.wal.SetFloor(newest.Index)
	_, err = s.dropForeign(newest)
	return err
}

// dropForeign takes entries out of the log that contradict a snapshot which another
// node has sent: they were never committed. Left there, they would make this node
// refuse everything that follows the snapshot.
func (s *Store) dropForeign(newest *manifest) (dropped bool, err error) {
	last, err := s.wal.LastIndex()
	if err != nil || last < newest.Index {
		return false, err
	}
	first, err := s.wal.FirstIndex()
	if err != nil || first > newest.Index {
		return false, err
	}
	var at raft.Log
	if err := s.wal.GetLog(newest.Index, &at); err != nil {
		return false, err
	}
	if at.Term == newest.Term {
		return false, nil
	}
	s.log.Warn("entries that were never committed contradict the snapshot and are dropped", "from", newest.Index, "to", last,
		"their term", at.Term, "the snapshot's", newest.Term)
	return true, s.wal.DeleteRange(newest.Index, last)
}

// restoreFrom restores a snapshot over the index, or, where that cannot be used,
// over a new one made from the snapshot's copy.
func (s *Store) restoreFrom(b *backend, snapshot *manifest) (machine, error) {
	m, begun, err := s.tryRestore(b, snapshot)
	if err == nil {
		return m, nil
	}
	// An error once the state was being read is one of the state, which another
	// index would not mend.
	if begun && !errors.Is(err, b.indexBehind) {
		return nil, err
	}
	s.log.Warn("the index cannot be used and is made again from the snapshot's copy",
		"snapshot", snapshot.id(), "reason", err)
	if err := s.rebuildIndex(snapshot); err != nil {
		return nil, fmt.Errorf("making %s again from snapshot %s: %w", s.dir.join(indexName), snapshot.id(), err)
	}
	m, _, err = s.tryRestore(b, snapshot)
	return m, err
}

// tryRestore reports whether the state has been begun to be read, too.
func (s *Store) tryRestore(b *backend, snapshot *manifest) (m machine, begun bool, err error) {
	path := s.snapshots.path(snapshot.id(), stateName)
	state, err := openState(s.o.FS, path, snapshot.file(stateName))
	if err != nil {
		return nil, true, err
	}
	defer state.close()
	m, err = b.restoreMachine(s.dir.join(indexName), func() ([]byte, error) {
		begun = true
		return state.next()
	})
	if err != nil {
		return nil, begun, fmt.Errorf("restoring %s: %w", path, err)
	}
	if head := headOf(m.Head()); head != snapshot.Head {
		err := &DamagedError{path, fmt.Sprintf("it gives the state %+v, the manifest says %+v", head, snapshot.Head), remedyRejoin}
		return nil, true, errors.Join(err, m.Close())
	}
	return m, true, nil
}

// rebuildIndex makes the index from the snapshot's copy, aside, and exchanges it by
// rename. After a crash in between the index is missing or old, and this is done
// again.
func (s *Store) rebuildIndex(snapshot *manifest) error {
	if err := s.copyIndex(snapshot); err != nil {
		return err
	}
	return s.exchangeIndex()
}

// copyIndex makes the copy, aside.
func (s *Store) copyIndex(snapshot *manifest) error {
	fs, fresh := s.o.FS, s.dir.join(indexNewName)
	if err := fs.RemoveAll(fresh); err != nil {
		return err
	}
	// Copied, not linked: the index goes on writing to some of its files.
	there, err := vfs.Clone(fs, fs, s.snapshots.path(snapshot.id(), indexName), fresh, vfs.CloneSync)
	if err != nil {
		return err
	}
	if !there {
		return &DamagedError{s.snapshots.path(snapshot.id(), indexName), "the directory is missing", remedyRejoin}
	}
	return nil
}

// exchangeIndex puts the copy in the index's place; nobody may have that open.
func (s *Store) exchangeIndex() error {
	fs := s.o.FS
	fresh, old, place := s.dir.join(indexNewName), s.dir.join(indexOldName), s.dir.join(indexName)
	if found, err := exists(fs, s.dir.path, indexName); err != nil {
		return err
	} else if found {
		if err := fs.Rename(place, old); err != nil {
			return err
		}
	}
	if err := fs.Rename(fresh, place); err != nil {
		return err
	}
	if err := syncDir(fs, s.dir.path); err != nil {
		return err
	}
	return fs.RemoveAll(old)
}

// bootstrap begins the log of a new cluster: term 1 and the first members. It is what
// raft's own BootstrapCluster writes, except that it may be interrupted and done
// again: until FORMAT says that it is finished, raft has never run here.
func (s *Store) bootstrap(servers []raft.Server) error {
	last, err := s.wal.LastIndex()
	if err != nil {
		return err
	}
	if s.dir.founded {
		if last == 0 && s.snapshots.newest() == nil {
			return &DamagedError{s.dir.join(logName), "the log is empty, but this node has had one", remedyRejoin}
		}
		return nil
	}
	if s.snapshots.newest() != nil {
		return s.dir.setFounded() // joined by a snapshot
	}
	if last == 0 && len(servers) > 0 {
		if s.clustered() {
			if err := s.mayFound(); err != nil {
				return err
			}
		}
		if err := s.wal.SetUint64(keyCurrentTerm, 1); err != nil {
			return err
		}
		configuration := raft.EncodeConfiguration(raft.Configuration{Servers: servers})
		first := &raft.Log{Index: 1, Term: 1, Type: raft.LogConfiguration, Data: configuration}
		if err := s.wal.StoreLog(first); err != nil {
			return err
		}
	}
	if last == 0 && len(servers) == 0 {
		return nil // joins; its first entries come from the leader
	}
	if s.clustered() && len(servers) > 0 {
		if err := s.awaitWritten(); err != nil {
			return err
		}
	}
	if err := s.dir.setFounded(); err != nil {
		return err
	}
	s.forming.state.Store(int32(formingDone))
	return nil
}
