package raftstore

import (
	"errors"
	"time"

	"drawdown/engine"
	"drawdown/wal"
)

// engineMachine is the engine as a machine.
type engineMachine struct{ *engine.Engine }

// Freeze implements machine.
func (m engineMachine) Freeze() (frozen, error) {
	f, err := m.Engine.Freeze()
	if err != nil {
		return nil, err // not a frozen that holds a nil pointer
	}
	return f, nil
}

// Open starts the node on its data directory, and founds a new log if there is
// none. When it returns the state of the newest snapshot is there; the log that
// follows is being carried out, and WaitLeading tells when the node serves.
func Open(o Options) (*Store, error) {
	s := newStore(o.withDefaults())
	if err := s.open(s.realBackend()); err != nil {
		return nil, err
	}
	return s, nil
}

// realBackend is the engine and the log.
func (s *Store) realBackend() *backend {
	o := &s.o
	engineOptions := engine.Options{FS: o.FS, Shards: o.Shards, Logger: o.Logger, OnFatal: s.fatal, Index: o.Observer.Index}
	logOptions := wal.Options{
		FS: o.FS, Logger: o.Logger, OnFatal: s.fatal, OnSync: o.Observer.Sync,
		SegmentBytes: o.SegmentBytes, NoSync: o.NoSync,
	}
	wrap := func(e *engine.Engine, err error) (machine, error) {
		if err != nil {
			return nil, err
		}
		s.live.Store(e)
		return engineMachine{e}, nil
	}
	return &backend{
		openLog: func(dir string) (logStore, error) {
			l, err := wal.Open(dir, logOptions)
			if err != nil {
				return nil, err
			}
			return l, nil
		},
		newMachine: func(dir string) (machine, error) { return wrap(engine.New(dir, engineOptions)) },
		restoreMachine: func(dir string, next func() ([]byte, error)) (machine, error) {
			return wrap(engine.Restore(dir, engineOptions, next))
		},
		indexBehind: engine.ErrIndexBehind,
	}
}

// Engine is the state as it is, for what needs no more than memory; reads use Acquire.
func (s *Store) Engine() *engine.Engine { return s.live.Load() }

// open brings everything up in order; what is up already is taken down again if
// something fails.
func (s *Store) open(b *backend) (err error) {
	start := time.Now()
	s.backend = b
	defer func() {
		if err != nil {
			s.cancel()
			if t, ok := s.net.(*relayTransport); ok && s.raft == nil {
				err = errors.Join(err, t.Close())
			}
			err = errors.Join(err, s.closeFiles())
		}
	}()
	if c := s.o.Cluster; c != nil {
		if err := c.check(s.o.NodeID); err != nil {
			return err
		}
	}
	if s.dir, err = openDataDir(s.o.FS, s.o.Dir, s.o.NodeID); err != nil {
		return err
	}
	if s.wal, err = b.openLog(s.dir.join(logName)); err != nil {
		return err
	}
	s.snapshots, err = openSnapshots(s.o.FS, s.dir.join(snapshotsName), s.log, s.o.Clock)
	if err != nil {
		return err
	}
	s.snapshots.completed = s.wal.SetFloor
	servers, err := s.connect()
	if err != nil {
		return err
	}
	s.snapshots.givenUp = s.mesh.dropRaft
	if err := s.bootstrap(servers); err != nil {
		return err
	}
	if err := s.restore(b); err != nil {
		return err
	}
	if err := s.noteCluster(); err != nil {
		return err
	}
	if err := s.startRaft(); err != nil {
		return err
	}
	s.log.Info("the store is open", "directory", s.o.Dir, "node", s.dir.node, "index", s.machine.Head().Index,
		"last index in the log", s.raft.LastIndex(), "took", time.Since(start))
	return nil
}
