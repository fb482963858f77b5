package api

import (
	"strings"

	"github.com/valyala/fasthttp"
)

// route is one line of the table: method, pattern, handler. The pattern is also
// the route's name in metrics.
type route struct {
	method  string
	pattern string
	handle  func(*call) (any, *Error)
	kind    routeKind
}

// routeKind says what a route's calls may do and need.
type routeKind uint8

const (
	reads  routeKind = iota // waits for Linearize before the handler
	writes                  // may change state: a failure in mid-flight is an unknown outcome
	local                   // is about this node, and is answered however busy it is
)

const (
	get  = fasthttp.MethodGet
	post = fasthttp.MethodPost
	put  = fasthttp.MethodPut
)

const batchPath = "/api/meter-events/batch"

// routes is the whole interface. Fixed segments win over {placeholders}.
var routes = []route{
	{post, "/api/meters", createMeter, writes},
	{get, "/api/meters", listMeters, reads},
	{get, "/api/meters/{id}", getMeter, reads},
	{put, "/api/meters/{id}", updateMeter, writes},
	{put, "/api/meters/{id}/activate", activateMeter, writes},
	{put, "/api/meters/{id}/deactivate", deactivateMeter, writes},

	{get, "/api/payment-currencies", listCurrencies, reads},
	{post, "/api/payment-currencies/check-recurring-support", checkRecurringSupport, reads},
	{get, "/api/payment-currencies/{id}", getCurrency, reads},
	{put, "/api/payment-currencies/{id}", updateCurrency, writes},
	{get, "/api/payment-currencies/{id}/recharge-config", getRechargeConfig, reads},
	{put, "/api/payment-currencies/{id}/recharge-config", putRechargeConfig, writes},

	{get, "/api/customers", listCustomers, reads},
	{get, "/api/customers/search", searchCustomers, reads},
	{get, "/api/customers/{id}", getCustomer, reads},
	{put, "/api/customers/{id}", updateCustomer, writes},

	{post, "/api/credit-grants", createGrant, writes},
	{get, "/api/credit-grants", listGrants, reads},
	{get, "/api/credit-grants/summary", getSummary, reads},
	{get, "/api/credit-grants/verify-availability", verifyAvailability, reads},
	{get, "/api/credit-grants/holders", listHolders, reads},
	{get, "/api/credit-grants/stats", getGrantStats, reads},
	{get, "/api/credit-grants/{id}", getGrant, reads},
	{put, "/api/credit-grants/{id}", updateGrant, writes},
	{post, "/api/credit-grants/{id}/void", voidGrant, writes},

	{post, "/api/meter-events", createEvent, writes},
	{post, batchPath, createEvents, writes},
	{get, "/api/meter-events", listEvents, reads},
	{get, "/api/meter-events/stats", getEventStats, reads},
	{get, "/api/meter-events/pending-amount", getPendingAmount, reads},
	{get, "/api/meter-events/{id}", getEvent, reads},

	{get, "/api/credit-transactions", listTransactions, reads},
	{get, "/api/credit-transactions/summary", getTransactionSummary, reads},
	{get, "/api/credit-transactions/{id}", getTransaction, reads},

	{put, "/api/subscriptions/{id}", putSubscription, writes},

	{get, "/healthz", getHealth, local},
	{get, "/readyz", getReadiness, local},
	{get, "/metrics", getMetrics, local},
	{get, "/cluster/status", getStatus, local},
	{get, "/cluster/hash", getHash, local},
	{post, "/cluster/check", postCheck, local},
	{post, "/cluster/snapshot", postSnapshot, local},
	{post, "/cluster/add", postAddMember, local},
	{post, "/cluster/remove", postRemoveMember, local},
	{post, "/cluster/transfer", postTransfer, local},
}

// router finds the route of a request.
type router struct {
	fixed    map[string][]*handled // patterns without placeholders, by path
	patterns [][]*handled          // the others, by number of segments
}

// handled is a route made ready for serving.
type handled struct {
	route
	segments []string
	metrics  routeMetrics
}

func newRouter(m *metrics) *router {
	r := &router{fixed: map[string][]*handled{}, patterns: make([][]*handled, maxSegments)}
	for _, line := range routes {
		h := &handled{route: line, segments: strings.Split(line.pattern[1:], "/"), metrics: m.route(line.pattern)}
		if strings.Contains(line.pattern, "{") {
			n := len(h.segments)
			r.patterns[n] = append(r.patterns[n], h)
		} else {
			r.fixed[line.pattern] = append(r.fixed[line.pattern], h)
		}
	}
	return r
}

// find is the route for method and path, and what stands for its placeholder.
// An error of it carries Allow when the path is known and the method is not.
func (r *router) find(method, path string) (h *handled, id string, err *Error) {
	if same := r.fixed[path]; same != nil {
		h, err = byMethod(method, same)
		return h, "", err
	}
	var segments [maxSegments]string
	n, err := splitPath(path, &segments)
	if err != nil {
		return nil, "", err
	}
	var same []*handled
	if n < maxSegments {
		for _, candidate := range r.patterns[n] {
			if value, ok := candidate.matches(segments[:n]); ok {
				same, id = append(same, candidate), value
			}
		}
	}
	if same == nil {
		return nil, "", notFound("", "there is no such route")
	}
	h, err = byMethod(method, same)
	return h, id, err
}

// matches holds a path's segments against the pattern, which has as many and one
// placeholder.
func (h *handled) matches(segments []string) (id string, ok bool) {
	for i, want := range h.segments {
		switch {
		case want[0] == '{':
			if id = segments[i]; id == "" {
				return "", false
			}
		case want != segments[i]:
			return "", false
		}
	}
	return id, true
}

// byMethod picks from the routes of one path. HEAD is GET without the body.
func byMethod(method string, same []*handled) (*handled, *Error) {
	if method == fasthttp.MethodHead {
		method = get
	}
	allow := fasthttp.MethodOptions
	for _, h := range same {
		if h.method == method {
			return h, nil
		}
		allow += ", " + h.method
		if h.method == get {
			allow += ", " + fasthttp.MethodHead
		}
	}
	return nil, &Error{
		Status: fasthttp.StatusMethodNotAllowed, Code: "method_not_allowed", Problem: "the path does not know this method",
		Allow: allow,
	}
}
