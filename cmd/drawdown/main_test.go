package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary is the program itself when this is set: what is tested are real
// processes.
const asProgram = "DRAWDOWN_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// process is a running drawdown.
type process struct {
	cmd *exec.Cmd
	log bytes.Buffer
}

func program(ctx context.Context, env []string, args ...string) *process {
	p := &process{cmd: exec.CommandContext(ctx, os.Args[0], args...)}
	p.cmd.Env = append(append(os.Environ(), asProgram+"=1"), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return p
}

// runProgram runs the program to its end.
func runProgram(t *testing.T, env []string, args ...string) (output string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	p := program(ctx, env, args...)
	_ = p.cmd.Run()
	return p.log.String(), p.cmd.ProcessState.ExitCode()
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// serve starts a node and waits until it is ready.
func serve(t *testing.T, addr string, env []string, args ...string) *process {
	t.Helper()
	p := program(t.Context(), env, append([]string{"serve"}, args...)...)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if response, err := http.Get("http://" + addr + "/readyz"); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return p
			}
		}
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	t.Fatalf("not ready:\n%s", p.log.String())
	return nil
}

// stop ends the node with SIGTERM; it must end cleanly and soon.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(15*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	if err := p.cmd.Wait(); err != nil {
		t.Fatalf("after SIGTERM: %v\n%s", err, p.log.String())
	}
}

func TestStopsCleanlyAndStartsAgain(t *testing.T) {
	dir, addr := filepath.Join(t.TempDir(), "data"), freeAddress(t)
	for range 2 {
		p := serve(t, addr, nil, "--data", dir, "--http", addr)
		p.stop(t)
		if !strings.Contains(p.log.String(), "stopped") {
			t.Errorf("no word of the stop:\n%s", p.log.String())
		}
	}
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir, addr := filepath.Join(t.TempDir(), "data"), freeAddress(t)
	p := serve(t, addr, nil, "--data", dir, "--http", addr)
	defer p.stop(t)
	output, code := runProgram(t, nil, "serve", "--data", dir, "--http", freeAddress(t))
	if code == 0 || !strings.Contains(output, dir) || !strings.Contains(output, "another process") {
		t.Errorf("exit code %d:\n%s", code, output)
	}
	if output, code := runProgram(t, nil, "serve", "--data", t.TempDir(), "--http", addr); code == 0 ||
		!strings.Contains(output, "--http") {
		t.Errorf("a taken port: exit code %d:\n%s", code, output)
	}
}

// TestSettings: the command line wins over the environment, that over the file.
func TestSettings(t *testing.T) {
	dir, addr := t.TempDir(), freeAddress(t)
	file := filepath.Join(dir, "drawdown.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("data: " + filepath.Join(dir, "of-file") + "\nhttp: 127.0.0.1:1\nlog-format: json\nshards: 3\n")
	p := serve(t, addr, []string{"DRAWDOWN_HTTP=" + addr}, "--config", file, "--data", filepath.Join(dir, "of-flag"))
	p.stop(t)
	if _, err := os.Stat(filepath.Join(dir, "of-flag", "LOCK")); err != nil {
		t.Error("the flag did not win:", err)
	}
	if !strings.HasPrefix(p.log.String(), "{") {
		t.Errorf("the file's log format was not used:\n%s", p.log.String())
	}
	for text, want := range map[string]string{
		"htpp: 127.0.0.1:1\n": "htpp", "http: [1, 2]\n": "http", "http: \"\x00": "configuration file", "shards: many\n": "shards",
	} {
		write(text)
		if output, code := runProgram(t, nil, "serve", "--config", file); code == 0 || !strings.Contains(output, want) {
			t.Errorf("%q: exit code %d:\n%s", text, code, output)
		}
	}
}

func TestOnlyLoopback(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:8080", ":8080", "192.0.2.1:8080", "nonsense"} {
		output, code := runProgram(t, nil, "serve", "--data", t.TempDir(), "--http", addr)
		if code == 0 || !strings.Contains(output, addr) {
			t.Errorf("%s: exit code %d:\n%s", addr, code, output)
		}
	}
}

// TestRanges: a setting that makes no sense is refused by its name.
func TestRanges(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for _, c := range []string{
		"--shards=-1", "--shards=100000", "--max-in-flight=-1", "--snapshot-interval=-5s", "--snapshot-entries=0",
		"--disk-reserve=0",
	} {
		output, code := runProgram(t, nil, "serve", "--data", dir, c)
		name, _, _ := strings.Cut(c, "=")
		if code == 0 || !strings.Contains(output, name) || strings.Contains(output, "goroutine") {
			t.Errorf("%s: exit code %d:\n%s", c, code, output)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the data directory was made all the same")
	}
}

// TestVersionIsNoSetting: DRAWDOWN_VERSION in the environment changes nothing.
func TestVersionIsNoSetting(t *testing.T) {
	addr := freeAddress(t)
	serve(t, addr, []string{"DRAWDOWN_VERSION=1"}, "--data", t.TempDir(), "--http", addr).stop(t)
	if output, code := runProgram(t, nil, "--version"); code != 0 || strings.TrimSpace(output) != version {
		t.Errorf("exit code %d: %q", code, output)
	}
}

func TestHelp(t *testing.T) {
	output, code := runProgram(t, nil, "serve", "--help")
	for _, want := range []string{"--data", "--http", "--snapshot-interval", "DRAWDOWN_DATA", "127.0.0.1:8080"} {
		if code != 0 || !strings.Contains(output, want) {
			t.Errorf("exit code %d, no %s in:\n%s", code, want, output)
		}
	}
	if output, code := runProgram(t, nil, "sevre"); code == 0 || !strings.Contains(output, "sevre") {
		t.Errorf("a wrong command: exit code %d:\n%s", code, output)
	}
}

// TestUnsafeWarns: a node without syncs says so at every start, and no other does;
// the flag is in no help.
func TestUnsafeWarns(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for _, unsafe := range []bool{true, true, false} {
		addr := freeAddress(t)
		p := serve(t, addr, nil, "--data", dir, "--http", addr, fmt.Sprintf("--unsafe-no-sync=%v", unsafe))
		p.stop(t)
		if warned := strings.Contains(p.log.String(), "UNSAFE"); warned != unsafe {
			t.Errorf("unsafe %v, warned %v:\n%s", unsafe, warned, p.log.String())
		}
	}
	for _, command := range [][]string{{"serve", "--help"}, {"bench", "compare", "--help"}} {
		if output, code := runProgram(t, nil, command...); code != 0 || strings.Contains(output, "unsafe") {
			t.Errorf("%v: exit code %d\n%s", command, code, output)
		}
	}
}
