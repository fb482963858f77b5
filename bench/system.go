package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"drawdown/bench/load"
	"drawdown/bench/peer"
)

// system is something that counts events. It is started once; Fresh empties it
// before every round.
type system interface {
	Start(context.Context) error
	Fresh(context.Context) error
	Sender(context.Context, cell) (load.Sender, error)
	// Verify holds what the system kept against the new events that it has
	// acknowledged since Fresh.
	Verify(ctx context.Context, acknowledged int64) error
	Version() string
	PID() int
	Stop() error
}

// systems makes the systems that some cells need, each with a directory of its own
// below dir.
func systems(dir, program string, customers int, args []string, wanted []cell) (map[string]system, error) {
	made := map[string]system{}
	for _, c := range wanted {
		if made[c.system] != nil {
			continue
		}
		own := filepath.Join(dir, c.system)
		if err := os.Mkdir(own, 0o700); err != nil {
			return nil, err
		}
		switch c.system {
		case systemDrawdown:
			made[c.system] = &nodeSystem{dir: own, program: program, customers: customers, args: args}
		case systemPostgreSQL:
			made[c.system] = &postgresqlSystem{PostgreSQL: &peer.PostgreSQL{Dir: own, Customers: customers}, customers: customers}
		case systemRedis:
			made[c.system] = &redisSystem{Redis: &peer.Redis{Dir: own, Customers: customers}, customers: customers}
		default:
			made[c.system] = &httpSystem{HTTP: &peer.HTTP{Name: c.system, Dir: own, Binary: program}, customers: customers}
		}
	}
	return made, nil
}

// freshStream is a stream that shares no identifier with any other.
func freshStream(customers int) *load.Stream {
	return load.NewStream(load.Events{Customers: customers}, rand.Uint64())
}

type postgresqlSystem struct {
	*peer.PostgreSQL
	customers int
}

func (s *postgresqlSystem) Sender(ctx context.Context, c cell) (load.Sender, error) {
	return s.PostgreSQL.Sender(ctx, c.batch, freshStream(s.customers))
}

type redisSystem struct {
	*peer.Redis
	customers int
}

func (s *redisSystem) Sender(ctx context.Context, c cell) (load.Sender, error) {
	if c.form == formScripted {
		return s.Scripted(ctx, c.batch, freshStream(s.customers))
	}
	return s.Pipelined(ctx, c.batch, freshStream(s.customers))
}

// httpSystem keeps nothing, so that there is nothing to empty or to verify beyond
// the answers themselves.
type httpSystem struct {
	*peer.HTTP
	customers int
}

func (s *httpSystem) Sender(ctx context.Context, c cell) (load.Sender, error) {
	return s.HTTP.Sender(ctx, c.batch, freshStream(s.customers))
}

func (s *httpSystem) Fresh(context.Context) error { return nil }

func (s *httpSystem) Verify(context.Context, int64) error { return nil }

// nodeSystem is a Drawdown node, a new one in every round.
type nodeSystem struct {
	dir, program string
	customers    int
	args         []string // of serve

	node    *Node
	client  *Client
	target  *target
	version string
	records float64 // of history, when the node was fresh
}

func (s *nodeSystem) Start(context.Context) error { return nil }

// stopTimeout is how long a node may take to end cleanly.
const stopTimeout = 30 * time.Second

func (s *nodeSystem) Stop() error {
	if s.node == nil {
		return nil
	}
	err := s.node.Stop(stopTimeout)
	s.node = nil
	return err
}

// Fresh starts a node without data and gives the customers credit.
func (s *nodeSystem) Fresh(ctx context.Context) (err error) {
	if err := s.Stop(); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(s.dir), os.Mkdir(s.dir, 0o700)); err != nil {
		return err
	}
	if s.node, err = NewNode(s.program, s.dir, s.args...); err != nil {
		return err
	}
	if _, err := s.node.Start(ctx); err != nil {
		return err
	}
	s.client = NewClient(s.node.URL())
	if s.target, err = newTarget(ctx, s.client, s.customers, 0, nil); err != nil {
		return err
	}
	figures, err := s.client.figures(metricRecords)
	if err != nil {
		return err
	}
	s.records = figures[0]
	var status struct{ Version string }
	err = s.client.Send("GET", "/cluster/status", nil, &status)
	s.version = status.Version
	return err
}

func (s *nodeSystem) Sender(_ context.Context, c cell) (load.Sender, error) {
	senders, err := s.target.senders(load.Events{Customers: s.customers}, c.form, c.batch, 1)
	if err != nil {
		return nil, err
	}
	return senders[0], nil
}

func (s *nodeSystem) Version() string { return "Drawdown " + s.version }

func (s *nodeSystem) PID() int {
	if s.node == nil || s.node.cmd == nil {
		return 0
	}
	return s.node.cmd.Process.Pid
}

// Verify has the node add up all accounts, and counts the history's records.
func (s *nodeSystem) Verify(_ context.Context, acknowledged int64) error {
	check, err := s.client.Check()
	if err != nil {
		return err
	}
	if !check.OK {
		return fmt.Errorf("the node's own check: %v", check.Violations)
	}
	used := int64(-1)
	for _, total := range check.Totals {
		if total.Currency == s.target.meter.CurrencyID {
			if used, err = strconv.ParseInt(total.Consumed, 10, 64); err != nil {
				return err
			}
		}
	}
	if used != acknowledged {
		return fmt.Errorf("it acknowledged %d events of a token each, but %d tokens were deducted", acknowledged, used)
	}
	figures, err := s.client.figures(metricRecords)
	if err == nil && int64(figures[0]-s.records) != acknowledged {
		err = fmt.Errorf("it acknowledged %d events, but the history has %v records of them", acknowledged, figures[0]-s.records)
	}
	return err
}
