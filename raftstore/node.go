package raftstore

import (
	"context"
	"io"
	"log/slog"
	"math"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// raftConfig says why each setting is not raft's own default.
func (s *Store) raftConfig() *raft.Config {
	c := raft.DefaultConfig()
	c.LocalID = raft.ServerID(s.dir.node)
	c.Logger = raftLogger(s.log, s.o.alone())
	c.NotifyCh = s.announced
	// The state is restored, and verified, before raft starts: raft would fall back
	// to an older snapshot if the newest is bad.
	c.NoSnapshotRestoreOnStart = true
	// It replays the log into a channel that nobody reads yet: with some thousand
	// entries the node never starts.
	c.RestoreCommittedLogs = false
	// What is handed over back to back is then written with one sync.
	c.BatchApplyCh = true
	c.MaxAppendEntries = appendEntries
	// Being removed is no reason to end the process behind the operator's back.
	c.ShutdownOnRemove = false
	c.TrailingLogs = s.o.TrailingLogs
	// raft's own schedule knows no bytes; scheduleSnapshots has one.
	c.SnapshotInterval = 365 * 24 * time.Hour
	c.SnapshotThreshold = math.MaxUint64
	if s.o.alone() {
		c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = singleTimeout, singleTimeout, singleTimeout
	} else if s.o.Cluster != nil {
		c.HeartbeatTimeout, c.ElectionTimeout, c.LeaderLeaseTimeout = clusterTimeout, clusterTimeout, clusterLease
	}
	return c
}

// connect makes raft's transport, over the nodes' port, as asked for, or one without
// a port. It answers the servers that found the log.
func (s *Store) connect() ([]raft.Server, error) {
	switch {
	case s.o.Cluster != nil:
		return s.connectCluster()
	case s.o.Transport != nil:
		s.net = s.o.Transport
		return s.o.Servers, nil
	}
	address, t := raft.NewInmemTransport(raft.ServerAddress(s.dir.node))
	s.net = t
	return []raft.Server{{Suffrage: raft.Voter, ID: raft.ServerID(s.dir.node), Address: address}}, nil
}

func (s *Store) connectCluster() (servers []raft.Server, err error) {
	c := s.o.Cluster
	if err := s.prepareForming(); err != nil {
		return nil, err
	}
	if s.mesh, err = openMesh(s); err != nil {
		return nil, err
	}
	address := raft.ServerAddress(s.mesh.listener.Addr().String())
	if me := c.peer(s.dir.node); me != nil {
		address = raft.ServerAddress(me.Raft)
	}
	if c.Advertise != "" {
		address = raft.ServerAddress(c.Advertise)
	}
	s.net = newRelayTransport(raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Logger: raftLogger(s.log, false), Stream: &raftStream{s.mesh, address}, MaxPool: 3, Timeout: rpcTime,
		// No pipeline: one refused message would stop replication to that node for good.
		MaxRPCsInFlight: 1,
	}))
	return c.servers(), nil
}

// raftLogger hands raft's warnings and errors to slog.
func raftLogger(log *slog.Logger, alone bool) hclog.Logger {
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: "raft", Level: hclog.Warn, Output: io.Discard})
	l.RegisterSink(&slogSink{log.With("component", "raft"), alone})
	return l
}

type slogSink struct {
	log   *slog.Logger
	alone bool
}

// Accept implements hclog.SinkAdapter.
func (k *slogSink) Accept(_ string, level hclog.Level, message string, args ...any) {
	to := slog.LevelWarn
	switch {
	case level < hclog.Warn:
		return
	case level == hclog.Error:
		to = slog.LevelError
	case k.alone && message == "heartbeat timeout reached, starting election":
		to = slog.LevelDebug // how a single voter starts
	}
	k.log.Log(context.Background(), to, message, args...)
}
