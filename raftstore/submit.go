package raftstore

import (
	"context"
	"errors"
	"fmt"

	"drawdown/engine/ledger"
)

// submitHere is Submit on the node that leads.
func (s *Store) submitHere(ctx context.Context, batch *ledger.Batch) ([]ledger.Result, uint64, error) {
	if batch.Len() == 0 {
		return nil, s.machine.Head().Index, nil
	}
	if err := s.admits(); err != nil {
		return nil, 0, err
	}
	if pressure := s.machine.Pressure(); pressure >= pressureMax {
		return nil, 0, fmt.Errorf("%w: the index is %.0f %% behind", ErrOverloaded, 100*pressure)
	}
	if err := ctx.Err(); err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	r := &request{commands: batch.Len(), bytes: batch.Size(), batch: batch, done: make(chan struct{})}
	if err := s.queue.put(r); err != nil {
		return nil, 0, err
	}
	select {
	case <-r.done:
		return r.results, r.index, r.err
	case <-ctx.Done():
		return nil, 0, s.abandon(r, ctx.Err())
	case <-s.down:
		return nil, 0, s.abandon(r, ErrClosed)
	}
}

func (s *Store) abandon(r *request, cause error) error {
	if r.leave() {
		s.queue.release(r)
		if errors.Is(cause, ErrClosed) {
			return cause
		}
		return fmt.Errorf("%w: withdrawn from the queue: %w", ErrUnavailable, cause)
	}
	if errors.Is(cause, ErrClosed) {
		return fmt.Errorf("%w: the store was closed", ErrUnknown) // not both classes
	}
	return fmt.Errorf("%w: %w", ErrUnknown, cause)
}

// add takes what became of one part. Once some of a request has been applied, or
// may have been, a part that was not makes the whole unknown.
func (r *request) add(results []ledger.Result, index uint64, err error) {
	if err == nil {
		r.applied = true
		r.index = index
		if r.results == nil {
			r.results = results
		} else {
			r.results = append(r.results, results...)
		}
	}
	if err != nil && r.err == nil {
		r.err = err
	}
	if errors.Is(err, ErrUnknown) {
		r.applied = true
	}
	if r.err != nil {
		r.results = nil
		if r.applied && !errors.Is(r.err, ErrUnknown) {
			r.err = fmt.Errorf("%w: a part was applied, another was not: %v", ErrUnknown, r.err)
		}
	}
}

// admits says why nothing can be written now, nil if it can.
func (s *Store) admits() error {
	switch {
	case s.failed.Load():
		return ErrFailed
	case !s.leading():
		return ErrNotLeader
	case s.diskFull.Load():
		return ErrDiskFull
	case s.clockAhead.Load():
		return ErrClockAhead
	}
	return nil
}
