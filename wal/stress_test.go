package wal

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/hashicorp/raft"
)

// TestRace has the log used as raft uses it: one goroutine appends and takes back, several read, one compacts, one
// stores votes. What is read must be what was last stored under its index, or gone.
func TestRace(t *testing.T) {
	o := testOptions(vfs.NewMem())
	o.SegmentBytes, o.CacheBytes = 2048, 4096
	l := mustOpen(t, o)
	var done atomic.Bool
	var others sync.WaitGroup
	for range 3 {
		others.Go(func() { readAnywhere(t, l, &done) })
	}
	others.Go(func() {
		for n := uint64(1); !done.Load(); n++ {
			if err := l.SetUint64([]byte("CurrentTerm"), n); err != nil {
				t.Error(err)
			}
			if got, err := l.GetUint64([]byte("CurrentTerm")); got != n || err != nil {
				t.Error(got, err)
			}
			l.Stats()
		}
	})
	others.Go(func() {
		for !done.Load() {
			first, _ := l.FirstIndex()
			last, _ := l.LastIndex()
			if last > first+60 {
				if err := l.DeleteRange(first, last-60); err != nil {
					t.Error(err)
				}
			}
		}
	})
	appendAndTakeBack(t, l)
	done.Store(true)
	others.Wait()
	must(t, l.Close())
	must(t, mustOpen(t, o).Close())
}

func appendAndTakeBack(t *testing.T, l *Log) {
	rng := rand.New(rand.NewPCG(7, 8))
	next, term := uint64(1), uint64(1)
	for range 1500 {
		n := 1 + rng.Uint64N(5)
		if err := l.StoreLogs(entries(next, next+n-1, term)); err != nil {
			t.Error(err)
			return
		}
		next += n
		if rng.IntN(20) == 0 {
			term++
			if err := l.DeleteRange(next-n, next-1); err != nil {
				t.Error(err)
				return
			}
			next -= n
		}
	}
}

func readAnywhere(t *testing.T, l *Log, done *atomic.Bool) {
	rng := rand.New(rand.NewPCG(9, 9))
	for !done.Load() {
		first, _ := l.FirstIndex()
		last, _ := l.LastIndex()
		if last == 0 || last < first {
			continue
		}
		index := first + rng.Uint64N(last-first+1)
		var e raft.Log
		switch err := l.GetLog(index, &e); {
		case errors.Is(err, raft.ErrLogNotFound):
		case err != nil:
			t.Error(err)
			return
		case !sameEntry(&e, entry(index, e.Term)):
			t.Errorf("entry %d is another one", index)
			return
		}
	}
}

// TestReadsDoNotWaitForSync: while a sync hangs, everything stored before can be read.
func TestReadsDoNotWaitForSync(t *testing.T) {
	var hang atomic.Bool
	release := make(chan struct{})
	o := testOptions(hangingSync(vfs.NewMem(), &hang, release))
	l, m := mustOpen(t, o), newModel()
	must(t, l.StoreLogs(entries(1, 9, 1)))
	m.store(entries(1, 9, 1))
	hang.Store(true)
	stored := make(chan error)
	go func() { stored <- l.StoreLogs(entries(10, 12, 1)) }()
	check(t, m, l)
	close(release)
	must(t, <-stored)
	m.store(entries(10, 12, 1))
	check(t, m, l)
	must(t, l.Close())
}

func hangingSync(fs vfs.FS, hang *atomic.Bool, release chan struct{}) vfs.FS {
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if hang.Load() && (op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSync) {
			<-release
		}
		return nil
	}))
}

// TestWatchdog: a disk that does not answer is noticed while the append, or the vote, still waits for it.
func TestWatchdog(t *testing.T) {
	for name, write := range map[string]func(l *Log) error{
		"append": func(l *Log) error { return l.StoreLogs(entries(2, 3, 1)) },
		"vote":   func(l *Log) error { return l.SetUint64([]byte("CurrentTerm"), 1) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var hang atomic.Bool
				release := make(chan struct{})
				o := testOptions(hangingSync(vfs.NewMem(), &hang, release))
				o.StallLimit = 5 * time.Second
				told := make(chan error, 2)
				o.OnFatal = func(err error) { told <- err }
				l := mustOpen(t, o)
				must(t, l.StoreLogs(entries(1, 1, 1)))
				time.Sleep(time.Minute) // idle: no stall
				hang.Store(true)
				start := time.Now()
				written := make(chan error)
				go func() { written <- write(l) }()
				if err := <-told; !errors.Is(err, ErrPoisoned) {
					t.Fatal(err)
				}
				if d := time.Since(start); d < 5*time.Second || d > 7*time.Second {
					t.Errorf("noticed after %v", d)
				}
				var e raft.Log
				must(t, l.GetLog(1, &e))
				if err := l.Close(); !errors.Is(err, ErrPoisoned) {
					t.Error(err)
				}
				close(release) // at last the disk answers; too late
				if err := <-written; err == nil {
					t.Error("the write that hung succeeded after the log had been given up")
				}
				if len(told) != 0 {
					t.Error("OnFatal was called twice")
				}
			})
		})
	}
}
