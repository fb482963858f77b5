package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"drawdown/engine/index"
	"drawdown/engine/ledger"
)

// ErrIndexBehind says that identifiers and history on disk do not reach the
// snapshot that is being restored: they must be rebuilt from the snapshot's copy
// (I11).
var ErrIndexBehind = errors.New("the index on disk is behind the snapshot")

// ErrClosed says that the engine has been closed.
var ErrClosed = errors.New("the engine is closed")

// Options are what a node may choose for itself. None of it changes a result.
type Options struct {
	FS      vfs.FS       // nil is the operating system's
	Shards  int          // 0 is one per processor
	Logger  *slog.Logger // nil is slog.Default
	OnFatal func(error)  // a background failure of the index; the process must stop
	Index   IndexObserver
}

// IndexObserver is told what the index does in the background, for metrics. Either
// function may be nil; they must be quick.
type IndexObserver struct {
	Flush func(d time.Duration) // a run was written and is durable
	Merge func(d time.Duration) // runs were merged into one
}

// Engine is the state of one node. Apply and Freeze belong to one goroutine, all
// else may be called from any.
type Engine struct {
	index *index.Index
	log   *slog.Logger

	// applying is held while an entry is carried out and while the state is
	// copied: a copy is never of half an entry.
	applying sync.Mutex
	machine  *ledger.Machine
	shards   []*shard
	batch    index.Batch
	barrier  sync.WaitGroup
	closed   bool

	// names guards the directory: written while an entry is prepared, read by
	// everybody else.
	names sync.RWMutex
	dir   *ledger.Directory

	// wholeScans lets one read at a time go through all of the history: more at once
	// would take the processors from writers and make each other slower.
	wholeScans chan struct{}

	applied progress
	spare   atomic.Pointer[ledger.Frozen]
}

// New is the engine of an empty log, over the index in the directory. The index
// may be ahead, after a restart without a snapshot: replay changes nothing in it.
func New(indexDir string, o Options) (*Engine, error) {
	x, err := openIndex(indexDir, o)
	if err != nil {
		return nil, err
	}
	ids := &identifiers{index: x}
	machine := ledger.NewMachine(ids)
	books := make([]*ledger.Book, o.shards())
	for i := range books {
		books[i] = ledger.NewBook(uint32(i), uint32(len(books)))
	}
	return start(x, machine, books, o), nil
}

// Restore is the engine as a snapshot has it, from the chunks that next answers
// (io.EOF after the last). Nothing is served unless the whole snapshot checks out.
func Restore(indexDir string, o Options, next func() ([]byte, error)) (*Engine, error) {
	x, err := openIndex(indexDir, o)
	if err != nil {
		return nil, err
	}
	ids := &identifiers{index: x}
	machine, books, err := ledger.Restore(ids, o.shards(), next)
	if err == nil && x.Durable() < machine.Index {
		err = fmt.Errorf("%w: it ends at %d, the snapshot is at %d", ErrIndexBehind, x.Durable(), machine.Index)
	}
	if err != nil {
		return nil, errors.Join(err, x.Close())
	}
	return start(x, machine, books, o), nil
}

func openIndex(dir string, o Options) (*index.Index, error) {
	return index.Open(dir, index.Options{
		FS: o.FS, Logger: o.Logger, OnFatal: o.OnFatal, OnFlush: o.Index.Flush, OnMerge: o.Index.Merge,
	})
}

func (o *Options) shards() int {
	if o.Shards > 0 {
		return o.Shards
	}
	return runtime.GOMAXPROCS(0)
}

func start(x *index.Index, machine *ledger.Machine, books []*ledger.Book, o Options) *Engine {
	e := &Engine{
		index: x, machine: machine, dir: machine.Directory(), log: o.Logger, wholeScans: make(chan struct{}, 1),
	}
	if e.log == nil {
		e.log = slog.Default()
	}
	for _, book := range books {
		e.shards = append(e.shards, startShard(book, e))
	}
	e.applied.set(machine.Head)
	return e
}

// Close stops the shards and closes the index. Nothing need be flushed: what is
// not in the index yet, the log has.
func (e *Engine) Close() error {
	e.applying.Lock()
	defer e.applying.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	for _, s := range e.shards {
		s.stop()
	}
	return e.index.Close()
}

// Apply carries out one entry and answers the verdict on each of its commands. An
// error means that the node must stop: the entry cannot be carried out here, and
// leaving it out would make this node differ from the others (I4, I7).
func (e *Engine) Apply(index uint64, entry []byte) ([]ledger.Result, error) {
	e.applying.Lock()
	defer e.applying.Unlock()
	if e.closed {
		return nil, ErrClosed
	}
	if err := e.machine.Decode(index, entry); err != nil {
		return nil, err
	}
	if err := e.lookUp(); err != nil {
		return nil, err
	}
	if err := e.resolve(); err != nil {
		return nil, err
	}
	digest := e.fanOut()
	results := e.machine.Finish(entry, digest)
	if err := e.remember(); err != nil {
		return nil, err
	}
	e.applied.set(e.machine.Head)
	return results, nil
}

// lookUpShare is how many reports are worth waking another goroutine for.
const lookUpShare = 512

// lookUp has the shards find identifiers and customers, each for a part of the
// entry's reports.
func (e *Engine) lookUp() (err error) {
	reports := e.machine.Reports()
	parts := min(len(e.shards), max(1, reports/lookUpShare))
	if parts == 1 {
		return e.machine.LookUp(0, reports)
	}
	e.barrier.Add(parts)
	for i, s := range e.shards[:parts] {
		s.from, s.to = i*reports/parts, (i+1)*reports/parts
		s.mail <- message{task: (*shard).lookUp}
	}
	e.barrier.Wait()
	for _, s := range e.shards[:parts] {
		err = errors.Join(err, s.err)
	}
	return err
}

// resolve holds the directory's lock only for what changes the directory. Above
// all it is not held while the index is read: readers hold the index's locks when
// they ask for names.
func (e *Engine) resolve() error {
	e.names.Lock()
	defer e.names.Unlock()
	return e.machine.Resolve()
}

// fanOut has every shard carry out its operations, and waits for all of them.
func (e *Engine) fanOut() (digest uint64) {
	e.index.Settle() // the records of the entry before still lie in the shards' outputs
	for _, s := range e.shards {
		s.ops, s.remembered = s.ops[:0], 0
		s.out.Reset()
	}
	ops := e.machine.Ops()
	for i := range ops {
		s := e.shard(ops[i].Account)
		s.ops = append(s.ops, i)
	}
	for _, s := range e.shards {
		if len(s.ops) > 0 {
			e.barrier.Add(1)
			s.mail <- message{task: (*shard).apply}
		}
	}
	e.barrier.Wait()
	for _, s := range e.shards {
		digest += s.out.Digest
	}
	return digest
}

// remember hands the entry's identifiers and records to the index. Readers see
// them when it returns; they reach the disk in the background.
func (e *Engine) remember() error {
	e.batch.Reset(e.machine.Index)
	e.machine.EachUse(func(f ledger.Fingerprint, u ledger.Use) {
		e.batch.AddIdentifier(index.Fingerprint(f), index.Place(u))
	})
	// In the order of their sequences, which is the order in which the index keeps
	// them: each shard's records are in the order of its operations.
	ops := e.machine.Ops()
	for i := range ops {
		s := e.shard(ops[i].Account)
		if s.remembered == len(s.out.Records) || s.out.Records[s.remembered].Seq != ops[i].Seq {
			continue // the operation left no record
		}
		r := s.out.Records[s.remembered]
		s.remembered++
		e.batch.AddRecord(index.Place{Account: r.Account, Seq: r.Seq}, e.machine.Time, s.out.Data[r.Start:r.End])
	}
	return e.index.Apply(&e.batch)
}

func (e *Engine) shard(account uint32) *shard { return e.shards[account%uint32(len(e.shards))] }

// Head is how far the log has been carried out; every read sees at least this.
func (e *Engine) Head() ledger.Head { return e.applied.head() }

// WaitApplied waits until the entry at the index has been carried out.
func (e *Engine) WaitApplied(ctx context.Context, index uint64) error {
	return e.applied.wait(ctx, index)
}

// Initialized says whether the log has been given its name and key.
func (e *Engine) Initialized() bool {
	_, ok := e.Cluster()
	return ok
}

// Cluster is the log's random name; ok is false before Init.
func (e *Engine) Cluster() (name [16]byte, ok bool) {
	e.names.RLock()
	defer e.names.RUnlock()
	return e.machine.Cluster()
}

// Shards is how many goroutines own accounts.
func (e *Engine) Shards() int { return len(e.shards) }

// Pressure is how full the index's memory is, 0 to 1. At 1 Apply waits for the
// disk; writers should be turned away before that (I12).
func (e *Engine) Pressure() float64 { return e.index.Pressure() }

// IndexStats describes the index, for metrics.
func (e *Engine) IndexStats() index.Stats { return e.index.Stats() }

// NextDue is the next moment (Unix seconds) at which time alone changes an
// account, 0 if none is known.
func (e *Engine) NextDue() int64 {
	next := int64(0)
	for _, s := range e.shards {
		if due := s.nextDue.Load(); due != 0 && (next == 0 || due < next) {
			next = due
		}
	}
	return next
}

// Due answers accounts in which something is due at now (Unix seconds), at most
// limit of them.
func (e *Engine) Due(now int64, limit int) (accounts []uint32) {
	for _, s := range e.shards {
		if due := s.nextDue.Load(); due == 0 || due > now || len(accounts) >= limit {
			continue
		}
		_ = s.do(context.Background(), func(b *ledger.Book) {
			accounts = b.Due(accounts, now, limit-len(accounts))
		})
	}
	return accounts
}
