package raftstore

import (
	"fmt"
	"time"

	"drawdown/engine/ledger"
)

// batcher makes entries of what is submitted. While one entry is in flight the
// next one grows, so that entries become as large as the disk is slow; there is no
// timer and no artificial delay.
type batcher struct {
	store   *Store
	open    openEntry
	backlog []*request // taken from the queue, in order
	at      int        // first of them that is not finished
	flying  int        // entries whose fate is not known
	seen    *request   // the last one of which commands were taken
	stamp   int64      // of the last entry made here

	sent   chan *proposal // to deliver; closed at the end
	landed chan struct{}  // one for each proposal whose fate is known
}

func newBatcher(s *Store) *batcher {
	return &batcher{
		store: s, open: openEntry{limit: s.o.entryLimit()}, sent: make(chan *proposal, splitWindow), landed: make(chan struct{}, splitWindow),
	}
}

// run goes on until the queue is closed and empty and nothing is in flight.
func (b *batcher) run() {
	defer close(b.sent)
	for {
		b.fill()
		if b.sendable() {
			b.send()
			continue
		}
		if b.flying == 0 && b.store.queue.isClosed() && b.current() == nil {
			return
		}
		select {
		case <-b.store.queue.wake:
		case <-b.landed:
			b.flying--
		case <-b.store.fsm.begun: // sendable may be true now
		case <-b.store.down:
			return
		}
	}
}

// current is the request to take from next, nil if none waits.
func (b *batcher) current() *request {
	if b.at == len(b.backlog) {
		clear(b.backlog)
		b.backlog, b.at = b.store.queue.take(b.backlog), 0
	}
	if b.at == len(b.backlog) {
		return nil
	}
	return b.backlog[b.at]
}

// fill moves what waits into the open entry until that is full.
func (b *batcher) fill() {
	for !b.open.full {
		r := b.current()
		if r == nil {
			return
		}
		if r != b.seen {
			b.seen = r
			since(b.store.o.Observer.Wait, r.queued)
		}
		finished, dropped := b.open.take(r)
		if dropped {
			b.store.queue.release(r)
		}
		if finished || dropped {
			b.at++
		}
	}
}

// sendable says whether the open entry may go. One at a time at the disk is faster
// than more, but while one is being carried out the disk is free for the next; and a
// batch which was split need not wait for itself.
func (b *batcher) sendable() bool {
	switch {
	case b.open.commands == 0:
		return false
	case b.flying == 0:
		return true
	case b.flying == 1 && b.store.fsm.busy.Load():
		return true
	}
	return b.open.continues && b.flying < splitWindow
}

// nextStamp is later than every stamp before it, whatever the clock does.
func (b *batcher) nextStamp(now time.Time) int64 {
	b.stamp = max(b.stamp+1, b.store.machine.Head().Time+1, now.UnixNano())
	return b.stamp
}

func (b *batcher) send() {
	s := b.store
	now := s.o.Clock()
	s.checkClock(now)
	refused := s.admits()
	stamp := b.stamp // a clock that is refused leaves no trace in later stamps
	if refused == nil {
		stamp = b.nextStamp(now)
	}
	p := b.open.seal(stamp)
	p.sent, p.refused = time.Now(), refused
	// A refusal takes the same way as a result: an earlier part of the same batch may
	// be in flight, and must be answered for first (I6).
	if refused == nil {
		p.future = s.raft.Apply(p.data, 0)
		if s.o.Observer.Entry != nil {
			s.o.Observer.Entry(p.commands, len(p.data))
		}
	}
	b.flying++
	s.flying.Add(1)
	b.sent <- p
}

// deliverAll waits for the entries' fates, in order, and hands out the results.
func (b *batcher) deliverAll() {
	for p := range b.sent {
		if p.refused != nil {
			b.land()
			p.deliver(b.store.queue, nil, 0, p.refused)
			continue
		}
		results, err := p.outcome()
		b.land() // first, so that the next entry is on its way
		since(b.store.o.Observer.Commit, p.sent)
		p.deliver(b.store.queue, results, p.future.Index(), err)
	}
}

// land says that an entry's fate is known.
func (b *batcher) land() {
	b.store.flying.Add(-1)
	b.landed <- struct{}{}
}

// outcome blocks until raft says what became of the entry.
func (p *proposal) outcome() ([]ledger.Result, error) {
	if err := p.future.Error(); err != nil {
		return nil, classify(err)
	}
	switch response := p.future.Response().(type) {
	case []ledger.Result:
		if len(response) != p.commands {
			return nil, fmt.Errorf("%w: %d results for %d commands", ErrUnknown, len(response), p.commands)
		}
		return response, nil
	case error:
		// The entry is committed, but this node could not carry it out.
		return nil, fmt.Errorf("%w: %v", ErrUnknown, response)
	default:
		return nil, fmt.Errorf("%w: a response of type %T", ErrUnknown, response)
	}
}

// deliver gives each request its share.
func (p *proposal) deliver(q *queue, results []ledger.Result, index uint64, err error) {
	for _, part := range p.parts {
		var share []ledger.Result
		if err == nil {
			share, results = results[:part.count:part.count], results[part.count:]
		}
		part.request.add(share, index, err)
		if part.last {
			q.release(part.request)
			close(part.request.done)
		}
	}
}
