package wal

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/hashicorp/raft"
)

// -wal.long makes the sweeps complete instead of sampled.
var long = flag.Bool("wal.long", false, "complete sweeps: every bit, every crash within a recovery")

// call is one step of the script that the crash and error sweeps run.
type call struct {
	do    func(l *Log) error
	apply func(m *model)
}

func storeCall(first, last, term uint64) call {
	return call{
		func(l *Log) error { return l.StoreLogs(entries(first, last, term)) },
		func(m *model) { m.store(entries(first, last, term)) },
	}
}

func deleteCall(low, high uint64) call {
	return call{
		func(l *Log) error { return l.DeleteRange(low, high) },
		func(m *model) { m.delete(low, high) },
	}
}

func setCall(key, val string) call {
	return call{
		func(l *Log) error { return l.Set([]byte(key), []byte(val)) },
		func(m *model) { m.stable[key] = val },
	}
}

func floorCall(index uint64) call {
	return call{func(l *Log) error { l.SetFloor(index); return nil }, func(*model) {}}
}

// script appends, rolls over, deletes at both ends, jumps, votes, and makes the log use its dropped segments again.
func script() []call {
	return []call{
		setCall("CurrentTerm", "1"), setCall("LastVoteTerm", "1"), setCall("LastVoteCand", "n1"),
		storeCall(1, 1, 1), storeCall(2, 6, 1), storeCall(7, 12, 1), storeCall(13, 20, 1), storeCall(21, 24, 1),
		deleteCall(23, 24), storeCall(23, 26, 2), deleteCall(15, 26), storeCall(15, 22, 3), storeCall(23, 30, 3),
		setCall("CurrentTerm", "3"), deleteCall(1, 16), storeCall(31, 40, 3), storeCall(41, 50, 3), deleteCall(17, 45),
		storeCall(51, 60, 3), storeCall(61, 70, 3), floorCall(99), storeCall(100, 104, 4), storeCall(105, 114, 4),
		deleteCall(100, 114), storeCall(115, 120, 5), deleteCall(115, 118), storeCall(121, 150, 5), // larger than a segment
		storeCall(151, 158, 5), deleteCall(119, 150), storeCall(159, 166, 5), storeCall(167, 170, 5), deleteCall(169, 170),
		deleteCall(151, 168), storeCall(169, 199, 6), // goes on to a new segment when no entry holds the old one
	}
}

// allowed is what a reopened log may hold: what had been answered, and either all or nothing of the call in progress.
type allowed struct{ before, after *model }

func (a allowed) differs(l *Log) string {
	why := a.before.differs(l)
	if why == "" || a.after == nil {
		return why
	}
	if other := a.after.differs(l); other != "" {
		return fmt.Sprintf("neither as before (%s) nor as after the call (%s)", why, other)
	}
	return ""
}

// stage is where a sweep's script has come to.
type stage struct {
	mu sync.Mutex
	allowed
}

func (s *stage) set(before, after *model) {
	s.mu.Lock()
	s.allowed = allowed{before, after}
	s.mu.Unlock()
}

func (s *stage) get() allowed {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.allowed
}

// crashed is a disk as a power cut may have left it.
type crashed struct {
	fs      *vfs.MemFS
	what    string
	allowed allowed

	segmentBytes int64
}

func (c crashed) options(fs vfs.FS) Options {
	o := testOptions(fs)
	if c.segmentBytes != 0 {
		o.SegmentBytes = c.segmentBytes
	}
	return o
}

// crashAtEveryWrite wraps fs so that before each operation that changes something, and for each share of unsynced
// data kept, the disk is cloned as a crash would leave it.
func crashAtEveryWrite(fs *vfs.MemFS, rng *rand.Rand, now func() allowed, keep func(crashed)) vfs.FS {
	var mu sync.Mutex
	n := 0
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsRead || op.Kind == errorfs.OpFileClose {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		n++
		for _, percent := range []int{0, 50, 50, 100} {
			// What is allowed is asked before the disk is copied: this may be a change that the log makes in the background,
			// and a call that is past its own last change may be answered meanwhile.
			allowed := now()
			c := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
			keep(crashed{
				fs: c, allowed: allowed,
				what: fmt.Sprintf("before change %d (kind %d of %s), %d %% unsynced", n, op.Kind, op.Path, percent),
			})
		}
		return nil
	}))
}

// TestCrashEverywhere crashes before every change on disk that the script brings about, reopens, and compares; and
// crashes again at every change that the reopening brings about. The simulated disk keeps or loses blocks of 4 KiB: small
// entries are kept or lost whole, large ones are torn, and torn from their marks.
func TestCrashEverywhere(t *testing.T) {
	t.Run("small", func(t *testing.T) { sweepCrashes(t, 1024, 1, 15) })
	t.Run("torn", func(t *testing.T) {
		entryScale = 40
		defer func() { entryScale = 1 }()
		sweepCrashes(t, 40<<10, 3, 120)
	})
}

// sweepCrashes looks at one of so many crashes, and at those that may follow one of so many.
func sweepCrashes(t *testing.T, segmentBytes int64, every, everyNested int) {
	rng := rand.New(rand.NewPCG(1, 2))
	var all []crashed
	var st stage
	m := newModel()
	st.set(m.clone(), nil)
	o := testOptions(crashAtEveryWrite(vfs.NewCrashableMem(), rng, st.get, func(c crashed) {
		c.segmentBytes = segmentBytes
		all = append(all, c)
	}))
	o.SegmentBytes = segmentBytes
	l := mustOpen(t, o)
	for i, c := range script() {
		before := m.clone()
		c.apply(m)
		st.set(before, m.clone())
		if err := c.do(l); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		st.set(m.clone(), nil)
	}
	check(t, m, l)
	must(t, l.Close())
	nested := 0
	for i, c := range all {
		if *long || i%everyNested == 0 {
			nested += crashWhileReopening(t, rng, c)
		}
		if *long || rng.IntN(every) == 0 {
			reopen(t, c)
		}
	}
	t.Logf("%d crashes, %d crashes while recovering from one", len(all), nested)
}

// reopen opens the disk, compares, appends, and compares once more after another restart.
func reopen(t *testing.T, c crashed) {
	t.Helper()
	o := c.options(c.fs)
	l, err := Open(testDir, o)
	if err != nil {
		t.Fatalf("%s: %v", c.what, err)
	}
	if why := c.allowed.differs(l); why != "" {
		t.Fatalf("%s: %s", c.what, why)
	}
	m := c.allowed.before
	if m.differs(l) != "" {
		m = c.allowed.after
	}
	m = m.clone()
	// What Open has found is served from now on: it must outlive a power cut that comes at once.
	atOnce := c.fs.CrashClone(vfs.CrashCloneCfg{})
	for range 3 {
		logs := entries(m.next, m.next+5, 9)
		if err := l.StoreLogs(logs); err != nil {
			t.Fatalf("%s: appending: %v", c.what, err)
		}
		m.store(logs)
	}
	after := c.fs.CrashClone(vfs.CrashCloneCfg{})
	must(t, l.Close())
	if found, err := Open(testDir, c.options(atOnce)); err != nil || c.allowed.differs(found) != "" || !sameStable(l, found) {
		t.Fatalf("%s: opened, and gone after the next power cut: %v", c.what, err)
	} else {
		must(t, found.Close())
	}
	for _, fs := range []*vfs.MemFS{after, c.fs} {
		l, err = Open(testDir, c.options(fs))
		if err != nil {
			t.Fatalf("%s: second opening: %v", c.what, err)
		}
		if why := m.differs(l); why != "" {
			t.Fatalf("%s: after appending: %s", c.what, why)
		}
		must(t, l.Close())
	}
}

func sameStable(a, b *Log) bool {
	return bytes.Equal(encodeStable(logID{}, a.stable), encodeStable(logID{}, b.stable))
}

func crashWhileReopening(t *testing.T, rng *rand.Rand, c crashed) int {
	t.Helper()
	var again []crashed
	copied := c.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rng})
	fs := crashAtEveryWrite(copied, rng, func() allowed { return c.allowed }, func(x crashed) { again = append(again, x) })
	l, err := Open(testDir, c.options(fs))
	if err != nil {
		t.Fatalf("%s: %v", c.what, err)
	}
	must(t, l.Close())
	for i, x := range again {
		if *long || i%3 == 0 {
			x.what, x.segmentBytes = c.what+", then "+x.what, c.segmentBytes
			reopen(t, x)
		}
	}
	return len(again)
}

// TestErrorEverywhere makes each change on disk in turn fail, once. The log is poisoned with the first one, says so
// once, and everything answered before is there afterwards.
func TestErrorEverywhere(t *testing.T) {
	for n := int32(0); ; n++ {
		if reached := errorAt(t, n); !reached {
			t.Logf("%d errors injected", n)
			return
		}
	}
}

func errorAt(t *testing.T, n int32) (reached bool) {
	t.Helper()
	fs := vfs.NewCrashableMem()
	var writes, fatals atomic.Int32
	failed := make(chan struct{})
	o := testOptions(errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose && writes.Add(1) == n+1 {
			close(failed)
			return errorfs.ErrInjected // the next call would succeed: it must not be made
		}
		return nil
	})))
	told := make(chan struct{})
	o.OnFatal = func(err error) {
		if fatals.Add(1) == 1 {
			close(told)
		}
	}
	m := newModel()
	st := allowed{m.clone(), nil}
	if l, err := Open(testDir, o); err == nil {
		st = runUntilError(t, l, m, n)
		select {
		case <-failed:
		default:
			err := l.Close() // whose own sync may be the one that fails: the mark's, which nothing hangs on
			if err == nil {
				return false
			}
			reopen(t, crashed{fs: fs, what: fmt.Sprintf("error %d, in Close", n), allowed: st})
			return true
		}
		<-told
		for name, err := range map[string]error{
			"StoreLogs": l.StoreLogs(entries(1, 1, 1)), "DeleteRange": l.DeleteRange(1, 1), "Set": l.Set(nil, nil), "Close": l.Close(),
		} {
			if !errors.Is(err, ErrPoisoned) || !errors.Is(err, errorfs.ErrInjected) {
				t.Fatalf("error %d: %s of a poisoned log: %v", n, name, err)
			}
		}
		if fatals.Load() != 1 {
			t.Fatalf("error %d: OnFatal was called %d times", n, fatals.Load())
		}
	}
	what := fmt.Sprintf("error %d", n)
	reopen(t, crashed{fs: fs.CrashClone(vfs.CrashCloneCfg{}), what: what + ", crash", allowed: st})
	reopen(t, crashed{fs: fs, what: what, allowed: st})
	return true
}

// runUntilError runs the script. A failed call may have happened or not.
func runUntilError(t *testing.T, l *Log, m *model, n int32) allowed {
	t.Helper()
	for _, c := range script() {
		before := m.clone()
		c.apply(m)
		if err := c.do(l); err != nil {
			if !errors.Is(err, ErrPoisoned) {
				t.Fatalf("error %d: %v", n, err)
			}
			// Reads go on, and show what was there before, or the whole call if only its mark failed.
			st := allowed{before, m.clone()}
			var e raft.Log
			if before.head < before.next && m.head < m.next && l.GetLog(before.next-1, &e) != nil && l.GetLog(m.next-1, &e) != nil {
				t.Fatalf("error %d: a poisoned log does not serve what was synced", n)
			}
			return st
		}
	}
	return allowed{m.clone(), nil}
}

// TestSyncFailsOnceThenLies: the kernel drops the pages of a failed sync and reports success from then on. The batch must
// not be trusted after a restart of the process alone, unless it has been written once more.
func TestSyncFailsOnceThenLies(t *testing.T) {
	disk := vfs.NewCrashableMem()
	var fail atomic.Bool
	lying := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData && fail.Swap(false) {
			return errorfs.ErrInjected
		}
		return nil
	}))
	l, m := mustOpen(t, testOptions(lying)), newModel()
	must(t, l.StoreLogs(entries(1, 3, 1)))
	m.store(entries(1, 3, 1))
	fail.Store(true)
	if err := l.StoreLogs(entries(4, 5, 1)); !errors.Is(err, ErrPoisoned) {
		t.Fatal(err)
	}
	syncs := l.Stats().Syncs
	if err := l.StoreLogs(entries(4, 5, 1)); !errors.Is(err, ErrPoisoned) || l.Stats().Syncs != syncs {
		t.Fatal("a failed sync was tried again:", err)
	}
	check(t, m, l) // not shown: it may not be there tomorrow
	_ = l.Close()

	rewritten := false
	watching := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWriteAt && op.Offset > segmentHeaderBytes {
			rewritten = true
		}
		if op.Kind == errorfs.OpFileSyncData && !rewritten {
			t.Error("synced before the unproven batch was written again")
		}
		return nil
	}))
	l = mustOpen(t, testOptions(watching))
	m.store(entries(4, 5, 1))
	check(t, m, l)
	must(t, l.Close())
}
