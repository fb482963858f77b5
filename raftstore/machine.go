package raftstore

import (
	"context"

	"github.com/hashicorp/raft"

	"drawdown/engine/ledger"
	"drawdown/wal"
)

// machine is what the store needs of the engine.
type machine interface {
	Apply(index uint64, entry []byte) ([]ledger.Result, error)
	Freeze() (frozen, error)
	Head() ledger.Head
	Initialized() bool
	NextDue() int64
	Due(now int64, limit int) []uint32
	Pressure() float64
	Close() error
}

// frozen is the machine's state at one index.
type frozen interface {
	Head() ledger.Head
	Encode(emit func(chunk []byte) error) error
	// Checkpoint puts a copy of the identifiers and the history, durable up to
	// Head, into a directory that does not exist yet (I11).
	Checkpoint(ctx context.Context, dir string) error
	Release()
}

// logStore is what the store needs of the log.
type logStore interface {
	raft.LogStore
	raft.StableStore
	SetFloor(index uint64)
	Stats() wal.Stats
	Close() error
}

// backend makes the machine and the log that a store works with.
type backend struct {
	openLog        func(dir string) (logStore, error)
	newMachine     func(indexDir string) (machine, error)
	restoreMachine func(indexDir string, next func() ([]byte, error)) (machine, error)
	// indexBehind is the error by which restoreMachine says that the index does
	// not reach the snapshot.
	indexBehind error
}
