package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// readyTimeout is how long a node may take to serve after its start: it may have
// tens of millions of events to carry out again.
const readyTimeout = 5 * time.Minute

// Node is a Drawdown process on loopback. Start it, kill it, start it again on the
// same data.
type Node struct {
	Binary string // path of the program
	Dir    string // everything of the node: data and log
	Addr   string // host:port, the same at every start
	Args   []string

	cmd    *exec.Cmd
	exited chan struct{}
	err    error
}

// NewNode is a node that has not been started, on a free port.
func NewNode(binary, dir string, args ...string) (*Node, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	return &Node{Binary: binary, Dir: dir, Addr: ln.Addr().String(), Args: args}, nil
}

// URL is where the node answers.
func (n *Node) URL() string { return "http://" + n.Addr }

// LogPath is the file that holds what the node prints, over all its starts.
func (n *Node) LogPath() string { return filepath.Join(n.Dir, "log") }

// Start starts the process and waits until it can serve. It answers how long
// that took.
func (n *Node) Start(ctx context.Context) (time.Duration, error) {
	log, err := os.OpenFile(n.LogPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	args := append([]string{"serve", "--data", filepath.Join(n.Dir, "data"), "--http", n.Addr}, n.Args...)
	n.cmd = exec.Command(n.Binary, args...)
	n.cmd.Stdout, n.cmd.Stderr = log, log
	// The node goes when the harness goes, however that happens.
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	begin := time.Now()
	if err := n.cmd.Start(); err != nil {
		return 0, err
	}
	exited := make(chan struct{})
	n.exited = exited
	go func() {
		n.err = n.cmd.Wait()
		close(exited)
	}()
	if err := n.awaitReady(ctx, begin.Add(readyTimeout)); err != nil {
		return 0, errors.Join(err, n.Kill())
	}
	return time.Since(begin), nil
}

func (n *Node) awaitReady(ctx context.Context, deadline time.Time) error {
	client := NewClient(n.URL())
	for time.Now().Before(deadline) {
		if client.Ready() {
			return nil
		}
		select {
		case <-n.exited:
			return fmt.Errorf("the node ended before it was ready: %w; see %s", n.err, n.LogPath())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
	return fmt.Errorf("the node was not ready within %v; see %s", readyTimeout, n.LogPath())
}

// Kill ends the process with SIGKILL and waits until it is gone.
func (n *Node) Kill() error { return n.end(syscall.SIGKILL, time.Minute) }

// Stop asks the process to end with SIGTERM; the error is not nil when it does not
// end cleanly within the time.
func (n *Node) Stop(within time.Duration) error {
	if err := n.end(syscall.SIGTERM, within); err != nil {
		return errors.Join(err, n.Kill())
	}
	return n.err
}

func (n *Node) end(signal syscall.Signal, within time.Duration) error {
	if n.cmd == nil || n.cmd.Process == nil {
		return nil
	}
	if err := n.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-n.exited:
		return nil
	case <-time.After(within):
		return fmt.Errorf("the node did not end within %v of %v", within, signal)
	}
}
