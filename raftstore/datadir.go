package raftstore

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Names in the data directory.
const (
	formatName    = "FORMAT"
	lockName      = "LOCK"
	logName       = "wal"
	snapshotsName = "snapshots"
)

const (
	formatTitle   = "drawdown data"
	formatVersion = 2
)

// dataDir is the data directory, locked against other processes.
type dataDir struct {
	fs   vfs.FS
	path string
	lock io.Closer
	mu   sync.Mutex // over identity.cluster, once other nodes may call
	identity
}

// identity is what FORMAT says:
//
//	drawdown data 2 <checksum of the rest>
//	node <name>
//	founded <true or false>
//	cluster <name, 32 hexadecimal digits; zeros before it is known>
//
// Version 1 had no cluster; its place is filled when the node next learns the name.
type identity struct {
	node string
	// founded says that the log has been begun. From then on an empty log means that
	// it was lost, not that the node is new.
	founded bool
	// cluster is the log's name, by which nodes of another cluster are known before
	// the engine has carried out the command that gave it.
	cluster [16]byte
}

// openDataDir locks the directory, after making it if there is none.
func openDataDir(fs vfs.FS, path, node string) (*dataDir, error) {
	if path == "" {
		return nil, errors.New("no data directory is named")
	}
	if err := fs.MkdirAll(path, 0o755); err != nil {
		return nil, err
	}
	lock, err := fs.Lock(fs.PathJoin(path, lockName))
	if err != nil {
		return nil, fmt.Errorf("the data directory %s is in use by another process (%w)", path, err)
	}
	d := &dataDir{fs: fs, path: path, lock: lock}
	if err := d.load(node); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return d, nil
}

func (d *dataDir) join(name string) string { return d.fs.PathJoin(d.path, name) }

// load reads FORMAT and makes what is missing in a new directory.
func (d *dataDir) load(node string) error {
	found, err := exists(d.fs, d.path, formatName)
	if err != nil {
		return err
	}
	if found {
		err = d.read(node)
	} else {
		err = d.create(node)
	}
	if err != nil {
		return err
	}
	for _, name := range []string{logName, snapshotsName, indexName} {
		if err := d.fs.MkdirAll(d.join(name), 0o755); err != nil {
			return err
		}
	}
	return syncDir(d.fs, d.path)
}

func (d *dataDir) create(node string) error {
	for _, name := range []string{logName, snapshotsName, indexName} {
		if there, err := exists(d.fs, d.path, name); err != nil {
			return err
		} else if there {
			return &DamagedError{d.join(formatName), "the file is missing, but " + name + " is there", remedyRejoin}
		}
	}
	d.node = node
	if d.node == "" {
		var name [8]byte
		rand.Read(name[:])
		d.node = fmt.Sprintf("%x", name)
	}
	// The directory's own name must be durable before anything in it counts.
	if parent := d.fs.PathDir(d.path); parent != "" {
		if err := syncDir(d.fs, parent); err != nil {
			return err
		}
	}
	return d.save()
}

func (d *dataDir) save() error {
	return replaceFile(d.fs, d.path, formatName, d.identity.encode(formatVersion))
}

func (i identity) encode(version int) []byte {
	body := fmt.Sprintf("node %s\nfounded %t\n", i.node, i.founded)
	if version > 1 {
		body += fmt.Sprintf("cluster %x\n", i.cluster)
	}
	return fmt.Appendf(nil, "%s %d %08x\n%s", formatTitle, version, crc32.Checksum([]byte(body), castagnoli), body)
}

func (d *dataDir) read(node string) error {
	file := d.join(formatName)
	content, err := readFile(d.fs, file)
	if err != nil {
		return err
	}
	line, body, _ := strings.Cut(string(content), "\n")
	rest, ok := strings.CutPrefix(line, formatTitle+" ")
	var version int
	if _, err := fmt.Sscanf(rest, "%d", &version); !ok || err != nil {
		return &DamagedError{file, "this is not the directory of a node, or the file is damaged", remedyRejoin}
	}
	if version > formatVersion {
		return &DamagedError{file, fmt.Sprintf("format version %d, this program reads up to %d", version, formatVersion), remedyProgram}
	}
	err = d.identity.decode(body, version)
	if err != nil || string(d.identity.encode(version)) != string(content) {
		return &DamagedError{file, "the file is damaged", remedyRejoin}
	}
	if node != "" && node != d.node {
		return fmt.Errorf("%s belongs to node %q, it cannot be opened as %q: a node's name lives as long as its directory",
			d.path, d.node, node)
	}
	return nil
}

func (i *identity) decode(body string, version int) error {
	if version == 1 {
		_, err := fmt.Sscanf(body, "node %s\nfounded %t\n", &i.node, &i.founded)
		return err
	}
	var cluster string
	if _, err := fmt.Sscanf(body, "node %s\nfounded %t\ncluster %s\n", &i.node, &i.founded, &cluster); err != nil {
		return err
	}
	if len(cluster) != hex.EncodedLen(len(i.cluster)) {
		return errors.New("the cluster's name is not as long as it should be")
	}
	_, err := hex.Decode(i.cluster[:], []byte(cluster))
	return err
}

// clusterName is the log's name, zero before it is known.
func (d *dataDir) clusterName() [16]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cluster
}

// setCluster notes the log's name, durably. Only one goroutine at a time writes here.
func (d *dataDir) setCluster(name [16]byte) error {
	noted := d.identity
	noted.cluster = name
	if err := replaceFile(d.fs, d.path, formatName, noted.encode(formatVersion)); err != nil {
		return fmt.Errorf("%s: the cluster's name cannot be noted: %w", d.join(formatName), err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cluster = name
	return nil
}

// setFounded notes, durably, that the log has been begun.
func (d *dataDir) setFounded() error {
	d.founded = true
	return d.save()
}

func (d *dataDir) close() error { return d.lock.Close() }
