package raftstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/hashicorp/raft"

	"drawdown/engine/ledger"
)

// frozenText is a state that is a few chunks of text.
type frozenText struct {
	fs     vfs.FS
	index  uint64
	chunks []string
}

func (f *frozenText) Head() ledger.Head {
	return ledger.Head{Index: f.index, Time: 1e18, Seq: 77, Chain: 0xfedcba9876543210}
}

func (f *frozenText) Encode(emit func([]byte) error) error {
	for _, c := range f.chunks {
		if err := emit([]byte(c)); err != nil {
			return err
		}
	}
	return nil
}

func (f *frozenText) Checkpoint(_ context.Context, dir string) error {
	if err := f.fs.MkdirAll(f.fs.PathJoin(dir, "sub"), 0o755); err != nil {
		return err
	}
	for _, name := range []string{"000001.sst", "MANIFEST-000002", "sub/x"} {
		if err := writeFile(f.fs, f.fs.PathJoin(dir, name), []byte("content of "+name)); err != nil {
			return err
		}
	}
	return nil
}

func (f *frozenText) Release() {}

func openTestSnapshots(t testing.TB, fs vfs.FS) *snapshotStore {
	t.Helper()
	if err := fs.MkdirAll("s", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syncDir(fs, "."); err != nil {
		t.Fatal(err)
	}
	s, err := openSnapshots(fs, "s", quiet(), func() time.Time { return time.Unix(1_700_000_000, 0) })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var members = raft.Configuration{Servers: []raft.Server{{ID: "n1", Address: "a1"}}}

// write writes a snapshot of the index, as raft and Persist do together.
func (s *snapshotStore) write(t testing.TB, index uint64) error {
	t.Helper()
	sink, err := s.Create(1, index, 3, members, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	state := &frozenText{s.fs, index - 1, []string{"first", strings.Repeat("x", 70), "last"}}
	if err = sink.(*snapshotSink).write(context.Background(), state); err == nil {
		err = sink.Close()
	}
	if err != nil {
		if cancelErr := sink.Cancel(); cancelErr != nil {
			t.Error(cancelErr)
		}
	}
	if again := sink.Close(); (again == nil) != (err == nil) {
		t.Errorf("Close answers %v, and then %v", err, again)
	}
	return err
}

func TestSnapshotRoundTrip(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := openTestSnapshots(t, fs)
	floor := uint64(0)
	s.completed = func(i uint64) { floor = i }
	if err := s.write(t, 12); err != nil {
		t.Fatal(err)
	}
	if floor != 12 {
		t.Fatalf("floor %d", floor)
	}
	s = openTestSnapshots(t, fs.CrashClone(vfs.CrashCloneCfg{})) // all of it is durable
	metas, err := s.List()
	if err != nil || len(metas) != 1 {
		t.Fatal(metas, err)
	}
	m := metas[0]
	if m.ID != "3-12" || m.Index != 12 || m.Term != 3 || m.ConfigurationIndex != 1 || len(m.Configuration.Servers) != 1 {
		t.Fatalf("%+v", m)
	}
	if got := s.newest().Head; got != headOf((&frozenText{index: 11}).Head()) {
		t.Fatalf("%+v", got)
	}
	if err := s.verify(s.path("3-12"), s.newest(), true); err != nil {
		t.Fatal(err)
	}
	state, err := openState(s.fs, s.path("3-12", stateName), s.newest().file(stateName))
	if err != nil {
		t.Fatal(err)
	}
	defer state.close()
	for _, want := range []string{"first", strings.Repeat("x", 70), "last"} {
		if got, err := state.next(); err != nil || string(got) != want {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if _, err := state.next(); err != io.EOF {
		t.Fatal(err)
	}
	_, stream, err := s.Open("3-12")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if n, err := io.Copy(io.Discard, stream); err != nil || n != m.Size {
		t.Fatal(n, err)
	}
}

// check opens the snapshots and verifies the newest; it must not panic.
func check(fs vfs.FS) error {
	s, err := openSnapshots(fs, "s", quiet(), time.Now)
	if err != nil {
		return err
	}
	if s.newest() == nil {
		return errors.New("no snapshot")
	}
	return s.verify(s.path(s.newest().id()), s.newest(), true)
}

// Every bit of every file matters, and so does every length (I7).
func TestDamagedSnapshotIsFound(t *testing.T) {
	base := vfs.NewMem()
	s := openTestSnapshots(t, base)
	if err := s.write(t, 12); err != nil {
		t.Fatal(err)
	}
	if err := check(base); err != nil {
		t.Fatal(err)
	}
	names := []string{manifestName}
	for _, f := range s.newest().Files {
		names = append(names, f.Name)
	}
	if len(names) != 5 {
		t.Fatal(names)
	}
	for _, name := range names {
		path := base.PathJoin("s", "3-12", name)
		whole, err := readFile(base, path)
		if err != nil {
			t.Fatal(err)
		}
		damaged := func(what string, content []byte) {
			t.Helper()
			if err := writeFile(base, path, content); err != nil {
				t.Fatal(err)
			}
			var damage *DamagedError
			if err := check(base); !errors.As(err, &damage) {
				t.Fatalf("%s, %s: %v", name, what, err)
			} else if damage.File != path || damage.Remedy == "" {
				t.Fatalf("%s, %s: %+v", name, what, damage)
			}
		}
		for i := range whole {
			damaged(fmt.Sprint("cut to ", i), whole[:i])
			for _, bit := range []byte{0x01, 0x20, 0x80} {
				flipped := append([]byte(nil), whole...)
				flipped[i] ^= bit
				damaged(fmt.Sprintf("bit %#x of byte %d", bit, i), flipped)
			}
		}
		damaged("a byte more", append(append([]byte(nil), whole...), 'x'))
		if err := base.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := check(base); err == nil {
			t.Fatal(name, "is missing")
		}
		if err := writeFile(base, path, whole); err != nil {
			t.Fatal(err)
		}
	}
	if err := check(base); err != nil {
		t.Fatal(err)
	}
}

func TestNewerSnapshotFormatIsRefused(t *testing.T) {
	body := []byte("{}")
	_, err := decodeManifest("f", append([]byte(title(manifestVersion+1, body)), body...))
	if err == nil || !strings.Contains(err.Error(), "format version 2, this program reads up to 1") {
		t.Fatal(err)
	}
}

func TestLeftoversAndOldSnapshotsAreRemoved(t *testing.T) {
	fs := vfs.NewMem()
	s := openTestSnapshots(t, fs)
	for _, index := range []uint64{5, 9, 100} {
		if err := s.write(t, index); err != nil {
			t.Fatal(err)
		}
	}
	if err := fs.MkdirAll("s/3-200.tmp/index", 0o755); err != nil {
		t.Fatal(err)
	}
	s = openTestSnapshots(t, fs)
	names, err := fs.List("s")
	if err != nil || len(names) != snapshotsKept || s.count() != 2 || s.newest().Index != 100 {
		t.Fatal(names, s.count(), err)
	}
	// The same snapshot again changes nothing.
	if err := s.write(t, 100); err != nil || s.count() != 2 {
		t.Fatal(err, s.count())
	}
	if err := check(fs); err != nil {
		t.Fatal(err)
	}
}

func TestCancel(t *testing.T) {
	fs := vfs.NewMem()
	s := openTestSnapshots(t, fs)
	sink, err := s.Create(1, 5, 3, members, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sink.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := sink.Cancel(); err != nil {
			t.Fatal(err)
		}
	}
	if err := sink.Close(); err == nil {
		t.Fatal("a snapshot that was given up counts")
	}
	incomplete, err := s.Create(1, 5, 3, members, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := incomplete.Close(); err == nil {
		t.Fatal("a snapshot without state counts")
	}
	if names, _ := fs.List("s"); len(names) != 0 {
		t.Fatal(names)
	}
}

// At whatever step the disk fails: Close says so, every time, and the snapshot
// does not count. A crash at any moment leaves no snapshot or a whole one.
func TestFailureAtEveryStep(t *testing.T) {
	for step := 0; ; step++ {
		mem := vfs.NewCrashableMem()
		counter := &failAfter{left: 1 << 30}
		fs := errorfs.Wrap(mem, counter)
		s := openTestSnapshots(t, fs)
		if err := s.write(t, 5); err != nil {
			t.Fatal(err)
		}
		counter.left = step
		sink, err := s.Create(1, 9, 3, members, 1, nil)
		if err == nil {
			k := sink.(*snapshotSink)
			if err = k.write(context.Background(), &frozenText{fs, 8, []string{"a"}}); err == nil {
				err = k.Close()
			}
			if again := k.Close(); err != nil && again == nil {
				t.Fatalf("step %d: Close hides %v", step, err)
			}
		}
		counter.left = 1 << 30
		crashed := mem.CrashClone(vfs.CrashCloneCfg{})
		if checkErr := check(crashed); checkErr != nil {
			t.Fatalf("step %d: %v after %v", step, checkErr, err)
		}
		if err == nil {
			if s.newest().Index != 9 {
				t.Fatal("it does not count")
			}
			t.Logf("%d steps", step)
			return
		}
		if s.newest().Index != 5 {
			t.Fatalf("step %d: it counts after %v", step, err)
		}
		if err := s.write(t, 9); err != nil {
			t.Fatalf("step %d: the next attempt: %v", step, err)
		}
	}
}

// failAfter lets all operations that change the disk fail after some.
type failAfter struct{ left int }

func (f *failAfter) MaybeError(op errorfs.Op) error {
	if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
		return nil
	}
	if f.left--; f.left < 0 {
		return errorfs.ErrInjected
	}
	return nil
}

func (f *failAfter) String() string { return "failAfter" }
