package raftstore

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// TLSFiles names PEM files. They are read again when they change, so that a
// certificate can be renewed without a restart.
type TLSFiles struct {
	Cert string // this node's certificate; its name is the node's
	Key  string
	CA   string // who signs the nodes' certificates; nobody else should
}

// tlsCheckEvery is how often the files' times are looked at.
const tlsCheckEvery = time.Second

// internalProtocol is what nodes agree on in the handshake.
const internalProtocol = "drawdown-node/1"

// credentials are the files as last read.
type credentials struct {
	files TLSFiles
	log   *slog.Logger

	mu      sync.Mutex
	checked time.Time
	times   [3]time.Time
	cert    *tls.Certificate
	pool    *x509.CertPool
}

// loadCredentials reads the files; node must be the certificate's name.
func loadCredentials(files TLSFiles, node string, log *slog.Logger) (*credentials, error) {
	c := &credentials{files: files, log: log}
	if err := c.read(); err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(c.cert.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", files.Cert, err)
	}
	if !names(leaf, node) {
		return nil, fmt.Errorf("%s: the certificate is for %v, the node is %q: give it this name as a DNS name", files.Cert, leaf.DNSNames, node)
	}
	return c, nil
}

// names says whether the certificate is the node's.
func names(leaf *x509.Certificate, node string) bool { return slices.Contains(leaf.DNSNames, node) }

func (c *credentials) read() error {
	times, err := c.modified()
	if err != nil {
		return err
	}
	cert, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	if err != nil {
		return fmt.Errorf("%s, %s: %w", c.files.Cert, c.files.Key, err)
	}
	text, err := os.ReadFile(c.files.CA)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return fmt.Errorf("%s: there is no certificate in it", c.files.CA)
	}
	c.times, c.cert, c.pool = times, &cert, pool
	return nil
}

func (c *credentials) modified() (times [3]time.Time, err error) {
	for i, file := range []string{c.files.Cert, c.files.Key, c.files.CA} {
		info, err := os.Stat(file)
		if err != nil {
			return times, err
		}
		times[i] = info.ModTime()
	}
	return times, nil
}

// current is the certificate and the signers; files that cannot be read leave the
// ones before in use.
func (c *credentials) current() (*tls.Certificate, *x509.CertPool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) < tlsCheckEvery {
		return c.cert, c.pool
	}
	c.checked = time.Now()
	if times, err := c.modified(); err == nil && times == c.times {
		return c.cert, c.pool
	}
	if err := c.read(); err != nil {
		c.log.Warn("the certificates cannot be read again; those read before stay in use", "error", err)
	} else {
		c.log.Info("the certificates were read again", "file", c.files.Cert)
	}
	return c.cert, c.pool
}

// server is the listening side's configuration: whoever connects must show a
// certificate of the same signer. Which node it is, the hello says; isNode compares.
func (c *credentials) server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			cert, pool := c.current()
			return &tls.Config{
				MinVersion: tls.VersionTLS13, NextProtos: []string{internalProtocol},
				Certificates: []tls.Certificate{*cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
			}, nil
		},
	}
}

// client is the dialling side's configuration: only the node asked for may answer.
func (c *credentials) client(node string) *tls.Config {
	cert, pool := c.current()
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{internalProtocol}, ServerName: node,
		Certificates: []tls.Certificate{*cert}, RootCAs: pool,
	}
}

// isNode checks that the peer's certificate is the node's.
func isNode(state tls.ConnectionState, node string) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("no certificate was shown")
	}
	if leaf := state.PeerCertificates[0]; !names(leaf, node) {
		return fmt.Errorf("it calls itself %q, its certificate is for %v", node, leaf.DNSNames)
	}
	return nil
}
