package raftstore

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	// askedCalls and askedBytes bound what other nodes have this one do at once, over
	// all connections (I12).
	askedCalls = 4096
	askedBytes = 128 << 20

	// frameBodyTime is how long a frame may take to come in once it has begun.
	frameBodyTime = 10 * time.Second

	// askedTime is for requests that come without a deadline.
	askedTime = 30 * time.Second
)

// asked counts what is being done for other nodes.
type asked struct {
	mu    sync.Mutex
	calls int
	bytes int
}

func (a *asked) take(bytes int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.calls >= askedCalls || a.calls > 0 && a.bytes+bytes > askedBytes {
		return false
	}
	a.calls++
	a.bytes += bytes
	return true
}

func (a *asked) give(bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls--
	a.bytes -= bytes
}

// serveAsking answers another node's requests until the connection ends.
func (s *Store) serveAsking(conn net.Conn, from string) {
	out, quit := make(chan frame, askedCalls), make(chan struct{})
	var once sync.Once
	end := func() {
		once.Do(func() {
			close(quit)
			conn.Close()
		})
	}
	defer end()
	go func() {
		defer end()
		s.writeAnswers(conn, out, quit)
	}()
	answer := func(number uint64, payload []byte) {
		select {
		case out <- frame{number: number, kind: frameAnswer, payload: payload}:
		case <-quit:
		}
	}
	r := bufio.NewReaderSize(conn, 64<<10)
	for {
		f, bytes, err := s.nextAsked(conn, r)
		if err != nil {
			return
		}
		switch {
		case f.kind == framePing:
			if bytes > 0 {
				s.asked.give(bytes)
			}
			select {
			case out <- frame{kind: framePong}:
			default: // answers are on their way, which says the same
			}
		case bytes == 0:
			answer(f.number, encodeAnswer(nil, fmt.Errorf("%w: too many requests of other nodes", ErrOverloaded)))
		default:
			go func() {
				defer s.asked.give(bytes)
				answer(f.number, encodeAnswer(s.carryOut(&f, from)))
			}()
		}
	}
}

// nextAsked reads the next request. bytes is what was taken for it, as soon as its
// length was known; 0 if there was no room: then it has no payload.
func (s *Store) nextAsked(conn net.Conn, r *bufio.Reader) (f frame, bytes int, err error) {
	ahead, err := readAhead(r)
	if err != nil {
		return f, 0, err
	}
	if r.Buffered() < ahead.length {
		_ = conn.SetReadDeadline(time.Now().Add(frameBodyTime))
		defer func() { _ = conn.SetReadDeadline(time.Time{}) }()
	}
	if !s.asked.take(ahead.length) {
		f, err = ahead.skip(r)
		return f, 0, err
	}
	if f, err = ahead.body(r); err != nil {
		s.asked.give(ahead.length)
		return f, 0, err
	}
	return f, ahead.length, nil
}

func (s *Store) writeAnswers(conn net.Conn, out <-chan frame, quit <-chan struct{}) {
	w := bufio.NewWriterSize(conn, 64<<10)
	var buf []byte
	for {
		var f frame
		select {
		case f = <-out:
		case <-quit:
			return
		}
		buf = appendFrame(buf[:0], &f)
		_ = conn.SetWriteDeadline(time.Now().Add(linkWriteTime))
		_, err := w.Write(buf)
		if err == nil && len(out) == 0 {
			err = w.Flush()
		}
		if err != nil {
			return
		}
		if cap(buf) > 1<<20 {
			buf = nil
		}
	}
}

// carryOut does what another node asks.
func (s *Store) carryOut(f *frame, from string) ([]byte, error) {
	wait := askedTime
	if f.left > 0 {
		wait = time.Duration(f.left) * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(s.ctx, wait)
	defer cancel()
	if f.kind == frameForming {
		return s.tellForming(f.payload)
	}
	if s.up.Load() == nil {
		return nil, fmt.Errorf("%w: the node is starting", ErrUnavailable)
	}
	switch f.kind {
	case frameSubmit:
		return s.submitForwarded(ctx, f.payload)
	case frameRead:
		return s.confirmForwarded(ctx)
	case frameStatus:
		return s.tellStatus(f.payload)
	case frameChain:
		return s.tellChain(f.payload)
	case frameMembers:
		return s.changeForwarded(ctx, f.payload)
	}
	return nil, fmt.Errorf("%w: node %s asks for something that this version does not know (%d)", ErrUnavailable, from, f.kind)
}

// link is the one to a member of the cluster.
func (s *Store) link(node string) (*link, error) {
	address := s.addressOf(node)
	if address == "" {
		return nil, fmt.Errorf("%w: the address of node %q is not known", ErrUnavailable, node)
	}
	return s.linkTo(node, address), nil
}

func (s *Store) linkTo(node, address string) *link {
	s.linksMu.Lock()
	defer s.linksMu.Unlock()
	key := node + "@" + address
	l := s.links[key]
	if l == nil {
		l = &link{node: node, dial: func(ctx context.Context) (net.Conn, error) {
			return s.mesh.dial(ctx, address, node, purposeAsking)
		}}
		if s.links == nil {
			s.links = map[string]*link{}
		}
		s.links[key] = l
	}
	return l
}

func (s *Store) closeLinks() {
	s.linksMu.Lock()
	defer s.linksMu.Unlock()
	for _, l := range s.links {
		l.close()
	}
}
