package index

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
)

const (
	blockBytes = 16 << 10
	// buildDir, inside the store's directory, is where SSTs are built before they are ingested.
	buildDir = "build"
)

func (x *Index) openPebble() error {
	x.cache = pebble.NewCache(x.options.CacheBytes)
	listener := pebble.EventListener{
		BackgroundError: func(err error) { x.fatal(fmt.Errorf("pebble, in the background: %w", err)) },
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			x.damage.Store(&info.Path)
			x.options.Logger.Error("index: damaged file", "path", info.Path, "details", info.Details)
		},
	}
	listener.EnsureDefaults(quietLogger{x})
	o := &pebble.Options{
		FS:                 x.options.FS,
		Cache:              x.cache,
		Logger:             quietLogger{x},
		EventListener:      &listener,
		FormatMajorVersion: pebble.FormatNewest,
		// All data comes by Ingest, which is durable by itself. The log that Pebble would write is the
		// replicated log already.
		DisableWAL:   true,
		MemTableSize: 256 << 10, // unused, but allocated
	}
	// Runs never overlap, so they land in the lowest level and nothing ever compacts them. Compactions stay on
	// for the notes, whose files do overlap; they are few. Reads must not trigger any.
	o.Experimental.ReadSamplingMultiplier = -1
	for i := range o.Levels {
		o.Levels[i].BlockSize = blockBytes
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
	}
	db, err := pebble.Open(x.dir, o)
	if err != nil {
		return err
	}
	x.db = db
	return nil
}

// tableOptions are those of the SSTs built for ingestion.
func (x *Index) tableOptions() sstable.WriterOptions {
	o := (&pebble.Options{FormatMajorVersion: pebble.FormatNewest})
	o.EnsureDefaults()
	w := o.MakeWriterOptions(6, x.db.TableFormat())
	w.BlockSize = blockBytes
	w.IndexBlockSize = blockBytes
	w.Compression = sstable.NoCompression
	w.FilterPolicy = nil
	return w
}

// ingest brings finished SSTs into the store in one atomic, durable step.
func (x *Index) ingest(paths []string) error {
	if x.stopped() {
		return ErrClosed
	}
	if err := x.db.Ingest(context.Background(), paths); err != nil {
		return fmt.Errorf("ingest of %d tables: %w", len(paths), err)
	}
	return nil
}

// prepareBuildDir makes the directory for unfinished SSTs and removes those that a crash left there.
func (x *Index) prepareBuildDir() error {
	fs := x.options.FS
	dir := fs.PathJoin(x.dir, buildDir)
	if err := fs.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	return fs.MkdirAll(dir, 0o755)
}

// loadRuns reads every run's description and filters, drops the runs that a merge has replaced, and holds the
// rest against the rule that they form one chain.
func (x *Index) loadRuns() ([]*diskRun, error) {
	all, err := x.readRuns()
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b *diskRun) int {
		switch {
		case a.after != b.after:
			return compare(a.after, b.after)
		case a.last != b.last:
			return compare(b.last, a.last) // the wider one first
		}
		return compare(b.id, a.id)
	})
	var runs []*diskRun
	last := uint64(0)
	for _, r := range all {
		x.nextRun = max(x.nextRun, r.id)
		if r.last <= last {
			if err := x.excise(r.id); err != nil {
				return nil, err
			}
			continue
		}
		if r.after != last {
			return nil, fmt.Errorf("run %d starts after entry %d, the one before ends at %d: %w", r.id, r.after, last, errMalformed)
		}
		if err := x.loadFilters(r); err != nil {
			return nil, err
		}
		last = r.last
		runs = append(runs, r)
	}
	return runs, nil
}

func compare(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// readRuns finds the runs by seeking from each one's first key to the next one's.
func (x *Index) readRuns() (_ []*diskRun, err error) {
	iter, err := x.db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceRun}, UpperBound: []byte{spaceRun + 1}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, iter.Close()) }()
	var runs []*diskRun
	var key []byte
	for ok := iter.First(); ok; ok = iter.SeekGE(key) {
		id, err := runOfKey(iter.Key())
		if err != nil {
			return nil, err
		}
		if !iter.SeekGE(appendRunPrefix(nil, id, sectionMeta)) {
			return nil, errors.Join(iter.Error(), fmt.Errorf("run %d has no description: %w", id, errMalformed))
		}
		if other, err := runOfKey(iter.Key()); err != nil || other != id {
			return nil, fmt.Errorf("run %d has no description: %w", id, errMalformed)
		}
		value, err := iter.ValueAndErr()
		if err != nil {
			return nil, err
		}
		m, err := decodeMeta(value)
		if err != nil {
			return nil, fmt.Errorf("run %d: %w", id, err)
		}
		runs = append(runs, &diskRun{id: id, meta: m})
		key = appendRunStart(key[:0], id+1)
	}
	return runs, iter.Error()
}

func (x *Index) loadFilters(r *diskRun) (err error) {
	if r.identifierFilter, err = x.loadFilter(r.id, sectionFilter, r.identifiers); err != nil {
		return err
	}
	r.accountFilter, err = x.loadFilter(r.id, sectionAccountFilter, r.accounts)
	return err
}

// loadFilter reads a filter's parts. keys says whether there must be any.
func (x *Index) loadFilter(run uint64, s section, keys uint64) (_ filter, err error) {
	iter, err := x.db.NewIter(&pebble.IterOptions{
		LowerBound: appendRunPrefix(nil, run, s), UpperBound: appendRunPrefix(nil, run, s+1),
	})
	if err != nil {
		return filter{}, err
	}
	defer func() { err = errors.Join(err, iter.Close()) }()
	var data []byte
	for ok := iter.First(); ok; ok = iter.Next() {
		value, err := iter.ValueAndErr()
		if err != nil {
			return filter{}, err
		}
		data = append(data, value...)
	}
	if err := iter.Error(); err != nil {
		return filter{}, err
	}
	if (len(data) == 0) != (keys == 0) {
		return filter{}, fmt.Errorf("run %d: filter of %d bytes for %d keys: %w", run, len(data), keys, errMalformed)
	}
	return readFilter(data)
}

// excise removes all rows of one run from the store.
func (x *Index) excise(run uint64) error {
	span := pebble.KeyRange{Start: appendRunStart(nil, run), End: appendRunStart(nil, run+1)}
	if err := x.db.Excise(context.Background(), span); err != nil {
		return fmt.Errorf("drop of run %d: %w", run, err)
	}
	return nil
}

// Checkpoint makes a copy of the durable store in dir, which must not exist, by hard links where the file system
// has them. Opening the copy gives what was durable at some moment between the call and its return.
func (x *Index) Checkpoint(dir string) error {
	v, err := x.acquire()
	if err != nil {
		return err
	}
	defer x.release(v)
	if err := x.db.Checkpoint(dir); err != nil {
		return fmt.Errorf("index: checkpoint to %s: %w", dir, err)
	}
	return nil
}

// quietLogger passes Pebble's words on: its chatter at debug level, its fatal errors to OnFatal.
type quietLogger struct{ x *Index }

func (l quietLogger) Infof(format string, args ...any) {
	if l.x.options.Logger.Enabled(context.Background(), slog.LevelDebug) {
		l.x.options.Logger.Debug(fmt.Sprintf(format, args...))
	}
}

func (l quietLogger) Errorf(format string, args ...any) {
	l.x.options.Logger.Error(fmt.Sprintf(format, args...))
}

// Fatalf must not return: Pebble does not expect to go on.
func (l quietLogger) Fatalf(format string, args ...any) {
	err := fmt.Errorf("pebble: "+format, args...)
	l.x.fatal(err)
	panic(err)
}
