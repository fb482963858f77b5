package peer

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/valyala/fasthttp"

	"drawdown/api"
	"drawdown/bench/load"
)

// handlers are the HTTP peers, by name.
var handlers = map[string]fasthttp.RequestHandler{"echo": echo, "parse-only": parseOnly}

// echo answers what it is sent.
func echo(rc *fasthttp.RequestCtx) {
	rc.SetContentTypeBytes(rc.Request.Header.ContentType())
	rc.SetBody(rc.PostBody())
}

// parseOnly reads a batch as Drawdown does and calls all of it accepted.
func parseOnly(rc *fasthttp.RequestCtx) {
	events, err := api.ScanBatch(rc.PostBody())
	if err != nil {
		rc.Error(err.Error(), fasthttp.StatusBadRequest)
		return
	}
	rc.SetContentType("application/json")
	fmt.Fprintf(rc, `{"accepted":%d,"duplicates":0,"rejected":0,"results":[]}`, events)
}

// maxBody is as large as Drawdown's batches may be.
const maxBody = 8 << 20

// ServeHTTP serves echo or parse-only on an address until ctx ends.
func ServeHTTP(ctx context.Context, name, addr string) error {
	handler, ok := handlers[name]
	if !ok {
		return fmt.Errorf("there is no peer %q", name)
	}
	server := &fasthttp.Server{Handler: handler, MaxRequestBodySize: maxBody, NoDefaultServerHeader: true, CloseOnShutdown: true}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		return server.Shutdown()
	}
}

// HTTP is an HTTP peer as a process.
type HTTP struct {
	Name   string // echo or parse-only
	Dir    string // made by the caller; holds the log
	Binary string // of Drawdown, which has the peers in it

	addr    string
	process *process
}

// Start starts it on a free port.
func (h *HTTP) Start(context.Context) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	h.addr = listener.Addr().String()
	if err := listener.Close(); err != nil {
		return err
	}
	if h.process, err = start(h.Dir, nil, syscall.SIGKILL, h.Binary, "bench", "peer", h.Name, "--http", h.addr); err != nil {
		return err
	}
	return h.process.await(func() error {
		conn, err := net.Dial("tcp", h.addr)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// Sender is a new connection.
func (h *HTTP) Sender(_ context.Context, batch int, stream *load.Stream) (load.Sender, error) {
	s, err := load.NewHTTPSender(h.addr, "json", load.Events{Name: "tokens", Customers: stream.Customers()}, batch, stream)
	if err == nil && h.Name == "echo" {
		s.Echoed()
	}
	return s, err
}

// Version is what is measured.
func (h *HTTP) Version() string {
	return "fasthttp " + strings.TrimPrefix(moduleVersion("github.com/valyala/fasthttp"), "v")
}

// PID is the process id, 0 when it does not run.
func (h *HTTP) PID() int { return h.process.pid() }

// Stop ends the server.
func (h *HTTP) Stop() error { return h.process.stop(os.Interrupt.(syscall.Signal)) }
