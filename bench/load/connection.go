package load

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"time"
)

const (
	// callTimeout is how long a request may take.
	callTimeout = 60 * time.Second
	// answerRoom is the first size of the buffer for answers; it grows.
	answerRoom = 4 << 10
	// maxAnswer bounds an answer.
	maxAnswer = 64 << 20
)

// connection is one HTTP connection with one request in flight. It reads no more
// of an answer's head than it needs.
type connection struct {
	addr     string // host:port
	conn     net.Conn
	in       []byte
	deadline time.Time
}

// exchange sends a request and reads the answer; body is valid until the next
// call. After an error the next call connects anew.
func (c *connection) exchange(now time.Time, request []byte) (status int, body []byte, err error) {
	if status, body, err = c.tryExchange(now, request); err != nil {
		_ = c.close()
	}
	return status, body, err
}

func (c *connection) tryExchange(now time.Time, request []byte) (status int, body []byte, err error) {
	if c.conn == nil {
		if c.conn, err = net.DialTimeout("tcp", c.addr, callTimeout); err != nil {
			c.conn = nil
			return 0, nil, err
		}
		c.deadline = time.Time{}
	}
	// Moving the deadline with every request would cost more than it gains.
	if c.deadline.Sub(now) < callTimeout {
		c.deadline = now.Add(2 * callTimeout)
		if err := c.conn.SetDeadline(c.deadline); err != nil {
			return 0, nil, err
		}
	}
	if _, err := c.conn.Write(request); err != nil {
		return 0, nil, err
	}
	return c.read()
}

func (c *connection) close() error {
	if c.conn == nil {
		return nil
	}
	err := c.conn.Close()
	c.conn = nil
	return err
}

// read reads one answer.
func (c *connection) read() (status int, body []byte, err error) {
	if c.in == nil {
		c.in = make([]byte, answerRoom)
	}
	have, need, head := 0, 0, 0
	for need == 0 || have < need {
		if have == len(c.in) || need > len(c.in) {
			if max(have, need) > maxAnswer {
				return 0, nil, errors.New("the answer is too long")
			}
			c.in = append(c.in[:have], make([]byte, max(need, 2*have)-have)...)
		}
		n, err := c.conn.Read(c.in[have:])
		if err != nil {
			return 0, nil, err
		}
		have += n
		if need == 0 {
			end := bytes.Index(c.in[:have], []byte("\r\n\r\n"))
			if end < 0 {
				continue
			}
			length := 0
			if status, length, err = parseHead(c.in[:end+2]); err != nil {
				return 0, nil, err
			}
			head = end + 4
			need = head + length
		}
	}
	if have > need {
		return 0, nil, errors.New("there is something behind the answer")
	}
	return status, c.in[head:need], nil
}

// parseHead reads the status and the length of the body.
func parseHead(head []byte) (status, length int, err error) {
	if len(head) < 14 || string(head[:7]) != "HTTP/1." {
		return 0, 0, fmt.Errorf("no answer in HTTP/1: %.40q", head)
	}
	if status, _ = digits(head[9:]); status < 200 || status > 599 {
		return 0, 0, fmt.Errorf("no status: %.40q", head)
	}
	const name = "\r\ncontent-length:"
	for rest := head; ; rest = rest[1:] {
		i := bytes.IndexByte(rest, '\r')
		if i < 0 || len(rest)-i < len(name) {
			return 0, 0, errors.New("the answer does not tell its length")
		}
		rest = rest[i:]
		if bytes.EqualFold(rest[:len(name)], []byte(name)) {
			length, some := digits(bytes.TrimLeft(rest[len(name):], " "))
			if !some || length > maxAnswer {
				return 0, 0, errors.New("the answer's length is no number, or too large")
			}
			return status, length, nil
		}
	}
}

// digits reads a number at the start of text; a nonsensical length is cut short.
func digits(text []byte) (n int, some bool) {
	for i := 0; i < len(text) && i < 12 && text[i]-'0' <= 9; i++ {
		n, some = n*10+int(text[i]-'0'), true
	}
	return n, some
}
