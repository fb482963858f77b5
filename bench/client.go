package bench

import (
	"net/url"
	"time"

	"github.com/goccy/go-json"
	"github.com/valyala/fasthttp"

	"drawdown/bench/load"
)

// callTimeout is how long one call may take.
const callTimeout = 60 * time.Second

// Client speaks Drawdown's HTTP interface. It may be used by many goroutines.
type Client struct {
	base string
	http *fasthttp.Client
}

// NewClient is a client of the node at a URL.
func NewClient(base string) *Client {
	return &Client{base: base, http: &fasthttp.Client{
		MaxConnsPerHost: 4096, ReadTimeout: callTimeout, WriteTimeout: callTimeout,
		// A call is repeated by those who know what it means, not here.
		MaxIdemponentCallAttempts: 1,
	}}
}

// StatusError is an answer other than 2xx.
type StatusError = load.StatusError

// Call sends a request with a JSON body (nil for none) and decodes the answer
// into result (nil to ignore it). An answer other than 2xx is a *StatusError.
func (c *Client) Call(method, path string, body, result any) error {
	var raw []byte
	if body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			return err
		}
	}
	return c.Send(method, path, raw, result)
}

// Send is Call with a body that is JSON already.
func (c *Client) Send(method, path string, body []byte, result any) error {
	return c.do(method, path, body, func(answer []byte) error {
		if result == nil {
			return nil
		}
		return json.Unmarshal(answer, result)
	})
}

// text is the answer to a GET, as it is.
func (c *Client) text(path string) (text string, err error) {
	err = c.do("GET", path, nil, func(answer []byte) error {
		text = string(answer)
		return nil
	})
	return text, err
}

// do sends a request and hands over the body of an answer of 2xx; take must not
// keep it.
func (c *Client) do(method, path string, body []byte, take func(answer []byte) error) error {
	request, response := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(request)
	defer fasthttp.ReleaseResponse(response)
	request.SetRequestURI(c.base + path)
	request.Header.SetMethod(method)
	if body != nil {
		request.Header.SetContentType("application/json")
		request.SetBodyRaw(body)
	}
	if err := c.http.DoTimeout(request, response, callTimeout); err != nil {
		return err
	}
	if status := response.StatusCode(); status/100 != 2 {
		return &StatusError{Status: status, Body: string(response.Body())}
	}
	return take(response.Body())
}

// Forget drops idle connections: after a restart they lead nowhere.
func (c *Client) Forget() { c.http.CloseIdleConnections() }

// Ready says whether the node can serve.
func (c *Client) Ready() bool { return c.Send("GET", "/readyz", nil, nil) == nil }

// Meter is what the harness reads of a meter.
type Meter struct {
	ID         string `json:"id"`
	CurrencyID string `json:"currency_id"`
}

// CreateMeter makes a meter that sums up values, in a currency of its own.
func (c *Client) CreateMeter(eventName string, decimals int) (m Meter, err error) {
	err = c.Call("POST", "/api/meters", map[string]any{
		"name": eventName, "event_name": eventName, "unit": eventName, "aggregation_method": "sum", "decimal": decimals,
	}, &m)
	return m, err
}

// Grant gives a customer credit, in whole tokens.
func (c *Client) Grant(customer, currency, amount string) error {
	return c.Call("POST", "/api/credit-grants", map[string]any{
		"customer_id": customer, "currency_id": currency, "amount": amount, "category": "paid",
	}, nil)
}

// BatchAnswer is the answer to a batch of events.
type BatchAnswer struct {
	Accepted   int               `json:"accepted"`
	Duplicates int               `json:"duplicates"`
	Rejected   int               `json:"rejected"`
	Results    []json.RawMessage `json:"results"`
}

// Batch reports events; body is a JSON array.
func (c *Client) Batch(body []byte) (a BatchAnswer, err error) {
	err = c.Send("POST", "/api/meter-events/batch", body, &a)
	return a, err
}

// Balance is what a customer can spend of a currency, in its smallest unit.
func (c *Client) Balance(customer, currency string) (string, error) {
	var summary map[string]struct {
		RemainingAmount string `json:"remainingAmount"`
	}
	err := c.Send("GET", "/api/credit-grants/summary?customer_id="+url.QueryEscape(customer), nil, &summary)
	if err != nil {
		return "", err
	}
	if of, ok := summary[currency]; ok {
		return of.RemainingAmount, nil
	}
	return "0", nil
}

// EventCount is how many events the node has counted for a meter.
func (c *Client) EventCount(meter string) (int, error) {
	var page struct {
		Count int `json:"count"`
	}
	err := c.Send("GET", "/api/meter-events?pageSize=1&meter_id="+url.QueryEscape(meter), nil, &page)
	return page.Count, err
}

// CheckAnswer is what a node says of its own state.
type CheckAnswer struct {
	OK         bool     `json:"ok"`
	Index      uint64   `json:"index"`
	Violations []string `json:"violations"`
	Customers  int      `json:"customers"`
	Totals     []struct {
		Currency string `json:"currency_id"`
		Consumed string `json:"consumed"`
		Pending  string `json:"pending"`
	} `json:"totals"`
}

// Check has the node walk all of its state.
func (c *Client) Check() (a CheckAnswer, err error) {
	err = c.Send("POST", "/cluster/check", nil, &a)
	return a, err
}

// Snapshot has the node take a snapshot; it answers at which index of the log.
func (c *Client) Snapshot() (index uint64, err error) {
	var answer struct {
		Index uint64 `json:"index"`
	}
	err = c.Send("POST", "/cluster/snapshot", nil, &answer)
	return answer.Index, err
}
