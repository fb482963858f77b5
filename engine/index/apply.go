package index

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Apply adds one entry's batch. On return Lookup and every reader see it: those of a large batch's records may
// still be on their way into memory, and then a reader waits for them. A batch that the durable index covers is
// skipped whole: it is replay, and its run is in the store. Batches come in ascending Index; indexes may be left
// out. While more than MaxSealedRuns runs wait to be flushed, Apply blocks (I12).
//
// The batch, and the data it was given, must stay as they are until the next Apply or Settle. An error is lasting:
// the index must be closed.
func (x *Index) Apply(b *Batch) error {
	x.Settle()
	if b.Index <= x.durable.Load() {
		return x.failure()
	}
	if err := x.waitForRoom(); err != nil {
		return err
	}
	x.applying.Lock()
	if b.Index <= x.mem.last {
		defer x.applying.Unlock()
		if b.Index <= x.mem.after {
			return nil // sealed, and perhaps durable since the check above
		}
		return fmt.Errorf("index: entry %d applied after entry %d", b.Index, x.mem.last)
	}
	x.mem.identifiers.addAll(b.identifiers)
	if len(b.records) < applyApart {
		return x.applyRecords(b)
	}
	// The caller goes on with the next entry meanwhile; it needs identifiers, not records.
	go func() { _ = x.applyRecords(b) }() // its error is the index's from now on
	return nil
}

// applyRecords is the second half of Apply, and gives up the lock.
func (x *Index) applyRecords(b *Batch) error {
	defer x.applying.Unlock()
	if err := x.mem.applyRecords(b); err != nil {
		x.fatal(err)
		return err
	}
	if x.mem.items.Load() >= int64(x.options.RunRecords) || x.mem.used.Load() >= int64(x.options.RunBytes) {
		x.seal()
	}
	return nil
}

// Settle waits until the last batch is in memory whole.
func (x *Index) Settle() {
	x.applying.RLock()
	defer x.applying.RUnlock()
}

func (x *Index) failure() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err == nil && x.closing.Load() {
		return ErrClosed
	}
	return x.err
}

// waitForRoom blocks while more runs are sealed than may be.
func (x *Index) waitForRoom() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for {
		switch {
		case x.err != nil:
			return x.err
		case x.closing.Load():
			return ErrClosed
		case len(x.view.sealed) <= x.options.MaxSealedRuns:
			return nil
		}
		x.changed.Wait()
	}
}

// seal closes the memory run and puts an empty one in its place. The caller holds applying.
func (x *Index) seal() {
	x.mu.Lock()
	defer x.mu.Unlock()
	old := x.view
	next := &view{runs: old.runs, sealed: append(old.sealed[:len(old.sealed):len(old.sealed)], old.mem)}
	if n := len(x.spare); n > 0 {
		next.mem, x.spare = x.spare[n-1], x.spare[:n-1]
	} else {
		next.mem = newMemRun(x.options.RunRecords)
	}
	next.mem.begin(old.mem.last)
	x.mem = next.mem
	x.install(next)
}

// Seal closes the memory run at the entry boundary it stands at. It is fast, and goes beyond MaxSealedRuns by one
// run if need be. The channel gets one value: nil once everything applied before the call is durable, or the
// error that prevents it.
func (x *Index) Seal() <-chan error {
	done := make(chan error, 1)
	x.applying.Lock()
	if !x.mem.empty() {
		x.seal()
	}
	index := x.mem.after
	x.applying.Unlock()

	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.durable.Load() >= index:
		done <- nil
	case x.err != nil:
		done <- x.err
	case x.closing.Load():
		done <- ErrClosed
	default:
		x.waiters = append(x.waiters, waiter{index, done})
	}
	return done
}

// Flush seals the memory run and waits until everything applied before the call is durable: in the store, with
// its files and their directory synced. When ctx ends first, the flush goes on without the caller.
func (x *Index) Flush(ctx context.Context) error {
	select {
	case err := <-x.Seal():
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Durable returns the index up to which every batch is durable.
func (x *Index) Durable() uint64 { return x.durable.Load() }

// finishWaiters answers those whose index is durable, or all of them if there is an error. The caller holds mu.
func (x *Index) finishWaiters(err error) {
	kept := x.waiters[:0]
	for _, w := range x.waiters {
		switch {
		case x.durable.Load() >= w.index:
			w.done <- nil
		case err != nil:
			w.done <- err
		default:
			kept = append(kept, w)
		}
	}
	x.waiters = kept
}

// Pressure tells how full the memory runs are, from 0 to 1. At 1, Apply would block.
func (x *Index) Pressure() float64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	sealed, most := len(x.view.sealed), x.options.MaxSealedRuns
	if sealed > most {
		return 1
	}
	m := x.view.mem
	fill := max(float64(m.items.Load())/float64(x.options.RunRecords), float64(m.used.Load())/float64(x.options.RunBytes))
	return (float64(sealed) + min(fill, 0.99)) / float64(most+1)
}

// flushLoop writes sealed runs to the store, oldest first, and clears memory runs that nobody reads any more.
func (x *Index) flushLoop() {
	defer x.background.Done()
	for {
		x.mu.Lock()
		for !x.stopped() && x.err == nil && len(x.dirty) == 0 && (len(x.view.sealed) == 0 || x.mergeLags()) {
			x.changed.Wait()
		}
		if x.stopped() || x.err != nil {
			x.mu.Unlock()
			return
		}
		if n := len(x.dirty); n > 0 {
			m := x.dirty[n-1]
			x.dirty = x.dirty[:n-1]
			x.mu.Unlock()
			x.recycle(m)
			continue
		}
		m, id := x.view.sealed[0], x.takeRunID()
		x.mu.Unlock()
		if err := x.flush(m, id); err != nil {
			if !errors.Is(err, ErrClosed) {
				x.fatal(fmt.Errorf("flush of entries %d to %d: %w", m.after+1, m.last, err))
			}
			return
		}
	}
}

// recycle clears a memory run and keeps it for later, unless there is one in reserve.
func (x *Index) recycle(m *memRun) {
	m.clear()
	x.mu.Lock()
	if len(x.spare) < 2 {
		x.spare = append(x.spare, m)
	}
	x.mu.Unlock()
}

// takeRunID returns a number that no run has had. The caller holds mu.
func (x *Index) takeRunID() uint64 {
	x.nextRun++
	return x.nextRun
}

// flush brings one sealed run into the store and publishes it. The reader's view changes only after the ingest
// has returned, and the durable index with it.
func (x *Index) flush(m *memRun, id uint64) error {
	defer since(x.options.OnFlush, time.Now())
	run, paths, err := x.build(m, id)
	if err != nil {
		return err
	}
	if err := x.ingest(paths); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	old := x.view
	x.durable.Store(m.last)
	x.install(&view{
		mem:    old.mem,
		sealed: old.sealed[1:],
		runs:   append(old.runs[:len(old.runs):len(old.runs)], run),
	})
	x.finishWaiters(nil)
	return nil
}

// since is for observers that may be nil.
func since(observe func(time.Duration), start time.Time) {
	if observe != nil {
		observe(time.Since(start))
	}
}
