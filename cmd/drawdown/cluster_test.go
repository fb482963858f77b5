package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestClusterFlags: what cannot work is refused before anything is touched.
func TestClusterFlags(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for _, c := range []struct{ args, want string }{
		{"--raft=127.0.0.1:1", "--node-id"},
		{"--peers=n1=127.0.0.1:1", "--raft"},
		{"--raft=nonsense --node-id=n1", "--raft"},
		{"--raft=127.0.0.1:1 --node-id=n1 --peers=n1", "NAME=RAFT@HTTP"},
		{"--raft=127.0.0.1:1 --node-id=n1 --peers=n1=127.0.0.1:1,n1=127.0.0.1:2", "twice"},
		{"--raft=127.0.0.1:1 --node-id=n3 --peers=n1=127.0.0.1:1,n2=127.0.0.1:2", "among the peers"},
		{"--raft=127.0.0.1:1 --node-id=n1 --tls-cert=x", "--tls-ca"},
		{"--raft=0.0.0.0:7001 --node-id=n1", "plain text"},
		{"--raft=127.0.0.1:1 --node-id=a/b", "node's name"},
		{"--http-tls-cert=x", "--http-tls-key"},
	} {
		args := append([]string{"serve", "--data", dir, "--http", freeAddress(t)}, strings.Fields(c.args)...)
		if output, code := runProgram(t, nil, args...); code == 0 || !strings.Contains(output, c.want) {
			t.Errorf("%s: exit code %d:\n%s", c.args, code, output)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the data directory was made all the same")
	}
}

// TestAloneStaysAlone: a directory of a node alone and one of a cluster's node are
// not taken for each other.
func TestAloneStaysAlone(t *testing.T) {
	dir, addr := filepath.Join(t.TempDir(), "data"), freeAddress(t)
	serve(t, addr, nil, "--data", dir, "--http", addr, "--node-id", "n1").stop(t)
	output, code := runProgram(t, nil, "serve", "--data", dir, "--http", addr, "--node-id", "n1", "--raft", freeAddress(t))
	if code == 0 || !strings.Contains(output, "without --raft") {
		t.Errorf("exit code %d:\n%s", code, output)
	}
	output, code = runProgram(t, nil, "serve", "--data", dir, "--http", addr, "--node-id", "n2")
	if code == 0 || !strings.Contains(output, `belongs to node "n1"`) {
		t.Errorf("exit code %d:\n%s", code, output)
	}
}

// freePorts is the first of n ports that follow each other.
func freePorts(t *testing.T, n int) int {
	t.Helper()
	for range 100 {
		_, text, _ := net.SplitHostPort(freeAddress(t))
		first, _ := strconv.Atoi(text)
		free := true
		for i := range n {
			ln, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(first+i))
			if err != nil {
				free = false
				break
			}
			ln.Close()
		}
		if free {
			return first
		}
	}
	t.Fatal("no free ports")
	return 0
}

var leads = regexp.MustCompile(`(?m)^n\d +leader `)

// TestThreeNodesInOneTerminal: `cluster local` runs them, `cluster status` shows
// them, `cluster transfer` moves the leadership, and SIGTERM stops all cleanly.
func TestThreeNodesInOneTerminal(t *testing.T) {
	first := freePorts(t, 6)
	url := "http://127.0.0.1:" + strconv.Itoa(first+1)
	p := program(t.Context(), nil, "cluster", "local", "--data", t.TempDir(), "--http-port", strconv.Itoa(first), "--raft-port", strconv.Itoa(first+3))
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	status := func() string {
		output, _ := runProgram(t, nil, "cluster", "status", "--url", url)
		return output
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		s := status()
		if strings.Count(s, " follower ") == 2 && len(leads.FindAllString(s, -1)) == 1 && strings.Contains(s, "state hashes agree") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s\n%s", s, p.log.String())
		}
		time.Sleep(100 * time.Millisecond)
	}
	if output, code := runProgram(t, nil, "cluster", "transfer", "--url", url); code != 0 {
		t.Errorf("transfer: %s", output)
	}
	output, code := runProgram(t, nil, "cluster", "remove", "n9", "--url", url)
	for ; strings.Contains(output, "nothing was done, try again") && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		output, code = runProgram(t, nil, "cluster", "remove", "n9", "--url", url) // the next leader does not serve yet
	}
	if code == 0 || !strings.Contains(output, `no node "n9"`) {
		t.Errorf("remove: exit code %d: %s", code, output)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, p.log.String())
	}
	for _, name := range []string{"n1", "n2", "n3"} {
		if !strings.Contains(p.log.String(), name+" | ") {
			t.Errorf("nothing of %s in the log", name)
		}
	}
	if got := strings.Count(p.log.String(), "msg=stopped"); got != 3 {
		t.Errorf("%d nodes stopped cleanly:\n%s", got, p.log.String())
	}
}

// TestCallersSpeakTLS: with a certificate HTTP is encrypted, and nothing else is
// answered.
func TestCallersSpeakTLS(t *testing.T) {
	dir, addr := t.TempDir(), freeAddress(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "EC PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := program(t.Context(), nil, "serve", "--data", filepath.Join(dir, "data"), "--http", addr, "--http-tls-cert", cert, "--http-tls-key", keyFile)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer p.stop(t)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		response, err := client.Get("https://" + addr + "/readyz")
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v\n%s", err, p.log.String())
		}
	}
	if response, err := http.Get("http://" + addr + "/readyz"); err == nil {
		response.Body.Close()
		t.Errorf("plain text is answered with %d", response.StatusCode)
	}
	client.CloseIdleConnections()
}
