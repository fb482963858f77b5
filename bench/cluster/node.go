package cluster

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Node is one process of a cluster. Its methods belong to one goroutine.
type Node struct {
	ID   string
	Dir  string // of its data; made at the start
	HTTP string // host:port for callers
	Raft string // host:port on which it listens for the others
	Args []string

	binary string
	logs   string // file
	cmd    *exec.Cmd
	exited chan struct{}
}

// URL is where callers find the node.
func (n *Node) URL() string { return "http://" + n.HTTP }

// Start starts the process and does not wait for it.
func (n *Node) Start() error {
	log, err := os.OpenFile(n.logs, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	args := append([]string{
		"serve", "--node-id", n.ID, "--data", n.Dir, "--http", n.HTTP, "--raft", n.Raft, "--disk-reserve", "1",
	}, n.Args...)
	n.cmd = exec.Command(n.binary, args...)
	n.cmd.Stdout, n.cmd.Stderr = log, log
	// The node goes when the test goes, however that happens.
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := n.cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	n.exited = exited
	go func(cmd *exec.Cmd) {
		_ = cmd.Wait()
		close(exited)
	}(n.cmd)
	return nil
}

// Up says whether the process runs.
func (n *Node) Up() bool {
	if n.exited == nil {
		return false
	}
	select {
	case <-n.exited:
		return false
	default:
		return true
	}
}

// Signal sends the process a signal.
func (n *Node) Signal(s syscall.Signal) error {
	if !n.Up() {
		return nil
	}
	if err := n.cmd.Process.Signal(s); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Kill ends the process with SIGKILL, also a stopped one.
func (n *Node) Kill() error { return n.end(syscall.SIGKILL, time.Minute) }

// Stop ends the process with SIGTERM, as an operator does.
func (n *Node) Stop() error {
	if err := n.end(syscall.SIGTERM, 30*time.Second); err != nil {
		return errors.Join(err, n.Kill())
	}
	if code := n.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("%s ended with code %d after SIGTERM", n.ID, code)
	}
	return nil
}

func (n *Node) end(s syscall.Signal, within time.Duration) error {
	if !n.Up() {
		return nil
	}
	if err := n.Signal(s); err != nil {
		return err
	}
	select {
	case <-n.exited:
		return nil
	case <-time.After(within):
		return fmt.Errorf("%s did not end within %v of %v", n.ID, within, s)
	}
}

// Cluster is the nodes and the proxy between them.
type Cluster struct {
	Proxy *Proxy // nil: they meet directly

	binary string
	dir    string
	peers  string
	mu     sync.Mutex
	nodes  []*Node
}

// New prepares three nodes; none is started. With a proxy all that they say to each
// other goes through it.
func New(binary, dir string, proxied bool, args ...string) (*Cluster, error) {
	c := &Cluster{binary: binary, dir: dir}
	if proxied {
		c.Proxy = newProxy()
	}
	for i := range 3 {
		n, err := c.prepare(fmt.Sprint("n", i+1), args)
		if err != nil {
			return nil, err
		}
		seen, err := c.seenAt(n)
		if err != nil {
			return nil, err
		}
		c.peers += fmt.Sprintf("%s=%s@%s,", n.ID, seen, n.HTTP)
	}
	for _, n := range c.nodes {
		n.Args = append(n.Args, "--peers", c.peers)
	}
	return c, nil
}

func (c *Cluster) prepare(id string, args []string) (*Node, error) {
	http, err := freeAddress()
	if err != nil {
		return nil, err
	}
	raft, err := freeAddress()
	if err != nil {
		return nil, err
	}
	n := &Node{
		ID: id, Dir: filepath.Join(c.dir, id), HTTP: http, Raft: raft, binary: c.binary,
		Args: append([]string(nil), args...), logs: filepath.Join(c.dir, id+".log"),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes = append(c.nodes, n)
	return n, nil
}

// seenAt is where the others find the node.
func (c *Cluster) seenAt(n *Node) (string, error) {
	if c.Proxy == nil {
		return n.Raft, nil
	}
	return c.Proxy.inFrontOf(n.ID, n.Raft)
}

// Nodes are the nodes that belong to the cluster, in the order of their names.
func (c *Cluster) Nodes() []*Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*Node(nil), c.nodes...)
}

// Node is the node of that name.
func (c *Cluster) Node(id string) *Node {
	for _, n := range c.Nodes() {
		if n.ID == id {
			return n
		}
	}
	return nil
}

// Join prepares a new node that is to be added.
func (c *Cluster) Join(id string, args ...string) (n *Node, seen string, err error) {
	if n, err = c.prepare(id, args); err != nil {
		return nil, "", err
	}
	if seen, err = c.seenAt(n); err != nil {
		return nil, "", err
	}
	return n, seen, nil
}

// Forget takes a node out of the list; its process must have ended.
func (c *Cluster) Forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, n := range c.nodes {
		if n.ID == id {
			c.nodes = append(c.nodes[:i:i], c.nodes[i+1:]...)
			return
		}
	}
}

// Start starts all nodes that are not up.
func (c *Cluster) Start() error {
	for _, n := range c.Nodes() {
		if !n.Up() {
			if err := n.Start(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Kill ends all nodes at once.
func (c *Cluster) Kill() error {
	var errs []error
	for _, n := range c.Nodes() {
		errs = append(errs, n.Signal(syscall.SIGKILL))
	}
	for _, n := range c.Nodes() {
		errs = append(errs, n.Kill())
	}
	return errors.Join(errs...)
}

// Close ends everything.
func (c *Cluster) Close() error {
	err := c.Kill()
	if c.Proxy != nil {
		c.Proxy.Close()
	}
	return err
}

func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}
