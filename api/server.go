package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"
)

// Options are what a Server is made of.
type Options struct {
	Store    Store
	View     View
	Registry *prometheus.Registry // what /metrics shows; the Server adds its own
	Logger   *slog.Logger
	// MaxInFlight bounds the requests being handled at once; 0 is the default.
	MaxInFlight int
}

// Server answers the HTTP interface.
type Server struct {
	store       Store
	view        View
	log         *slog.Logger
	metrics     *metrics
	router      *router
	unrouted    routeMetrics // requests that no route took
	exposition  fasthttp.RequestHandler
	maxInFlight int64
	inFlight    atomic.Int64
	http        *fasthttp.Server
}

// New makes a Server. It does not listen yet.
func New(o Options) *Server {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.MaxInFlight <= 0 {
		o.MaxInFlight = defaultMaxInFlight
	}
	m := newMetrics(o.Registry)
	s := &Server{
		store: o.Store, view: o.View, log: o.Logger, metrics: m, router: newRouter(m), unrouted: m.route("none"),
		exposition:  fasthttpadaptor.NewFastHTTPHandler(promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{})),
		maxInFlight: int64(o.MaxInFlight),
	}
	s.http = &fasthttp.Server{
		Handler:                      s.Handler,
		ErrorHandler:                 s.transportError,
		HeaderReceived:               requestConfig,
		Logger:                       transportLogger{o.Logger},
		Concurrency:                  maxConnections,
		ReadBufferSize:               maxHeader,
		ReadTimeout:                  headerTime,
		WriteTimeout:                 writeTime,
		IdleTimeout:                  idleTime,
		MaxRequestBodySize:           maxBody,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		SecureErrorLogMessage:        true,
		CloseOnShutdown:              true,
	}
	warmEncoders()
	return s
}

// requestConfig gives the batch call its larger body, and every body its time.
func requestConfig(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	config := fasthttp.RequestConfig{ReadTimeout: bodyTime, MaxRequestBodySize: maxBody}
	if path, _, err := splitTarget(string(h.RequestURI())); err == nil && path == batchPath {
		config.MaxRequestBodySize = maxBatchBody
	}
	return config
}

// Serve answers the connections of ln until Shutdown.
func (s *Server) Serve(ln net.Listener) error {
	return s.http.Serve(lingeringListener{ln})
}

// Shutdown stops listening, lets the requests in flight finish, and returns when
// they have or ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	return s.http.ShutdownWithContext(ctx)
}

// transportError answers what fasthttp could not read as a request. The
// connection is closed behind it.
func (s *Server) transportError(rc *fasthttp.RequestCtx, cause error) {
	answer := badRequest("invalid_request", "", "the request is not valid HTTP/1.1")
	var small *fasthttp.ErrSmallBuffer
	var network net.Error
	switch {
	case errors.Is(cause, fasthttp.ErrBodyTooLarge):
		answer = errBodyTooLarge
	case errors.As(cause, &small):
		answer = &Error{
			Status: fasthttp.StatusRequestHeaderFieldsTooLarge, Code: codeTooLarge,
			Problem: fmt.Sprintf("the request line and headers are longer than %d bytes", maxHeader),
		}
	case errors.As(cause, &network) && network.Timeout():
		answer = &Error{Status: fasthttp.StatusRequestTimeout, Code: "timeout", Problem: "the request took too long to arrive"}
	}
	rc.Response.Reset()
	writeError(rc, answer)
	if c, ok := rc.Conn().(*lingeringConn); ok {
		c.linger.Store(true)
	}
	s.unrouted.observe(answer.Status, 0)
}

// transportLogger passes on what fasthttp has to say about connections.
type transportLogger struct{ log *slog.Logger }

func (l transportLogger) Printf(format string, args ...any) {
	l.log.Debug("http transport", "message", fmt.Sprintf(format, args...))
}
