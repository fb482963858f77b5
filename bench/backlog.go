package bench

import (
	"context"
	"fmt"
	"time"
)

// backlog is what a node has answered for but not yet put into its index on disk.
// (The log has it: nothing is at risk.) A rate that left it out would be a rate
// that cannot last.
//
// The node collects records in a memory run, and writes it out in the background
// once it is full. So when load ends, full runs may wait, and the memory run is
// partly full. Before the warm-up the harness has the node write everything out, by
// asking for a snapshot. When the load has ended it does so again, and the
// measurement goes on until no more records are outside the index than when it
// began. All that is counted is in the index then, and all of the time counts.
type backlog struct {
	client  *Client
	context context.Context
	atBegin float64 // records
}

// settleTimeout is how long a node may take to work its backlog off.
const settleTimeout = 60 * time.Second

// clear has everything written out, in front of a measurement.
func (b *backlog) clear() error {
	_, err := b.client.Snapshot()
	return err
}

// begin notes how much there is to begin with.
func (b *backlog) begin() error {
	figures, err := b.client.figures(metricLag)
	if err == nil {
		b.atBegin = figures[0]
	}
	return err
}

// settle waits as described. The snapshot's other part, the accounts, may still be
// being written when it returns.
func (b *backlog) settle() (undone int64, err error) {
	failed := make(chan error, 1)
	go func() {
		if err := b.clear(); err != nil {
			failed <- err
		}
	}()
	for deadline := time.Now().Add(settleTimeout); ; {
		figures, err := b.client.figures(metricLag)
		if err != nil {
			return 0, err
		}
		if figures[0] <= b.atBegin {
			return 0, nil
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("%v records are not in the index %v after the load", figures[0], settleTimeout)
		}
		select {
		case err := <-failed:
			return 0, fmt.Errorf("having the index written: %w", err)
		case <-b.context.Done():
			return 0, b.context.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}
