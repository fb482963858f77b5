package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"
)

const testDir = "log"

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// testOptions makes segments small, so that a few entries fill one, and the cache smaller still, so that reads go to
// the files.
func testOptions(fs vfs.FS) Options {
	return Options{FS: fs, SegmentBytes: 1024, CacheBytes: 1, Logger: quiet, OnFatal: func(error) {}, StallLimit: time.Minute}
}

func mustOpen(t testing.TB, o Options) *Log {
	t.Helper()
	l, err := Open(testDir, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// entryScale makes all entries that many times as long.
var entryScale = 1

// entry makes an entry whose bytes follow from its index and term.
func entry(index, term uint64) *raft.Log {
	n := int(index*7+term*13) % 120 * entryScale
	data := bytes.Repeat(binary.LittleEndian.AppendUint64(nil, index<<16|term), n/8+1)[:n]
	e := &raft.Log{Index: index, Term: term, Type: raft.LogType(index % 6), AppendedAt: time.Unix(int64(index), int64(term))}
	if n > 0 {
		e.Data = data
	}
	if index%3 == 0 {
		e.Extensions = []byte(fmt.Sprint("x", index))
	}
	return e
}

func entries(first, last, term uint64) (logs []*raft.Log) {
	for i := first; i <= last; i++ {
		logs = append(logs, entry(i, term))
	}
	return logs
}

func sameEntry(a, b *raft.Log) bool {
	return a.Index == b.Index && a.Term == b.Term && a.Type == b.Type && bytes.Equal(a.Data, b.Data) &&
		bytes.Equal(a.Extensions, b.Extensions) && a.AppendedAt.Equal(b.AppendedAt)
}

// model is the log as a naive reader of the rules would keep it.
type model struct {
	head, next uint64
	terms      map[uint64]uint64 // index to term
	stable     map[string]string
}

func newModel() *model {
	return &model{head: 1, next: 1, terms: map[uint64]uint64{}, stable: map[string]string{}}
}

func (m *model) clone() *model {
	return &model{m.head, m.next, maps.Clone(m.terms), maps.Clone(m.stable)}
}

func (m *model) store(logs []*raft.Log) {
	if logs[0].Index != m.next {
		m.terms, m.head = map[uint64]uint64{}, logs[0].Index
	}
	for _, e := range logs {
		m.terms[e.Index] = e.Term
		m.next = e.Index + 1
	}
}

func (m *model) delete(low, high uint64) {
	for i := low; i <= high; i++ {
		delete(m.terms, i)
	}
	if low <= m.head {
		m.head = high + 1
	} else {
		m.next = low
	}
}

// differs says in what the log is not what the model says, or "".
func (m *model) differs(l *Log) string {
	first, err := l.FirstIndex()
	if err != nil {
		return err.Error()
	}
	last, _ := l.LastIndex()
	wantFirst, wantLast := m.head, m.next-1
	if m.head == m.next {
		wantFirst, wantLast = 0, 0
	}
	if first != wantFirst || last != wantLast {
		return fmt.Sprintf("entries %d to %d, want %d to %d", first, last, wantFirst, wantLast)
	}
	var e raft.Log
	for i := m.head; i < m.next; i++ {
		if err := l.GetLog(i, &e); err != nil {
			return fmt.Sprintf("entry %d: %v", i, err)
		}
		if !sameEntry(&e, entry(i, m.terms[i])) {
			return fmt.Sprintf("entry %d is another one", i)
		}
	}
	for _, i := range []uint64{m.head - 1, m.next} {
		if err := l.GetLog(i, &e); !errors.Is(err, raft.ErrLogNotFound) {
			return fmt.Sprintf("entry %d, which is not there: %v", i, err)
		}
	}
	for key, val := range m.stable {
		if got, err := l.Get([]byte(key)); err != nil || string(got) != val {
			return fmt.Sprintf("key %s is %q, want %q: %v", key, got, val, err)
		}
	}
	if len(l.stable) != len(m.stable) {
		return fmt.Sprintf("%d keys, want %d", len(l.stable), len(m.stable))
	}
	return ""
}

func check(t *testing.T, m *model, l *Log) {
	t.Helper()
	if why := m.differs(l); why != "" {
		t.Fatal(why)
	}
}

// TestAgainstModel holds random calls against the model, with restarts between them.
func TestAgainstModel(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 1))
		o := testOptions(vfs.NewMem())
		o.SegmentBytes = 512 + rng.Int64N(3000)
		o.CacheBytes = rng.Int64N(3000)
		l, m := mustOpen(t, o), newModel()
		for range 150 {
			if rng.IntN(12) == 0 {
				must(t, l.Close())
				l = mustOpen(t, o)
			} else {
				randomCall(t, rng, l, m)
			}
			check(t, m, l)
		}
		must(t, l.Close())
	}
}

func randomCall(t *testing.T, rng *rand.Rand, l *Log, m *model) {
	t.Helper()
	term := rng.Uint64N(50)
	switch rng.IntN(10) {
	case 0: // compaction
		if m.head < m.next {
			high := m.head + rng.Uint64N(m.next-m.head)
			must(t, l.DeleteRange(m.head, high))
			m.delete(m.head, high)
		}
	case 1: // conflict
		if m.head < m.next {
			low := m.head + rng.Uint64N(m.next-m.head)
			must(t, l.DeleteRange(low, m.next-1))
			m.delete(low, m.next-1)
		}
	case 2: // a snapshot came from the leader
		first := m.next + 1 + rng.Uint64N(20)
		l.SetFloor(first - 1)
		logs := entries(first, first+rng.Uint64N(3), term)
		must(t, l.StoreLogs(logs))
		m.store(logs)
	case 3:
		key := fmt.Sprint("key", rng.IntN(3))
		must(t, l.Set([]byte(key), []byte(fmt.Sprint(term))))
		m.stable[key] = fmt.Sprint(term)
	default:
		logs := entries(m.next, m.next+rng.Uint64N(12), term)
		must(t, l.StoreLogs(logs))
		m.store(logs)
	}
}

func TestRefusals(t *testing.T) {
	l := mustOpen(t, testOptions(vfs.NewMem()))
	defer l.Close()
	m := newModel()
	refused := func(err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Fatalf("%v, want %v", err, want)
		}
		check(t, m, l)
	}
	refused(l.StoreLogs(entries(2, 3, 1)), ErrGap)
	refused(l.StoreLogs(entries(0, 3, 1)), ErrGap)
	must(t, l.StoreLogs(nil))
	must(t, l.StoreLogs(entries(1, 9, 1)))
	m.store(entries(1, 9, 1))
	refused(l.StoreLogs(entries(9, 10, 2)), ErrGap)  // overwriting
	refused(l.StoreLogs(entries(11, 12, 2)), ErrGap) // a gap without a snapshot
	refused(l.StoreLogs([]*raft.Log{entry(10, 1), entry(12, 1)}), ErrGap)
	refused(l.DeleteRange(3, 5), ErrMiddle)
	must(t, l.DeleteRange(10, 20))
	must(t, l.DeleteRange(0, 0))
	check(t, m, l)
	l.SetFloor(19)
	l.SetFloor(5) // lower: no effect
	refused(l.StoreLogs(entries(21, 22, 2)), ErrGap)
	must(t, l.StoreLogs(entries(20, 22, 2)))
	m.store(entries(20, 22, 2))
	check(t, m, l)
	must(t, l.DeleteRange(0, 100)) // wider than the log
	m.delete(20, 22)
	check(t, m, l)
	refused(l.StoreLogs(entries(21, 22, 2)), ErrGap)
	must(t, l.StoreLogs(entries(15, 16, 3))) // empty: anywhere up to floor+1
	m.head, m.next = 15, 15
	m.store(entries(15, 16, 3))
	check(t, m, l)
}

func TestStable(t *testing.T) {
	fs := vfs.NewMem()
	l := mustOpen(t, testOptions(fs))
	if _, err := l.Get([]byte("k")); err == nil || err.Error() != "not found" {
		t.Fatal(err)
	}
	if n, err := l.GetUint64([]byte("CurrentTerm")); n != 0 || err == nil || err.Error() != "not found" {
		t.Fatal(n, err)
	}
	must(t, l.SetUint64([]byte("CurrentTerm"), 7))
	must(t, l.Set([]byte("LastVoteCand"), []byte("n1")))
	must(t, l.Set([]byte(""), nil))
	must(t, l.Close())
	l = mustOpen(t, testOptions(fs))
	defer l.Close()
	if n, err := l.GetUint64([]byte("CurrentTerm")); n != 7 || err != nil {
		t.Fatal(n, err)
	}
	if v, err := l.Get([]byte("LastVoteCand")); string(v) != "n1" || err != nil {
		t.Fatal(v, err)
	}
	if _, err := l.GetUint64([]byte("LastVoteCand")); err == nil {
		t.Fatal("a text was read as a number")
	}
}

// TestLargeBatch: a batch larger than a segment, first and in the middle, also after a restart.
func TestLargeBatch(t *testing.T) {
	fs := vfs.NewMem()
	o := testOptions(fs)
	l, m := mustOpen(t, o), newModel()
	for _, n := range []uint64{100, 1, 200, 300, 2} {
		logs := entries(m.next, m.next+n-1, n)
		must(t, l.StoreLogs(logs))
		m.store(logs)
	}
	check(t, m, l)
	must(t, l.Close())
	l = mustOpen(t, o)
	check(t, m, l)
	must(t, l.DeleteRange(1, 400))
	m.delete(1, 400)
	must(t, l.StoreLogs(entries(m.next, m.next+50, 1)))
	m.store(entries(m.next, m.next+50, 1))
	check(t, m, l)
	must(t, l.Close())
}

// TestSegmentsAreGivenUp: compaction shrinks the log on disk, and dropped segments serve again.
func TestSegmentsAreGivenUp(t *testing.T) {
	fs := vfs.NewMem()
	o := testOptions(fs)
	l, m := mustOpen(t, o), newModel()
	for range 200 {
		logs := entries(m.next, m.next+4, 1)
		must(t, l.StoreLogs(logs))
		m.store(logs)
		if m.next-m.head > 20 {
			must(t, l.DeleteRange(m.head, m.next-10))
			m.delete(m.head, m.next-10)
		}
		check(t, m, l)
	}
	must(t, l.Close())
	names, err := fs.List(testDir)
	must(t, err)
	if len(names) > 12 {
		t.Fatalf("files left behind: %v", names)
	}
	l = mustOpen(t, o)
	check(t, m, l)
	if s := l.Stats(); s.Segments > 8 || s.First != m.head || s.Last != m.next-1 || s.DiskBytes == 0 {
		t.Fatalf("%+v", s)
	}
	must(t, l.Close())
	for name, err := range map[string]error{
		"StoreLogs": l.StoreLogs(entries(m.next, m.next, 1)), "GetLog": l.GetLog(m.head, &raft.Log{}),
		"Set": l.Set(nil, nil), "DeleteRange": l.DeleteRange(1, 2), "Close": l.Close(),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	o := testOptions(vfs.NewMem())
	o.CacheBytes = 2000
	l, m := mustOpen(t, o), newModel()
	defer l.Close()
	for range 100 {
		logs := entries(m.next, m.next+2, 1)
		must(t, l.StoreLogs(logs))
		m.store(logs)
		if s := l.Stats(); s.CachedBytes > o.CacheBytes || s.CachedBytes <= 0 || s.Syncs == 0 {
			t.Fatalf("%+v", s)
		}
	}
	check(t, m, l)
}

// TestWithRaft runs a single raft node on the log, restarts it, and counts what it applies.
func TestWithRaft(t *testing.T) {
	fs := vfs.NewMem()
	snapshots := raft.NewInmemSnapshotStore()
	for round := range 3 {
		l := mustOpen(t, testOptions(fs))
		c := raft.DefaultConfig()
		c.LocalID, c.LogOutput = "n1", io.Discard
		c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = 20*time.Millisecond, 20*time.Millisecond, 20*time.Millisecond
		addr, trans := raft.NewInmemTransport("")
		if round == 0 {
			must(t, raft.BootstrapCluster(c, l, l, snapshots, trans,
				raft.Configuration{Servers: []raft.Server{{ID: "n1", Address: addr}}}))
		}
		fsm := &raft.MockFSM{}
		r, err := raft.NewRaft(c, fsm, l, l, snapshots, trans)
		must(t, err)
		for r.State() != raft.Leader {
			time.Sleep(time.Millisecond)
		}
		for i := range 20 {
			must(t, r.Apply([]byte(strings.Repeat("d", i*10)), 0).Error())
		}
		if n := len(fsm.Logs()); n != 20*(round+1) {
			t.Fatalf("round %d: %d commands applied", round, n)
		}
		must(t, r.Shutdown().Error())
		must(t, l.Close())
	}
}

// TestTimes: AppendedAt survives, and what does not fit becomes no time.
func TestTimes(t *testing.T) {
	for _, at := range []time.Time{{}, time.Unix(0, 0), time.Unix(1<<33, 5), time.Unix(-5, 3)} {
		if got := decodeTime(encodeTime(at)); !got.Equal(at) {
			t.Errorf("%v became %v", at, got)
		}
	}
	if !decodeTime(encodeTime(time.Unix(1<<40, 0))).IsZero() {
		t.Error("a time out of range was kept")
	}
}

func sortedNames(t testing.TB, fs vfs.FS) []string {
	t.Helper()
	names, err := fs.List(testDir)
	must(t, err)
	slices.Sort(names)
	return names
}
