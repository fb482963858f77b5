package raftstore

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// signer signs nodes' certificates.
type signer struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	ca   string
	made int64
}

func newSigner(t *testing.T) *signer {
	t.Helper()
	s := &signer{t: t, dir: t.TempDir()}
	s.key = s.newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "nodes"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, s.key.Public(), s.key)
	if err != nil {
		t.Fatal(err)
	}
	if s.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	s.ca = s.write("ca.pem", "CERTIFICATE", der)
	return s
}

func (s *signer) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	return key
}

func (s *signer) write(name, kind string, der []byte) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// files are a certificate for the name, in files of that name.
func (s *signer) files(name string) *TLSFiles {
	s.t.Helper()
	s.made++
	key := s.newKey()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(s.made + 1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter:    time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, s.cert, key.Public(), s.key)
	if err != nil {
		s.t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		s.t.Fatal(err)
	}
	return &TLSFiles{Cert: s.write(name+".pem", "CERTIFICATE", der), Key: s.write(name+".key", "EC PRIVATE KEY", raw), CA: s.ca}
}

// TestNodesKnowEachOtherByCertificate: with certificates all works as without; plain
// text, a stranger's signature, and another node's name are refused.
func TestNodesKnowEachOtherByCertificate(t *testing.T) {
	c, s := newTrio(t), newSigner(t)
	for _, p := range c.peers {
		c.tls[p.ID] = s.files(p.ID)
	}
	c.start(nil, "n1", "n2", "n3")
	c.followers()[0].submit(meter(), report("a"))
	c.equal()

	n1, target := c.nodes["n1"], c.peers[1]
	own := n1.mesh.tls
	for name, files := range map[string]*TLSFiles{"no certificate": nil, "another signer": newSigner(t).files("n1"), "another name": s.files("n9")} {
		stranger := &mesh{store: n1.Store}
		if files != nil {
			stranger.tls = &credentials{files: *files, log: quiet()}
			if err := stranger.tls.read(); err != nil {
				t.Fatal(err)
			}
			stranger.tls.pool = own.pool // it trusts the cluster, but not the other way round
		}
		if conn, err := stranger.dial(t.Context(), target.Raft, target.ID, purposeAsking); err == nil {
			conn.Close()
			t.Errorf("%s: it was let in", name)
		}
	}
	// Who answers must be the node that was called.
	if _, err := n1.mesh.dial(t.Context(), target.Raft, "n3", purposeAsking); err == nil || !strings.Contains(err.Error(), "n3") {
		t.Error("another node answered:", err)
	}
}

// TestCertificatesAreReadAgain: a renewed certificate is used without a restart, and
// one that cannot be read changes nothing.
func TestCertificatesAreReadAgain(t *testing.T) {
	s := newSigner(t)
	files := s.files("n1")
	c, err := loadCredentials(*files, "n1", quiet())
	if err != nil {
		t.Fatal(err)
	}
	first, _ := c.current()
	s.files("n1")
	for _, file := range []string{files.Cert, files.Key} { // whatever the file system's clock
		if err := os.Chtimes(file, time.Now(), time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	look := func() []byte {
		c.checked = time.Time{}
		cert, _ := c.current()
		return cert.Certificate[0]
	}
	second := look()
	if string(first.Certificate[0]) == string(second) {
		t.Fatal("the old certificate is still used")
	}
	if err := os.WriteFile(files.Cert, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if string(look()) != string(second) {
		t.Fatal("a file that cannot be read was taken")
	}
	if _, err := loadCredentials(*s.files("n2"), "n1", quiet()); err == nil || !strings.Contains(err.Error(), `"n1"`) {
		t.Fatal("another node's certificate was taken:", err)
	}
}

// TestPlainTextStaysOnThisMachine unless it is allowed explicitly.
func TestPlainTextStaysOnThisMachine(t *testing.T) {
	for _, c := range []struct {
		options ClusterOptions
		ok      bool
	}{
		{ClusterOptions{Listen: "127.0.0.1:1"}, true},
		{ClusterOptions{Listen: "0.0.0.0:1"}, false},
		{ClusterOptions{Listen: ":1"}, false},
		{ClusterOptions{Listen: "0.0.0.0:1", PlaintextAllowed: true}, true},
		{ClusterOptions{Listen: "0.0.0.0:1", TLS: &TLSFiles{}}, true},
		{ClusterOptions{Listen: "[::1]:1", Peers: []Peer{{ID: "n1", Raft: "[::1]:1"}, {ID: "n2", Raft: "192.0.2.1:1"}}}, false},
		{ClusterOptions{Listen: "127.0.0.1:1", Peers: []Peer{{ID: "n2", Raft: "127.0.0.1:2"}}}, false},
	} {
		if err := c.options.check("n1"); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.options, err)
		}
	}
}

// TestNoiseOnThePort: whatever comes in, the node goes on.
func TestNoiseOnThePort(t *testing.T) {
	c := newTrio(t)
	c.start(nil, "n1", "n2", "n3")
	for _, noise := range []string{"", "GET / HTTP/1.1\r\n\r\n", "DRWN\x01A", strings.Repeat("x", 1<<16), "DRWN\x01A" + strings.Repeat("\x00", 16) + "\x02n2\x02n1\xff\xff\xff\xff"} {
		conn, err := net.Dial("tcp", c.peers[0].Raft)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write([]byte(noise))
		conn.Close()
	}
	c.leader().submit(meter())
	c.equal()
}
