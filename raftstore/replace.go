package raftstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"drawdown/engine"
	"drawdown/engine/ledger"
)

// replaceable is the machine of a node that may be sent another state. Whoever reads
// for longer than a moment holds it; while it is being replaced they wait.
type replaceable struct {
	current atomic.Pointer[machine]
	hold    sync.RWMutex // written while the machine is replaced
	// long is held, in addition and first, by who holds the machine for seconds. Whoever
	// replaces it waits for them with this one: a writer that waits for hold keeps all
	// new readers out.
	long sync.RWMutex
	// wanted says that the machine is to be replaced; persisting cancels the snapshot that
	// is being written of it.
	wanted     atomic.Bool
	persisting atomic.Pointer[context.CancelFunc]
}

func newReplaceable(m machine) *replaceable {
	r := new(replaceable)
	r.current.Store(&m)
	return r
}

func (r *replaceable) get() machine { return *r.current.Load() }

func (r *replaceable) Apply(index uint64, entry []byte) ([]ledger.Result, error) {
	return r.get().Apply(index, entry)
}
func (r *replaceable) Freeze() (frozen, error)           { return r.get().Freeze() }
func (r *replaceable) Head() ledger.Head                 { return r.get().Head() }
func (r *replaceable) Initialized() bool                 { return r.get().Initialized() }
func (r *replaceable) NextDue() int64                    { return r.get().NextDue() }
func (r *replaceable) Due(now int64, limit int) []uint32 { return r.get().Due(now, limit) }
func (r *replaceable) Pressure() float64                 { return r.get().Pressure() }
func (r *replaceable) Close() error                      { return r.get().Close() }

// holdLong keeps the machine from being replaced for longer than a moment.
func (r *replaceable) holdLong() (release func()) {
	r.long.RLock()
	r.hold.RLock()
	return func() {
		r.hold.RUnlock()
		r.long.RUnlock()
	}
}

// seize waits until nobody holds the machine. A snapshot of it is given up; for the others
// who need long it waits while reads go on, and only then for those.
func (r *replaceable) seize() (release func()) {
	r.wanted.Store(true)
	if cancel := r.persisting.Load(); cancel != nil {
		(*cancel)()
	}
	r.long.Lock()
	r.hold.Lock()
	return func() {
		r.wanted.Store(false)
		r.hold.Unlock()
		r.long.Unlock()
	}
}

// AcquireLong is Acquire for what takes seconds. Its second answer ends it.
func (s *Store) AcquireLong() (e *engine.Engine, release func()) {
	release = s.machine.holdLong()
	return s.live.Load(), release
}

// Acquire is the state, for a read. It stays open until Release. While another state
// takes its place Acquire waits.
func (s *Store) Acquire() *engine.Engine {
	s.machine.hold.RLock()
	return s.live.Load()
}

// Release ends a read that Acquire has begun.
func (s *Store) Release() { s.machine.hold.RUnlock() }

// errReplaced fails a snapshot of a state that another one has taken the place of.
var errReplaced = errors.New("another node's snapshot has taken the place of this state meanwhile")

// replace puts the newest snapshot's state in the place of this node's. The copy of
// the index is made aside while reads go on; then they wait until the new state is
// there: none sees half of it. If anything fails the node cannot go on, and its next
// start begins with the snapshot.
func (s *Store) replace() error {
	start := time.Now()
	newest := s.snapshots.newest()
	if newest == nil {
		return errors.New("there is no snapshot to restore")
	}
	switch passed := s.fsm.passed.get(); {
	case newest.Index == passed:
		return nil // this node stands exactly there
	case newest.Index < passed:
		return fmt.Errorf("a snapshot at %d was sent to this node, which has carried out the log up to %d", newest.Index, passed)
	}
	dropped, err := s.dropForeign(newest)
	if err != nil {
		return err
	}
	if dropped {
		// raft remembers the entries that are gone.
		return ErrRestart
	}
	if err := s.copyIndex(newest); err != nil {
		return err
	}
	defer s.machine.seize()()
	copied := time.Now()
	if err := s.machine.Close(); err != nil {
		return fmt.Errorf("closing the state before: %w", err)
	}
	if err := s.exchangeIndex(); err != nil {
		return err
	}
	m, _, err := s.tryRestore(s.backend, newest)
	if err != nil {
		return err
	}
	s.machine.current.Store(&m)
	if err := s.noteCluster(); err != nil {
		return err
	}
	head := m.Head()
	s.fsm.chains.add(head.Index, head.Chain)
	s.fsm.passed.raise(newest.Index)
	s.fsm.entries.Store(0)
	s.fsm.bytes.Store(0)
	s.log.Info("another node's snapshot has taken the place of this node's state", "snapshot", newest.id(),
		"took", time.Since(start), "reads held up", time.Since(copied))
	return nil
}
