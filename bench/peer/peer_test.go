package peer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"drawdown/bench/load"
)

// durable is what PostgreSQL and Redis have in common.
type durable interface {
	Start(context.Context) error
	Fresh(context.Context) error
	Verify(context.Context, int64) error
	Stop() error
}

type open func(ctx context.Context, batch int, stream *load.Stream) (load.Sender, error)

func started(t *testing.T, d durable) {
	t.Helper()
	if err := d.Start(t.Context()); errors.Is(err, ErrNotInstalled) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	})
}

// peerDir is a directory that a server of another user can reach; test directories
// of their own are closed to others.
func peerDir(t *testing.T) string {
	t.Helper()
	parent, err := os.MkdirTemp("", "dd-peer-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(parent) })
	dir := filepath.Join(parent, "p")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

const customers = 50

// counts sends events in several forms and batch sizes, and holds what the peer
// keeps against what it acknowledged; then events that it knows already.
func counts(t *testing.T, d durable, forms ...open) {
	ctx := t.Context()
	events := load.Events{Customers: customers}
	for round := range 2 {
		if err := d.Fresh(ctx); err != nil {
			t.Fatal(err)
		}
		acknowledged := int64(0)
		for f, open := range forms {
			for _, batch := range []int{1, 2, 100, 1000} {
				seed := uint64(round*1000 + f*100 + batch)
				m := drive(t, open, batch, events, seed)
				if m.Failed > 0 || m.Events == 0 {
					t.Fatalf("form %d, batches of %d: %d failed, the first: %s", f, batch, m.Failed, m.FirstFailure)
				}
				acknowledged += m.Acknowledged
				if err := d.Verify(ctx, acknowledged); err != nil {
					t.Fatalf("form %d, batches of %d: %v", f, batch, err)
				}
				again, err := open(ctx, batch, load.NewStream(events, seed))
				if err != nil {
					t.Fatal(err)
				}
				if a, err := again.Send(time.Now()); err == nil || a.Accepted != 0 {
					t.Fatalf("form %d, batches of %d: known events were counted again: %+v", f, batch, a)
				}
				if err := errors.Join(again.Close(), d.Verify(ctx, acknowledged)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if d.Verify(ctx, acknowledged+1) == nil {
			t.Fatal("the check does not see an event that is missing")
		}
	}
}

// drive sends over four connections for a moment, the first with the given seed.
func drive(t *testing.T, open open, batch int, events load.Events, seed uint64) load.Measured {
	t.Helper()
	senders := make([]load.Sender, 4)
	for i := range senders {
		var err error
		if senders[i], err = open(t.Context(), batch, load.NewStream(events, seed+uint64(i)<<32)); err != nil {
			t.Fatal(err)
		}
	}
	m, err := load.Drive(t.Context(), load.Options{Senders: senders, Batch: batch, Duration: 60 * time.Millisecond})
	if err := errors.Join(err, load.CloseAll(senders)); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestPostgreSQL(t *testing.T) {
	p := &PostgreSQL{Dir: peerDir(t), Customers: customers}
	started(t, p)
	counts(t, p, p.Sender)
}

func TestRedis(t *testing.T) {
	r := &Redis{Dir: peerDir(t), Customers: customers}
	started(t, r)
	counts(t, r, r.Pipelined, r.Scripted)
}
