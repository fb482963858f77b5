package index

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Fingerprint is a 128-bit keyed hash of a mode and an identifier, made by the caller. Equal fingerprints are
// taken for equal identifiers (I2), so the hash must be one that nobody can find collisions of.
type Fingerprint [16]byte

// Place is the account and the sequence of a record.
type Place struct {
	Account uint32
	Seq     uint64
}

// Record is one row of an account's history. Data is valid only during the callback that gets it, and must not
// be changed.
type Record struct {
	Place
	Time int64 // the entry's stamp, Unix nanoseconds
	Data []byte
}

// Options are Open's settings. The zero value of each field means its default.
type Options struct {
	FS     vfs.FS       // default vfs.Default
	Logger *slog.Logger // default slog.Default()

	// RunRecords and RunBytes close the memory run at the next entry boundary once it has so many records (or
	// identifiers), or so many bytes. Defaults 1<<21 and 288 MiB. Memory in use stays below MaxSealedRuns + 2
	// times these, plus one batch each.
	RunRecords int
	RunBytes   int
	// MaxSealedRuns is how many closed runs may wait for the flush; with more, Apply blocks (I12). Default 2.
	MaxSealedRuns int
	// MaxMergedRecords is the most records (or identifiers) that a run in the store gets by merging. Default
	// 16 times RunRecords. It bounds the free disk space that a merge needs.
	MaxMergedRecords int
	// CacheBytes is the size of Pebble's block cache. Default 128 MiB.
	CacheBytes int64
	// OnFatal is told of the first error in the background (building, ingesting, merging, Pebble's own). From
	// then on every call fails with it: the index is unusable and the process must stop. Default: panic.
	OnFatal func(error)
	// OnFlush and OnMerge are told how long each flush and each merge took. May be nil; they must be quick.
	OnFlush, OnMerge func(time.Duration)

	tableBytes int // about how large one SST gets before a run goes on in the next
}

// maxRunRecords keeps row numbers within 32 bits.
const maxRunRecords = 1 << 30

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.RunRecords <= 0 {
		o.RunRecords = 1 << 21
	}
	o.RunRecords = min(o.RunRecords, maxRunRecords)
	if o.RunBytes <= 0 {
		o.RunBytes = 288 << 20
	}
	if o.MaxSealedRuns <= 0 {
		o.MaxSealedRuns = 2
	}
	if o.MaxMergedRecords <= 0 {
		o.MaxMergedRecords = 16 * o.RunRecords
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = 128 << 20
	}
	if o.tableBytes <= 0 {
		o.tableBytes = 128 << 20
	}
	return o
}

// ErrClosed is returned by every call after Close.
var ErrClosed = errors.New("index: closed")

// Index is the store of identifiers and history. Apply and Seal are the applying goroutine's, and nobody may Lookup
// beside Apply; all other
// methods may be called by any number of goroutines at any time.
type Index struct {
	dir     string
	options Options
	db      *pebble.DB
	cache   *pebble.Cache

	applying sync.RWMutex // held while a batch goes into memory, and for a seal
	mem      *memRun      // the run of the current view; guarded by applying
	durable  atomic.Uint64
	closing  atomic.Bool
	damage   atomic.Pointer[string] // the file of the last damage that Pebble met

	mu      sync.Mutex
	changed sync.Cond // any change of what mu guards
	view    *view
	readers int       // views acquired and not yet released
	spare   []*memRun // cleared, for the next memory run
	dirty   []*memRun // to be cleared
	drop    []*diskRun
	waiters []waiter
	nextRun uint64
	err     error // the fatal error

	background sync.WaitGroup
}

// view is one consistent picture of where the data lies. It never changes; the runs it refers to stay as long
// as anybody holds it, so that a reader is not disturbed when a flush or a merge puts another in its place.
type view struct {
	mem    *memRun
	sealed []*memRun  // oldest first
	runs   []*diskRun // oldest first
	refs   int        // guarded by Index.mu
}

type waiter struct {
	index uint64
	done  chan error
}

// Open opens the store in dir, creating it if it is missing. What a crash left behind half done is removed. It
// reads every run's filters into memory: about 2.5 bytes per identifier stored.
func Open(dir string, o Options) (*Index, error) {
	x := &Index{dir: dir, options: o.withDefaults()}
	x.changed.L = &x.mu
	if err := x.open(); err != nil {
		if x.db != nil {
			err = errors.Join(err, x.db.Close())
		}
		if x.cache != nil {
			x.cache.Unref()
		}
		return nil, fmt.Errorf("index: open %s: %w", dir, err)
	}
	x.background.Add(2)
	go x.flushLoop()
	go x.mergeLoop()
	return x, nil
}

func (x *Index) open() error {
	if err := x.prepareBuildDir(); err != nil {
		return err
	}
	if err := x.openPebble(); err != nil {
		return x.damaged("the store", err)
	}
	runs, err := x.loadRuns()
	if err != nil {
		return x.damaged("the store", err)
	}
	last := uint64(0)
	if n := len(runs); n > 0 {
		last = runs[n-1].last
	}
	x.durable.Store(last)
	x.mem = newMemRun(x.options.RunRecords)
	x.mem.begin(last)
	x.mu.Lock()
	x.install(&view{mem: x.mem, runs: runs})
	x.mu.Unlock()
	return nil
}

// Close stops the background work, waits for calls in progress and closes the store. What is not durable yet is
// given up: replaying the log brings it back.
func (x *Index) Close() error {
	if x.closing.Swap(true) {
		return ErrClosed
	}
	x.Settle()
	x.mu.Lock()
	x.changed.Broadcast()
	for x.readers > 0 {
		x.changed.Wait()
	}
	x.mu.Unlock()
	x.background.Wait()
	x.mu.Lock()
	x.finishWaiters(ErrClosed)
	x.mu.Unlock()
	err := x.db.Close()
	x.cache.Unref()
	return err
}

// acquire returns the current view, with all of the last batch, which the caller must release.
func (x *Index) acquire() (*view, error) {
	x.Settle()
	return x.acquireNow()
}

// acquireNow is acquire for those who do not look at records.
func (x *Index) acquireNow() (*view, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err != nil {
		return nil, x.err
	}
	if x.closing.Load() {
		return nil, ErrClosed
	}
	x.readers++
	x.view.refs++
	return x.view, nil
}

func (x *Index) release(v *view) {
	x.mu.Lock()
	x.readers--
	x.unref(v)
	if x.closing.Load() {
		x.changed.Broadcast()
	}
	x.mu.Unlock()
}

// install makes v the current view. The caller holds mu.
func (x *Index) install(v *view) {
	v.refs = 1
	v.mem.refs++
	for _, m := range v.sealed {
		m.refs++
	}
	for _, r := range v.runs {
		r.refs++
	}
	old := x.view
	x.view = v
	if old != nil {
		x.unref(old)
	}
	x.changed.Broadcast()
}

// unref gives up one reference to v; with the last one, runs that no other view needs are handed to the
// background for clearing or dropping. The caller holds mu.
func (x *Index) unref(v *view) {
	if v.refs--; v.refs > 0 {
		return
	}
	for _, m := range append(v.sealed[:len(v.sealed):len(v.sealed)], v.mem) {
		if m.refs--; m.refs == 0 {
			x.dirty = append(x.dirty, m)
			x.changed.Broadcast()
		}
	}
	for _, r := range v.runs {
		if r.refs--; r.refs == 0 {
			x.drop = append(x.drop, r)
			x.changed.Broadcast()
		}
	}
}

// fatal records the first background error, wakes everybody that waits, and reports.
func (x *Index) fatal(err error) {
	if pebble.IsCorruptionError(err) || errors.Is(err, errMalformed) {
		err = x.damaged("the store", err)
	} else {
		err = fmt.Errorf("index: %w", err)
	}
	x.mu.Lock()
	first := x.err == nil
	if first {
		x.err = err
	}
	x.finishWaiters(x.err)
	x.changed.Broadcast()
	x.mu.Unlock()
	if !first {
		return
	}
	x.options.Logger.Error("index is unusable", "dir", x.dir, "error", err)
	if x.options.OnFatal == nil {
		panic(err)
	}
	x.options.OnFatal(err)
}

// stopped tells the background work whether to give up.
func (x *Index) stopped() bool { return x.closing.Load() }

// damaged puts a reading error into words that name the place and the remedy (I7).
func (x *Index) damaged(what string, err error) error {
	if err == nil || errors.Is(err, ErrClosed) {
		return err
	}
	if !errors.Is(err, errMalformed) && !pebble.IsCorruptionError(err) {
		return fmt.Errorf("index: reading %s: %w", what, err)
	}
	file := x.dir
	if p := x.damage.Load(); p != nil {
		file = *p
	}
	return fmt.Errorf("index: %s is damaged (in %s); stop this node, remove the directory %s and start it again: "+
		"the index is rebuilt from the newest snapshot's copy and the log. The copy shares files with it on the disk: "+
		"if the node then names the same damage, restore the data directory from a backup: %w", what, file, x.dir, err)
}
