package raftstore

import (
	"fmt"
	"sync"
	"time"
)

// clockStep watches for jumps of the wall clock, which stamps entries, against the
// processor's own, which nobody sets.
type clockStep struct {
	mu      sync.Mutex
	wall    time.Time // when last looked at
	own     time.Time
	doubted bool      // it has jumped, and has not been compared with the others' since
	jumped  time.Time // last; on this node's own clock
}

// ahead is how far the wall clock has run ahead of the node's own since the last look.
func (c *clockStep) ahead(wall, own time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	wall = wall.Round(0)
	step := time.Duration(0)
	if !c.own.IsZero() {
		step = wall.Sub(c.wall) - own.Sub(c.own)
	}
	c.wall, c.own = wall, own
	return step
}

func (c *clockStep) doubt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.doubted, c.jumped = true, time.Now()
}

// state is when the clock last jumped, and whether that is all that is known of it.
func (c *clockStep) state() (jumped time.Time, doubted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.jumped, c.doubted
}

// trust ends the doubt, unless the clock has jumped again.
func (c *clockStep) trust(jumped time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.jumped.Equal(jumped) {
		c.doubted = false
	}
}

// checkClock looks whether the wall clock has jumped ahead, before it stamps anything:
// the log's time never goes back, and credit would expire early for good. In a cluster
// nothing is stamped until the others' clocks have been asked. A node that is alone has
// nobody to ask, and there the wall clock is the operator's word.
func (s *Store) checkClock(now time.Time) {
	step := s.clock.ahead(now, time.Now())
	if step <= s.o.ClockBound {
		return
	}
	if !s.clustered() || len(s.members()) < 2 {
		s.log.Error("the clock has jumped ahead; credit expires by it from now on, and the log's time never goes back",
			"by", step, "now", now)
		return
	}
	s.clock.doubt()
	s.clockAhead.Store(true)
	s.log.Error("the clock has jumped ahead; nothing is written here until the other nodes' clocks have been asked",
		"by", step, "now", now)
}

// watchClock compares this node's clock with the others'. One that is far ahead of
// most of them would make credit expire early for good, for the log's time never
// goes back: it must not lead.
func (s *Store) watchClock() {
	s.checkClock(s.o.Clock())
	jumped, doubted := s.clock.state()
	offsets := s.peers.offsets(jumped)
	if doubted && len(offsets) == 0 {
		return // nothing has been heard since
	}
	behind := 0
	for _, offset := range offsets {
		if -offset > s.o.ClockBound {
			behind++
		}
	}
	ahead := len(offsets) > 0 && behind > len(offsets)/2
	if ahead != s.clockAhead.Swap(ahead) {
		s.log.Error("this node's clock against the other nodes'", "too far ahead to lead", ahead,
			"bound", s.o.ClockBound, "the others' offsets", fmt.Sprint(offsets))
	}
	s.clock.trust(jumped)
	if ahead && s.leading() {
		if err := s.transferHere(""); err != nil {
			s.log.Warn("the leadership cannot be handed over; writes are refused here", "error", err)
		}
	}
}
