package wal

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Names in the log's directory.
const (
	manifestName  = "manifest"
	stableName    = "stable"
	segmentSuffix = ".seg"
	temporary     = ".tmp"
	// preparedName is a segment that is being filled with zeros, sparePrefix begins the name of one that waits to be
	// used again. Neither survives a restart.
	preparedName = "prepared" + temporary
	sparePrefix  = "spare-"
)

// spareName names the n-th segment that waits to be used again.
func spareName(n int) string { return fmt.Sprintf("%s%d%s", sparePrefix, n, temporary) }

func segmentName(seq uint64) string { return fmt.Sprintf("%016x%s", seq, segmentSuffix) }

// parseSegmentName accepts exactly what segmentName makes.
func parseSegmentName(name string) (seq uint64, ok bool) {
	if _, err := fmt.Sscanf(strings.TrimSuffix(name, segmentSuffix), "%x", &seq); err != nil {
		return 0, false
	}
	return seq, segmentName(seq) == name
}

// isTemporary reports whether name is a file that an interrupted step left behind.
func isTemporary(name string) bool {
	switch name {
	case preparedName, manifestName + temporary, stableName + temporary:
		return true
	}
	return strings.HasPrefix(name, sparePrefix) && strings.HasSuffix(name, temporary)
}

// syncDir makes the creations, renames and removals in a directory durable.
func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if closeErr := d.Close(); err == nil {
		err = closeErr
	}
	return err
}

// replaceFile puts content in the place of the named file, wholly or not at all, durably. It may write over content.
func replaceFile(fs vfs.FS, dir, name string, content []byte) error {
	path := fs.PathJoin(dir, name)
	f, err := fs.Create(path+temporary, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	if err := fs.Rename(path+temporary, path); err != nil {
		return err
	}
	return syncDir(fs, dir)
}

// readFile returns a whole file, in buf if it is large enough.
func readFile(fs vfs.FS, path string, buf []byte) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if size := info.Size(); int64(cap(buf)) < size {
		buf = make([]byte, size)
	} else {
		buf = buf[:size]
	}
	n, err := f.ReadAt(buf, 0)
	if err == io.EOF && n == len(buf) {
		err = nil
	}
	return buf, err
}

// sealedFile is the frame around the two small files, manifest and stable:
//
//	magic 8 | version 4 | crc 4 of what follows | log id 16 | body
const sealedHeaderBytes = 32

func sealFile(magic string, id logID, body []byte) []byte {
	b := make([]byte, sealedHeaderBytes, sealedHeaderBytes+len(body))
	copy(b, magic)
	binary.LittleEndian.PutUint32(b[8:], formatVersion)
	copy(b[16:], id[:])
	b = append(b, body...)
	binary.LittleEndian.PutUint32(b[12:], crc32.Checksum(b[16:], castagnoli))
	return b
}

// openSealed undoes sealFile. These files are replaced as a whole, so that a crash cannot tear them: whatever does not
// match is damage.
func openSealed(path, magic string, b []byte, damaged Case) (id logID, body []byte, err error) {
	if len(b) < sealedHeaderBytes || string(b[:8]) != magic {
		return id, nil, corrupt(path, 0, damaged, "the file's header is absent")
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != formatVersion {
		return id, nil, corrupt(path, 8, CaseUnknownVersion, "format version %d, this program reads version %d", v, formatVersion)
	}
	if binary.LittleEndian.Uint32(b[12:]) != crc32.Checksum(b[16:], castagnoli) {
		return id, nil, corrupt(path, 12, damaged, "the file's checksum does not match")
	}
	copy(id[:], b[16:32])
	return id, b[sealedHeaderBytes:], nil
}

const manifestMagic = "DRWDMAN\n"

// manifest says which log this is and which segments must exist, so that a lost file is noticed.
type manifest struct {
	id     logID
	oldest uint64 // sequence number of the oldest segment in use
	newest uint64 // of the newest one; 0 until the log's first one exists
}

func (m manifest) encode() []byte {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], m.oldest)
	binary.LittleEndian.PutUint64(b[8:], m.newest)
	return sealFile(manifestMagic, m.id, b[:])
}

func decodeManifest(path string, b []byte) (m manifest, err error) {
	id, body, err := openSealed(path, manifestMagic, b, CaseManifestDamaged)
	if err != nil {
		return m, err
	}
	if len(body) != 16 {
		return m, corrupt(path, sealedHeaderBytes, CaseManifestDamaged, "the file has the wrong length")
	}
	m = manifest{id, binary.LittleEndian.Uint64(body), binary.LittleEndian.Uint64(body[8:])}
	if m.oldest == 0 || (m.newest < m.oldest && m.newest != 0) {
		return m, corrupt(path, sealedHeaderBytes, CaseManifestDamaged, "segments %d to %d make no sense", m.oldest, m.newest)
	}
	return m, nil
}

// save replaces the manifest durably.
func (m manifest) save(fs vfs.FS, dir string) error {
	return replaceFile(fs, dir, manifestName, m.encode())
}
