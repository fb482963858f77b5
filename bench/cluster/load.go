package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"drawdown/bench"
)

// fate is what the journal says about a batch.
type fate int32

const (
	unsent fate = iota
	open        // sent, and it may have been applied
	acked       // acknowledged
	gaveUp      // every attempt was refused as surely not applied, and it was left at that
)

// Load sends batches of events to the nodes, each to any of them, and keeps a
// journal: it notes each batch before it is sent and each answer after. A batch is
// sent again, anywhere, until it is acknowledged; of those that were surely not
// applied every other one is given up, and must never appear.
type Load struct {
	bench.Workload
	cluster *Cluster
	next    atomic.Int64
	fates   []atomic.Int32

	refusals, unknowns, retries atomic.Int64
	lastAck                     atomic.Int64 // Unix nanoseconds
	longest                     atomic.Int64 // pause between two acknowledgements, nanoseconds

	mu    sync.Mutex
	wrong error // the first answer that must not be
}

const (
	loadCustomers = 50
	loadBatch     = 20
	loadBatches   = 1 << 20 // more than are ever sent
	loadRetry     = 20 * time.Millisecond
)

func newLoad(c *Cluster, seed uint64) *Load {
	return &Load{
		Workload: bench.Workload{Seed: seed, EventName: "tokens", Customers: loadCustomers, Batch: loadBatch},
		cluster:  c, fates: make([]atomic.Int32, loadBatches),
	}
}

// run sends with so many connections until ctx ends; then it finishes what is open,
// so that nothing but what was given up remains unacknowledged.
func (l *Load) run(ctx context.Context, connections int) {
	l.lastAck.Store(time.Now().UnixNano())
	var wait sync.WaitGroup
	for range connections {
		wait.Go(func() {
			for ctx.Err() == nil && !l.failed() {
				l.one(int(l.next.Add(1) - 1))
			}
		})
	}
	wait.Wait()
}

// one sends a batch until its fate is settled.
func (l *Load) one(n int) {
	body := l.Body(nil, n)
	l.fates[n].Store(int32(open))
	everUnknown := false
	for attempt := 0; !l.failed(); attempt++ {
		nodes := l.cluster.Nodes()
		answer, err := sendBatch(nodes[rand.IntN(len(nodes))], body)
		switch outcomeOf(err) {
		case counted:
			l.settle(n, answer, everUnknown)
			return
		case refused:
			l.refusals.Add(1)
			if !everUnknown && n%2 == 0 && attempt > 2 {
				l.fates[n].Store(int32(gaveUp))
				return
			}
		case unknown:
			l.unknowns.Add(1)
			everUnknown = true
		default:
			l.fail(fmt.Errorf("batch %d: %w", n, err))
		}
		l.retries.Add(1)
		time.Sleep(loadRetry)
	}
}

// settle notes an acknowledgement.
func (l *Load) settle(n int, a batchAnswer, everUnknown bool) {
	if a.Accepted+a.Duplicates != l.Batch || a.Rejected != 0 {
		l.fail(fmt.Errorf("batch %d: of %d events %d accepted, %d duplicates, %d rejected", n, l.Batch, a.Accepted, a.Duplicates, a.Rejected))
	}
	if a.Duplicates > 0 && !everUnknown {
		l.fail(fmt.Errorf("batch %d: it was refused as surely not applied, and yet %d of its events are known", n, a.Duplicates))
	}
	l.fates[n].Store(int32(acked))
	now := time.Now().UnixNano()
	pause := now - l.lastAck.Swap(now)
	for {
		longest := l.longest.Load()
		if pause <= longest || l.longest.CompareAndSwap(longest, pause) {
			return
		}
	}
}

func (l *Load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wrong == nil {
		l.wrong = err
	}
}

func (l *Load) failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wrong != nil
}

// journal is how many batches were acknowledged, were given up, and are open.
func (l *Load) journal() (acks, given, opens int) {
	for n := range int(l.next.Load()) {
		switch fate(l.fates[n].Load()) {
		case acked:
			acks++
		case gaveUp:
			given++
		case open:
			opens++
		}
	}
	return acks, given, opens
}

// used is how many events of acknowledged batches each customer has.
func (l *Load) used() []int {
	used := make([]int, l.Customers)
	for n := range int(l.next.Load()) {
		if fate(l.fates[n].Load()) != acked {
			continue
		}
		for i := n * l.Batch; i < (n+1)*l.Batch; i++ {
			used[l.CustomerOf(i)]++
		}
	}
	return used
}

// verify holds every node against the journal: each acknowledged identifier is
// present once on each, and nothing else (I1, I2); the balances are what the events
// make them, the invariants hold (I3), and the nodes are equal (I4).
func (l *Load) verify(meter, currency string, granted, unit int) error {
	if l.wrong != nil {
		return l.wrong
	}
	acks, _, opens := l.journal()
	if opens > 0 {
		return fmt.Errorf("%d batches were neither acknowledged nor given up", opens)
	}
	nodes := l.cluster.Nodes()
	if err := l.known(nodes); err != nil {
		return err
	}
	if err := settled(nodes); err != nil {
		return err
	}
	used := l.used()
	for _, n := range nodes {
		events, err := staleEvents(n, meter)
		if err != nil {
			return fmt.Errorf("%s: %w", n.ID, err)
		}
		if events != acks*l.Batch {
			return fmt.Errorf("%s has counted %d events, %d were acknowledged", n.ID, events, acks*l.Batch)
		}
		for i, count := range used {
			balance, err := staleBalance(n, l.Customer(i), currency)
			if err != nil {
				return fmt.Errorf("%s: %w", n.ID, err)
			}
			if want := strconv.Itoa(granted - count*unit); balance != want {
				return fmt.Errorf("on %s %s holds %s, expected %s after %d events", n.ID, l.Customer(i), balance, want, count)
			}
		}
	}
	return equal(nodes)
}

// known sends every acknowledged batch again: all of it must be known.
func (l *Load) known(nodes []*Node) error {
	var wait sync.WaitGroup
	var next atomic.Int64
	errs := make(chan error, 8)
	for range cap(errs) {
		wait.Go(func() {
			for {
				n := int(next.Add(1) - 1)
				if n >= int(l.next.Load()) {
					return
				}
				if fate(l.fates[n].Load()) != acked {
					continue
				}
				answer, err := sendBatch(nodes[n%len(nodes)], l.Body(nil, n))
				if err == nil && answer.Duplicates != l.Batch {
					err = fmt.Errorf("lost: batch %d was acknowledged, but of its %d events the cluster knows %d", n, l.Batch, answer.Duplicates)
				}
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wait.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

// settleTime is how long the nodes may take to be at one index once nobody writes.
const settleTime = 20 * time.Second

// settled waits until all nodes have carried out the same log.
func settled(nodes []*Node) error {
	var last string
	for deadline := time.Now().Add(settleTime); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		checks := map[string]bool{}
		last = ""
		for _, n := range nodes {
			a, err := staleCheck(n)
			if err != nil {
				last += fmt.Sprintf("%s: %v; ", n.ID, err)
				checks[err.Error()+n.ID] = true
				continue
			}
			last += fmt.Sprintf("%s at %d; ", n.ID, a.Index)
			checks[fmt.Sprint(a.Index)] = true
		}
		if len(checks) == 1 {
			return nil
		}
	}
	return fmt.Errorf("the nodes do not come to one index: %s", last)
}

// equal compares the nodes' states, which must be at one index.
func equal(nodes []*Node) error {
	var first checkAnswer
	for i, n := range nodes {
		a, err := staleCheck(n)
		if err != nil {
			return err
		}
		if !a.OK || len(a.Violations) > 0 {
			return fmt.Errorf("%s: %v", n.ID, a.Violations)
		}
		if i == 0 {
			first = a
		}
		if a.Index != first.Index || a.Hash != first.Hash || a.StateHash != first.StateHash {
			return fmt.Errorf("%s differs: %+v, %s has %+v", n.ID, a, nodes[0].ID, first)
		}
	}
	return nil
}
