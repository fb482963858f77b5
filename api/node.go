package api

import (
	"fmt"

	"github.com/valyala/fasthttp"
)

type healthAnswer struct {
	Status string `json:"status"`
}

// getHealth answers as long as the process can answer anything.
func getHealth(*call) (any, *Error) { return healthAnswer{"ok"}, nil }

// getReadiness answers whether requests should be sent here.
func getReadiness(c *call) (any, *Error) {
	if err := c.store.Ready(); err != nil {
		return nil, &Error{Status: fasthttp.StatusServiceUnavailable, Code: codeUnavailable, Problem: "not ready: " + err.Error()}
	}
	return healthAnswer{"ready"}, nil
}

func getMetrics(c *call) (any, *Error) {
	c.exposition(c.http)
	return nil, nil
}

func getStatus(c *call) (any, *Error) {
	status := c.store.Status(c.ctx)
	if status.Nodes == nil {
		status.Nodes = []NodeStatus{}
	}
	if status.Members == nil {
		status.Members = []Member{}
	}
	return status, nil
}

type hashAnswer struct {
	Index uint64 `json:"index"`
	Hash  string `json:"hash"` // hexadecimal: a number would lose digits in JavaScript
}

func getHash(c *call) (any, *Error) {
	index, hash, err := c.store.Hash(c.ctx)
	if err != nil {
		return nil, c.readFailed(err)
	}
	return hashAnswer{index, fmt.Sprintf("%016x", hash)}, nil
}

func postCheck(c *call) (any, *Error) {
	level, problem := c.query.text("consistency")
	if problem != nil {
		return nil, problem
	}
	report, err := c.store.Check(c.ctx, level == "stale")
	if err != nil {
		return nil, c.readFailed(err)
	}
	c.index = report.Index
	if report.Violations == nil {
		report.Violations = []string{}
	}
	return report, nil
}

type indexAnswer struct {
	Index uint64 `json:"index"`
}

func postSnapshot(c *call) (any, *Error) {
	index, err := c.store.Snapshot(c.ctx)
	if err != nil {
		return nil, c.readFailed(err)
	}
	return indexAnswer{index}, nil
}
