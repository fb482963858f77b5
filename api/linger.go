package api

import (
	"io"
	"net"
	"sync/atomic"
	"time"
)

// A connection that is closed while the peer's bytes are still unread is reset by
// the kernel, and the reset can overtake the answer: the caller of a too large
// batch would see a broken connection, and try again, instead of the 413. So
// connections closed with such an answer are read from for a little longer.

type lingeringListener struct{ net.Listener }

// Accept implements net.Listener.
func (l lingeringListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &lingeringConn{Conn: c}, nil
}

type lingeringConn struct {
	net.Conn
	linger atomic.Bool
}

// Close implements net.Conn.
func (c *lingeringConn) Close() error {
	if c.linger.Swap(false) {
		c.drain()
	}
	return c.Conn.Close()
}

func (c *lingeringConn) drain() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	if c.Conn.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
	}
}
