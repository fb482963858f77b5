package api

import (
	"fmt"
	"net"
	"net/netip"
)

// RequireLoopback refuses an address to listen on that others than this machine
// could reach. As long as callers need no key, anybody who reaches the port can
// grant themselves credit.
func RequireLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("listen address %q: %w", addr, err)
	}
	if host == "localhost" {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Unmap().IsLoopback() {
		return nil
	}
	return fmt.Errorf("refusing to listen on %q: no API keys are configured, so only this machine may connect; "+
		"listen on 127.0.0.1, [::1] or localhost", addr)
}
