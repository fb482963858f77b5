package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// callTime is longer than an election; a stopped node answers nobody.
const callTime = 6 * time.Second

var httpClient = &http.Client{Timeout: callTime, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// outcome is what a caller may conclude from an answer.
type outcome int

const (
	counted outcome = iota // it is applied, for good
	refused                // surely nothing was done
	unknown                // it may have been done
	wrong                  // the answer itself is a mistake
)

// refusal is an answer other than 200.
type refusal struct {
	status int
	code   string
	text   string
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %s: %s", r.status, r.code, r.text) }

// call sends a request to a node and decodes the answer.
func call(node *Node, method, path string, body []byte, result any) error {
	request, err := http.NewRequest(method, node.URL()+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := httpClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		r := &refusal{status: response.StatusCode, text: string(text)}
		var of struct{ Code string }
		_ = json.Unmarshal(text, &of)
		r.code = of.Code
		return r
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(text, result)
}

// outcomeOf classes an error of call for a request that changes something.
func outcomeOf(err error) outcome {
	var r *refusal
	switch {
	case err == nil:
		return counted
	case !errors.As(err, &r):
		return unknown // the connection broke, or nobody answered in time
	case r.status == http.StatusServiceUnavailable && (r.code == "unavailable" || r.code == "overloaded"):
		return refused
	case r.status == http.StatusServiceUnavailable && r.code == "outcome_unknown":
		return unknown
	}
	return wrong
}

type batchAnswer struct {
	Accepted   int `json:"accepted"`
	Duplicates int `json:"duplicates"`
	Rejected   int `json:"rejected"`
}

func sendBatch(node *Node, body []byte) (a batchAnswer, err error) {
	err = call(node, http.MethodPost, "/api/meter-events/batch", body, &a)
	return a, err
}

// stale asks a node for what it has itself.
const stale = "consistency=stale"

func staleBalance(node *Node, customer, currency string) (string, error) {
	var summary map[string]struct {
		RemainingAmount string `json:"remainingAmount"`
	}
	err := call(node, http.MethodGet, "/api/credit-grants/summary?"+stale+"&customer_id="+url.QueryEscape(customer), nil, &summary)
	return summary[currency].RemainingAmount, err
}

func staleEvents(node *Node, meter string) (int, error) {
	var page struct{ Count int }
	err := call(node, http.MethodGet, "/api/meter-events?pageSize=1&"+stale+"&meter_id="+url.QueryEscape(meter), nil, &page)
	return page.Count, err
}

type checkAnswer struct {
	OK         bool     `json:"ok"`
	Index      uint64   `json:"index"`
	Hash       string   `json:"hash"`
	StateHash  string   `json:"state_hash"`
	Violations []string `json:"violations"`
}

func staleCheck(node *Node) (a checkAnswer, err error) {
	err = call(node, http.MethodPost, "/cluster/check?"+stale, nil, &a)
	return a, err
}

// statusAnswer is what the tests read of /cluster/status.
type statusAnswer struct {
	Node        string `json:"node"`
	Leader      string `json:"leader"`
	Role        string `json:"role"`
	Applied     uint64 `json:"applied_index"`
	HashesAgree bool   `json:"hashes_agree"`
	Nodes       []struct {
		Node          string `json:"node"`
		Voter         bool   `json:"voter"`
		Reached       bool   `json:"reached"`
		Applied       uint64 `json:"applied_index"`
		SnapshotIndex uint64 `json:"snapshot_index"`
	} `json:"nodes"`
}

func status(node *Node) (a statusAnswer, err error) {
	err = call(node, http.MethodGet, "/cluster/status", nil, &a)
	return a, err
}

func ready(node *Node) bool { return call(node, http.MethodGet, "/readyz", nil, nil) == nil }
