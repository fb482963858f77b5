package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/raft"

	"drawdown/api"
	"drawdown/engine/ledger"
	"drawdown/raftstore"
)

// node is the store as the HTTP interface wants to see it.
type node struct{ store *raftstore.Store }

// classed translates the store's classes of error into the interface's. The one that
// promises least comes first: what may have been applied must not be called refused (I6).
func classed(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raftstore.ErrUnknown):
		return fmt.Errorf("%w: %w", api.ErrUnknown, err)
	case errors.Is(err, raftstore.ErrOverloaded):
		return fmt.Errorf("%w: %w", api.ErrOverloaded, err)
	case errors.Is(err, raftstore.ErrUnavailable):
		return fmt.Errorf("%w: %w", api.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w", api.ErrUnknown, err)
}

func (n *node) Submit(ctx context.Context, b *ledger.Batch) ([]ledger.Result, uint64, error) {
	results, index, err := n.store.Submit(ctx, b)
	return results, index, classed(err)
}

func (n *node) Linearize(ctx context.Context) (uint64, error) {
	index, err := n.store.Linearize(ctx)
	return index, classed(err)
}

func (n *node) Ready() error {
	switch st := n.store.Status(); {
	case st.Failed:
		return raftstore.ErrFailed
	case st.DiskFull:
		return raftstore.ErrDiskFull
	case !st.Serving && st.Clustered:
		return readyInCluster(&st)
	case !st.Serving:
		return fmt.Errorf("%w: carrying out the log, at entry %d of %d", raftstore.ErrNotLeader, st.Passed, st.LastLog)
	}
	return nil
}

func (n *node) Hash(context.Context) (index, hash uint64, err error) {
	head := n.store.Engine().Head()
	return head.Index, head.Chain, nil
}

func (n *node) Check(ctx context.Context, stale bool) (api.CheckReport, error) {
	// Not of a state that the node is still restoring.
	if !stale {
		if _, err := n.Linearize(ctx); err != nil {
			return api.CheckReport{}, err
		}
	}
	e, release := n.store.AcquireLong()
	r, err := e.Check()
	release()
	if err != nil {
		return api.CheckReport{}, err
	}
	report := api.CheckReport{
		OK: r.Violation == nil, Index: r.Head.Index, Hash: hash(r.Head.Chain), StateHash: hash(r.Digest),
		Customers: r.Customers, Grants: r.Totals.Grants, PendingEvents: r.Totals.Debts, Totals: []api.CurrencyTotals{},
		Violations: []string{},
	}
	for _, t := range r.Sums {
		report.Totals = append(report.Totals, api.CurrencyTotals{
			Currency: ledger.CurrencyID(t.Currency), Granted: t.Granted.String(), Remaining: t.Balance.String(),
			Reserved: t.Reserved.String(), Consumed: t.Consumed.String(), Forfeited: t.Forfeited.String(),
			Pending: t.Owed.String(),
		})
	}
	if r.Violation != nil {
		report.Violations = append(report.Violations, r.Violation.Error())
	}
	return report, nil
}

func hash(h uint64) string { return fmt.Sprintf("%016x", h) }

func (n *node) Snapshot(ctx context.Context) (uint64, error) {
	index, err := n.store.Snapshot(ctx)
	return index, classed(err)
}

func (n *node) Status(ctx context.Context) api.Status {
	st := n.store.Status()
	status := api.Status{
		Node: st.NodeID, Version: version, Role: strings.ToLower(st.Role), Leader: st.LeaderID, Term: st.Term,
		AppliedIndex: st.Passed, CommitIndex: st.Commit, LastIndex: st.LastLog, SnapshotIndex: st.SnapshotIndex,
		Shards: n.store.Engine().Shards(),
	}
	if cluster, ok := n.store.Engine().Cluster(); ok {
		status.Cluster = hex.EncodeToString(cluster[:])
	}
	for _, m := range st.Members {
		status.Members = append(status.Members, api.Member{
			Node: string(m.ID), Address: string(m.Address), Voter: m.Suffrage == raft.Voter,
		})
	}
	n.nodes(ctx, &status)
	return status
}
