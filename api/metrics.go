package api

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"

	"drawdown/engine/ledger"
)

// metrics are what the interface counts. No label holds anything that a caller
// chose, so that their number is bounded.
type metrics struct {
	requests *prometheus.HistogramVec
	inFlight prometheus.Gauge
	batches  prometheus.Histogram
	decoding prometheus.Histogram

	// Events by outcome, ready to be counted without a look-up.
	events      *prometheus.CounterVec
	verdicts    []prometheus.Counter // by ledger.Code
	conflict    prometheus.Counter
	malformed   prometheus.Counter
	overloaded  prometheus.Counter
	unavailable prometheus.Counter
	unknown     prometheus.Counter
}

// routeMetrics is a route's latency by class of status: 2xx, 4xx, 5xx. The server
// answers no others.
type routeMetrics [3]prometheus.Observer

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "drawdown_http_request_duration_seconds",
			Help:    "Time from a request's last byte to its answer, by route and class of status.",
			Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 30},
		}, []string{"route", "class"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "drawdown_http_requests_in_flight", Help: "Requests being handled.",
		}),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "drawdown_http_batch_events", Help: "Events in a batch request.",
			Buckets: []float64{1, 10, 50, 100, 250, 500, 1000, 2500, 5000, 10000},
		}),
		decoding: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "drawdown_http_decode_seconds", Help: "Decoding, validating and encoding the events of a batch request.",
			Buckets: prometheus.ExponentialBuckets(.00001, 4, 8),
		}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "drawdown_http_events_total", Help: "Meter events received, by what became of them.",
		}, []string{"outcome"}),
	}
	registry.MustRegister(m.requests, m.inFlight, m.batches, m.decoding, m.events)
	for code := ledger.OK; code.String() != "unknown_code"; code++ {
		name := code.String()
		if code == ledger.OK {
			name = "counted"
		}
		m.verdicts = append(m.verdicts, m.events.WithLabelValues(name))
	}
	m.conflict = m.events.WithLabelValues("conflict")
	m.malformed = m.events.WithLabelValues("malformed")
	m.overloaded = m.events.WithLabelValues("overloaded")
	m.unavailable = m.events.WithLabelValues("unavailable")
	m.unknown = m.events.WithLabelValues("unknown")
	return m
}

func (m *metrics) route(pattern string) (r routeMetrics) {
	for i, class := range [...]string{"2xx", "4xx", "5xx"} {
		r[i] = m.requests.WithLabelValues(pattern, class)
	}
	return r
}

func (r *routeMetrics) observe(status int, took time.Duration) {
	class := 0
	if status >= fasthttp.StatusBadRequest {
		class = min(status/100-3, len(r)-1)
	}
	r[class].Observe(took.Seconds())
}

// verdict counts an event by the verdict on it.
func (m *metrics) verdict(code ledger.Code) {
	if int(code) < len(m.verdicts) {
		m.verdicts[code].Inc()
	}
}

// failed counts n events whose submission failed as a whole.
func (m *metrics) failed(err *Error, n int) {
	switch err.Code {
	case codeOverloaded:
		m.overloaded.Add(float64(n))
	case codeUnavailable:
		m.unavailable.Add(float64(n))
	case codeTooLarge:
		m.malformed.Add(float64(n))
	default:
		m.unknown.Add(float64(n))
	}
}
