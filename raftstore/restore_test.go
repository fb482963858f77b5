package raftstore

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"

	"drawdown/engine/ledger"
)

// populated is the disk of a node with snapshots and a log behind them.
func populated(t testing.TB) (fs *vfs.MemFS, head ledger.Head) {
	fs = vfs.NewCrashableMem()
	o := testOptions(fs)
	o.TrailingLogs = 2
	n := start(t, o)
	n.submit(meter())
	for i := range 30 {
		n.submit(report(fmt.Sprint("e", i)))
		if i == 10 || i == 20 {
			n.snapshot()
		}
	}
	n.stop()
	return fs, n.machine.Head()
}

func mustRefuse(t testing.TB, fs vfs.FS, words ...string) {
	t.Helper()
	s, err := Open(testOptions(fs))
	if err == nil {
		s.Close(t.Context())
		t.Fatal("it starts")
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Fatalf("%q is missing in: %v", word, err)
		}
	}
	// The lock was given back.
	if lock, err := fs.Lock("data/LOCK"); err != nil {
		t.Fatal(err)
	} else {
		lock.Close()
	}
}

// same starts a node that must be where head is, uses it, and answers where it is
// then.
func same(t testing.TB, fs vfs.FS, head ledger.Head) ledger.Head {
	t.Helper()
	n := start(t, testOptions(fs))
	if got := n.machine.Head(); got.Seq != head.Seq || got.Chain != head.Chain {
		t.Fatalf("%+v, not %+v", got, head)
	}
	if got := n.submit(report("e7"), report("e29")); got[0].Code != ledger.Duplicate || got[1].Code != ledger.Duplicate {
		t.Fatalf("%+v", got)
	}
	if got := n.events(); got != 30 {
		t.Fatalf("%d events", got)
	}
	n.stop()
	return n.machine.Head()
}

func newestPath(t testing.TB, fs vfs.FS) string {
	t.Helper()
	s, err := openSnapshots(fs, "data/snapshots", quiet(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s.path(s.newest().id())
}

func flip(t testing.TB, fs vfs.FS, path string) {
	t.Helper()
	content, err := readFile(fs, path)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := writeFile(fs, path, content); err != nil {
		t.Fatal(err)
	}
}

// The newest snapshot is used or the node does not start; an older one would
// silently lose what lies between.
func TestDamagedNewestSnapshotIsRefused(t *testing.T) {
	for _, name := range []string{manifestName, stateName} {
		fs, _ := populated(t)
		path := fs.PathJoin(newestPath(t, fs), name)
		flip(t, fs, path)
		mustRefuse(t, fs, path, "Remedy")
	}
	fs, _ := populated(t)
	path := newestPath(t, fs)
	if err := fs.RemoveAll(path + "/index"); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, fs, path+"/index", "missing", "Remedy")
}

func TestMissingPartsAreRefused(t *testing.T) {
	for _, c := range []struct{ remove, word string }{
		{"data/snapshots", "there is no snapshot, but the log begins at"},
		{"data/wal", "the log was lost or exchanged"},
		{"data/FORMAT", "data/FORMAT: the file is missing, but wal is there"},
	} {
		fs, _ := populated(t)
		if err := fs.RemoveAll(c.remove); err != nil {
			t.Fatal(err)
		}
		mustRefuse(t, fs, c.word, "Remedy")
	}
	fs := vfs.NewCrashableMem()
	n := start(t, testOptions(fs))
	n.stop()
	if err := fs.RemoveAll("data/wal"); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, fs, "the log is empty, but this node has had one", "Remedy")
}

// The older snapshot ends before the log begins.
func TestGapIsRefused(t *testing.T) {
	fs, _ := populated(t)
	if err := fs.RemoveAll(newestPath(t, fs)); err != nil {
		t.Fatal(err)
	}
	mustRefuse(t, fs, "the log begins at", "the newest snapshot ends at", "Remedy")
}

// An index that is lost, damaged or behind is made again from the snapshot's copy.
func TestIndexIsRebuilt(t *testing.T) {
	fs, head := populated(t)
	if err := fs.RemoveAll("data/index"); err != nil {
		t.Fatal(err)
	}
	same(t, fs, head)

	fs, head = populated(t)
	names, err := fs.List("data/index")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, "MANIFEST") {
			flip(t, fs, "data/index/"+name)
		}
	}
	same(t, fs, same(t, fs, head)) // and stays
	if err := checkData(fs); err != nil {
		t.Fatal("using the copy has changed it:", err)
	}

	// A crash in the middle of the exchange.
	fs, head = populated(t)
	if err := fs.Rename("data/index", "data/"+indexOldName); err != nil {
		t.Fatal(err)
	}
	if err := fs.MkdirAll("data/"+indexNewName, 0o755); err != nil {
		t.Fatal(err)
	}
	same(t, fs, head)
	if names, _ := fs.List("data"); len(names) != 5 {
		t.Fatal(names)
	}
}

func checkData(fs vfs.FS) error {
	s, err := openSnapshots(fs, "data/snapshots", quiet(), nil)
	if err != nil {
		return err
	}
	return s.verify(s.path(s.newest().id()), s.newest(), true)
}

// Without a snapshot the log has everything.
func TestIndexIsReplayedWithoutSnapshot(t *testing.T) {
	fs := vfs.NewCrashableMem()
	n := start(t, testOptions(fs))
	n.submit(meter(), report("a"))
	n.stop()
	if err := fs.RemoveAll("data/index"); err != nil {
		t.Fatal(err)
	}
	n = start(t, testOptions(fs))
	if got := n.submit(report("a"))[0].Code; got != ledger.Duplicate || n.events() != 1 {
		t.Fatal(got)
	}
}

func TestFormat(t *testing.T) {
	write := func(content string) vfs.FS {
		fs, _ := populated(t)
		if err := writeFile(fs, "data/FORMAT", []byte(content)); err != nil {
			t.Fatal(err)
		}
		return fs
	}
	mustRefuse(t, write(string(identity{node: "n", founded: true}.encode(formatVersion+1))), "data/FORMAT", "version 3, this program reads up to 2", "newer one")
	mustRefuse(t, write("something else\n"), "data/FORMAT", "Remedy")
	good := identity{node: "n", founded: true, cluster: [16]byte{1}}.encode(formatVersion)
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 1
		fs := vfs.NewMem()
		for name, content := range map[string][]byte{"data/FORMAT": bad} {
			fs.MkdirAll("data", 0o755)
			writeFile(fs, name, content)
		}
		if _, err := openDataDir(fs, "data", ""); err == nil {
			t.Fatalf("byte %d changed: %q is accepted", i, bad)
		}
	}
	fs, _ := populated(t)
	o := testOptions(fs)
	o.NodeID = "another"
	if _, err := Open(o); err == nil || !strings.Contains(err.Error(), "cannot be opened as \"another\"") {
		t.Fatal(err)
	}
}

// A snapshot that cannot be finished leaves the log alone.
func TestFailedSnapshotKeepsTheLog(t *testing.T) {
	fs := vfs.NewCrashableMem()
	o := testOptions(fs)
	o.TrailingLogs = 1
	n := start(t, o)
	n.submit(meter())
	for i := range 10 {
		n.submit(report(fmt.Sprint(i)))
	}
	n.snapshots.fs = failingRename{n.snapshots.fs}
	if _, err := n.Snapshot(t.Context()); err == nil {
		t.Fatal("it succeeds")
	}
	if first, err := n.wal.FirstIndex(); err != nil || first != 1 {
		t.Fatal(first, err)
	}
	n.snapshots.fs = n.snapshots.fs.(failingRename).FS
	index := n.snapshot()
	if first, err := n.wal.FirstIndex(); err != nil || first < index-1 {
		t.Fatal(first, err)
	}
}

type failingRename struct{ vfs.FS }

func (failingRename) Rename(string, string) error { return errors.New("no") }

// A snapshot older than the state would take answered events back: the node stops.
func TestRestoreAtRunTimeStops(t *testing.T) {
	n := start(t, testOptions(vfs.NewCrashableMem()))
	n.submit(meter())
	n.snapshot()
	n.submit(report("a"))
	if err := n.fsm.Restore(nil); err == nil {
		t.Fatal("it goes on")
	}
	if err := <-n.fatal; !strings.Contains(err.Error(), "was sent to this node") {
		t.Fatal(err)
	}
	if got := n.fsm.Apply(&raft.Log{Index: 1 << 20, Type: raft.LogCommand}); got != errStopped {
		t.Fatal(got)
	}
}

// TestEntriesThatContradictASnapshotAreDropped: left in the log they would have this
// node refuse everything that follows the snapshot.
func TestEntriesThatContradictASnapshotAreDropped(t *testing.T) {
	a := start(t, testOptions(vfs.NewCrashableMem()))
	a.submit(meter(), report("a"))
	a.stop()
	a = start(t, testOptions(a.o.FS)) // in the next term
	for i := range 5 {
		a.submit(report(fmt.Sprint("b", i)))
	}
	index := a.snapshot()
	meta, stream, err := a.snapshots.Open(a.snapshots.newest().id())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()

	b := start(t, testOptions(vfs.NewCrashableMem()))
	b.submit(meter())
	for i := range 20 {
		b.submit(report(fmt.Sprint("c", i))) // an older term's, beyond the snapshot
	}
	sink, err := b.snapshots.Create(1, meta.Index, meta.Term, meta.Configuration, meta.ConfigurationIndex, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(sink, stream); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(sink.Close(), b.wal.SetUint64(keyCurrentTerm, meta.Term)); err != nil {
		t.Fatal(err)
	}
	b.stop()
	if err := b.dir.setCluster(a.clusterName()); err != nil { // as if one cluster had founded both
		t.Fatal(err)
	}
	again := newStore(testOptions(b.o.FS).withDefaults())
	if err := again.open(again.realBackend()); err != nil {
		t.Fatal(err)
	}
	defer again.Close(t.Context())
	if last, err := again.wal.LastIndex(); err != nil || last >= index {
		t.Fatalf("the log still ends at %d: %v", last, err)
	}
	if got, want := again.machine.Head(), a.machine.Head(); got != want {
		t.Fatalf("it has %+v, the snapshot %+v", got, want)
	}
}
