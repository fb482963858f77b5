package raftstore

import (
	"fmt"
	"hash/crc32"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// temporary ends the name of whatever is not finished, or is being removed.
const temporary = ".tmp"

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

// writeFile makes a file of the content and syncs it, but not its directory.
func writeFile(fs vfs.FS, path string, content []byte) error {
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	// Write may change what it is given.
	_, err = f.Write(append([]byte(nil), content...))
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

// replaceFile puts content in the place of a file, wholly or not at all, durably.
func replaceFile(fs vfs.FS, dir, name string, content []byte) error {
	path := fs.PathJoin(dir, name)
	if err := writeFile(fs, path+temporary, content); err != nil {
		return err
	}
	if err := fs.Rename(path+temporary, path); err != nil {
		return err
	}
	return syncDir(fs, dir)
}

func readFile(fs vfs.FS, path string) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// checksumFile is the length and the checksum of a file.
func checksumFile(fs vfs.FS, path string) (bytes int64, sum uint32, err error) {
	f, err := fs.Open(path, vfs.SequentialReadsOption)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	h := crc32.New(castagnoli)
	bytes, err = io.Copy(h, f)
	return bytes, h.Sum32(), err
}

// exists says whether there is something of that name.
func exists(fs vfs.FS, dir, name string) (bool, error) {
	names, err := fs.List(dir)
	if err != nil {
		return false, err
	}
	for _, n := range names {
		if n == name {
			return true, nil
		}
	}
	return false, nil
}

// DamagedError reports that something on disk is not as it was written (I7).
// Nothing has been changed on disk.
type DamagedError struct {
	File   string
	What   string
	Remedy string
}

// Error names the file, the damage and the remedy.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s: %s. Remedy: %s", e.File, e.What, e.Remedy)
}

// remedyRejoin is the way back when what only this node has cannot be trusted.
const remedyRejoin = "keep a copy of the data directory; in a cluster, remove this node, empty its directory and " +
	"let it join under a new name; a single node is restored from its last backup"

// remedyProgram is for what a newer program wrote.
const remedyProgram = "run the version of the program that wrote it, or a newer one; nothing is wrong with the data"
