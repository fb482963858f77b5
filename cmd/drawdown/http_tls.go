package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// httpTLSFlags give callers an encrypted connection.
type httpTLSFlags struct {
	HTTPTLSCert string `name:"http-tls-cert" help:"PEM file with the certificate that callers see; without it HTTP is plain text. Read again when it changes." type:"path" placeholder:"FILE"`
	HTTPTLSKey  string `name:"http-tls-key" help:"PEM file with its key." type:"path" placeholder:"FILE"`
}

// Validate is called before Run.
func (f *httpTLSFlags) Validate() error {
	if (f.HTTPTLSCert == "") != (f.HTTPTLSKey == "") {
		return errors.New("--http-tls-cert and --http-tls-key go together")
	}
	return nil
}

// secure has callers speak TLS, if there is a certificate.
func (f *httpTLSFlags) secure(ln net.Listener, log *slog.Logger) (net.Listener, error) {
	if f.HTTPTLSCert == "" {
		return ln, nil
	}
	c := &httpCertificate{cert: f.HTTPTLSCert, key: f.HTTPTLSKey, log: log}
	if err := c.read(); err != nil {
		return nil, fmt.Errorf("--http-tls-cert: %w", err)
	}
	return tls.NewListener(ln, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.current}), nil
}

// certificateCheckEvery is how often the files' times are looked at.
const certificateCheckEvery = time.Second

// httpCertificate is a certificate that is read again when its files change.
type httpCertificate struct {
	cert, key string
	log       *slog.Logger

	mu      sync.Mutex
	checked time.Time
	times   [2]time.Time
	loaded  *tls.Certificate
}

func (c *httpCertificate) read() error {
	times, err := c.modified()
	if err != nil {
		return err
	}
	loaded, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err == nil {
		c.times, c.loaded = times, &loaded
	}
	return err
}

func (c *httpCertificate) modified() (times [2]time.Time, err error) {
	for i, file := range []string{c.cert, c.key} {
		info, err := os.Stat(file)
		if err != nil {
			return times, err
		}
		times[i] = info.ModTime()
	}
	return times, nil
}

// current is the certificate as the files have it; if they cannot be read, as they
// had it before.
func (c *httpCertificate) current(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) < certificateCheckEvery {
		return c.loaded, nil
	}
	c.checked = time.Now()
	if times, err := c.modified(); err == nil && times == c.times {
		return c.loaded, nil
	}
	if err := c.read(); err != nil {
		c.log.Warn("the certificate for callers cannot be read again; the one before stays in use", "error", err)
	} else {
		c.log.Info("the certificate for callers was read again", "file", c.cert)
	}
	return c.loaded, nil
}
