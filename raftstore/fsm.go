package raftstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// errStopped answers entries after one that could not be carried out.
var errStopped = errors.New("the engine has stopped")

// fsm carries committed entries into the machine. All but its counters belongs to
// raft's one goroutine for the state machine.
type fsm struct {
	store   *Store
	machine *replaceable

	// passed is the index up to which this node has been handed everything that its
	// log holds. It is ahead of the machine's own index where raft's entries (no-ops,
	// configurations, barriers), of which the machine learns nothing, stand at the
	// end. raft's own AppliedIndex is that of what has been queued, not carried out.
	passed mark

	// busy says that an entry is being carried out. The batcher is poked when one
	// begins: what it has in flight is committed then.
	busy  atomic.Bool
	begun chan struct{} // holds one token after a begin

	stopped bool
	named   bool   // the log's name has been noted
	chains  chains // state hashes after the newest entries

	// entries and bytes since the newest snapshot was frozen.
	entries atomic.Uint64
	bytes   atomic.Int64
}

var _ raft.BatchingFSM = (*fsm)(nil)

// Apply carries out one entry.
func (f *fsm) Apply(l *raft.Log) any { return f.ApplyBatch([]*raft.Log{l})[0] }

// ApplyBatch carries out entries in order. After the first that cannot be carried
// out it carries out none: leaving one out would make this node differ (I4).
func (f *fsm) ApplyBatch(logs []*raft.Log) []any {
	responses := make([]any, len(logs))
	for i, l := range logs {
		responses[i] = f.apply(l)
	}
	return responses
}

func (f *fsm) apply(l *raft.Log) any {
	if f.stopped {
		return errStopped
	}
	if l.Type != raft.LogCommand {
		f.passed.raise(l.Index)
		return nil
	}
	if head := f.machine.Head().Index; l.Index <= head {
		return f.stop(fmt.Errorf("entry %d came after entry %d", l.Index, head))
	}
	start := time.Now()
	f.begin()
	results, err := f.machine.Apply(l.Index, l.Data)
	f.busy.Store(false)
	if err != nil {
		return f.stop(fmt.Errorf("entry %d of the log cannot be carried out: %w; "+
			"the program may be older than the one that wrote it, or the disk damaged", l.Index, err))
	}
	if !f.named {
		if err := f.name(); err != nil {
			return f.stop(err)
		}
	}
	if observe := f.store.o.Observer.Apply; observe != nil {
		observe(len(results), time.Since(start))
	}
	head := f.machine.Head()
	f.chains.add(head.Index, head.Chain)
	f.passed.raise(l.Index)
	f.entries.Add(1)
	f.bytes.Add(int64(len(l.Data)))
	return results
}

// name notes the log's name as soon as there is one, before anything of the entry that
// gave it is answered.
func (f *fsm) name() error {
	if !f.machine.Initialized() {
		return nil
	}
	f.named = true
	return f.store.noteCluster()
}

func (f *fsm) begin() {
	f.busy.Store(true)
	select {
	case f.begun <- struct{}{}:
	default:
	}
}

func (f *fsm) stop(err error) error {
	f.stopped = true
	f.store.fatal(err)
	return err
}

// Snapshot freezes the machine's state. raft counts a snapshot as one of all
// that it has handed over, so there must be none once something was not applied.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	if f.stopped {
		return nil, errStopped
	}
	start := time.Now()
	state, err := f.machine.Freeze()
	if err != nil {
		return nil, err
	}
	since(f.store.o.Observer.Freeze, start)
	f.entries.Store(0)
	f.bytes.Store(0)
	return &fsmSnapshot{store: f.store, of: f.machine.get(), state: state}, nil
}

// Restore is called when a leader has sent its snapshot to this node while it
// runs. By now the snapshot is whole, verified and durable.
func (f *fsm) Restore(io.ReadCloser) error {
	if f.stopped {
		return errStopped
	}
	if err := f.store.replace(); err != nil {
		return f.stop(err)
	}
	return nil
}

// fsmSnapshot writes a frozen state.
type fsmSnapshot struct {
	store *Store
	of    machine
	state frozen
}

// Persist writes the state and answers what Close says: only then may raft drop
// the log (raft's own second Close must not hide it).
func (p *fsmSnapshot) Persist(to raft.SnapshotSink) error {
	start := time.Now()
	sink, ok := to.(*snapshotSink)
	if !ok {
		return fmt.Errorf("a snapshot sink of type %T", to)
	}
	err := p.write(sink)
	if err == nil {
		err = sink.Close()
	}
	if observe := p.store.o.Observer.Snapshot; observe != nil {
		observe(time.Since(start), sink.stateBytes(), err)
	}
	if err != nil {
		p.store.log.Error("a snapshot failed; the log is kept", "snapshot", sink.ID(), "error", err)
	}
	return err
}

// write holds the machine, whose index is copied. It gives up when another state is to
// take the machine's place: that one is newer.
func (p *fsmSnapshot) write(sink *snapshotSink) error {
	m := p.store.machine
	defer m.holdLong()()
	ctx, cancel := context.WithCancel(p.store.ctx)
	defer cancel()
	m.persisting.Store(&cancel)
	defer m.persisting.Store(nil)
	if m.get() != p.of || m.wanted.Load() {
		return errReplaced
	}
	err := sink.write(ctx, p.state)
	if err != nil && m.wanted.Load() {
		return errReplaced
	}
	return err
}

// Release gives the frozen state's memory back.
func (p *fsmSnapshot) Release() { p.state.Release() }
