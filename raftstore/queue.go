package raftstore

import (
	"sync"
	"time"

	"drawdown/engine/ledger"
)

// request is one caller's batch on its way.
type request struct {
	commands, bytes int // of the batch, for the queue's bounds
	queued          time.Time

	// mu is held while commands are copied out of the batch, and by a caller who
	// goes away: after that nobody reads the batch any more.
	mu       sync.Mutex
	batch    *ledger.Batch
	next     int // first command that is not in an entry yet
	gone     bool
	released bool

	// Of the goroutine that delivers, until done is closed.
	results []ledger.Result
	index   uint64
	applied bool // some part was applied, or may have been
	err     error
	done    chan struct{}
}

// leave ends the caller's interest. It reports whether nothing of the batch had
// gone into an entry, so that nothing of it will ever be applied.
func (r *request) leave() (withdrawn bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone, r.batch = true, nil
	return r.next == 0
}

// queue holds what has been submitted and counts what has not been answered.
type queue struct {
	maxCommands, maxBytes int
	wake                  chan struct{} // holds one token while there may be something to take

	mu              sync.Mutex
	waiting         []*request
	requests        int
	commands, bytes int
	closed          bool
}

func newQueue(maxCommands, maxBytes int) *queue {
	return &queue{maxCommands: maxCommands, maxBytes: maxBytes, wake: make(chan struct{}, 1)}
}

// put adds a request, or says why not. A batch that is larger than the whole
// queue is let in when it is alone: it could never be otherwise.
func (q *queue) put(r *request) error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return ErrClosed
	}
	full := q.commands+r.commands > q.maxCommands || q.bytes+r.bytes > q.maxBytes
	if full && q.requests > 0 {
		q.mu.Unlock()
		return ErrOverloaded
	}
	r.queued = time.Now()
	q.waiting = append(q.waiting, r)
	q.requests++
	q.commands += r.commands
	q.bytes += r.bytes
	q.mu.Unlock()
	q.poke()
	return nil
}

func (q *queue) poke() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// take swaps out all that waits; spare is memory for what comes next.
func (q *queue) take(spare []*request) []*request {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.waiting
	q.waiting = spare[:0]
	return taken
}

// release stops counting a request; only its first call counts.
func (q *queue) release(r *request) {
	r.mu.Lock()
	again := r.released
	r.released = true
	r.mu.Unlock()
	if again {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.requests--
	q.commands -= r.commands
	q.bytes -= r.bytes
}

// close lets nothing more in; what waits is still taken.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.poke()
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// depth is what has not been answered yet.
func (q *queue) depth() (requests, commands, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.requests, q.commands, q.bytes
}

// since is for observers that may be nil.
func since(observe func(time.Duration), start time.Time) {
	if observe != nil {
		observe(time.Since(start))
	}
}
