package cluster

import (
	"bytes"
	"io"
	"net"
	"sync"
	"time"
)

// Proxy stands between the nodes and can hold up what one says to another. What is
// held up is not lost: as in a network that comes back, it arrives later, unless the
// connection was given up meanwhile.
type Proxy struct {
	mu        sync.Mutex
	rules     map[pair]rule
	listeners []net.Listener
	conns     map[net.Conn]struct{}
	closed    bool
}

// pair is a direction: what from says to to.
type pair struct{ from, to string }

type rule struct {
	held  bool
	delay time.Duration // of each piece
}

func newProxy() *Proxy { return &Proxy{rules: map[pair]rule{}, conns: map[net.Conn]struct{}{}} }

// inFrontOf opens a port that leads to a node.
func (p *Proxy) inFrontOf(node, target string) (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	p.mu.Lock()
	p.listeners = append(p.listeners, ln)
	p.mu.Unlock()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go p.carry(conn, node, target)
		}
	}()
	return ln.Addr().String(), nil
}

// carry learns from the hello who calls, and then carries bytes both ways.
func (p *Proxy) carry(caller net.Conn, node, target string) {
	defer caller.Close()
	hello, from, err := readHello(caller)
	if err != nil {
		return
	}
	there, back := pair{from, node}, pair{node, from}
	p.await(there)
	callee, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer callee.Close()
	if !p.keep(caller) || !p.keep(callee) {
		return
	}
	defer p.drop(caller, callee)
	done := make(chan struct{}, 2)
	go func() {
		p.copy(callee, io.MultiReader(bytes.NewReader(hello), caller), there)
		done <- struct{}{}
	}()
	go func() {
		p.copy(caller, callee, back)
		done <- struct{}{}
	}()
	<-done
}

// readHello reads as much of the nodes' hello as names the caller: magic, version
// and purpose, the cluster's name, and the caller's name behind its length.
func readHello(r io.Reader) (raw []byte, from string, err error) {
	const fixed = 4 + 2 + 16 + 1
	raw = make([]byte, fixed)
	if _, err := io.ReadFull(r, raw); err != nil {
		return nil, "", err
	}
	name := make([]byte, raw[fixed-1])
	if _, err := io.ReadFull(r, name); err != nil {
		return nil, "", err
	}
	return append(raw, name...), string(name), nil
}

func (p *Proxy) copy(to io.Writer, from io.Reader, way pair) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			p.await(way)
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// await holds a piece up as long as the rule says.
func (p *Proxy) await(way pair) {
	const look = 2 * time.Millisecond
	delayed := false
	for {
		p.mu.Lock()
		r, closed := p.rules[way], p.closed
		p.mu.Unlock()
		switch {
		case closed || !r.held && (r.delay == 0 || delayed):
			return
		case !r.held:
			time.Sleep(r.delay)
			delayed = true
		default:
			time.Sleep(look)
		}
	}
}

func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *Proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.conns, c)
	}
}

// Hold stops what from says to to, until Heal.
func (p *Proxy) Hold(from, to string) { p.set(pair{from, to}, rule{held: true}) }

// Cut stops what the two say to each other.
func (p *Proxy) Cut(a, b string) {
	p.Hold(a, b)
	p.Hold(b, a)
}

// Slow delays each piece that the two say to each other.
func (p *Proxy) Slow(a, b string, delay time.Duration) {
	p.set(pair{a, b}, rule{delay: delay})
	p.set(pair{b, a}, rule{delay: delay})
}

func (p *Proxy) set(way pair, r rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules[way] = r
}

// Heal lets everything through again.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.rules)
}

// Close ends all connections.
func (p *Proxy) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, ln := range p.listeners {
		ln.Close()
	}
	for c := range p.conns {
		c.Close()
	}
}
