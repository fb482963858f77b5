package engine

import (
	"context"
	"sync"

	"drawdown/engine/ledger"
)

// Frozen is the state at one index, ready to be written as a snapshot while the
// engine goes on. Release it when done: its memory is used for the next one.
type Frozen struct {
	engine *Engine
	state  *ledger.Frozen
}

// Freeze copies the state, between two entries. The pause is that of a copy in
// memory.
func (e *Engine) Freeze() (*Frozen, error) {
	e.applying.Lock()
	defer e.applying.Unlock()
	if e.closed {
		return nil, ErrClosed
	}
	state := e.spare.Swap(nil)
	if state == nil {
		state = new(ledger.Frozen)
	}
	state.Reserve(len(e.shards))
	state.FreezeMachine(e.machine)
	var wait sync.WaitGroup
	errs := make([]error, len(e.shards))
	for i, s := range e.shards {
		wait.Go(func() { errs[i] = s.do(context.Background(), state.FreezeBook) })
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return &Frozen{e, state}, nil
}

// Head is where the copy stands.
func (f *Frozen) Head() ledger.Head { return f.state.Head() }

// Encode hands the snapshot's chunks to emit, in order; a chunk is only valid
// during the call.
func (f *Frozen) Encode(emit func(chunk []byte) error) error { return f.state.Encode(emit) }

// Checkpoint makes identifiers and history durable at least up to the copy's
// index and then puts a copy of the index, by hard links, into dir, which must
// not exist. Only after it has returned may the log up to there go (I11).
func (f *Frozen) Checkpoint(ctx context.Context, dir string) error {
	if err := f.engine.index.Flush(ctx); err != nil {
		return err
	}
	return f.engine.index.Checkpoint(dir)
}

// Release gives the memory back. The Frozen must not be used afterwards.
func (f *Frozen) Release() {
	f.engine.spare.Store(f.state)
	f.state = nil
}
