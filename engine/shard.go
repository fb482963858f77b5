package engine

import (
	"context"
	"sync"
	"sync/atomic"

	"drawdown/engine/ledger"
)

// mailboxLen bounds a shard's mailbox (I12). Entries come one at a time, so the
// rest are reads; a reader that finds it full waits, as long as its context allows.
const mailboxLen = 256

// shard is one part of the accounts and the goroutine that owns them (I9).
type shard struct {
	engine  *Engine
	book    *ledger.Book
	mail    chan message
	nextDue atomic.Int64
	stopped chan struct{} // closed to ask the goroutine to end
	ended   chan struct{} // closed when it has
	once    sync.Once
	at      ledger.Head // of the last entry that touched the shard; the goroutine's own

	// The shard's share of the entry at hand: written by Apply before it sends the
	// message, read by it after the barrier.
	from, to   int   // reports to look up
	err        error // of looking them up
	ops        []int
	out        ledger.Output
	warmer     ledger.Warmer
	remembered int // records of out that are in the index
}

// message asks the shard for its share of the work on an entry, or to run a read.
type message struct {
	task func(*shard)
	read func(*ledger.Book)
	done chan<- struct{}
}

func startShard(book *ledger.Book, e *Engine) *shard {
	s := &shard{engine: e, book: book, mail: make(chan message, mailboxLen), at: e.machine.Head}
	s.stopped, s.ended = make(chan struct{}), make(chan struct{})
	s.nextDue.Store(book.NextDue())
	go s.run()
	return s
}

func (s *shard) run() {
	defer close(s.ended)
	for {
		select {
		case m := <-s.mail:
			if m.task != nil {
				m.task(s)
				s.engine.barrier.Done()
			} else {
				s.read(m)
			}
		case <-s.stopped:
			return
		}
	}
}

// lookUp finds identifiers and customers of the entry. They need not be the shard's
// own: nothing is written but the machine's notes of this entry.
func (s *shard) lookUp() { s.err = s.engine.machine.LookUp(s.from, s.to) }

func (s *shard) apply() {
	machine, dir := s.engine.machine, s.engine.dir
	ops := machine.Ops()
	for rest := s.ops; len(rest) > 0; {
		n := s.book.Warm(&s.warmer, ops, rest)
		for _, i := range rest[:n] {
			machine.SetResult(i, s.book.Apply(&ops[i], machine.Time, dir, &s.out))
		}
		rest = rest[n:]
	}
	s.at = machine.Head
	s.nextDue.Store(s.book.NextDue())
}

// read runs a read under the directory's lock: names may be needed to answer.
func (s *shard) read(m message) {
	s.engine.names.RLock()
	m.read(s.book)
	s.engine.names.RUnlock()
	close(m.done)
}

// do runs fn on the shard's goroutine and waits for it. fn must be short: writes
// to the shard's accounts wait behind it. When do has returned fn does not run any
// more, whatever the error.
func (s *shard) do(ctx context.Context, fn func(*ledger.Book)) error {
	done := make(chan struct{})
	select {
	case s.mail <- message{read: fn, done: done}:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stopped:
		return ErrClosed
	}
	select {
	case <-done:
		return nil
	case <-s.ended:
	}
	select {
	case <-done:
		return nil // the last thing it did
	default:
		return ErrClosed
	}
}

func (s *shard) stop() { s.once.Do(func() { close(s.stopped) }) }
