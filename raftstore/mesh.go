package raftstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

const (
	helloTime = 3 * time.Second // for the handshake and the hello
	dialTime  = time.Second     // for the connection itself

	// meshConnections bounds what the other nodes may hold open here. Each has a few.
	meshConnections = 256

	// warnEvery spaces out warnings about callers that are refused.
	warnEvery = 10 * time.Second
)

// mesh is the one port on which a node meets the others. It tells raft's
// connections from the rest by their hello.
type mesh struct {
	store    *Store
	listener net.Listener
	tls      *credentials  // nil is plain text
	accepted chan net.Conn // raft's
	seats    chan struct{}
	quit     chan struct{}
	close1   sync.Once
	log      *slog.Logger

	mu     sync.Mutex
	open   map[*seated]*hello // nil before the caller has introduced itself
	warned map[string]time.Time
}

func openMesh(s *Store) (*mesh, error) {
	c := s.o.Cluster
	m := &mesh{
		store: s, log: s.log, accepted: make(chan net.Conn), seats: make(chan struct{}, meshConnections),
		quit: make(chan struct{}), open: map[*seated]*hello{}, warned: map[string]time.Time{},
	}
	if c.TLS != nil {
		credentials, err := loadCredentials(*c.TLS, s.dir.node, s.log)
		if err != nil {
			return nil, err
		}
		m.tls = credentials
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("the port for other nodes: %w", err)
	}
	m.listener = listener
	go m.run()
	return m, nil
}

func (m *mesh) run() {
	for {
		conn, err := m.listener.Accept()
		if err != nil {
			select {
			case <-m.quit:
				return
			case <-time.After(100 * time.Millisecond): // out of descriptors, perhaps
				continue
			}
		}
		select {
		case m.seats <- struct{}{}:
			go m.receive(conn)
		default:
			conn.Close()
			m.warn(conn.RemoteAddr().String(), errors.New("too many connections from other nodes"))
		}
	}
}

// receive takes a caller as far as its hello and hands the connection on.
func (m *mesh) receive(conn net.Conn) {
	seat := &seated{Conn: conn, mesh: m}
	if !m.keep(seat, nil) {
		seat.Close()
		return
	}
	_ = seat.SetDeadline(time.Now().Add(helloTime))
	conn, h, err := m.greet(seat)
	if err == nil && !m.keep(seat, &h) {
		conn.Close()
		return
	}
	if err == nil {
		// What this node has learned since the hello was judged found no entry to judge.
		err = m.store.judge(&h)
	}
	if err != nil {
		conn.Close()
		m.warn(conn.RemoteAddr().String(), err)
		return
	}
	_ = conn.SetDeadline(time.Time{})
	if h.purpose == purposeAsking {
		m.store.serveAsking(conn, h.from)
		return
	}
	select {
	case m.accepted <- conn:
	case <-m.quit:
		conn.Close()
	}
}

func (m *mesh) greet(conn net.Conn) (net.Conn, hello, error) {
	if m.tls != nil {
		secured := tls.Server(conn, m.tls.server())
		if err := secured.Handshake(); err != nil {
			return conn, hello{}, err
		}
		conn = secured
	}
	h, err := readHello(conn)
	if err != nil {
		return conn, h, err
	}
	if secured, ok := conn.(*tls.Conn); ok {
		err = isNode(secured.ConnectionState(), h.from)
	}
	if err == nil {
		err = m.store.judge(&h)
	}
	return conn, h, errors.Join(err, answerHello(conn, err))
}

// warn logs a refused caller, not too often.
func (m *mesh) warn(address string, err error) {
	host, _, _ := net.SplitHostPort(address)
	m.mu.Lock()
	recent := time.Since(m.warned[host]) < warnEvery
	if !recent {
		if len(m.warned) > meshConnections {
			clear(m.warned)
		}
		m.warned[host] = time.Now()
	}
	m.mu.Unlock()
	if !recent {
		m.log.Warn("a caller on the nodes' port was refused", "address", address, "error", err)
	}
}

// dial connects to a node and introduces this one.
func (m *mesh) dial(ctx context.Context, address, node string, purpose byte) (net.Conn, error) {
	conn, err := m.connect(ctx, address, node)
	if err != nil {
		return nil, err
	}
	// Who is called may take the connection and say nothing.
	ended := context.AfterFunc(ctx, func() { conn.Close() })
	h := hello{purpose: purpose, cluster: m.store.clusterName(), from: m.store.dir.node, to: node}
	for _, server := range m.store.members() {
		if string(server.ID) == node {
			h.votes = server.Suffrage == raft.Voter
		}
	}
	if _, err = conn.Write(h.encode()); err == nil {
		err = readAnswer(conn)
	}
	if !ended() {
		err = errors.Join(ctx.Err(), err)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("node %q at %s: %w", node, address, err)
	}
	_ = conn.SetDeadline(time.Time{})
	return conn, nil
}

// connect is the connection alone, secured if the nodes have certificates.
func (m *mesh) connect(ctx context.Context, address, node string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(helloTime))
	if m.tls == nil {
		return conn, nil
	}
	secured := tls.Client(conn, m.tls.client(node))
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secured, nil
}

// keep notes an open connection; false if the port has been closed meanwhile, so that
// nobody else would close it.
func (m *mesh) keep(conn *seated, h *hello) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.quit:
		return false
	default:
	}
	m.open[conn] = h
	return true
}

// dropRaft closes raft's connections that came in here. The others make new ones when
// they need them. A node without a port has none.
func (m *mesh) dropRaft() {
	if m == nil {
		return
	}
	m.mu.Lock()
	callers := maps.Clone(m.open)
	m.mu.Unlock()
	for conn, h := range callers {
		if h != nil && h.purpose == purposeRaft {
			conn.Close()
		}
	}
}

// rejudge judges the open connections again, when this node has learned who its
// members are or what its cluster is called. A node without a port has none.
func (m *mesh) rejudge() {
	if m == nil {
		return
	}
	m.mu.Lock()
	callers := maps.Clone(m.open)
	m.mu.Unlock()
	for conn, h := range callers {
		if h == nil {
			continue // will be judged by what is known now
		}
		if err := m.store.judge(h); err != nil {
			conn.Close()
			m.warn(conn.RemoteAddr().String(), err)
		}
	}
}

// end closes the port and every connection that came in on it.
func (m *mesh) end() error {
	var err error
	m.close1.Do(func() {
		close(m.quit)
		err = m.listener.Close()
		m.mu.Lock()
		conns := maps.Clone(m.open)
		m.mu.Unlock()
		for conn := range conns {
			conn.Close()
		}
	})
	return err
}

// seated gives its place up when it is closed.
type seated struct {
	net.Conn
	mesh *mesh
	once sync.Once
}

func (c *seated) Close() error {
	c.once.Do(func() {
		c.mesh.mu.Lock()
		delete(c.mesh.open, c)
		c.mesh.mu.Unlock()
		<-c.mesh.seats
	})
	return c.Conn.Close()
}

// raftStream is the part of the port that raft sees. It is a raft.StreamLayer.
type raftStream struct {
	mesh    *mesh
	address raft.ServerAddress
}

// Accept implements net.Listener.
func (r *raftStream) Accept() (net.Conn, error) {
	select {
	case conn := <-r.mesh.accepted:
		return conn, nil
	case <-r.mesh.quit:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. raft closes its transport before the rest of the
// node ends, and then nobody calls any more.
func (r *raftStream) Close() error { return r.mesh.end() }

// Addr implements net.Listener.
func (r *raftStream) Addr() net.Addr { return advertised(r.address) }

// Dial implements raft.StreamLayer.
func (r *raftStream) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	for _, server := range r.mesh.store.members() {
		if server.Address == address {
			return r.mesh.dial(ctx, string(address), string(server.ID), purposeRaft)
		}
	}
	return nil, fmt.Errorf("no member of the cluster is at %s", address)
}

// advertised is the address by which the others know this node.
type advertised raft.ServerAddress

func (advertised) Network() string  { return "tcp" }
func (a advertised) String() string { return string(a) }
