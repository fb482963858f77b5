package peer

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// readyTimeout is how long a peer may take to answer after its start.
const readyTimeout = 60 * time.Second

// ErrNotInstalled says that a peer cannot be measured on this machine.
var ErrNotInstalled = errors.New("not installed")

// process is a peer at work.
type process struct {
	cmd    *exec.Cmd
	log    string // path
	exited chan struct{}
	err    error
}

// start starts a program that goes when the harness goes, with a signal of its
// liking. Its output is in dir/log.
func start(dir string, as *syscall.Credential, gone syscall.Signal, program string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(program, args...), log: filepath.Join(dir, "log"), exited: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: gone, Credential: as}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// await asks again until there is no error, the process ends or the time is over.
func (p *process) await(ask func() error) error {
	for deadline := time.Now().Add(readyTimeout); ; {
		err := ask()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not ready within %v: %w%s", readyTimeout, err, p.tail())
		}
		select {
		case <-p.exited:
			return fmt.Errorf("ended before it was ready: %w%s", errors.Join(p.err, err), p.tail())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// tail is the end of the peer's log, for an error message.
func (p *process) tail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return ""
	}
	return "\n" + string(text[max(0, len(text)-1000):])
}

// stop ends the process with a signal, and with SIGKILL when that does not help.
func (p *process) stop(signal syscall.Signal) error {
	if p == nil {
		return nil
	}
	for _, s := range []syscall.Signal{signal, syscall.SIGKILL} {
		if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		select {
		case <-p.exited:
			return nil
		case <-time.After(20 * time.Second):
		}
	}
	return fmt.Errorf("%s does not end", p.cmd.Path)
}

func (p *process) pid() int {
	if p == nil {
		return 0
	}
	return p.cmd.Process.Pid
}
