package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/schollz/progressbar/v3"
)

// LoadOptions say what load to put on a node. The zero value of a field that has a
// default in `drawdown bench` is not meaningful.
type LoadOptions struct {
	URL         string        // of a running node; "" starts a throw-away one
	Connections int           // each with one request in flight
	Batch       int           // events of a request; 1 uses the single call
	Duration    time.Duration // of the measurement, behind a short warm-up
	Rate        float64       // events a second, sent whether or not answers come; 0 waits for each answer
	Customers   int
	Zipf        float64 // skew of the customers, above 1; 0 is uniform
	Repeats     float64 // share of events that repeat an earlier identifier, 0 to 1
	Shortages   float64 // share of customers without credit, 0 to 1
	Identifiers string  // shape: uuid, ulid, hex16 or text36
}

// warmup is how long load runs before it is measured.
const warmup = time.Second

// Latency is a distribution of the time from when a request was to be sent to its
// answer, in milliseconds.
type Latency struct {
	P50, P90, P99, P999, Max float64
}

// LoadResult is what came of a load.
type LoadResult struct {
	Options      LoadOptions
	Seconds      float64
	Requests     int64
	Events       int64 // acknowledged as counted or repeated
	Repeated     int64
	Failed       int64 // requests that failed; their events count nowhere
	FirstFailure string
	EventsPerSec float64
	Latency      Latency
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
	l := &load{LoadOptions: o, client: NewClient(o.URL), progress: progress}
	if err := l.prepare(ctx); err != nil {
		return r, fmt.Errorf("preparing customers: %w", err)
	}
	return l.run(ctx)
}

func throwAway(ctx context.Context, program string) (*Node, func(), error) {
	dir, err := os.MkdirTemp("", "drawdown-bench-")
	if err != nil {
		return nil, nil, err
	}
	node, err := NewNode(program, dir)
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

// load is a load at work.
type load struct {
	LoadOptions
	client   *Client
	progress io.Writer
	event    string // event name of this run's meter

	measuring atomic.Bool
	events    atomic.Int64
	repeated  atomic.Int64
}

// prepare makes a meter of this run's own, and gives the customers that are to
// have credit more than they can use.
func (l *load) prepare(ctx context.Context) error {
	l.event = fmt.Sprintf("load_%d", time.Now().UnixNano())
	meter, err := l.client.CreateMeter(l.event, 0)
	if err != nil {
		return err
	}
	bar := l.bar(l.Customers, "customers")
	var next atomic.Int64
	var wait sync.WaitGroup
	errs := make([]error, 64)
	for i := range errs {
		wait.Go(func() {
			for ctx.Err() == nil && errs[i] == nil {
				n := int(next.Add(1)) - 1
				if n >= l.Customers {
					return
				}
				if float64(n) >= l.Shortages*float64(l.Customers) {
					errs[i] = l.client.Grant(customerName(n), meter.CurrencyID, "1000000000000")
				}
				_ = bar.Add(1)
			}
		})
	}
	wait.Wait()
	_ = bar.Finish()
	return errors.Join(append(errs, ctx.Err())...)
}

func (l *load) bar(size int, what string) *progressbar.ProgressBar {
	if l.progress == nil {
		return progressbar.DefaultSilent(int64(size))
	}
	return progressbar.NewOptions(size, progressbar.OptionSetWriter(l.progress), progressbar.OptionSetWidth(30),
		progressbar.OptionSetDescription(fmt.Sprintf("%-9s", what)), progressbar.OptionThrottle(200*time.Millisecond),
		progressbar.OptionClearOnFinish())
}

func (l *load) run(ctx context.Context) (LoadResult, error) {
	ctx, cancel := context.WithTimeout(ctx, warmup+l.Duration)
	defer cancel()
	workers := make([]*worker, l.Connections)
	var wait sync.WaitGroup
	for i := range workers {
		workers[i] = newWorker(l, i)
		wait.Go(func() { workers[i].run(ctx) })
	}
	select {
	case <-time.After(warmup):
	case <-ctx.Done():
	}
	l.events.Store(0)
	l.repeated.Store(0)
	l.measuring.Store(true)
	begin := time.Now()
	l.showProgress(ctx, begin)
	wait.Wait()
	seconds := time.Since(begin).Seconds()
	return l.sumUp(workers, seconds), nil
}

// showProgress moves the bar until the load ends.
func (l *load) showProgress(ctx context.Context, begin time.Time) {
	bar := l.bar(int(l.Duration/time.Millisecond), "load")
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			_ = bar.Finish()
			return
		case <-tick.C:
			elapsed := time.Since(begin)
			bar.Describe(fmt.Sprintf("%.0f events/s", float64(l.events.Load())/elapsed.Seconds()))
			_ = bar.Set(int(elapsed / time.Millisecond))
		}
	}
}

func (l *load) sumUp(workers []*worker, seconds float64) LoadResult {
	all := newHistogram()
	r := LoadResult{Options: l.LoadOptions, Seconds: seconds, Events: l.events.Load(), Repeated: l.repeated.Load()}
	for _, w := range workers {
		all.Merge(w.latency)
		r.Failed += w.failed
		if r.FirstFailure == "" && w.failure != nil {
			r.FirstFailure = w.failure.Error()
		}
	}
	r.Requests = all.TotalCount()
	r.EventsPerSec = float64(r.Events) / seconds
	at := func(percent float64) float64 { return float64(all.ValueAtPercentile(percent)) / 1000 }
	r.Latency = Latency{at(50), at(90), at(99), at(99.9), float64(all.Max()) / 1000}
	return r
}

// newHistogram counts microseconds, up to a minute, to three digits.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, 60_000_000, 3) }
