package raftstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"log/slog"
	"path"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A snapshot on its way to another node, numbers little endian:
//
//	"DRWDSTR\n" | version 4 | length 4 | the manifest
//	the files of the manifest in its order: content | CRC-32C 4 of it
//	"DRWDEND\n" | CRC-32C 4 of everything before
//
// The receiver writes the files aside and keeps nothing of them unless all of it
// has come and is right.
const (
	streamMagic   = "DRWDSTR\n"
	streamEnd     = "DRWDEND\n"
	streamVersion = 1
	streamHead    = 16

	// streamManifestMax is more than the manifest of any index: 100 bytes a file.
	streamManifestMax = 64 << 20

	// transferReport is how often a transfer that takes long is logged.
	transferReport = 5 * time.Second
)

// streamBytes is the length of the whole stream.
func (m *manifest) streamBytes() (int64, error) {
	text, err := m.encode()
	if err != nil {
		return 0, err
	}
	total := int64(streamHead + len(text) + len(streamEnd) + 4)
	for i := range m.Files {
		total += m.Files[i].Bytes + 4
	}
	return total, nil
}

// streamReader reads a snapshot as a stream. It keeps the snapshot from being
// removed until it is closed.
type streamReader struct {
	store  *snapshotStore
	m      *manifest
	text   []byte // what comes before the next file
	file   vfs.File
	left   int64 // of file
	next   int   // file to open
	sum    uint32
	all    uint32
	ended  bool
	sent   int64
	total  int64
	begun  time.Time
	said   time.Time
	closed bool
}

func (s *snapshotStore) stream(m *manifest) (*streamReader, error) {
	text, err := m.encode()
	if err != nil {
		return nil, err
	}
	total, err := m.streamBytes()
	if err != nil {
		return nil, err
	}
	head := append([]byte(streamMagic), 0, 0, 0, 0, 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(head[8:], streamVersion)
	binary.LittleEndian.PutUint32(head[12:], uint32(len(text)))
	return &streamReader{store: s, m: m, text: append(head, text...), total: total, begun: time.Now(), said: time.Now()}, nil
}

// Read implements io.Reader.
func (r *streamReader) Read(b []byte) (int, error) {
	for len(r.text) == 0 && r.file == nil {
		if r.ended {
			return 0, io.EOF
		}
		if err := r.openNext(); err != nil {
			return 0, err
		}
	}
	var n int
	var err error
	if len(r.text) > 0 {
		n = copy(b, r.text)
		r.text = r.text[n:]
	} else {
		n, err = r.readFile(b)
	}
	r.all = crc32.Update(r.all, castagnoli, b[:n])
	r.sent += int64(n)
	r.report()
	return n, err
}

func (r *streamReader) readFile(b []byte) (int, error) {
	n, err := r.file.Read(b[:min(int64(len(b)), r.left)])
	r.left -= int64(n)
	r.sum = crc32.Update(r.sum, castagnoli, b[:n])
	if r.left > 0 {
		if err == io.EOF {
			err = fmt.Errorf("%s is shorter than the manifest says: %w", r.m.Files[r.next-1].Name, io.ErrUnexpectedEOF)
		}
		return n, err
	}
	r.text = binary.LittleEndian.AppendUint32(r.text[:0], r.sum)
	err = r.file.Close()
	r.file = nil
	return n, err
}

// openNext goes on to the next file, or to the end.
func (r *streamReader) openNext() error {
	if r.next == len(r.m.Files) {
		// The checksum covers what has been read so far and the mark itself.
		sum := crc32.Update(r.all, castagnoli, []byte(streamEnd))
		r.text = binary.LittleEndian.AppendUint32([]byte(streamEnd), sum)
		r.ended = true
		return nil
	}
	f := &r.m.Files[r.next]
	file, err := r.store.fs.Open(r.store.path(r.m.id(), f.Name), vfs.SequentialReadsOption)
	if err != nil {
		return err
	}
	r.next++
	r.file, r.left, r.sum = file, f.Bytes, 0
	if f.Bytes == 0 {
		r.text = binary.LittleEndian.AppendUint32(r.text[:0], 0)
		r.file = nil
		return file.Close()
	}
	return nil
}

func (r *streamReader) report() {
	if time.Since(r.said) > transferReport {
		r.said = time.Now()
		r.store.log.Info("sending a snapshot", "snapshot", r.m.id(), "bytes", r.sent, "of", r.total)
	}
}

// Close implements io.Closer.
func (r *streamReader) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	defer r.store.unpin(r.m.id())
	if r.sent > 0 {
		r.store.log.Info("a snapshot was sent", "snapshot", r.m.id(), "bytes", r.sent, "of", r.total, "took", time.Since(r.begun))
	}
	if r.file != nil {
		return r.file.Close()
	}
	return nil
}

// streamWriter takes a stream apart into files. It is the goroutine behind
// snapshotSink.Write.
type streamWriter struct {
	fs    vfs.FS
	dir   string // the snapshot's, unfinished
	in    io.Reader
	all   hash.Hash32
	log   *slog.Logger
	tell  func(*Transfer)
	got   int64
	total int64
	said  time.Time
}

var errStream = errors.New("the snapshot that comes in is damaged")

func (w *streamWriter) Read(b []byte) (int, error) {
	n, err := w.in.Read(b)
	w.all.Write(b[:n])
	w.got += int64(n)
	return n, err
}

// receive reads all of the stream and answers the sender's manifest, with a checksum
// of every file.
func (w *streamWriter) receive(id string) (*manifest, error) {
	defer w.tell(nil)
	m, err := w.readManifest(id)
	if err != nil {
		return nil, err
	}
	if w.total, err = m.streamBytes(); err != nil {
		return nil, err
	}
	if err := w.hasRoom(); err != nil {
		return nil, err
	}
	w.said = time.Now()
	w.log.Info("a snapshot comes in from another node", "snapshot", id, "bytes", w.total)
	dirs := map[string]bool{}
	for i := range m.Files {
		f := &m.Files[i]
		if err := w.makeDirs(path.Dir(f.Name), dirs); err != nil {
			return nil, err
		}
		if err := w.readFile(f, m.id()); err != nil {
			return nil, err
		}
	}
	if err := w.readEnd(); err != nil {
		return nil, err
	}
	for dir := range dirs {
		if err := syncDir(w.fs, w.fs.PathJoin(w.dir, dir)); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (w *streamWriter) readManifest(id string) (*manifest, error) {
	head := make([]byte, streamHead)
	if _, err := io.ReadFull(w, head); err != nil {
		return nil, err
	}
	if string(head[:8]) != streamMagic {
		return nil, fmt.Errorf("%w: it does not begin like one", errStream)
	}
	if v := binary.LittleEndian.Uint32(head[8:]); v != streamVersion {
		return nil, fmt.Errorf("the snapshot is sent in version %d, this program reads %d", v, streamVersion)
	}
	length := binary.LittleEndian.Uint32(head[12:])
	if length > streamManifestMax {
		return nil, fmt.Errorf("%w: a manifest of %d bytes", errStream, length)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(w, text); err != nil {
		return nil, err
	}
	m, err := decodeManifest("the manifest that was sent", text)
	if err != nil {
		return nil, err
	}
	if m.id() != id {
		return nil, fmt.Errorf("%w: it is %s, announced was %s", errStream, m.id(), id)
	}
	return m, nil
}

// hasRoom refuses a snapshot that would fill the disk: that would end the node.
func (w *streamWriter) hasRoom() error {
	usage, err := w.fs.GetDiskUsage(w.dir)
	if err == nil && usage.AvailBytes < 2*uint64(w.total) {
		return fmt.Errorf("the snapshot has %d bytes, and the index made of it as many; %d bytes are free", w.total, usage.AvailBytes)
	}
	return nil
}

func (w *streamWriter) makeDirs(dir string, made map[string]bool) error {
	if dir == "." || made[dir] {
		return nil
	}
	made[dir] = true
	if err := w.makeDirs(path.Dir(dir), made); err != nil {
		return err
	}
	return w.fs.MkdirAll(w.fs.PathJoin(w.dir, dir), 0o755)
}

func (w *streamWriter) readFile(f *manifestFile, id string) (err error) {
	file, err := w.fs.Create(w.fs.PathJoin(w.dir, f.Name), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	to := vfs.NewSyncingFile(file, vfs.SyncingFileOptions{BytesPerSync: syncStep})
	defer func() { err = errors.Join(err, to.Close()) }()
	sum := crc32.New(castagnoli)
	buf := make([]byte, 256<<10)
	for left := f.Bytes; left > 0; {
		n, err := io.ReadFull(w, buf[:min(int64(len(buf)), left)])
		if err != nil {
			return err
		}
		sum.Write(buf[:n])
		if _, err := to.Write(buf[:n]); err != nil {
			return err
		}
		left -= int64(n)
		w.report(id)
	}
	var want [4]byte
	if _, err := io.ReadFull(w, want[:]); err != nil {
		return err
	}
	got := sum.Sum32()
	if got != binary.LittleEndian.Uint32(want[:]) || f.Checksum != nil && *f.Checksum != got {
		return fmt.Errorf("%w: the checksum of %s does not match", errStream, f.Name)
	}
	f.Checksum = &got
	return to.Sync()
}

func (w *streamWriter) readEnd() error {
	mark := make([]byte, len(streamEnd))
	if _, err := io.ReadFull(w, mark); err != nil {
		return err
	}
	want := w.all.Sum32()
	var sum [4]byte
	if _, err := io.ReadFull(w, sum[:]); err != nil {
		return err
	}
	if string(mark) != streamEnd || binary.LittleEndian.Uint32(sum[:]) != want {
		return fmt.Errorf("%w: its end does not match", errStream)
	}
	var more [1]byte
	if n, err := w.in.Read(more[:]); n > 0 || err != io.EOF {
		return fmt.Errorf("%w: something follows its end", errStream)
	}
	return nil
}

func (w *streamWriter) report(id string) {
	w.tell(&Transfer{Snapshot: id, Bytes: w.got, Total: w.total})
	if time.Since(w.said) > transferReport {
		w.said = time.Now()
		w.log.Info("receiving a snapshot", "snapshot", id, "bytes", w.got, "of", w.total)
	}
}
