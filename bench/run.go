package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// Run sends the batches of a workload to a node that may die at any moment, and
// keeps a journal of what was acknowledged.
type Run struct {
	Workload
	Client      *Client
	Connections int

	next  atomic.Int64
	tried atomic.Int64 // batches below it may have been sent
	last  int64
	acked []atomic.Bool // by batch
	// OnBatch is told of every acknowledged batch; may be nil.
	OnBatch func()
}

// NewRun is a run over the batches 0 to batches-1.
func NewRun(w Workload, client *Client, connections, batches int) *Run {
	return &Run{
		Workload: w, Client: client, Connections: connections, last: int64(batches), acked: make([]atomic.Bool, batches),
	}
}

// Send reports the batches that were never acknowledged, from the lowest number
// on, until all are or the context ends or the node fails. The error is that of
// the first failed call.
func (r *Run) Send(ctx context.Context) error {
	r.next.Store(0)
	var wait sync.WaitGroup
	errs := make([]error, r.Connections)
	for i := range r.Connections {
		wait.Go(func() { errs[i] = r.sendAll(ctx) })
	}
	wait.Wait()
	return errors.Join(errs...)
}

func (r *Run) sendAll(ctx context.Context) error {
	var body []byte
	for ctx.Err() == nil {
		n := int(r.next.Add(1) - 1)
		if int64(n) >= r.last {
			return nil
		}
		if r.acked[n].Load() {
			continue
		}
		r.try(int64(n) + 1)
		body = r.Body(body[:0], n)
		answer, err := r.Client.Batch(body)
		if err != nil {
			return err
		}
		if got := answer.Accepted + answer.Duplicates; got != r.Batch || answer.Rejected != 0 {
			return fmt.Errorf("batch %d: of %d events %d accepted, %d duplicates, %d rejected",
				n, r.Batch, answer.Accepted, answer.Duplicates, answer.Rejected)
		}
		r.acked[n].Store(true)
		if r.OnBatch != nil {
			r.OnBatch()
		}
	}
	return ctx.Err()
}

func (r *Run) try(batches int64) {
	for {
		if tried := r.tried.Load(); tried >= batches || r.tried.CompareAndSwap(tried, batches) {
			return
		}
	}
}

// Finish sends again what may have been sent and was not acknowledged, and nothing
// else. It answers how many events the run has, all acknowledged.
func (r *Run) Finish(ctx context.Context) (events int, err error) {
	r.last = r.tried.Load()
	return int(r.last) * r.Batch, r.Send(ctx)
}

// Acked is how many batches were acknowledged.
func (r *Run) Acked() (count int) {
	for i := range r.acked {
		if r.acked[i].Load() {
			count++
		}
	}
	return count
}

// Verify holds the node against the journal. Every acknowledged batch is sent
// again: all of it must be known (lost events would be accepted as new ones).
func (r *Run) Verify() error {
	for n := range r.acked {
		if !r.acked[n].Load() {
			continue
		}
		answer, err := r.Client.Batch(r.Body(nil, n))
		if err != nil {
			return err
		}
		if answer.Duplicates != r.Batch {
			return fmt.Errorf("lost: batch %d was acknowledged, but of its %d events the node knows %d",
				n, r.Batch, answer.Duplicates)
		}
	}
	return nil
}

// VerifyBalances holds every customer's balance against the grant less the events
// of the run, one token each, all of which must have been acknowledged. granted is in smallest units, of which one token has 10^decimals.
func (r *Run) VerifyBalances(currency string, granted, unit int) error {
	used := make([]int, r.Customers)
	for i := range int(r.last) * r.Batch {
		used[r.CustomerOf(i)]++
	}
	for i, events := range used {
		balance, err := r.Client.Balance(r.Customer(i), currency)
		if err != nil {
			return err
		}
		if want := fmt.Sprint(granted - events*unit); balance != want {
			return fmt.Errorf("customer %s holds %s, expected %s after %d events", r.Customer(i), balance, want, events)
		}
	}
	return nil
}
