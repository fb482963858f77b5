package engine

import (
	"context"
	"sync"

	"drawdown/engine/ledger"
)

// progress publishes how far the log has been carried out, and wakes those who
// wait for it.
type progress struct {
	mu      sync.Mutex
	current ledger.Head
	moved   chan struct{} // closed at the next entry; nil while nobody waits
}

func (p *progress) head() ledger.Head {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current
}

func (p *progress) set(h ledger.Head) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current = h
	if p.moved != nil {
		close(p.moved)
		p.moved = nil
	}
}

// next is a channel that is closed when the head moves, or nil if it is at the
// index already.
func (p *progress) next(index uint64) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current.Index >= index {
		return nil
	}
	if p.moved == nil {
		p.moved = make(chan struct{})
	}
	return p.moved
}

func (p *progress) wait(ctx context.Context, index uint64) error {
	for {
		moved := p.next(index)
		if moved == nil {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
