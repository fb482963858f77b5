package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"drawdown/api"
	"drawdown/raftstore"
)

// statusTime is how long the other nodes may take to tell their hashes.
const statusTime = time.Second

// contactMax is how long a node may not have heard of the leader and still count as
// able to serve.
const contactMax = 2500 * time.Millisecond

// lagMax is how many entries a node may be behind and still count as able to serve.
const lagMax = 1024

func (n *node) Stale() (uint64, time.Duration, error) {
	index, age, err := n.store.Stale()
	return index, age, classed(err)
}

func (n *node) WaitIndex(ctx context.Context, index uint64) error {
	return classed(n.store.WaitIndex(ctx, index))
}

func (n *node) AddMember(ctx context.Context, name, raft string) error {
	p, err := raftstore.ParsePeer(name + "=" + raft)
	if err != nil {
		return fmt.Errorf("%w: %w", api.ErrRefused, err)
	}
	return memberError(n.store.AddMember(ctx, p))
}

func (n *node) RemoveMember(ctx context.Context, name string) error {
	return memberError(n.store.RemoveMember(ctx, name))
}

func (n *node) TransferLeadership(ctx context.Context, name string) error {
	return memberError(n.store.TransferLeadership(ctx, name))
}

// memberError keeps the reason of a refusal, whichever node has spoken it.
func memberError(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, raftstore.ErrRefused) {
		return fmt.Errorf("%w: %w", api.ErrRefused, err)
	}
	return classed(err)
}

// readyInCluster says why a node that does not lead cannot serve.
func readyInCluster(st *raftstore.Status) error {
	switch {
	case st.LeaderID == "":
		return fmt.Errorf("%w: no leader is known", raftstore.ErrNotLeader)
	case st.LastContact > contactMax:
		return fmt.Errorf("%w: the leader %s was last heard of %v ago", raftstore.ErrNotLeader, st.LeaderID, st.LastContact.Round(time.Millisecond))
	case st.Passed+lagMax < st.Commit:
		return fmt.Errorf("%w: carrying out the log, at entry %d of %d", raftstore.ErrNotLeader, st.Passed, st.Commit)
	case st.LeaderID == st.NodeID:
		return fmt.Errorf("%w: not ready to lead yet", raftstore.ErrNotLeader)
	}
	return nil
}

// nodes are all members of the cluster as this one sees them.
func (n *node) nodes(ctx context.Context, status *api.Status) {
	ctx, cancel := context.WithTimeout(ctx, statusTime)
	defer cancel()
	self := raftstore.PeerStatus{NodeStatus: n.store.NodeStatus(), Reached: true}
	seen := append([]raftstore.PeerStatus{self}, n.store.Peers()...)
	common, hashes := n.store.CommonHashes(ctx)
	status.CommonIndex, status.HashesAgree = common, true
	last := uint64(0)
	for _, p := range seen {
		last = max(last, p.Durable)
	}
	for _, m := range status.Members {
		for i := range seen {
			if seen[i].Node == m.Node {
				status.Nodes = append(status.Nodes, nodeStatus(&seen[i], m, last))
			}
		}
	}
	told := map[uint64]uint64{} // hash by index
	for _, h := range hashes {
		if h.Index == 0 {
			continue
		}
		if chain, known := told[h.Index]; known && chain != h.Chain {
			status.HashesAgree = false
		}
		told[h.Index] = h.Chain
		for i := range status.Nodes {
			if status.Nodes[i].Node == h.Node {
				status.Nodes[i].HashIndex, status.Nodes[i].Hash = h.Index, hash(h.Chain)
			}
		}
	}
}

func nodeStatus(p *raftstore.PeerStatus, m api.Member, last uint64) api.NodeStatus {
	s := api.NodeStatus{
		Node: m.Node, Reached: p.Reached, Error: p.Error, HTTP: p.HTTP, Raft: m.Address, Voter: m.Voter,
		Role: strings.ToLower(p.Role), Version: p.Version, Term: p.Term, AppliedIndex: p.Applied, DurableIndex: p.Durable,
		Lag: last - min(last, p.Durable), LastContactMS: int64(p.Contact * 1000), SnapshotIndex: p.SnapshotIndex,
		SnapshotAgeSeconds: int64(p.SnapshotAge), DiskFreeBytes: p.DiskFree, DiskFull: p.DiskFull,
		ClockOffsetMS: p.Offset.Milliseconds(), ClockAhead: p.ClockAhead,
	}
	if t := p.Receiving; t != nil {
		s.Receiving = &api.Transfer{Snapshot: t.Snapshot, Bytes: t.Bytes, TotalBytes: t.Total}
	}
	return s
}
