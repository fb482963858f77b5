package peer

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"drawdown/bench/load"
)

// redisConn speaks Redis's protocol as far as it is needed here.
type redisConn struct {
	conn net.Conn
	in   *bufio.Reader
}

// redisTimeout is how long a call may take.
const redisTimeout = 60 * time.Second

func dialRedis(socket string) (*redisConn, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	return &redisConn{conn, bufio.NewReaderSize(conn, 16<<10)}, nil
}

// appendCommand appends a command with its arguments.
func appendCommand(dst []byte, args ...string) []byte {
	dst = fmt.Appendf(dst, "*%d\r\n", len(args))
	for _, arg := range args {
		dst = fmt.Appendf(dst, "$%d\r\n%s\r\n", len(arg), arg)
	}
	return dst
}

func (c *redisConn) send(args ...string) error {
	if err := c.conn.SetDeadline(time.Now().Add(redisTimeout)); err != nil {
		return err
	}
	_, err := c.conn.Write(appendCommand(nil, args...))
	return err
}

func (c *redisConn) integer(args ...string) (int64, error) {
	if err := c.send(args...); err != nil {
		return 0, err
	}
	return c.readInteger()
}

// text is a command's answer that is a text.
func (c *redisConn) text(args ...string) (string, error) {
	if err := c.send(args...); err != nil {
		return "", err
	}
	line, err := c.line()
	if err != nil || line[0] == '+' {
		return string(line[min(1, len(line)):]), err
	}
	size, err := strconv.Atoi(string(line[1:]))
	if line[0] != '$' || err != nil || size < 0 {
		return "", fmt.Errorf("no text: %.200q", line)
	}
	text := make([]byte, size+2)
	_, err = io.ReadFull(c.in, text)
	return string(text[:size]), err
}

// line reads a line of an answer; an error of the server's is one.
func (c *redisConn) line() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	if len(line) < 3 {
		return nil, fmt.Errorf("no answer: %q", line)
	}
	line = line[:len(line)-2]
	if line[0] == '-' {
		return nil, errors.New(string(line[1:]))
	}
	return line, nil
}

func (c *redisConn) readInteger() (int64, error) {
	line, err := c.line()
	if err != nil {
		return 0, err
	}
	if line[0] != ':' {
		return 0, fmt.Errorf("no integer: %.200q", line)
	}
	return strconv.ParseInt(string(line[1:]), 10, 64)
}

// field is what follows a name in a text of lines.
func field(text, name string) string {
	_, rest, _ := strings.Cut(text, name)
	value, _, _ := strings.Cut(rest, "\r")
	return value
}

// redisSender sends calls of the script, in whole pipelines. Identifiers (16 bytes)
// and customers are patched in place.
type redisSender struct {
	*redisConn
	stream     *load.Stream
	request    []byte
	calls      int
	events     int // of one call
	first, gap int // the first identifier of a call, and from one to the next
	customer   int // from an identifier to its customer
	deadline   time.Time
}

func newRedisSender(socket string, events, calls int, stream *load.Stream) (*redisSender, error) {
	conn, err := dialRedis(socket)
	if err != nil {
		return nil, err
	}
	mark := strings.Repeat("?", 16)
	args := []string{"EVALSHA", scriptHash, strconv.Itoa(2 * events)}
	for range events {
		args = append(args, mark, load.CustomerName(0))
	}
	call := string(appendCommand(nil, append(args, "1")...))
	s := &redisSender{redisConn: conn, stream: stream, request: []byte(strings.Repeat(call, calls)), calls: calls, events: events}
	s.first = strings.Index(call, mark)
	s.customer = strings.Index(call, load.CustomerName(0)) - s.first
	if s.gap = len(call); events > 1 {
		s.gap = s.customer + strings.Index(call[s.first+s.customer:], mark)
	}
	return s, nil
}

// fill makes it a request of the stream's next events.
func (s *redisSender) fill() {
	at := s.first
	for range s.calls * s.events {
		n := s.stream.Next()
		high, low := s.stream.Identifier(n)
		binary.BigEndian.PutUint64(s.request[at:], high)
		binary.BigEndian.PutUint64(s.request[at+8:], low)
		load.PutCustomer(s.request[at+s.customer:], s.stream.Customer(n))
		at += s.gap
	}
}

// Send implements load.Sender.
func (s *redisSender) Send(now time.Time) (load.Answer, error) {
	s.fill()
	if s.deadline.Sub(now) < redisTimeout {
		s.deadline = now.Add(2 * redisTimeout)
		if err := s.conn.SetDeadline(s.deadline); err != nil {
			return load.Answer{}, err
		}
	}
	written := make(chan error, 1)
	// A pipeline's answers may have to be read before all of it is written.
	if len(s.request) > 32<<10 {
		go func() { written <- s.write() }()
	} else {
		written <- s.write()
	}
	counted := 0
	for range s.calls {
		n, err := s.readInteger()
		if err != nil {
			return load.Answer{Accepted: counted}, err
		}
		counted += int(n)
	}
	if err := <-written; err != nil {
		return load.Answer{}, err
	}
	return answer(counted, s.calls*s.events)
}

func (s *redisSender) write() error {
	_, err := s.conn.Write(s.request)
	return err
}

// Close implements load.Sender.
func (s *redisSender) Close() error { return s.conn.Close() }
