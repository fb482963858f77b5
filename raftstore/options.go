package raftstore

import (
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"

	"drawdown/engine"
)

// Options are a node's own choices. Only Dir is required.
type Options struct {
	Dir    string       // the data directory; made if it does not exist
	FS     vfs.FS       // nil is the operating system's
	Shards int          // of the engine; 0 is one per processor
	Logger *slog.Logger // nil is slog.Default

	// OnFatal is told once what the node cannot go on from. The process is expected
	// to end; until it does, nothing more is applied and no success is answered. It
	// must not call Close. nil panics.
	OnFatal func(error)

	// A snapshot is taken when SnapshotInterval has passed since the last one and
	// SnapshotThreshold entries have come since, or as soon as SnapshotBytes of
	// entries have, or twice the newest snapshot's state if that is more: writing the
	// state then never costs more than writing the log. TrailingLogs entries stay in the log for followers that are a
	// little behind.
	SnapshotInterval  time.Duration
	SnapshotThreshold uint64
	SnapshotBytes     int64
	TrailingLogs      uint64
	// TrailingBytes: in a cluster more than TrailingLogs stay, as many as fit into so
	// many bytes, so that a node which was away for a while needs no snapshot.
	TrailingBytes uint64

	// QueueCommands and QueueBytes bound what has been submitted and not yet been
	// answered (I12).
	QueueCommands int
	QueueBytes    int

	// DiskReserve is the free space, in bytes, below which writes are refused, in
	// addition to twice the newest snapshot's state.
	DiskReserve uint64

	SegmentBytes int64 // of the log's files; 0 is the log's own default

	NoSync bool // leaves out the log's syncs: for measurements only

	// NodeID names this node in the cluster for as long as its data directory
	// lives; "" draws a name at the first start.
	NodeID string
	// Transport connects the nodes of a cluster; nil means a cluster of one voter,
	// without an open port. Servers are its voters when it is founded, by all of
	// them alike; empty joins a cluster that exists.
	Transport raft.Transport
	Servers   []raft.Server

	// Cluster makes the node one of several; nil is a node alone.
	Cluster *ClusterOptions
	// ClockBound is how far this node's clock may be ahead of most others' before it
	// refuses to lead.
	ClockBound time.Duration
	// Version is what the node calls itself towards the others.
	Version string

	Observer Observer
	Clock    func() time.Time // nil is time.Now
}

// Observer is told what happens, for metrics. Any of its functions may be nil;
// they are called from the store's own goroutines and must be quick.
type Observer struct {
	Wait     func(d time.Duration)                               // a batch waited in the queue
	Entry    func(commands, bytes int)                           // an entry was handed to raft
	Commit   func(d time.Duration)                               // from there until its results were known
	Apply    func(commands int, d time.Duration)                 // the engine carried out an entry
	Sync     func(bytes int, d time.Duration)                    // the log was synced
	Freeze   func(d time.Duration)                               // a snapshot held up the engine
	Snapshot func(d time.Duration, stateBytes int64, err error)  // a snapshot was written, or failed
	Index    IndexObserver                                       // the index's work in the background
	Leader   func(leading bool, term uint64, took time.Duration) // leadership began to serve, or ended
}

// IndexObserver is told what the index does in the background.
type IndexObserver = engine.IndexObserver

// Defaults and limits.
const (
	// entryBytes and entryCommands close an entry. Larger ones would hold up the
	// next one's sync, and heartbeats once there are followers.
	entryBytes = 512 << 10
	// entryBytesCluster keeps heartbeats and the others' syncs from waiting.
	entryBytesCluster = 256 << 10
	entryCommands     = 8192

	// splitWindow is how many entries of one split batch may be in flight. raft's
	// own channel holds as many, so that handing them over never waits.
	splitWindow = 8

	// appendEntries is how many entries raft hands on at once. At a restart raft
	// queues up to 128 times as many ahead of the engine; this keeps them to
	// 512 MiB if all were of full size.
	appendEntries = splitWindow

	// settleAccounts is how many accounts one Settle names.
	settleAccounts = 1024

	// pressureMax is how full the engine's index may be before writes are refused:
	// what is in flight must still fit.
	pressureMax = 0.9

	snapshotsKept = 2

	pollEvery      = 100 * time.Millisecond
	diskCheckEvery = time.Second

	// A single voter elects itself: nobody else can, so nothing is gained by
	// waiting, and a restart is as short as this.
	singleTimeout = 40 * time.Millisecond

	// clusterTimeout is how long the leader may be silent before another is elected;
	// raft waits up to twice as long. clusterLease is after how long without a majority
	// a leader gives up.
	clusterTimeout = 800 * time.Millisecond
	clusterLease   = 500 * time.Millisecond

	// rpcTime bounds a message between nodes: 2 MiB of entries and their sync.
	rpcTime = 4 * time.Second

	// trailingMax bounds the entries behind a snapshot, however small they are.
	trailingMax = 1 << 20
)

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.OnFatal == nil {
		o.OnFatal = func(err error) { panic(err) }
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	setDefault(&o.SnapshotInterval, 2*time.Minute)
	setDefault(&o.SnapshotThreshold, 8192)
	setDefault(&o.SnapshotBytes, 512<<20)
	setDefault(&o.TrailingLogs, 256)
	setDefault(&o.TrailingBytes, 256<<20)
	setDefault(&o.QueueCommands, 256<<10)
	setDefault(&o.QueueBytes, 64<<20)
	setDefault(&o.DiskReserve, 512<<20)
	setDefault(&o.ClockBound, 2*time.Second)
	return o
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// alone says whether the node is a cluster by itself.
func (o *Options) alone() bool { return o.Transport == nil && o.Cluster == nil }

// entryLimit is how large an entry may grow, bytes.
func (o *Options) entryLimit() int {
	if o.alone() {
		return entryBytes
	}
	return entryBytesCluster
}
