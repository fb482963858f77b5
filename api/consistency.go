package api

import (
	"math"
	"strconv"
	"time"
)

// ageHeader is how long ago, in milliseconds, the node that answered a stale read
// last heard of the leader.
const ageHeader = "Drawdown-Age-Ms"

// consistency makes the node ready for a read, as the caller asks: linearizable,
// which is the default (I5), or with ?consistency=stale whatever this node has, with
// its age. ?min_index= waits in either case until the node has carried the log out
// as far: with the index of an answer to a write it makes any node show that write.
func (c *call) consistency() *Error {
	level, err := c.query.text("consistency")
	if err != nil {
		return err
	}
	least, _, err := c.query.integer("min_index", 0, math.MaxInt64)
	if err != nil {
		return err
	}
	switch level {
	case "", "linearizable":
		err = c.linearize()
	case "stale":
		err = c.stale(uint64(least))
	default:
		return invalid("consistency", "must be linearizable or stale")
	}
	if err == nil && uint64(least) > c.index {
		err = c.atLeast(uint64(least))
	}
	return err
}

// stale answers from what the node has.
func (c *call) stale(least uint64) *Error {
	if least > 0 {
		if err := c.atLeast(least); err != nil {
			return err
		}
	}
	index, age, err := c.store.Stale()
	if err != nil {
		return c.readFailed(err)
	}
	c.index = index
	c.http.Response.Header.Set(ageHeader, strconv.FormatInt(age.Round(time.Millisecond).Milliseconds(), 10))
	return nil
}

// atLeast waits until the node has carried out the entry at the index.
func (c *call) atLeast(index uint64) *Error {
	if err := c.store.WaitIndex(c.ctx, index); err != nil {
		return c.readFailed(err)
	}
	c.index = index
	return nil
}
