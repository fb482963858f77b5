package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	"drawdown/engine/ledger"
)

// TestReadOutlivesClose: a read that has begun writes into its caller's variables;
// the caller must not be let go before it has ended, not even by Close.
func TestReadOutlivesClose(t *testing.T) {
	r := newRig(t, 2)
	begun, release, result := make(chan struct{}), make(chan struct{}), 0
	read := make(chan error, 1)
	go func() {
		err := r.e.shards[0].do(t.Context(), func(*ledger.Book) {
			close(begun)
			<-release
			result++
		})
		result++ // the race detector watches
		read <- err
	}()
	<-begun
	closed := make(chan error, 1)
	go func() { closed <- r.e.Close() }()
	<-r.e.shards[0].stopped
	select {
	case err := <-read:
		t.Errorf("the caller was let go while its read went on: %v", err)
		close(release)
	case <-time.After(50 * time.Millisecond):
		close(release)
		<-read
	}
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if err := r.e.shards[0].do(context.Background(), func(*ledger.Book) {}); err != ErrClosed {
		t.Fatalf("after Close: %v", err)
	}
}

func (r *rig) level(eventName string) ledger.Meter {
	r.t.Helper()
	r.apply(&ledger.CreateMeter{Name: eventName, EventName: eventName, Unit: "u", Aggregation: ledger.Last})
	m, ok := r.e.Meter(ledger.Live, eventName)
	if !ok {
		r.t.Fatalf("no meter %s", eventName)
	}
	return m
}

// TestEventWhileItIsSettled: an event of a level is read again and again while a
// grant settles it. Nothing is waived: its cost never changes, and once nothing is
// pending the time of the settlement is known.
func TestEventWhileItIsSettled(t *testing.T) {
	r := newRig(t, 1)
	m := r.level("seats")
	for i := range 1500 {
		customer := fmt.Sprint("c", i)
		id := r.apply(report(customer, customer, m, 10))[0].Event()
		created := r.now
		stop, failed := make(chan struct{}), make(chan error, 1)
		go func() {
			for {
				ev, _, err := r.e.Event(t.Context(), ledger.Live, id)
				switch {
				case err != nil:
				case ev.Cost != ledger.NewAmount(1000):
					err = fmt.Errorf("it costs %v, consumed %v, pending %v", ev.Cost, ev.Consumed, ev.Pending)
				case ev.Pending.IsZero() && ev.Processed == created:
					err = fmt.Errorf("settled, but processed at its creation")
				}
				select {
				case <-stop:
					failed <- err
					return
				default:
				}
				if err != nil {
					failed <- err
					return
				}
			}
		}()
		r.apply(grant(customer, m, 10))
		close(stop)
		if err := <-failed; err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
	}
}
