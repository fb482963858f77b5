package api

import (
	"context"
	"errors"
	"time"

	"drawdown/engine/ledger"
)

// What a Store's errors mean to the caller. They are matched with errors.Is; an
// error of Submit that matches none of them counts as ErrUnknown, because to
// claim more would be a guess (I6).
var (
	// ErrUnavailable: surely not applied; try again later, perhaps elsewhere.
	ErrUnavailable = errors.New("the node cannot serve at present")
	// ErrOverloaded: a queue is full and nothing was done (I12).
	ErrOverloaded = errors.New("too much work is waiting")
	// ErrUnknown: may have been applied or not.
	ErrUnknown = errors.New("the outcome is unknown")
	// ErrTooLarge: the commands are more than one submission may hold; nothing
	// was done.
	ErrTooLarge = errors.New("the request holds too many bytes of commands")
	// ErrRefused: a change of the cluster was not made, because of what the error says.
	ErrRefused = errors.New("refused")
)

// Store takes writes and answers about the node.
type Store interface {
	// Submit replicates and applies the commands; results[i] is the verdict on
	// command i. The error is about all of them and is one of the classes above.
	// index is the log index of the last entry. When Submit returns without an
	// error nobody reads b any more, and this node has applied the commands.
	Submit(ctx context.Context, b *ledger.Batch) (results []ledger.Result, index uint64, err error)
	// Linearize waits until this node has applied everything that was
	// acknowledged before the call, having verified that it may answer (I5).
	Linearize(ctx context.Context) (index uint64, err error)
	// Stale is what a read is true of without asking other nodes: the index that
	// this node has applied, and how long ago it heard of the leader.
	Stale() (index uint64, age time.Duration, err error)
	// WaitIndex waits until this node has applied the entry at the index.
	WaitIndex(ctx context.Context, index uint64) error
	// AddMember, RemoveMember and TransferLeadership change the cluster. ErrRefused
	// says that nothing was done, and why. node is "" where any will do.
	AddMember(ctx context.Context, node, raftAddress string) error
	RemoveMember(ctx context.Context, node string) error
	TransferLeadership(ctx context.Context, node string) error
	// Ready is nil when the node can serve, else says why not.
	Ready() error
	// Status describes the node and its cluster. It may ask the other nodes, briefly.
	Status(ctx context.Context) Status
	// Hash is the running state hash and the index that it belongs to (I4).
	Hash(ctx context.Context) (index uint64, hash uint64, err error)
	// Check walks all state and verifies its invariants: linearizable, or of whatever
	// state this node has.
	Check(ctx context.Context, stale bool) (CheckReport, error)
	// Snapshot takes a snapshot now and returns the index it stands at.
	Snapshot(ctx context.Context) (index uint64, err error)
}

// View reads applied state. All results are copies.
type View interface {
	Meter(mode ledger.Mode, ref string) (ledger.Meter, bool) // by id or event name
	MeterNumber(number uint32) (ledger.Meter, bool)
	// Number gives reports the numbers of their meters and customers, where those
	// have one that is applied on this node.
	Number(reports []ledger.Report)
	Meters(f ledger.MeterFilter, p ledger.Page) ([]ledger.Meter, int, error) // items, exact total
	Currency(mode ledger.Mode, id string) (ledger.Currency, bool)
	CurrencyNumber(number uint32) (ledger.Currency, bool)
	Currencies(mode ledger.Mode) []ledger.Currency
	Customer(mode ledger.Mode, id string) (ledger.Customer, bool)
	CustomerNumber(number uint32) (ledger.Customer, bool)
	Customers(f ledger.CustomerFilter, p ledger.Page) ([]ledger.Customer, int, error)
	Grant(ctx context.Context, mode ledger.Mode, id ledger.GrantID) (ledger.Grant, bool, error)
	Grants(ctx context.Context, f ledger.GrantFilter, p ledger.Page) ([]ledger.Grant, int, error)
	// GrantStats sums up grants by day of creation in the time zone that is
	// offsetSeconds ahead of UTC, ascending.
	GrantStats(ctx context.Context, f ledger.GrantFilter, offsetSeconds int64) ([]ledger.GrantStat, error)
	// Summary is what a customer can spend now; currencies with nothing left are
	// left out.
	Summary(ctx context.Context, mode ledger.Mode, customer, subscription string) ([]ledger.BalanceSummary, error)
	// Pending sums up what events still owe; empty arguments select all.
	Pending(ctx context.Context, mode ledger.Mode, customer string, currency uint32, subscription string) ([]ledger.CurrencyTotal, error)
	Holders(ctx context.Context, mode ledger.Mode, currency uint32, p ledger.Page) ([]ledger.Holder, int, error)
	Event(ctx context.Context, mode ledger.Mode, id ledger.EventID) (ledger.Event, bool, error)
	// EventAsCounted is an event as it was when it was counted; what was pending then
	// may have been settled since. It is cheap whatever came after.
	EventAsCounted(mode ledger.Mode, id ledger.EventID) (ledger.Event, bool, error)
	Events(ctx context.Context, f ledger.EventFilter, p ledger.Page) ([]ledger.Event, int, error)
	EventStats(ctx context.Context, f ledger.EventFilter, intervalSeconds int64) ([]ledger.EventStat, error)
	Transaction(ctx context.Context, mode ledger.Mode, id ledger.TransactionID) (ledger.Transaction, bool, error)
	Transactions(ctx context.Context, f ledger.TransactionFilter, p ledger.Page) ([]ledger.Transaction, int, error)
	TransactionTotals(ctx context.Context, f ledger.TransactionFilter) (ledger.TransactionTotals, error)
}

// Status describes a node and its cluster as the node sees it.
type Status struct {
	Node          string   `json:"node"`
	Cluster       string   `json:"cluster"` // the random name of the log, in hexadecimal
	Version       string   `json:"version"`
	Role          string   `json:"role"`   // leader, follower, candidate
	Leader        string   `json:"leader"` // node name; empty when none is known
	Term          uint64   `json:"term"`
	AppliedIndex  uint64   `json:"applied_index"`
	CommitIndex   uint64   `json:"commit_index"`
	LastIndex     uint64   `json:"last_index"`
	SnapshotIndex uint64   `json:"snapshot_index"`
	Shards        int      `json:"shards"`
	Members       []Member `json:"members"`
	// Nodes are all members as this node sees them, itself among them.
	Nodes []NodeStatus `json:"nodes"`
	// CommonIndex is the highest index that all reachable nodes have applied; equal
	// state hashes there are what replication promises (I4).
	CommonIndex uint64 `json:"common_index"`
	HashesAgree bool   `json:"hashes_agree"`
}

// NodeStatus is one node as another one sees it.
type NodeStatus struct {
	Node               string    `json:"node"`
	Reached            bool      `json:"reached"` // it has answered within the last seconds
	Error              string    `json:"error,omitempty"`
	HTTP               string    `json:"http"`
	Raft               string    `json:"raft"`
	Voter              bool      `json:"voter"`
	Role               string    `json:"role"`
	Version            string    `json:"version"`
	Term               uint64    `json:"term"`
	AppliedIndex       uint64    `json:"applied_index"`
	DurableIndex       uint64    `json:"durable_index"`
	Lag                uint64    `json:"lag"` // entries behind the leader
	LastContactMS      int64     `json:"last_contact_ms"`
	SnapshotIndex      uint64    `json:"snapshot_index"`
	SnapshotAgeSeconds int64     `json:"snapshot_age_seconds"`
	DiskFreeBytes      uint64    `json:"disk_free_bytes"`
	DiskFull           bool      `json:"disk_full"`
	ClockOffsetMS      int64     `json:"clock_offset_ms"` // against the node that answers
	ClockAhead         bool      `json:"clock_ahead"`     // too far to lead
	HashIndex          uint64    `json:"hash_index"`
	Hash               string    `json:"hash"` // at hash_index; empty when the node cannot tell
	Receiving          *Transfer `json:"receiving"`
}

// Transfer is a snapshot that a node is being sent.
type Transfer struct {
	Snapshot   string `json:"snapshot"`
	Bytes      int64  `json:"bytes"`
	TotalBytes int64  `json:"total_bytes"`
}

// Member is one node of the cluster's configuration.
type Member struct {
	Node    string `json:"node"`
	Address string `json:"address"`
	Voter   bool   `json:"voter"`
}

// CheckReport is the outcome of a walk over all state, made at one index. OK says
// that Violations is empty; each violation is a sentence that cites the
// invariant. Hash is the running hash over entries and results, StateHash that of
// the state itself: both are equal on every node at the same index (I4).
type CheckReport struct {
	OK            bool   `json:"ok"`
	Index         uint64 `json:"index"`
	Hash          string `json:"hash"`
	StateHash     string `json:"state_hash"`
	Customers     int    `json:"customers"`
	Grants        uint64 `json:"grants"`
	PendingEvents uint64 `json:"pending_events"`
	// Totals are in the order in which the currencies were made.
	Totals     []CurrencyTotals `json:"totals"`
	Violations []string         `json:"violations"`
}

// CurrencyTotals sums up one currency over all customers, in its smallest unit:
// granted = remaining + reserved + consumed + forfeited (I3).
type CurrencyTotals struct {
	Currency  string `json:"currency_id"`
	Granted   string `json:"granted"`
	Remaining string `json:"remaining"` // can be spent
	Reserved  string `json:"reserved"`  // in grants that are not effective yet
	Consumed  string `json:"consumed"`
	Forfeited string `json:"forfeited"` // expired and voided
	Pending   string `json:"pending"`   // owed by events
}
