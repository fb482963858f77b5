package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/schollz/progressbar/v3"
)

// Options say how a load is driven.
type Options struct {
	Senders  []Sender      // each with one request in flight
	Batch    int           // events of a request
	Warmup   time.Duration // load that is not measured, in front
	Duration time.Duration // of the measurement
	Rate     float64       // events a second, sent whether or not answers come; 0 waits for each answer

	Limit int64 // ends the measurement at so many events; 0 is none

	// Begin is called when the measurement begins; may be nil.
	Begin func() error
	// Settle is called when all answers are there. It waits until what the system
	// put off is done, which counts into the time, and tells how many events are
	// not done even so; they are not counted. May be nil.
	Settle func() (undone int64, err error)
	// Sample is told every now and then how many events are measured so far; may be nil.
	Sample func(events int64)
	// Progress gets a bar; nil shows none.
	Progress io.Writer
}

// Latency is a distribution of the time from when a request was to be sent to its
// answer, in milliseconds.
type Latency struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

// Measured is what came of a load. Seconds, Requests, Events, Repeated and Latency
// are of the measurement alone; Acknowledged counts from the load's begin.
type Measured struct {
	Seconds       float64 `json:"seconds"` // with what Settle took
	SettleSeconds float64 `json:"settle_seconds,omitempty"`
	Requests      int64   `json:"requests"`
	Events        int64   `json:"events"` // acknowledged as counted or repeated, and done
	Undone        int64   `json:"undone,omitempty"`
	Repeated      int64   `json:"repeated,omitempty"`
	Failed        int64   `json:"failed,omitempty"` // requests; their events count nowhere
	FirstFailure  string  `json:"first_failure,omitempty"`
	Acknowledged  int64   `json:"acknowledged"` // as new, since the load began
	EventsPerSec  float64 `json:"events_per_sec"`
	Latency       Latency `json:"latency_ms"`
	// LongestGap is the longest time without any answer to anybody, in milliseconds.
	LongestGap float64 `json:"longest_gap_ms"`
	// ClientCPU is the load's own processor time for one event, in nanoseconds.
	ClientCPU float64 `json:"client_cpu_ns_per_event"`
}

// NewHistogram counts microseconds, up to a minute, to three digits.
func NewHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, 60_000_000, 3) }

// LatencyOf sums a histogram up.
func LatencyOf(h *hdrhistogram.Histogram) Latency {
	at := func(percent float64) float64 { return float64(h.ValueAtPercentile(percent)) / 1000 }
	return Latency{at(50), at(90), at(99), at(99.9), float64(h.Max()) / 1000}
}

// driver is a load at work.
type driver struct {
	Options
	start     time.Time
	end       func() // of the load
	measuring atomic.Bool
	events    atomic.Int64
	lastNanos atomic.Int64 // of the last answer, since start
	gapNanos  atomic.Int64
}

// worker drives one sender.
type worker struct {
	*driver
	sender       Sender
	number       int
	latency      *hdrhistogram.Histogram
	repeated     int64
	acknowledged int64
	failed       int64
	failure      error
}

// Drive puts the load on and measures it. An error says that there is nothing to
// measure; requests that fail are in the result.
func Drive(ctx context.Context, o Options) (m Measured, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d := &driver{Options: o, start: time.Now()}
	workers := make([]*worker, len(o.Senders))
	var wait sync.WaitGroup
	for i, sender := range o.Senders {
		workers[i] = &worker{driver: d, sender: sender, number: i, latency: NewHistogram()}
		wait.Go(func() { workers[i].run(ctx) })
	}
	select {
	case <-time.After(o.Warmup):
	case <-ctx.Done():
	}
	if o.Begin != nil {
		err = o.Begin()
	}
	d.lastNanos.Store(int64(time.Since(d.start)))
	cpu := processorTime()
	begin := time.Now()
	d.end = cancel
	d.measuring.Store(true)
	defer time.AfterFunc(o.Duration, cancel).Stop()
	d.showProgress(ctx, begin)
	wait.Wait()
	cpu = processorTime() - cpu
	loaded := time.Since(begin)
	undone := int64(0)
	if o.Settle != nil && err == nil {
		undone, err = o.Settle()
	}
	whole := time.Since(begin)
	m = d.sumUp(workers)
	m.Undone, m.Events = undone, m.Events-undone
	m.Seconds, m.SettleSeconds = whole.Seconds(), (whole - loaded).Seconds()
	m.EventsPerSec = float64(m.Events) / m.Seconds
	m.ClientCPU = float64(cpu.Nanoseconds()) / max(1, float64(m.Events+undone))
	return m, err
}

// processorTime is what this process has used.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// run sends requests until the context ends. At a given rate every request has a
// time at which it is to be sent, and its latency counts from then: a stall
// delays the requests behind it and is not hidden.
func (w *worker) run(ctx context.Context) {
	interval := time.Duration(0)
	if w.Rate > 0 {
		interval = time.Duration(float64(w.Batch*len(w.Senders)) / w.Rate * float64(time.Second))
	}
	due := time.Now().Add(interval * time.Duration(w.number) / time.Duration(len(w.Senders)))
	for ctx.Err() == nil {
		if interval == 0 {
			due = time.Now()
		} else if !sleepUntil(ctx, due) {
			return
		}
		measured := w.measuring.Load()
		answer, err := w.sender.Send(due)
		w.note(due, answer, err, measured)
		due = due.Add(interval)
	}
}

func sleepUntil(ctx context.Context, due time.Time) bool {
	wait := time.Until(due)
	if wait <= 0 {
		return true
	}
	select {
	case <-time.After(wait):
		return true
	case <-ctx.Done():
		return false
	}
}

// pauseAfterFailure keeps a load from spinning on a system that is gone.
const pauseAfterFailure = 10 * time.Millisecond

func (w *worker) note(due time.Time, answer Answer, err error, measured bool) {
	w.acknowledged += int64(answer.Accepted)
	if err != nil {
		w.failed++
		if w.failure == nil {
			w.failure = err
		}
		time.Sleep(pauseAfterFailure)
		return
	}
	if !measured {
		return
	}
	now := time.Now()
	_ = w.latency.RecordValue(max(1, now.Sub(due).Microseconds()))
	w.repeated += int64(answer.Duplicates)
	if events := w.events.Add(int64(answer.Accepted + answer.Duplicates)); w.Limit > 0 && events >= w.Limit {
		w.end()
	}
	nanos := int64(now.Sub(w.start))
	gap := nanos - w.lastNanos.Swap(nanos)
	for longest := w.gapNanos.Load(); gap > longest && !w.gapNanos.CompareAndSwap(longest, gap); longest = w.gapNanos.Load() {
	}
}

// Bar is a progress bar; it is silent when to is nil.
func Bar(to io.Writer, size int, what string) *progressbar.ProgressBar {
	if to == nil {
		return progressbar.DefaultSilent(int64(size))
	}
	return progressbar.NewOptions(size, progressbar.OptionSetWriter(to), progressbar.OptionSetWidth(30),
		progressbar.OptionSetDescription(fmt.Sprintf("%-9s", what)), progressbar.OptionThrottle(200*time.Millisecond),
		progressbar.OptionClearOnFinish())
}

// sampleInterval is how often the load is looked at.
const sampleInterval = 100 * time.Millisecond

// showProgress moves the bar until the load ends.
func (d *driver) showProgress(ctx context.Context, begin time.Time) {
	bar := Bar(d.Progress, int(d.Duration/time.Millisecond), "load")
	tick := time.NewTicker(sampleInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			_ = bar.Finish()
			return
		case <-tick.C:
			elapsed, events := time.Since(begin), d.events.Load()
			if d.Sample != nil {
				d.Sample(events)
			}
			bar.Describe(fmt.Sprintf("%.0f events/s", float64(events)/elapsed.Seconds()))
			_ = bar.Set(int(elapsed / time.Millisecond))
		}
	}
}

func (d *driver) sumUp(workers []*worker) (m Measured) {
	all := NewHistogram()
	m = Measured{Events: d.events.Load(), LongestGap: float64(d.gapNanos.Load()) / 1e6}
	for _, w := range workers {
		all.Merge(w.latency)
		m.Failed += w.failed
		m.Repeated += w.repeated
		m.Acknowledged += w.acknowledged
		if m.FirstFailure == "" && w.failure != nil {
			m.FirstFailure = w.failure.Error()
		}
	}
	m.Requests, m.Latency = all.TotalCount(), LatencyOf(all)
	return m
}

// CloseAll closes senders.
func CloseAll(senders []Sender) error {
	errs := make([]error, len(senders))
	for i, sender := range senders {
		errs[i] = sender.Close()
	}
	return errors.Join(errs...)
}
