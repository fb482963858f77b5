package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// clusterLocalCommand runs three nodes as processes of their own.
type clusterLocalCommand struct {
	Data     string `help:"Directory with the nodes' directories." default:"./data-cluster" type:"path"`
	HTTPPort int    `name:"http-port" help:"The nodes answer HTTP on this port of 127.0.0.1 and the two after it." default:"8081"`
	RaftPort int    `name:"raft-port" help:"The nodes meet on this port of 127.0.0.1 and the two after it." default:"7081"`
}

// localNodes is how many nodes run: the fewest that can lose one.
const localNodes = 3

// localPause is how long a node that ended by itself stays down.
const localPause = time.Second

// Run starts the nodes, shows their logs, and stops them when ctx ends. A node that
// ends by itself is started again.
func (c *clusterLocalCommand) Run(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	var peers []string
	for i := range localNodes {
		peers = append(peers, fmt.Sprintf("n%d=127.0.0.1:%d@127.0.0.1:%d", i+1, c.RaftPort+i, c.HTTPPort+i))
	}
	out := &lines{to: os.Stdout}
	var nodes sync.WaitGroup
	for i := range localNodes {
		name := fmt.Sprintf("n%d", i+1)
		args := []string{
			"serve", "--node-id", name, "--data", filepath.Join(c.Data, name),
			"--http", fmt.Sprintf("127.0.0.1:%d", c.HTTPPort+i), "--raft", fmt.Sprintf("127.0.0.1:%d", c.RaftPort+i),
			"--peers", strings.Join(peers, ","),
		}
		nodes.Go(func() { keepRunning(ctx, out, name, program, args) })
	}
	nodes.Wait()
	return nil
}

// keepRunning runs one node, again and again, until ctx ends.
func keepRunning(ctx context.Context, out *lines, name, program string, args []string) {
	for ctx.Err() == nil {
		err := runNode(ctx, out, name, program, args)
		if ctx.Err() != nil {
			return
		}
		out.print(name, fmt.Sprintf("ended (%v); it is started again", err))
		select {
		case <-time.After(localPause):
		case <-ctx.Done():
		}
	}
}

// runNode runs one node to its end. When ctx ends it is asked to stop, and killed
// if it does not.
func runNode(ctx context.Context, out *lines, name, program string, args []string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout + 5*time.Second
	// A group of its own: a Ctrl-C reaches this process alone, which passes it on in its own way.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	reader, writer := io.Pipe()
	cmd.Stdout, cmd.Stderr = writer, writer
	var copying sync.WaitGroup
	copying.Go(func() { out.copy(name, reader) })
	err := cmd.Run()
	writer.Close()
	copying.Wait()
	return err
}

// lines prints whole lines of several nodes, each with the node's name before it.
type lines struct {
	mu sync.Mutex
	to io.Writer
}

func (l *lines) print(name, line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.to, "%s | %s\n", name, line)
}

func (l *lines) copy(name string, from io.Reader) {
	scanner := bufio.NewScanner(from)
	scanner.Buffer(make([]byte, 64<<10), 1<<20)
	for scanner.Scan() {
		l.print(name, scanner.Text())
	}
	_, _ = io.Copy(io.Discard, from) // a line longer than that
}
