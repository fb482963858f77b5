package raftstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// linkBytes and linkCalls bound what waits for one node's answers (I12).
	linkBytes = 64 << 20
	linkCalls = 4096

	// linkPing is how often a node that owes answers is asked whether it lives, and
	// linkSilence after how long without a word it is given up: a stopped process and
	// a cut cable look alike.
	linkPing    = 500 * time.Millisecond
	linkSilence = 2500 * time.Millisecond

	// linkRest is how long a node that could not be reached is not tried again.
	linkRest = 200 * time.Millisecond

	// linkDialTime bounds an attempt to connect, whoever waits for it.
	linkDialTime = dialTime + helloTime

	linkWriteTime = 5 * time.Second
)

// errLinkLost is the reason when a connection broke.
var errLinkLost = errors.New("the connection to the node broke")

// link asks one other node, over one connection that many requests share. The
// connection is made when it is needed, and again after it broke.
type link struct {
	node string
	dial func(context.Context) (net.Conn, error)

	mu       sync.Mutex
	session  *session
	dialling *dialling // under way, nil if none is
	rest     time.Time // not to be dialled before
	restErr  error
	bytes    int
	calls    int
	closed   bool
}

// session is one connection of a link.
type session struct {
	conn  net.Conn
	out   chan *linkCall
	quit  chan struct{}
	once  sync.Once
	heard atomic.Int64 // when something was last received, Unix nanoseconds

	mu      sync.Mutex
	next    uint64
	waiting map[uint64]*linkCall
	cause   error
}

// linkCall is one request. state tells what its failure would mean.
type linkCall struct {
	frame  frame
	state  atomic.Int32
	answer chan []byte // holds one
}

const (
	callQueued    int32 = iota // nothing of it has left this node
	callWritten                // it may have arrived
	callWithdrawn              // it will not leave
)

// call asks and waits for the answer's payload. An error is of class
// ErrUnavailable or ErrOverloaded if the request surely did not reach the node,
// ErrUnknown if it may have.
func (l *link) call(ctx context.Context, kind byte, payload []byte) ([]byte, error) {
	if err := l.take(len(payload)); err != nil {
		return nil, err
	}
	defer l.give(len(payload))
	s, err := l.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: node %s cannot be reached: %w", ErrUnavailable, l.node, err)
	}
	c := &linkCall{frame: frame{kind: kind, payload: payload}, answer: make(chan []byte, 1)}
	if deadline, ok := ctx.Deadline(); ok {
		c.frame.left = uint32(max(1, time.Until(deadline).Milliseconds()))
	}
	if err := s.send(ctx, c); err != nil {
		return nil, fmt.Errorf("%w: node %s: %w", ErrUnavailable, l.node, err)
	}
	defer s.forget(c)
	select {
	case answer := <-c.answer:
		return decodeAnswer(l.node, answer)
	case <-ctx.Done():
		return nil, l.gaveUp(c, ctx.Err())
	case <-s.quit:
	}
	select {
	case answer := <-c.answer: // the last thing that came
		return decodeAnswer(l.node, answer)
	default:
		return nil, l.gaveUp(c, s.why())
	}
}

// gaveUp is the error of a call without an answer.
func (l *link) gaveUp(c *linkCall, cause error) error {
	if c.state.CompareAndSwap(callQueued, callWithdrawn) {
		return fmt.Errorf("%w: node %s: not sent: %w", ErrUnavailable, l.node, cause)
	}
	// Only the words of the cause: it may be of another class.
	return fmt.Errorf("%w: node %s has not answered: %v", ErrUnknown, l.node, cause)
}

func (l *link) take(bytes int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls >= linkCalls || l.calls > 0 && l.bytes+bytes > linkBytes {
		return fmt.Errorf("%w: node %s has %d requests to answer", ErrOverloaded, l.node, l.calls)
	}
	if bytes > framePayloadMax {
		return fmt.Errorf("%w: %d bytes are more than nodes send each other", ErrOverloaded, bytes)
	}
	l.calls++
	l.bytes += bytes
	return nil
}

func (l *link) give(bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls--
	l.bytes -= bytes
}

// dialling is an attempt to connect, for all who wait for it. session and err are set
// when done closes.
type dialling struct {
	cancel  context.CancelFunc
	done    chan struct{}
	session *session
	err     error
}

// connect answers the connection, a new one if there is none. It is nobody's own:
// whose context ends waits no longer, and the attempt goes on for the others.
func (l *link) connect(ctx context.Context) (*session, error) {
	d, s, err := l.begin()
	if d == nil {
		return s, err
	}
	select {
	case <-d.done:
		return d.session, d.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// begin answers the connection that there is, or the attempt to make one.
func (l *link) begin() (*dialling, *session, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return nil, nil, ErrClosed
	case l.session != nil && !l.session.broken():
		return nil, l.session, nil
	case l.dialling != nil:
		return l.dialling, nil, nil
	case time.Now().Before(l.rest):
		return nil, nil, l.restErr
	}
	ctx, cancel := context.WithTimeout(context.Background(), linkDialTime)
	d := &dialling{cancel: cancel, done: make(chan struct{})}
	l.dialling = d
	go l.finish(ctx, d)
	return d, nil, nil
}

func (l *link) finish(ctx context.Context, d *dialling) {
	defer d.cancel()
	conn, err := l.dial(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	defer close(d.done)
	l.dialling = nil
	switch {
	case l.closed:
		d.err = ErrClosed
		if err == nil {
			conn.Close()
		}
	case err != nil:
		d.err = err
		l.rest, l.restErr = time.Now().Add(linkRest), err
	default:
		d.session = newSession(conn)
		l.session = d.session
	}
}

func (l *link) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.dialling != nil {
		l.dialling.cancel()
	}
	if l.session != nil {
		l.session.fail(ErrClosed)
	}
}

func newSession(conn net.Conn) *session {
	s := &session{conn: conn, out: make(chan *linkCall, linkCalls), quit: make(chan struct{}), waiting: map[uint64]*linkCall{}}
	s.heard.Store(time.Now().UnixNano())
	go s.write()
	go s.read()
	go s.watch()
	return s
}

func (s *session) broken() bool {
	select {
	case <-s.quit:
		return true
	default:
		return false
	}
}

func (s *session) fail(cause error) {
	s.once.Do(func() {
		s.mu.Lock()
		s.cause = cause
		s.mu.Unlock()
		close(s.quit)
		s.conn.Close()
	})
}

func (s *session) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Errorf("%w: %w", errLinkLost, s.cause)
}

// send gives the call its number and queues it.
func (s *session) send(ctx context.Context, c *linkCall) error {
	s.mu.Lock()
	s.next++
	c.frame.number = s.next
	if len(s.waiting) == 0 {
		s.heard.Store(time.Now().UnixNano()) // silence counts from the first question
	}
	s.waiting[c.frame.number] = c
	s.mu.Unlock()
	select {
	case s.out <- c:
		return nil
	case <-ctx.Done():
		s.forget(c)
		return ctx.Err()
	case <-s.quit:
		s.forget(c)
		return s.why()
	}
}

func (s *session) forget(c *linkCall) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, c.frame.number)
}

// write sends what is queued. What has been withdrawn is passed over.
func (s *session) write() {
	w := bufio.NewWriterSize(s.conn, 64<<10)
	var buf []byte
	for {
		var c *linkCall
		select {
		case c = <-s.out:
		case <-s.quit:
			return
		}
		if !c.state.CompareAndSwap(callQueued, callWritten) {
			continue
		}
		buf = appendFrame(buf[:0], &c.frame)
		_ = s.conn.SetWriteDeadline(time.Now().Add(linkWriteTime))
		_, err := w.Write(buf)
		if err == nil && len(s.out) == 0 {
			err = w.Flush()
		}
		if err != nil {
			s.fail(err)
			return
		}
		if cap(buf) > 1<<20 {
			buf = nil
		}
	}
}

func (s *session) read() {
	r := bufio.NewReaderSize(s.conn, 64<<10)
	for {
		f, err := readFrame(r)
		if err != nil {
			s.fail(err)
			return
		}
		s.heard.Store(time.Now().UnixNano())
		if f.kind != frameAnswer {
			continue
		}
		s.mu.Lock()
		c := s.waiting[f.number]
		delete(s.waiting, f.number)
		s.mu.Unlock()
		if c != nil {
			c.answer <- f.payload
		}
	}
}

// watch asks a node that owes answers whether it lives.
func (s *session) watch() {
	tick := time.NewTicker(linkPing)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-s.quit:
			return
		}
		s.mu.Lock()
		owed := len(s.waiting)
		s.mu.Unlock()
		if owed == 0 {
			continue
		}
		if silent := time.Since(time.Unix(0, s.heard.Load())); silent > linkSilence {
			s.fail(fmt.Errorf("no word for %v", silent.Round(time.Millisecond)))
			return
		}
		select {
		case s.out <- &linkCall{frame: frame{kind: framePing}}:
		default: // the connection is busy enough
		}
	}
}
