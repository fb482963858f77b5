package raftstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"drawdown/engine"
)

// Store is one node: its log, its engine and its part in the cluster. Its methods
// may be called from any goroutine.
type Store struct {
	o         Options
	log       *slog.Logger
	dir       *dataDir
	wal       logStore
	snapshots *snapshotStore
	machine   *replaceable
	backend   *backend
	fsm       *fsm
	net       raft.Transport
	raft      *raft.Raft

	queue         *queue
	reads         reads
	readsOfOthers reads

	// Of a cluster; see ClusterOptions.
	mesh       *mesh
	up         atomic.Pointer[raft.Raft]     // raft, once it runs
	live       atomic.Pointer[engine.Engine] // the machine, if it is the real one
	asked      asked
	linksMu    sync.Mutex
	links      map[string]*link
	forming    formingState
	peers      peerBook
	relayed    atomic.Uint64 // highest index that raft has been told is committed
	clockAhead atomic.Bool
	clock      clockStep
	changing   chan struct{} // holds one token while the members are being changed
	diskFree   atomic.Uint64 // bytes

	announced chan bool     // raft's, on each change of leadership
	changed   chan struct{} // holds one token after a change
	serving   atomic.Uint64 // the term in which this node serves as leader
	failed    atomic.Bool
	failOnce  sync.Once
	diskFull  atomic.Bool
	flying    atomic.Int64 // entries whose fate is not known

	diskUnknown bool // of watchDisk

	ctx      context.Context // ends when Close begins to stop the loops
	cancel   context.CancelFunc
	down     chan struct{} // closed when raft has stopped
	batches  sync.WaitGroup
	loops    sync.WaitGroup
	drain    sync.WaitGroup
	closing  sync.Once
	closeErr error
}

func newStore(o Options) *Store {
	s := &Store{
		o: o, log: o.Logger.With("component", "raftstore"),
		queue: newQueue(o.QueueCommands, o.QueueBytes), reads: reads{wake: make(chan struct{}, 1)},
		readsOfOthers: reads{wake: make(chan struct{}, 1)},
		announced:     make(chan bool, 16), changed: make(chan struct{}, 1), down: make(chan struct{}),
		changing: make(chan struct{}, 1),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// startRaft starts raft and everything that goes on by itself.
func (s *Store) startRaft() (err error) {
	s.fsm = &fsm{store: s, machine: s.machine, begun: make(chan struct{}, 1)}
	if newest := s.snapshots.newest(); newest != nil {
		s.fsm.passed.raise(newest.Index)
	}
	s.fsm.chains.add(s.machine.Head().Index, s.machine.Head().Chain)
	s.checkDisk()
	s.raft, err = raft.NewRaft(s.raftConfig(), s.fsm, s.wal, s.wal, s.snapshots, s.net)
	if err != nil {
		return fmt.Errorf("raft: %w", err)
	}
	if err := s.checkPlace(); err != nil {
		return errors.Join(err, s.raft.Shutdown().Error())
	}
	s.up.Store(s.raft)
	s.mesh.rejudge() // the members are known now
	b := newBatcher(s)
	s.batches.Go(b.run)
	s.batches.Go(b.deliverAll)
	s.drain.Go(s.drainLeadership)
	loops := []func(){s.lead, s.confirmReads, s.settle, s.scheduleSnapshots, s.watchDisk}
	if s.clustered() {
		loops = append(loops, s.confirmReadsOfOthers, s.watchPeers, s.watchRole, s.guardTransfers)
	}
	for _, loop := range loops {
		s.loops.Go(loop)
	}
	return nil
}

// checkPlace makes sure that the node is started where the cluster knows it.
func (s *Store) checkPlace() error {
	servers := s.raft.GetConfiguration().Configuration().Servers
	for _, server := range servers {
		if string(server.ID) != s.dir.node {
			continue
		}
		switch alone := string(server.Address) == s.dir.node; {
		case alone && s.clustered():
			return fmt.Errorf("%s belongs to a node that has always been alone; start it without --raft", s.dir.path)
		case !alone && s.o.Transport == nil && !s.clustered():
			return fmt.Errorf("%s belongs to a node of a cluster; start it with --raft %s", s.dir.path, server.Address)
		case s.clustered() && server.Address != s.net.LocalAddr():
			return fmt.Errorf("the cluster knows node %q at %s, but it is started at %s; start it there, or remove it and add it under a new name",
				s.dir.node, server.Address, s.net.LocalAddr())
		}
	}
	return nil
}

// fatal notes what the node cannot go on from and tells the owner, once. From
// here on nothing more is taken, and nothing is answered as done.
func (s *Store) fatal(err error) {
	s.failed.Store(true)
	s.failOnce.Do(func() {
		if errors.Is(err, ErrRestart) {
			s.log.Info("a snapshot has come in", "snapshot", s.snapshots.newest().id(), "next", err)
		} else {
			s.log.Error("the node cannot go on", "error", err)
		}
		s.o.OnFatal(err)
	})
}

// Close stops the node: nothing more is taken, what waits is still committed, and
// the files are closed. It takes no snapshot: the log has everything. If ctx ends
// first, what has not been answered by then is ErrUnknown; if raft itself cannot
// stop, because the disk hangs, the files stay open and ctx's error is returned.
func (s *Store) Close(ctx context.Context) error {
	s.closing.Do(func() { s.closeErr = s.close(ctx) })
	return s.closeErr
}

func (s *Store) close(ctx context.Context) error {
	s.handOver(ctx)
	s.queue.close()
	drained := s.wait(ctx, &s.batches)
	s.cancel()
	s.closeLinks()
	s.mesh.dropRaft() // raft cannot stop while it waits for a snapshot from another node
	if drained == nil {
		drained = s.wait(ctx, &s.loops)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- s.raft.Shutdown().Error() }()
	var err error
	select {
	case err = <-stopped:
		close(s.down)
	case <-ctx.Done():
		// One of the two may just have happened; a clean end is preferred.
		select {
		case err = <-stopped:
			close(s.down)
		default:
			close(s.down)
			return fmt.Errorf("raft does not stop, files are left open: %w", ctx.Err())
		}
	}
	s.drain.Wait()
	if drained != nil {
		s.log.Warn("closed before everything was answered", "error", drained)
	}
	return errors.Join(err, s.closeFiles())
}

// wait waits for goroutines, as long as ctx allows.
func (s *Store) wait(ctx context.Context, group *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// handOver lets another node lead before this one goes, so that callers need not
// wait for an election.
func (s *Store) handOver(ctx context.Context) {
	if !s.clustered() || s.failed.Load() || s.raft.State() != raft.Leader {
		return
	}
	done := make(chan error, 1)
	go func() { done <- s.transferHere("") }()
	ctx, cancel := context.WithTimeout(ctx, handOverTime)
	defer cancel()
	select {
	case err := <-done:
		s.log.Info("the leadership was handed over before the stop", "error", err)
	case <-ctx.Done():
		s.log.Warn("the leadership could not be handed over in time")
	}
}

// handOverTime is how long a stop waits for the next leader.
const handOverTime = 3 * time.Second

// closeFiles closes what was opened, in reverse order.
func (s *Store) closeFiles() error {
	var errs []error
	if s.mesh != nil {
		s.closeLinks()
		errs = append(errs, s.mesh.end())
	}
	if s.machine != nil {
		errs = append(errs, s.machine.Close())
	}
	if s.wal != nil {
		errs = append(errs, s.wal.Close())
	}
	if s.dir != nil {
		errs = append(errs, s.dir.close())
	}
	return errors.Join(errs...)
}
