package raftstore

import (
	"context"
	"sync"
)

// mark is a number that only grows, and that can be waited for.
type mark struct {
	mu    sync.Mutex
	value uint64
	moved chan struct{} // closed when value grows; nil while nobody waits
}

func (m *mark) get() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.value
}

// raise sets the value unless it is there already.
func (m *mark) raise(value uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if value <= m.value {
		return
	}
	m.value = value
	if m.moved != nil {
		close(m.moved)
		m.moved = nil
	}
}

// next is a channel that is closed when the value grows, nil if it has reached
// the target.
func (m *mark) next(target uint64) <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.value >= target {
		return nil
	}
	if m.moved == nil {
		m.moved = make(chan struct{})
	}
	return m.moved
}

// wait returns nil once the value has reached the target, or the context's error;
// quit ends it with ErrClosed.
func (m *mark) wait(ctx context.Context, quit <-chan struct{}, target uint64) error {
	for {
		moved := m.next(target)
		if moved == nil {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		case <-quit:
			return ErrClosed
		}
	}
}
