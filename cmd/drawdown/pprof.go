package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"drawdown/api"
)

// profileHeaderTimeout bounds how long a caller of the profiler may take over the
// head of a request. Profiles themselves run as long as they are asked to.
const profileHeaderTimeout = 5 * time.Second

// serveProfiles answers Go's profiler on an address of its own, never on the one
// that customers reach: a profile tells what is in memory, and costs processor
// time. The listener is the caller's to close; "" serves nothing.
func serveProfiles(address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	if err := api.RequireLoopback(address); err != nil {
		return nil, fmt.Errorf("--pprof: %w", err)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--pprof: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: profileHeaderTimeout}
	go func() { _ = server.Serve(listener) }() // ends with the listener; nothing depends on it
	return listener, nil
}
