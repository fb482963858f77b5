package raftstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"drawdown/engine/ledger"
)

// clustered says whether there may be other nodes.
func (s *Store) clustered() bool { return s.o.Cluster != nil }

// Submit has the batch's commands carried out, in order, and answers the verdict
// on each and the index of the entry that held the last one, wherever the leader is;
// when it answers, this node has carried them out. Other batches may share its
// entries; a batch too large for one entry is spread over several, one after the
// other, and may then be applied in part if something fails in between: that is
// ErrUnknown.
//
// The batch stays the caller's: once Submit has returned, with whatever error,
// nobody reads it any more. A caller whose context ends is told ErrUnavailable if
// none of the batch had gone into an entry or on its way to the leader, ErrUnknown
// otherwise.
func (s *Store) Submit(ctx context.Context, batch *ledger.Batch) ([]ledger.Result, uint64, error) {
	if !s.clustered() || batch.Len() == 0 || s.leading() {
		return s.submitHere(ctx, batch)
	}
	return s.forward(ctx, batch)
}

// forward has the leader carry out the batch.
func (s *Store) forward(ctx context.Context, batch *ledger.Batch) ([]ledger.Result, uint64, error) {
	if s.failed.Load() {
		return nil, 0, ErrFailed
	}
	l, err := s.leaderLink()
	if err != nil {
		return nil, 0, err
	}
	answer, err := l.call(ctx, frameSubmit, encodeBatch(batch))
	if err != nil {
		return nil, 0, err
	}
	f, err := decodeForwarded(answer, batch.Len())
	if err != nil {
		return nil, 0, fmt.Errorf("%w: the answer of node %s: %v", ErrUnknown, l.node, err)
	}
	if err := s.catchUp(ctx, l.node, f.term, f.index, f.index); err != nil {
		return nil, 0, fmt.Errorf("%w: the leader has applied it, this node has not yet: %v", ErrUnknown, err) // err may be of another class
	}
	return f.results, f.index, nil
}

// leaderLink leads to the node that this one takes for the leader.
func (s *Store) leaderLink() (*link, error) {
	r := s.up.Load()
	if r == nil {
		return nil, ErrNotLeader
	}
	address, id := r.LeaderWithID()
	if id == "" || string(id) == s.dir.node {
		return nil, fmt.Errorf("%w: there is no leader at present", ErrNotLeader)
	}
	return s.linkTo(string(id), string(address)), nil
}

// submitForwarded carries out what another node sends. It never passes it on: a
// node that takes this one for the leader wrongly is told so.
func (s *Store) submitForwarded(ctx context.Context, payload []byte) ([]byte, error) {
	batch, numbers, err := decodeBatch(payload)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if !s.leading() {
		return nil, ErrNotLeader
	}
	if err := s.admitNumbers(ctx, numbers); err != nil {
		return nil, err
	}
	results, index, err := s.submitHere(ctx, batch)
	if err != nil {
		return nil, err
	}
	return encodeForwarded(&forwarded{index: index, term: s.termOf(index), results: results}), nil
}

// admitNumbers makes sure that this node's engine has given the numbers that another node
// uses. Numbers are only ever added, and the other node has them from entries that were
// committed: after those, they are here.
func (s *Store) admitNumbers(ctx context.Context, numbers []ledger.ReportNumbers) error {
	if s.Engine().Knows(numbers) {
		return nil
	}
	if err := s.awaitPassed(ctx, s.raft.CommitIndex()); err != nil {
		return err
	}
	if s.Engine().Knows(numbers) {
		return nil
	}
	return fmt.Errorf("%w: the leader knows a meter or customer of the batch by no such number", ErrUnavailable)
}

// termOf is the term of a log entry, 0 if it cannot be told.
func (s *Store) termOf(index uint64) uint64 {
	var l raft.Log
	if err := s.wal.GetLog(index, &l); err != nil {
		return 0
	}
	return l.Term
}

const (
	// relayPoll is how often a node looks whether an entry that the leader has
	// committed has come in, and relayAgain after how long it is told once more.
	relayPoll = time.Millisecond

	// injectTime is how long raft may take to listen.
	injectTime = 20 * time.Millisecond

	// raftVersion is the version of raft's protocol between nodes.
	raftVersion = raft.ProtocolVersionMax
)

// catchUp waits until this node has carried out the entry at the index. committed is
// an index that the leader of the term has committed, of an entry of that term: raft
// would tell this node of it with its next entry or up to 100 ms later, and the
// answer at hand says the same.
func (s *Store) catchUp(ctx context.Context, leader string, term, committed, index uint64) error {
	for {
		moved := s.fsm.passed.next(index)
		if moved == nil {
			return nil
		}
		poll := s.relay(leader, term, committed)
		var timer <-chan time.Time
		if poll {
			timer = time.After(relayPoll)
		}
		select {
		case <-moved:
		case <-timer:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.ctx.Done():
			return ErrClosed
		}
	}
}

// relay hands raft the leader's word that an entry is committed, in the form in
// which the leader itself would send it. It reports whether to come back, because
// the entry is not here yet. raft compares term and entry as it does for every
// message, so that an old word changes nothing.
func (s *Store) relay(leader string, term, committed uint64) (again bool) {
	t, ok := s.net.(*relayTransport)
	if !ok || term == 0 || term != s.raft.CurrentTerm() || s.raft.CommitIndex() >= committed {
		return false
	}
	if s.raft.LastIndex() < committed {
		return true
	}
	for {
		told := s.relayed.Load()
		if told >= committed {
			return false
		}
		if s.relayed.CompareAndSwap(told, committed) {
			break
		}
	}
	id := raft.ServerID(leader)
	address := t.EncodePeer(id, raft.ServerAddress(s.addressOf(leader)))
	t.inject(&raft.AppendEntriesRequest{
		RPCHeader: raft.RPCHeader{ProtocolVersion: raftVersion, ID: []byte(leader), Addr: address},
		Term:      term, Leader: address, PrevLogEntry: committed, PrevLogTerm: term, LeaderCommitIndex: committed,
	})
	return false
}

// relayTransport is raft's transport with a second way in, for what the leader has
// told this node by other means.
type relayTransport struct {
	*raft.NetworkTransport
	out  chan raft.RPC
	quit chan struct{}
}

func newRelayTransport(t *raft.NetworkTransport) *relayTransport {
	r := &relayTransport{NetworkTransport: t, out: make(chan raft.RPC), quit: make(chan struct{})}
	go func() {
		for {
			select {
			case rpc := <-t.Consumer():
				select {
				case r.out <- rpc:
				case <-r.quit:
					return
				}
			case <-r.quit:
				return
			}
		}
	}()
	return r
}

// Consumer implements raft.Transport.
func (r *relayTransport) Consumer() <-chan raft.RPC { return r.out }

// Close implements raft.WithClose. raft calls it once.
func (r *relayTransport) Close() error {
	close(r.quit)
	return r.NetworkTransport.Close()
}

func (r *relayTransport) inject(request *raft.AppendEntriesRequest) {
	select {
	case r.out <- raft.RPC{Command: request, RespChan: make(chan raft.RPCResponse, 1)}:
	case <-time.After(injectTime): // raft is busy, with a snapshot perhaps; it will hear from the leader
	case <-r.quit:
	}
}

// confirmRemote asks the leader up to where the log must be carried out for a
// linearizable read here.
func (s *Store) confirmRemote() (index uint64, err error) {
	l, err := s.leaderLink()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(s.ctx, remoteReadTime)
	defer cancel()
	answer, err := l.call(ctx, frameRead, nil)
	if err != nil {
		// A read changes nothing, whatever became of the question.
		return 0, fmt.Errorf("%w: %v", ErrUnavailable, err)
	}
	f, err := decodeForwarded(answer, 0)
	if err != nil {
		return 0, fmt.Errorf("%w: the answer of node %s: %w", ErrUnavailable, l.node, err)
	}
	go func() {
		ctx, cancel := context.WithTimeout(s.ctx, relayTime)
		defer cancel()
		_ = s.catchUp(ctx, l.node, f.term, f.committed, f.index)
	}()
	return f.index, nil
}

const (
	// remoteReadTime is how long the leader may take to confirm a read; others who
	// wait to read are behind it.
	remoteReadTime = 2 * time.Second

	// relayTime is longer than raft itself takes to tell a follower what is committed.
	relayTime = 200 * time.Millisecond
)

// confirmForwarded answers another node's question for a read index. Only what this
// node itself leads counts.
func (s *Store) confirmForwarded(ctx context.Context) ([]byte, error) {
	if !s.leading() {
		return nil, ErrNotLeader
	}
	r, err := s.readRound(ctx, &s.readsOfOthers)
	if err != nil {
		return nil, err
	}
	if err := s.awaitPassed(ctx, r.index); err != nil {
		return nil, err
	}
	return encodeForwarded(&forwarded{
		index: s.machine.Head().Index, term: s.termOf(r.index), committed: r.index,
	}), nil
}

// awaitPassed waits until this node has carried out the log up to the index. Its
// errors are of class ErrUnavailable.
func (s *Store) awaitPassed(ctx context.Context, index uint64) error {
	err := s.fsm.passed.wait(ctx, s.ctx.Done(), index)
	if err == nil || errors.Is(err, ErrClosed) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
