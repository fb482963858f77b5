package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"drawdown/bench/load"
)

// LoadOptions say what load to put on a node. The zero value of a field that has a
// default in `drawdown bench` is not meaningful.
type LoadOptions struct {
	URL         string        // of a running node; "" starts a throw-away one
	Connections int           // each with one request in flight
	Batch       int           // events of a request; 1 uses the single call
	Format      string        // of a batch: json, ndjson or protobuf
	Duration    time.Duration // of the measurement, behind a short warm-up
	Rate        float64       // events a second, sent whether or not answers come; 0 waits for each answer
	Customers   int           // at most load.MaxCustomers
	Zipf        float64       // skew of the customers, above 1; 0 is uniform
	Repeats     float64       // share of events that repeat an earlier identifier, 0 to 1
	Shortages   float64       // share of customers without credit, 0 to 1
	Identifiers string        // shape: uuid, ulid, hex16 or text36
}

// warmup is how long load runs before it is measured.
const warmup = time.Second

// LoadResult is what came of a load.
type LoadResult struct {
	Options LoadOptions
	load.Measured
}

// Load runs a load and measures it. progress gets a bar; nil shows none.
func Load(ctx context.Context, o LoadOptions, program string, progress io.Writer) (r LoadResult, err error) {
	if o.URL == "" {
		node, stop, err := throwAway(ctx, program)
		if err != nil {
			return r, err
		}
		defer stop()
		o.URL = node.URL()
	}
	target, err := newTarget(ctx, NewClient(o.URL), o.Customers, o.Shortages, progress)
	if err != nil {
		return r, fmt.Errorf("preparing customers: %w", err)
	}
	events := load.Events{Customers: o.Customers, Zipf: o.Zipf, Repeats: o.Repeats, Identifiers: o.Identifiers}
	senders, err := target.senders(events, o.Format, o.Batch, o.Connections)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, load.CloseAll(senders)) }()
	r.Options = o
	r.Measured, err = load.Drive(ctx, load.Options{
		Senders: senders, Batch: o.Batch, Warmup: warmup, Duration: o.Duration, Rate: o.Rate, Progress: progress,
	})
	return r, err
}

func throwAway(ctx context.Context, program string, args ...string) (*Node, func(), error) {
	dir, err := os.MkdirTemp("", "drawdown-bench-")
	if err != nil {
		return nil, nil, err
	}
	node, err := NewNode(program, dir, args...)
	if err == nil {
		_, err = node.Start(ctx)
	}
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return node, func() {
		_ = node.Stop(20 * time.Second)
		_ = os.RemoveAll(dir)
	}, nil
}

// target is a node with a meter, and customers who hold credit in its currency.
type target struct {
	client *Client
	addr   string // host:port
	event  string // the meter's event name
	meter  Meter
}

// plenty is more credit than a load can use, in whole tokens.
const plenty = "1000000000000"

// newTarget makes a meter of its own, and gives all customers credit but for a
// share of them.
func newTarget(ctx context.Context, client *Client, customers int, without float64, progress io.Writer) (*target, error) {
	t := &target{client: client, addr: strings.TrimPrefix(client.base, "http://"), event: fmt.Sprintf("tokens_%08x", rand.Uint32())}
	var err error
	if t.meter, err = client.CreateMeter(t.event, 0); err != nil {
		return nil, err
	}
	return t, load.Grants{
		Addr: t.addr, Currency: t.meter.CurrencyID, Amount: plenty, First: int(without * float64(customers)), End: customers, Progress: progress,
	}.Make(ctx)
}

// senders are connections that report events of the target's meter.
func (t *target) senders(e load.Events, format string, batch, connections int) ([]load.Sender, error) {
	e.Name = t.event
	senders := make([]load.Sender, connections)
	for i := range senders {
		sender, err := load.NewHTTPSender(t.addr, format, e, batch, load.NewStream(e, rand.Uint64()))
		if err != nil {
			return nil, err
		}
		senders[i] = sender
	}
	return senders, nil
}
