package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"drawdown/engine/index"
	"drawdown/raftstore"
)

// latencies are the buckets of everything that is synced or applied, in seconds.
var latencies = []float64{
	.00005, .0001, .0002, .0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5,
}

// newObserver makes the histograms of what the store does.
func newObserver(registry prometheus.Registerer) raftstore.Observer {
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
		registry.MustRegister(h)
		return h
	}
	commands := histogram("drawdown_entry_commands", "Commands in a log entry.", prometheus.ExponentialBuckets(1, 2, 14))
	bytes := histogram("drawdown_entry_bytes", "Bytes of a log entry.", prometheus.ExponentialBuckets(64, 4, 8))
	wait := histogram("drawdown_queue_wait_seconds", "How long a submission waited until it began to go into an entry.", latencies)
	commit := histogram("drawdown_commit_seconds", "From handing an entry to raft until its results are known.", latencies)
	apply := histogram("drawdown_apply_seconds", "Carrying out an entry on the state.", latencies)
	sync := histogram("drawdown_wal_sync_seconds", "Writing and syncing a batch of entries.", latencies)
	synced := histogram("drawdown_wal_sync_bytes", "Bytes written with one sync.", prometheus.ExponentialBuckets(256, 4, 8))
	freeze := histogram("drawdown_snapshot_freeze_seconds", "How long a snapshot held up the engine.", latencies)
	flush := histogram("drawdown_index_flush_seconds", "Writing a run of identifiers and history to the disk.", prometheus.ExponentialBuckets(.01, 2, 12))
	merge := histogram("drawdown_index_merge_seconds", "Merging runs on the disk.", prometheus.ExponentialBuckets(.01, 2, 14))
	snapshot := histogram("drawdown_snapshot_seconds", "Writing and verifying a snapshot.", prometheus.ExponentialBuckets(.01, 2, 16))
	failures := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "drawdown_snapshot_failures_total", Help: "Snapshots that could not be written; the log keeps everything.",
	})
	registry.MustRegister(failures)
	return raftstore.Observer{
		Entry: func(n, size int) {
			commands.Observe(float64(n))
			bytes.Observe(float64(size))
		},
		Wait:   func(d time.Duration) { wait.Observe(d.Seconds()) },
		Commit: func(d time.Duration) { commit.Observe(d.Seconds()) },
		Apply:  func(_ int, d time.Duration) { apply.Observe(d.Seconds()) },
		Sync: func(size int, d time.Duration) {
			sync.Observe(d.Seconds())
			synced.Observe(float64(size))
		},
		Index: raftstore.IndexObserver{
			Flush: func(d time.Duration) { flush.Observe(d.Seconds()) },
			Merge: func(d time.Duration) { merge.Observe(d.Seconds()) },
		},
		Freeze: func(d time.Duration) { freeze.Observe(d.Seconds()) },
		Snapshot: func(d time.Duration, _ int64, err error) {
			snapshot.Observe(d.Seconds())
			if err != nil {
				failures.Inc()
			}
		},
	}
}

// storeCollector reads the store's depths and positions whenever somebody asks.
type storeCollector struct{ store *raftstore.Store }

// gauge is one number of the store.
type gauge struct {
	desc  *prometheus.Desc
	value func(*snapshotOfStore) float64
}

// snapshotOfStore is what one collection reads.
type snapshotOfStore struct {
	raftstore.Status
	index index.Stats
}

func newGauge(name, help string, value func(*snapshotOfStore) float64) gauge {
	return gauge{prometheus.NewDesc("drawdown_"+name, help, nil, nil), value}
}

var gauges = []gauge{
	newGauge("raft_leader", "1 while this node serves as leader.", func(s *snapshotOfStore) float64 { return flag(s.Serving) }),
	newGauge("raft_last_contact_seconds", "Since the leader was last heard of; 0 on the leader.", func(s *snapshotOfStore) float64 { return s.LastContact.Seconds() }),
	newGauge("raft_members", "Nodes of the cluster.", func(s *snapshotOfStore) float64 { return float64(len(s.Members)) }),
	newGauge("raft_term", "raft's term.", func(s *snapshotOfStore) float64 { return float64(s.Term) }),
	newGauge("raft_commit_index", "Last committed index.", func(s *snapshotOfStore) float64 { return float64(s.Commit) }),
	newGauge("raft_last_index", "Last index in the log.", func(s *snapshotOfStore) float64 { return float64(s.LastLog) }),
	newGauge("applied_index", "Last entry carried out.", func(s *snapshotOfStore) float64 { return float64(s.Head.Index) }),
	newGauge("operations", "Operations on accounts since the log began.", func(s *snapshotOfStore) float64 { return float64(s.Head.Seq) }),
	newGauge("queue_requests", "Submissions that wait.", func(s *snapshotOfStore) float64 { return float64(s.QueueRequests) }),
	newGauge("queue_commands", "Commands that wait.", func(s *snapshotOfStore) float64 { return float64(s.QueueCommands) }),
	newGauge("queue_bytes", "Bytes that wait.", func(s *snapshotOfStore) float64 { return float64(s.QueueBytes) }),
	newGauge("entries_in_flight", "Entries handed to raft whose outcome is not known.", func(s *snapshotOfStore) float64 { return float64(s.EntriesInFlight) }),
	newGauge("apply_lag_entries", "Entries committed and not yet carried out.", func(s *snapshotOfStore) float64 { return float64(max(s.Commit, s.Passed) - s.Passed) }),
	newGauge("disk_full", "1 while writes are refused for want of disk space.", func(s *snapshotOfStore) float64 { return flag(s.DiskFull) }),
	newGauge("snapshot_index", "Index of the newest snapshot.", func(s *snapshotOfStore) float64 { return float64(s.SnapshotIndex) }),
	newGauge("snapshot_age_seconds", "Age of the newest snapshot.", func(s *snapshotOfStore) float64 { return s.SnapshotAge.Seconds() }),
	newGauge("snapshot_bytes", "State in the newest snapshot.", func(s *snapshotOfStore) float64 { return float64(s.SnapshotBytes) }),
	newGauge("wal_segments", "Segments of the log.", func(s *snapshotOfStore) float64 { return float64(s.Log.Segments) }),
	newGauge("wal_bytes", "Bytes of the log on disk.", func(s *snapshotOfStore) float64 { return float64(s.Log.DiskBytes) }),
	newGauge("index_identifiers", "Identifiers known.", func(s *snapshotOfStore) float64 { return float64(s.index.Identifiers) }),
	newGauge("index_records", "Records of history.", func(s *snapshotOfStore) float64 { return float64(s.index.Records) }),
	newGauge("index_runs", "Sorted runs on disk.", func(s *snapshotOfStore) float64 { return float64(s.index.Runs) }),
	newGauge("index_sealed_runs", "Runs that wait to be written to the disk.", func(s *snapshotOfStore) float64 { return float64(s.index.SealedRuns) }),
	newGauge("index_memory_bytes", "Memory of what is not yet on disk.", func(s *snapshotOfStore) float64 { return float64(s.index.MemoryBytes) }),
	newGauge("index_lag_records", "Records that are not yet on disk.", func(s *snapshotOfStore) float64 { return float64(s.index.LagRecords) }),
	newGauge("index_pressure", "How full the index's memory is, 0 to 1.", func(s *snapshotOfStore) float64 { return s.Pressure }),
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Describe implements prometheus.Collector.
func (c *storeCollector) Describe(to chan<- *prometheus.Desc) {
	for _, g := range gauges {
		to <- g.desc
	}
	for _, g := range peerGauges {
		to <- g.desc
	}
}

// peerGauge is one number of another node, as this one has last heard it. The label
// is the node's name, of which there are few.
type peerGauge struct {
	desc  *prometheus.Desc
	value func(p *raftstore.PeerStatus, own *raftstore.Status) float64
}

func newPeerGauge(name, help string, value func(*raftstore.PeerStatus, *raftstore.Status) float64) peerGauge {
	return peerGauge{prometheus.NewDesc("drawdown_peer_"+name, help, []string{"node"}, nil), value}
}

var peerGauges = []peerGauge{
	newPeerGauge("reached", "1 if the node has answered within the last seconds.",
		func(p *raftstore.PeerStatus, _ *raftstore.Status) float64 { return flag(p.Reached) }),
	newPeerGauge("lag_entries", "Entries of this node's log that the other one does not have.",
		func(p *raftstore.PeerStatus, own *raftstore.Status) float64 {
			return float64(own.LastLog - min(own.LastLog, p.Durable))
		}),
	newPeerGauge("applied_index", "Last entry that the node has carried out.",
		func(p *raftstore.PeerStatus, _ *raftstore.Status) float64 { return float64(p.Applied) }),
	newPeerGauge("clock_offset_seconds", "The node's clock less this one's.",
		func(p *raftstore.PeerStatus, _ *raftstore.Status) float64 { return p.Offset.Seconds() }),
	newPeerGauge("disk_free_bytes", "Free space on the node's disk.",
		func(p *raftstore.PeerStatus, _ *raftstore.Status) float64 { return float64(p.DiskFree) }),
}

// Collect implements prometheus.Collector.
func (c *storeCollector) Collect(to chan<- prometheus.Metric) {
	s := snapshotOfStore{c.store.Status(), c.store.Acquire().IndexStats()}
	c.store.Release()
	for _, g := range gauges {
		to <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, g.value(&s))
	}
	for _, p := range c.store.Peers() {
		for _, g := range peerGauges {
			to <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, g.value(&p, &s.Status), p.Node)
		}
	}
}
