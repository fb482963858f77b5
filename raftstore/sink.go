package raftstore

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"
)

// checksumBytes is up to which size a file of the index's copy is read to check
// it; what is not a table (.sst) always is.
const checksumBytes = 64 << 10

// snapshotSink is one snapshot being written, in a directory that becomes the
// snapshot's by one rename.
type snapshotSink struct {
	store *snapshotStore
	m     *manifest
	tmp   string
	// again: this very snapshot exists already. Nothing is written, and Close has
	// nothing to do.
	again bool

	written bool // all files but the manifest are there
	ended   bool // Close or Cancel has been called
	err     error

	// Of a snapshot that comes in from another node: its stream, and what became of it.
	in       *io.PipeWriter
	received chan error
}

var _ raft.SnapshotSink = (*snapshotSink)(nil)

// Create begins a snapshot.
func (s *snapshotStore) Create(version raft.SnapshotVersion, index, term uint64,
	configuration raft.Configuration, configurationIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	m := &manifest{
		Index: index, Term: term, MetaVersion: int(version),
		Configuration: raft.EncodeConfiguration(configuration), ConfigurationIndex: configurationIndex,
	}
	k := &snapshotSink{store: s, m: m, tmp: s.path(m.id() + temporary)}
	if known := s.find(m.id()); known != nil {
		k.m, k.again = known, true
		s.await()
		return k, nil
	}
	// What is left of an attempt that failed does not count, wherever it stands.
	for _, left := range []string{k.tmp, s.path(k.ID())} {
		if err := s.fs.RemoveAll(left); err != nil {
			return nil, err
		}
	}
	if err := s.fs.MkdirAll(k.tmp, 0o755); err != nil {
		return nil, err
	}
	s.await() // until this turns out to be a snapshot of this node's own
	return k, nil
}

// ID is the snapshot's name.
func (k *snapshotSink) ID() string { return k.m.id() }

func (k *snapshotSink) stateBytes() int64 {
	if f := k.m.file(stateName); f != nil {
		return f.Bytes
	}
	return 0
}

// Write takes the next piece of a snapshot from another node. One that is here
// already is not written again.
func (k *snapshotSink) Write(b []byte) (int, error) {
	k.store.awaited.Store(nil)
	defer k.store.await()
	if k.again {
		return len(b), nil
	}
	if k.in == nil {
		k.receive()
	}
	return k.in.Write(b)
}

// receive begins to take a stream apart, beside raft's own goroutine.
func (k *snapshotSink) receive() {
	out, in := io.Pipe()
	k.in, k.received = in, make(chan error, 1)
	w := &streamWriter{
		fs: k.store.fs, dir: k.tmp, in: out, all: crc32.New(castagnoli), log: k.store.log,
		tell: k.store.receiving.Store,
	}
	go func() {
		m, err := w.receive(k.ID())
		if err == nil {
			// What raft announced about the snapshot counts, and what the sender wrote of
			// its contents.
			k.m.Head, k.m.Files, k.m.Created = m.Head, m.Files, k.store.clock().UnixNano()
		}
		out.CloseWithError(err)
		k.received <- err
	}()
}

// endStream waits until all that has come in is written.
func (k *snapshotSink) endStream(cause error) error {
	if k.in == nil {
		return nil
	}
	k.in.CloseWithError(cause)
	err := <-k.received
	k.received <- err
	k.written = err == nil
	return err
}

// write writes the state and the copy of the index. It ends early when the
// context does.
func (k *snapshotSink) write(ctx context.Context, state frozen) error {
	k.store.awaited.Store(nil)
	if k.again {
		return nil
	}
	k.m.Head = headOf(state.Head())
	k.m.Created = k.store.clock().UnixNano()
	if err := k.writeState(ctx, state); err != nil {
		return err
	}
	if err := state.Checkpoint(ctx, k.store.fs.PathJoin(k.tmp, indexName)); err != nil {
		return err
	}
	if err := k.listIndex(indexName); err != nil {
		return err
	}
	slices.SortFunc(k.m.Files, func(a, b manifestFile) int { return strings.Compare(a.Name, b.Name) })
	k.written = true
	return nil
}

func (k *snapshotSink) writeState(ctx context.Context, state frozen) error {
	w, err := createState(k.store.fs, k.store.fs.PathJoin(k.tmp, stateName))
	if err != nil {
		return err
	}
	err = state.Encode(func(chunk []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return w.chunk(chunk)
	})
	if err == nil {
		err = w.finish()
	}
	if err := errors.Join(err, w.close()); err != nil {
		return err
	}
	k.m.Files = append(k.m.Files, manifestFile{stateName, w.bytes, &w.sum})
	return nil
}

// listIndex notes the files below a directory of the snapshot and makes their
// names durable; the checkpoint has made their contents so.
func (k *snapshotSink) listIndex(dir string) error {
	fs := k.store.fs
	path := fs.PathJoin(k.tmp, dir)
	names, err := fs.List(path)
	if err != nil {
		return err
	}
	for _, name := range names {
		info, err := fs.Stat(fs.PathJoin(path, name))
		if err != nil {
			return err
		}
		if info.IsDir() {
			err = k.listIndex(dir + "/" + name)
		} else {
			err = k.listFile(dir+"/"+name, info)
		}
		if err != nil {
			return err
		}
	}
	return syncDir(fs, path)
}

func (k *snapshotSink) listFile(name string, info vfs.FileInfo) error {
	f := manifestFile{Name: name, Bytes: info.Size()}
	if f.Bytes <= checksumBytes || !strings.HasSuffix(name, ".sst") {
		_, sum, err := checksumFile(k.store.fs, k.store.fs.PathJoin(k.tmp, name))
		if err != nil {
			return err
		}
		f.Checksum = &sum
	}
	k.m.Files = append(k.m.Files, f)
	return nil
}

// Close makes the snapshot count, once it has been read back and all of it is
// durable. raft calls it again after Persist did and drops the log if that is
// nil, so that every later call answers what the first one did.
func (k *snapshotSink) Close() error {
	if k.ended {
		return k.err
	}
	k.store.awaited.Store(nil)
	k.ended = true
	err := k.endStream(nil)
	switch {
	case k.again:
	case err != nil:
		k.err = err
	case !k.written:
		k.err = fmt.Errorf("snapshot %s is not complete", k.ID())
	default:
		k.err = k.complete()
	}
	if k.err != nil {
		k.discard()
	}
	return k.err
}

// complete orders its steps so that a crash between any two of them leaves either
// no snapshot or a whole one.
func (k *snapshotSink) complete() error {
	s := k.store
	content, err := k.m.encode()
	if err != nil {
		return err
	}
	if err := writeFile(s.fs, s.fs.PathJoin(k.tmp, manifestName), content); err != nil {
		return err
	}
	if err := syncDir(s.fs, k.tmp); err != nil {
		return err
	}
	if err := s.verify(k.tmp, k.m, true); err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if err := s.fs.Rename(k.tmp, s.path(k.ID())); err != nil {
		return err
	}
	if err := syncDir(s.fs, s.dir); err != nil {
		// Whether the snapshot is there after a crash is open; it does not count, and
		// the log stays.
		return err
	}
	s.add(k.m)
	return nil
}

// Cancel gives the snapshot up. After Close it changes nothing.
func (k *snapshotSink) Cancel() error {
	if k.ended {
		return nil
	}
	k.store.awaited.Store(nil)
	if k.in != nil || k.again {
		k.store.givenUp() // raft would read what is left of it without any limit of time
	}
	k.ended, k.err = true, fmt.Errorf("snapshot %s was given up", k.ID())
	_ = k.endStream(k.err)
	k.discard()
	return nil
}

func (k *snapshotSink) discard() {
	if k.again {
		return
	}
	if err := k.store.fs.RemoveAll(k.tmp); err != nil {
		k.store.log.Warn("an unfinished snapshot cannot be removed; the next start does", "directory", k.tmp, "error", err)
	}
}
