package raftstore

import (
	"context"
	"encoding/json"
	"slices"
	"sort"
	"sync"
	"time"
)

const (
	// peerPoll is how often the other nodes are asked how they are, peerTime how long
	// the answer may take, and peerFresh how long it counts.
	peerPoll  = 500 * time.Millisecond
	peerTime  = 2 * time.Second
	peerFresh = 3 * time.Second

	// clockRoundTrip is the longest round trip from which a clock's offset is taken.
	clockRoundTrip = 250 * time.Millisecond
)

// NodeStatus is what a node tells the others about itself.
type NodeStatus struct {
	Node          string  `json:"node"`
	HTTP          string  `json:"http"`
	Version       string  `json:"version"`
	Role          string  `json:"role"`
	Serving       bool    `json:"serving"`
	Term          uint64  `json:"term"`
	Leader        string  `json:"leader"`
	Applied       uint64  `json:"applied_index"`
	Durable       uint64  `json:"durable_index"`
	Commit        uint64  `json:"commit_index"`
	FirstLog      uint64  `json:"first_index"`
	SnapshotIndex uint64  `json:"snapshot_index"`
	SnapshotAge   float64 `json:"snapshot_age_seconds"`
	DiskFree      uint64  `json:"disk_free_bytes"`
	DiskFull      bool    `json:"disk_full"`
	Failed        bool    `json:"failed"`
	ClockAhead    bool    `json:"clock_ahead"`
	Contact       float64 `json:"last_contact_seconds"` // since the leader was heard of; 0 on the leader
	Now           int64   `json:"now"`                  // Unix nanoseconds
	// Receiving is the snapshot that is coming in from another node, nil if none is.
	Receiving *Transfer `json:"receiving,omitempty"`
}

// Transfer is how far a snapshot has come over the network.
type Transfer struct {
	Snapshot string `json:"snapshot"`
	Bytes    int64  `json:"bytes"`
	Total    int64  `json:"total_bytes"`
}

// PeerStatus is another node as this one sees it.
type PeerStatus struct {
	NodeStatus
	Reached bool          // it has answered lately
	Age     time.Duration // since its last answer
	Offset  time.Duration // of its clock against this node's; valid if Reached
	Error   string        // why it was not reached
}

// peerBook holds what the others have last said.
type peerBook struct {
	mu   sync.Mutex
	book map[string]*peerEntry
}

type peerEntry struct {
	status NodeStatus
	at     time.Time // of the last answer
	asked  time.Time // when that was asked for
	offset time.Duration
	timed  time.Time // when the offset was taken
	err    string
	asking bool
	goal   uint64 // this node's last index when the answer was asked for
}

func (p *peerBook) entry(node string) *peerEntry {
	if p.book == nil {
		p.book = map[string]*peerEntry{}
	}
	e := p.book[node]
	if e == nil {
		e = new(peerEntry)
		p.book[node] = e
	}
	return e
}

// last is a node's last answer, and whether it is recent.
func (p *peerBook) last(node string) (NodeStatus, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.entry(node)
	return e.status, time.Since(e.at) < peerFresh
}

func (p *peerBook) fresh(node string) bool {
	_, fresh := p.last(node)
	return fresh
}

// caughtUp says whether a node has lately had nearly all that this node had when it
// asked.
func (p *peerBook) caughtUp(node string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.entry(node)
	return time.Since(e.at) < peerFresh && e.goal > 0 && e.status.Durable+promoteLag >= e.goal &&
		e.status.Applied+promoteLag >= e.goal
}

// begin marks a node as being asked; false if it is already.
func (p *peerBook) begin(node string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.entry(node)
	if e.asking {
		return false
	}
	e.asking = true
	return true
}

func (p *peerBook) note(node string, st *NodeStatus, begun time.Time, goal uint64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.entry(node)
	e.asking = false
	if err != nil {
		e.err = err.Error()
		return
	}
	took := time.Since(begun)
	e.status, e.at, e.err, e.goal = *st, time.Now(), "", goal
	e.asked = e.at.Add(-took)
	if took < clockRoundTrip {
		// Wall clocks are compared; begun's own reading is the one that counts.
		middle := begun.Round(0).Add(took / 2)
		e.offset, e.timed = time.Unix(0, st.Now).Sub(middle), time.Now()
	}
}

// heard is since when, at the latest, so many nodes have been in the term.
func (p *peerBook) heard(nodes []string, term uint64, count int) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	var times []time.Time
	for _, node := range nodes {
		if e := p.entry(node); e.status.Term == term {
			times = append(times, e.asked)
		}
	}
	if count == 0 {
		return time.Now()
	}
	if len(times) < count {
		return time.Time{}
	}
	slices.SortFunc(times, func(a, b time.Time) int { return b.Compare(a) })
	return times[count-1]
}

// offsets are those of the other nodes' clocks, as far as they are recent and were asked
// for after the moment given.
func (p *peerBook) offsets(after time.Time) (all []time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.book {
		if !e.timed.IsZero() && time.Since(e.timed) < peerFresh && e.timed.Add(-clockRoundTrip).After(after) {
			all = append(all, e.offset)
		}
	}
	return all
}

// watchPeers asks the others how they are, and acts on it.
func (s *Store) watchPeers() {
	tick := time.NewTicker(peerPoll)
	defer tick.Stop()
	var asking sync.WaitGroup
	defer asking.Wait()
	seen := map[string]*progressOf{}
	for {
		for _, server := range s.members() {
			node := string(server.ID)
			if node != s.dir.node && s.peers.begin(node) {
				asking.Go(func() { s.askPeer(node) })
			}
		}
		s.watchClock()
		s.promote()
		s.avoidFullDisk()
		s.watchLag(seen)
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
	}
}

func (s *Store) askPeer(node string) {
	ctx, cancel := context.WithTimeout(s.ctx, peerTime)
	defer cancel()
	begun, goal := s.o.Clock(), s.raft.LastIndex()
	st, err := s.askStatus(ctx, node)
	s.peers.note(node, &st, begun, goal, err)
}

// askStatus asks a node how it is.
func (s *Store) askStatus(ctx context.Context, node string) (st NodeStatus, err error) {
	l, err := s.link(node)
	if err != nil {
		return st, err
	}
	answer, err := l.call(ctx, frameStatus, nil)
	if err != nil {
		return st, err
	}
	return st, json.Unmarshal(answer, &st)
}

func (s *Store) tellStatus([]byte) ([]byte, error) { return json.Marshal(s.NodeStatus()) }

// NodeStatus is this node in the words that nodes use with each other.
func (s *Store) NodeStatus() NodeStatus {
	st := s.Status()
	n := NodeStatus{
		Node: st.NodeID, Role: st.Role, Serving: st.Serving, Term: st.Term, Leader: st.LeaderID, Applied: st.Passed,
		Durable: st.LastLog, Commit: st.Commit, FirstLog: st.FirstLog, SnapshotIndex: st.SnapshotIndex,
		SnapshotAge: st.SnapshotAge.Seconds(), DiskFree: s.diskFree.Load(), DiskFull: st.DiskFull, Failed: st.Failed,
		ClockAhead: s.clockAhead.Load(), Contact: st.LastContact.Seconds(), Now: s.o.Clock().UnixNano(),
		Receiving: s.snapshots.receiving.Load(), Version: s.o.Version,
	}
	if s.clustered() {
		n.HTTP = s.o.Cluster.HTTP
	}
	return n
}

// Peers is how the other nodes of the cluster are, in the order of their names. It
// asks nobody: they are asked all the time.
func (s *Store) Peers() (all []PeerStatus) {
	for _, server := range s.members() {
		node := string(server.ID)
		if node == s.dir.node {
			continue
		}
		s.peers.mu.Lock()
		e := s.peers.entry(node)
		p := PeerStatus{NodeStatus: e.status, Reached: time.Since(e.at) < peerFresh, Offset: e.offset, Error: e.err}
		if !e.at.IsZero() {
			p.Age = time.Since(e.at)
		}
		s.peers.mu.Unlock()
		p.Node = node
		all = append(all, p)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Node < all[j].Node })
	return all
}

// chains are the state hashes after the newest entries, so that nodes can be
// compared at an index that both have carried out.
type chains struct {
	mu   sync.Mutex
	ring [chainsKept]chainAt
	next int
}

// chainsKept is how many entries two nodes may be apart and still be compared.
const chainsKept = 4096

type chainAt struct{ index, chain uint64 }

func (c *chains) add(index, chain uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ring[c.next] = chainAt{index, chain}
	c.next = (c.next + 1) % chainsKept
}

// at is the hash after the last entry at or before the index.
func (c *chains) at(index uint64) (found chainAt, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.ring {
		at := c.ring[(c.next+chainsKept-1-i)%chainsKept]
		if at.index == 0 {
			return chainAt{}, false
		}
		if at.index <= index {
			return at, true
		}
	}
	return chainAt{}, false
}

type chainQuestion struct {
	Index uint64 `json:"index"`
}

type chainAnswer struct {
	Index uint64 `json:"index"` // of the entry, at or before the one asked for; 0: not known any more
	Chain uint64 `json:"chain,string"`
}

func (s *Store) tellChain(payload []byte) ([]byte, error) {
	var q chainQuestion
	if err := json.Unmarshal(payload, &q); err != nil {
		return nil, err
	}
	at, _ := s.fsm.chains.at(q.Index)
	return json.Marshal(chainAnswer{at.index, at.chain})
}

// NodeHash is a node's state hash at one index.
type NodeHash struct {
	Node  string
	Index uint64 // of the last entry with commands at or before the common index; 0 if the node cannot tell
	Chain uint64
}

// CommonHashes compares the nodes' state hashes at the highest index that all
// reachable ones have carried out (I4).
func (s *Store) CommonHashes(ctx context.Context) (index uint64, hashes []NodeHash) {
	index = s.fsm.passed.get()
	var asked []string
	for _, p := range s.Peers() {
		if p.Reached {
			index = min(index, p.Applied)
			asked = append(asked, p.Node)
		}
	}
	at, _ := s.fsm.chains.at(index)
	hashes = append(hashes, NodeHash{s.dir.node, at.index, at.chain})
	payload, _ := json.Marshal(chainQuestion{index})
	results := make([]NodeHash, len(asked))
	var wait sync.WaitGroup
	for i, node := range asked {
		wait.Go(func() {
			results[i] = NodeHash{Node: node}
			l, err := s.link(node)
			if err != nil {
				return
			}
			answer, err := l.call(ctx, frameChain, payload)
			var a chainAnswer
			if err == nil && json.Unmarshal(answer, &a) == nil {
				results[i].Index, results[i].Chain = a.Index, a.Chain
			}
		})
	}
	wait.Wait()
	return index, append(hashes, results...)
}
