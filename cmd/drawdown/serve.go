package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"regexp"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"drawdown/api"
	"drawdown/raftstore"
)

// stopTimeout is how long a clean stop may take: requests in flight are answered,
// what waits is committed.
const stopTimeout = 20 * time.Second

// anewTimeout is how long requests in flight may take when the node starts anew with
// another node's snapshot.
const anewTimeout = 2 * time.Second

// gcTime are the runtime's figures of what garbage collection costs, which are not
// shown by default.
var gcTime = regexp.MustCompile(`^/cpu/classes/(gc/total|total):cpu-seconds$`)

// serveCommand runs a node.
type serveCommand struct {
	Data string `help:"Directory of the node's data; made if it does not exist." default:"./data" type:"path"`
	HTTP string `name:"http" help:"Address to answer HTTP on. Without API keys only loopback is accepted." default:"127.0.0.1:8080"`

	Shards      int `help:"Goroutines that own accounts; 0 is one per processor. Changes no result." default:"0"`
	MaxInFlight int `help:"Requests handled at once; more are told 503. 0 is the built-in bound." default:"0"`

	SnapshotInterval time.Duration `help:"A snapshot is taken when this much time has passed and --snapshot-entries have come." default:"2m"`
	SnapshotEntries  uint64        `help:"Log entries between two snapshots, at least." default:"8192"`

	httpTLSFlags
	clusterFlags

	DiskReserve uint64 `help:"Free disk space in MiB below which writes are refused, beside twice the newest snapshot." default:"512"`

	Pprof  string `help:"Address, on loopback, on which Go's profiler answers under /debug/pprof/." placeholder:"HOST:PORT"`
	NoSync bool   `name:"unsafe-no-sync" hidden:"" help:"Never sync the log. For measuring what syncs cost; what is acknowledged can be lost."`

	LogLevel  slog.Level `help:"debug, info, warn or error." default:"info"`
	LogFormat string     `help:"text or json." enum:"text,json" default:"text"`
}

// Bounds of what a node may be told.
const (
	maxShards         = 256
	maxDiskReserveMiB = 1 << 30 // a pebibyte
)

// Validate is called before Run.
func (c *serveCommand) Validate() error {
	switch {
	case c.Shards < 0 || c.Shards > maxShards:
		return fmt.Errorf("--shards must be 0 to %d", maxShards)
	case c.MaxInFlight < 0:
		return fmt.Errorf("--max-in-flight must not be negative")
	case c.SnapshotInterval < time.Millisecond:
		return fmt.Errorf("--snapshot-interval must be at least 1ms")
	case c.SnapshotEntries < 1:
		return fmt.Errorf("--snapshot-entries must be at least 1")
	case c.DiskReserve < 1 || c.DiskReserve > maxDiskReserveMiB:
		return fmt.Errorf("--disk-reserve must be 1 to %d MiB", maxDiskReserveMiB)
	}
	return errors.Join(c.httpTLSFlags.Validate(), c.clusterFlags.Validate())
}

// Run serves until ctx ends or the node cannot go on. The error is nil after a
// clean stop.
func (c *serveCommand) Run(ctx context.Context) error {
	if err := api.RequireLoopback(c.HTTP); err != nil {
		return err
	}
	log := c.logger()
	slog.SetDefault(log)
	if c.NoSync {
		log.Warn("UNSAFE: --unsafe-no-sync is set. The log is never synced: a crash of the machine loses events that were " +
			"acknowledged. For measurements only.")
	}
	// The address is taken first: a wrong one is found before the data is touched.
	listener, err := net.Listen("tcp", c.HTTP)
	if err != nil {
		return fmt.Errorf("--http: %w", err)
	}
	defer listener.Close()
	callers, err := c.secure(listener, log)
	if err != nil {
		return err
	}
	profiles, err := serveProfiles(c.Pprof)
	if err != nil {
		return err
	}
	if profiles != nil {
		defer profiles.Close()
	}
	go keepHeadroom(ctx)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.GoRuntimeMetricsRule{Matcher: gcTime})), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	cluster, err := c.options(listener.Addr().String(), ctx.Done())
	if err != nil {
		return err
	}
	fatal := make(chan error, 1)
	store, err := raftstore.Open(raftstore.Options{
		Dir: c.Data, Shards: c.Shards, Logger: log, SnapshotInterval: c.SnapshotInterval,
		SnapshotThreshold: c.SnapshotEntries, DiskReserve: c.DiskReserve << 20, Observer: newObserver(registry), NoSync: c.NoSync,
		OnFatal: func(err error) { fatal <- err }, NodeID: c.NodeID, Cluster: cluster, ClockBound: c.MaxClockAhead,
		Version: version, TrailingBytes: max(1, c.LogRetention<<20),
	})
	if err != nil {
		return err
	}
	registry.MustRegister(&storeCollector{store})
	server := api.New(api.Options{
		Store: &node{store}, View: view{store}, Registry: registry, Logger: log, MaxInFlight: c.MaxInFlight,
	})
	log.Info("serving", "http", listener.Addr().String(), "data", c.Data, "version", version)
	served := make(chan error, 1)
	go func() { served <- server.Serve(callers) }()
	return c.wait(ctx, log, server, store, served, fatal)
}

// wait ends the node: cleanly when ctx ends, at once when it cannot go on.
func (c *serveCommand) wait(
	ctx context.Context, log *slog.Logger, server *api.Server, store *raftstore.Store, served, fatal <-chan error,
) error {
	select {
	case err := <-fatal:
		if errors.Is(err, raftstore.ErrRestart) {
			ctx, cancel := context.WithTimeout(context.Background(), anewTimeout)
			defer cancel()
			log.Info("starting anew", "requests in flight", server.Shutdown(ctx))
			err = startAnew()
		}
		// Nothing is closed: what is wrong may be the disk, and everything that was
		// acknowledged is on it.
		log.Error("ending the process", "error", err)
		os.Exit(1)
	case err := <-served:
		return errors.Join(err, c.stop(store, server))
	case <-ctx.Done():
	}
	log.Info("stopping")
	begin := time.Now()
	err := c.stop(store, server)
	log.Info("stopped", "took", time.Since(begin), "error", err)
	return err
}

func (c *serveCommand) stop(store *raftstore.Store, server *api.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	return errors.Join(server.Shutdown(ctx), store.Close(ctx))
}

func (c *serveCommand) logger() *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}
