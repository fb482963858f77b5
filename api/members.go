package api

import (
	"errors"

	"github.com/valyala/fasthttp"
)

type memberAnswer struct {
	Node   string `json:"node"`
	Status string `json:"status"`
}

// memberRule is what a node's name and address obey; the cluster itself checks more.
var memberRule = textRule{required: true, bytes: 255}

// postAddMember makes the cluster know a new node. It gets its vote when it has
// caught up, which /cluster/status tells.
func postAddMember(c *call) (any, *Error) {
	v, err := c.body("node", "raft")
	if err != nil {
		return nil, err
	}
	node, err := v[0].str("node", memberRule)
	if err != nil {
		return nil, err
	}
	address, err := v[1].str("raft", memberRule)
	if err != nil {
		return nil, err
	}
	if err := c.changed(c.store.AddMember(c.ctx, node, address)); err != nil {
		return nil, err
	}
	return memberAnswer{node, "joining"}, nil
}

// postRemoveMember takes a node out of the cluster.
func postRemoveMember(c *call) (any, *Error) {
	node, err := c.namedNode(true)
	if err != nil {
		return nil, err
	}
	if err := c.changed(c.store.RemoveMember(c.ctx, node)); err != nil {
		return nil, err
	}
	return memberAnswer{node, "removed"}, nil
}

// postTransfer hands the leadership over, to the node named or to the one that is
// furthest.
func postTransfer(c *call) (any, *Error) {
	node, err := c.namedNode(false)
	if err != nil {
		return nil, err
	}
	if err := c.changed(c.store.TransferLeadership(c.ctx, node)); err != nil {
		return nil, err
	}
	return memberAnswer{node, "transferred"}, nil
}

func (c *call) namedNode(needed bool) (string, *Error) {
	v, err := c.body("node")
	if err != nil {
		return "", err
	}
	rule := memberRule
	rule.required = needed
	return v[0].str("node", rule)
}

// changed classes an error of a change of membership.
func (c *call) changed(err error) *Error {
	if errors.Is(err, ErrRefused) {
		return &Error{Status: fasthttp.StatusConflict, Code: "refused", Problem: err.Error()}
	}
	if err != nil {
		c.log.Warn("a change of the cluster failed", "error", err)
		return submitError(err)
	}
	return nil
}
