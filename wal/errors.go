package wal

import (
	"errors"
	"fmt"
)

// ErrCorrupt is what errors.Is finds in every *CorruptError.
var ErrCorrupt = errors.New("wal: damaged")

// ErrPoisoned is returned by every write, and by every access to the stable store, after the first write or sync that
// failed or hung. What was written last may or may not be on disk: its outcome is unknown (I6).
var ErrPoisoned = errors.New("wal: an earlier write or sync failed, nothing more is written")

// ErrClosed is returned by every call after Close.
var ErrClosed = errors.New("wal: closed")

// ErrGap is returned by StoreLogs when the entries follow neither one another nor the log, and no snapshot covers
// what is missing. Nothing has been changed.
var ErrGap = errors.New("wal: entries do not follow the log")

// ErrMiddle is returned by DeleteRange for a range that touches neither end of the log. Nothing has been changed.
var ErrMiddle = errors.New("wal: a range in the middle of the log cannot be deleted")

// ErrKeyNotFound is returned by Get and GetUint64 for a key never set. raft compares its text, not its identity.
var ErrKeyNotFound = errors.New("not found")

// CorruptError reports damage on disk (I7). Nothing has been changed on disk when Open returns one.
type CorruptError struct {
	File   string // path of the damaged file
	Offset int64  // where in the file the damage begins, bytes
	Case   Case   // which case of the recovery table it is
	What   string // what is wrong
	Remedy string // what the operator can do
}

// Error names the file, the place, the damage and the remedy.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("wal: %s, offset %d: %s (%s). Remedy: %s", e.File, e.Offset, e.What, e.Case, e.Remedy)
}

// Is makes errors.Is(err, ErrCorrupt) true.
func (e *CorruptError) Is(target error) bool { return target == ErrCorrupt }

// remedyRejoin is the way back from nearly everything: a node whose log is damaged has promised things that it can no
// longer prove, so it must not vote under its old name again.
const remedyRejoin = "keep a copy of the directory, and change nothing in it; in a cluster, remove this node, " +
	"empty its data directory and let it join under a new node id; a single node is restored from its last backup"

var errNotNumber = errors.New("wal: the value is not a number of eight bytes")

const remedyProgram = "run a version of the program that knows this format; nothing is wrong with the data"

func corrupt(file string, offset int64, c Case, format string, args ...any) error {
	remedy := remedyRejoin
	if c == CaseUnknownVersion {
		remedy = remedyProgram
	}
	return &CorruptError{File: file, Offset: offset, Case: c, What: fmt.Sprintf(format, args...), Remedy: remedy}
}
