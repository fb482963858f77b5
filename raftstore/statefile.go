package raftstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The state file; doc.go draws it.
const (
	stateMagic       = "DRWDSTA\n"
	stateVersion     = 1
	stateHeaderBytes = 16
	frameHeaderBytes = 8

	// chunkBytesMax is more than any chunk has: one account or one text may be
	// larger than the engine's usual chunk, but not by this much.
	chunkBytesMax = 1 << 30

	// syncStep is how much is written between two hints to the disk, so that the
	// sync at the end does not have everything to do, in the log's way.
	syncStep = 1 << 20
)

// stateWriter writes chunks into a state file.
type stateWriter struct {
	file  vfs.File
	buf   []byte
	bytes int64
	sum   uint32 // of all bytes so far
}

func createState(fs vfs.FS, path string) (*stateWriter, error) {
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	w := &stateWriter{file: vfs.NewSyncingFile(f, vfs.SyncingFileOptions{BytesPerSync: syncStep})}
	header := make([]byte, stateHeaderBytes)
	copy(header, stateMagic)
	binary.LittleEndian.PutUint32(header[8:], stateVersion)
	binary.LittleEndian.PutUint32(header[12:], crc32.Checksum(header[:12], castagnoli))
	w.buf = append(w.buf, header...)
	return w, nil
}

// chunk appends one chunk. Chunks are never empty.
func (w *stateWriter) chunk(chunk []byte) error {
	if len(chunk) == 0 || len(chunk) > chunkBytesMax {
		return fmt.Errorf("a chunk of %d bytes", len(chunk))
	}
	w.frame(chunk)
	if len(w.buf) >= syncStep {
		return w.flush()
	}
	return nil
}

func (w *stateWriter) frame(chunk []byte) {
	var header [frameHeaderBytes]byte
	binary.LittleEndian.PutUint32(header[:], uint32(len(chunk)))
	sum := crc32.Update(crc32.Checksum(header[:4], castagnoli), castagnoli, chunk)
	binary.LittleEndian.PutUint32(header[4:], sum)
	w.buf = append(append(w.buf, header[:]...), chunk...)
}

func (w *stateWriter) flush() error {
	w.sum = crc32.Update(w.sum, castagnoli, w.buf)
	w.bytes += int64(len(w.buf))
	_, err := w.file.Write(w.buf)
	w.buf = w.buf[:0]
	return err
}

// finish ends the file with an empty frame and syncs it.
func (w *stateWriter) finish() error {
	w.frame(nil)
	if err := w.flush(); err != nil {
		return err
	}
	return w.file.Sync()
}

func (w *stateWriter) close() error { return w.file.Close() }

// stateReader reads a state file back, chunk by chunk, and compares the whole with
// the manifest at the end.
type stateReader struct {
	path  string
	want  *manifestFile
	file  vfs.File
	chunk []byte
	bytes int64
	sum   uint32
	err   error // what next answers from now on
}

func openState(fs vfs.FS, path string, want *manifestFile) (*stateReader, error) {
	f, err := fs.Open(path, vfs.SequentialReadsOption)
	if err != nil {
		return nil, err
	}
	r := &stateReader{path: path, want: want, file: f}
	header := make([]byte, stateHeaderBytes)
	if err := r.read(header); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := r.checkHeader(header); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

func (r *stateReader) checkHeader(header []byte) error {
	if string(header[:8]) != stateMagic ||
		binary.LittleEndian.Uint32(header[12:]) != crc32.Checksum(header[:12], castagnoli) {
		return r.damaged("the header is absent")
	}
	if v := binary.LittleEndian.Uint32(header[8:]); v != stateVersion {
		return &DamagedError{r.path, fmt.Sprintf("format version %d, this program reads %d", v, stateVersion), remedyProgram}
	}
	return nil
}

func (r *stateReader) damaged(format string, args ...any) error {
	return &DamagedError{r.path, fmt.Sprintf(format, args...), remedyRejoin}
}

// read fills b. An error of the disk is not damage; an early end is.
func (r *stateReader) read(b []byte) error {
	n, err := io.ReadFull(r.file, b)
	r.bytes += int64(n)
	r.sum = crc32.Update(r.sum, castagnoli, b[:n])
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return r.damaged("it ends at offset %d", r.bytes)
	}
	return err
}

// next is the next chunk, valid until the call after; io.EOF after the last one,
// and only if all of the file is as the manifest says.
func (r *stateReader) next() ([]byte, error) {
	if r.err == nil {
		r.err = r.readChunk()
	}
	if r.err != nil {
		return nil, r.err
	}
	return r.chunk, nil
}

func (r *stateReader) readChunk() error {
	at := r.bytes
	var header [frameHeaderBytes]byte
	if err := r.read(header[:]); err != nil {
		return err
	}
	length := binary.LittleEndian.Uint32(header[:])
	if int64(length) > min(chunkBytesMax, r.want.Bytes-r.bytes) {
		return r.damaged("the chunk at offset %d is longer than the file", at)
	}
	if cap(r.chunk) < int(length) {
		r.chunk = make([]byte, length)
	}
	r.chunk = r.chunk[:length]
	if err := r.read(r.chunk); err != nil {
		return err
	}
	sum := crc32.Update(crc32.Checksum(header[:4], castagnoli), castagnoli, r.chunk)
	if sum != binary.LittleEndian.Uint32(header[4:]) {
		return r.damaged("the checksum of the chunk at offset %d does not match", at)
	}
	if length > 0 {
		return nil
	}
	return r.checkEnd()
}

func (r *stateReader) checkEnd() error {
	var more [1]byte
	if n, err := r.file.Read(more[:]); n > 0 {
		return r.damaged("something follows the end at offset %d", r.bytes)
	} else if err != nil && err != io.EOF {
		return err
	}
	if r.bytes != r.want.Bytes || r.sum != *r.want.Checksum {
		return r.damaged("its length or checksum is not the manifest's")
	}
	return io.EOF
}

func (r *stateReader) close() error { return r.file.Close() }

// verifyState reads the whole state file.
func verifyState(fs vfs.FS, path string, want *manifestFile) error {
	r, err := openState(fs, path, want)
	if err != nil {
		return err
	}
	defer r.close()
	for {
		if _, err := r.next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
