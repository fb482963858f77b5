package raftstore

import (
	"time"

	"github.com/hashicorp/raft"

	"drawdown/engine/ledger"
)

// part is the share that one request has in one entry.
type part struct {
	request *request
	count   int  // commands
	last    bool // the request's last ones
}

// openEntry is the entry that grows while the one before it is being committed.
// Its buffer is reused; seal copies it into memory that raft may keep (I10).
type openEntry struct {
	limit    int // bytes
	body     []byte
	commands int
	parts    []part
	full     bool
	// continues says that the entry begins in the middle of a batch whose earlier
	// commands are in flight.
	continues bool
}

// take copies the request's commands in as far as there is room. finished says
// that all of it is in, dropped that its caller has left and that what was not in
// yet never will be.
func (e *openEntry) take(r *request) (finished, dropped bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone {
		return false, true
	}
	first := r.next
	for r.next < r.batch.Len() {
		command := r.batch.At(r.next)
		if !e.hasRoom(len(command)) {
			e.full = true
			break
		}
		e.body = ledger.AppendCommand(e.body, command)
		e.commands++
		r.next++
	}
	finished = r.next == r.batch.Len()
	if r.next == first && !finished {
		return false, false
	}
	if len(e.parts) == 0 {
		e.continues = first > 0
	}
	e.parts = append(e.parts, part{r, r.next - first, finished})
	if finished {
		r.batch = nil
	}
	return finished, false
}

// hasRoom lets one command into an empty entry, however large it is.
func (e *openEntry) hasRoom(bytes int) bool {
	if e.commands == 0 {
		return true
	}
	return e.commands < entryCommands && len(e.body)+bytes+ledger.EntryOverhead(1) <= e.limit
}

// seal makes the entry, stamped, and empties e for the next one.
func (e *openEntry) seal(stamp int64) *proposal {
	data := make([]byte, 0, len(e.body)+ledger.EntryOverhead(0))
	data = ledger.AppendEntry(data, stamp, e.commands)
	p := &proposal{data: append(data, e.body...), commands: e.commands, parts: e.parts}
	*e = openEntry{limit: e.limit, body: e.body[:0]}
	return p
}

// proposal is an entry that has been handed to raft, or refused in front of it.
type proposal struct {
	data     []byte
	commands int
	parts    []part
	refused  error // why the entry never came to raft; then there is no future
	future   raft.ApplyFuture
	sent     time.Time
}
