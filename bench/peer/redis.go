package peer

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"

	"drawdown/bench/load"
)

// Redis is a server of its own, started by Start.
type Redis struct {
	Dir       string // made by the caller; everything is inside
	Customers int

	process *process
	version string
}

// chargeScript is the work of some events: KEYS are identifiers and customers by
// turns, ARGV[1] is what each event uses. It answers how many it counted.
const chargeScript = `
local counted, units = 0, ARGV[1]
for i = 1, #KEYS, 2 do
  if redis.call('SET', KEYS[i], '', 'NX') then
    local rest = redis.call('DECRBY', KEYS[i + 1], units)
    redis.call('RPUSH', 'ledger', KEYS[i] .. KEYS[i + 1] .. units .. ' ' .. rest)
    counted = counted + 1
  end
end
return counted`

// scriptHash is what the script is called by.
var scriptHash = func() string {
	hash := sha1.Sum([]byte(chargeScript))
	return hex.EncodeToString(hash[:])
}()

// grantScript gives the customers ARGV[1] to ARGV[2] credit.
const grantScript = `
for i = ARGV[1], ARGV[2] do redis.call('SET', string.format('cus_%08d', i), ARGV[3]) end
return 0`

// usedScript is what the customers ARGV[1] to ARGV[2] have used.
const usedScript = `
local used = 0
for i = ARGV[1], ARGV[2] do used = used + ARGV[3] - redis.call('GET', string.format('cus_%08d', i)) end
return used`

func (r *Redis) socket() string { return filepath.Join(r.Dir, "socket") }

// Start serves an empty store. The error is ErrNotInstalled when there is no Redis.
func (r *Redis) Start(context.Context) error {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return fmt.Errorf("Redis is %w: no redis-server in PATH", ErrNotInstalled)
	}
	r.process, err = start(r.Dir, nil, syscall.SIGKILL, program, "--port", "0", "--unixsocket", r.socket(), "--dir", r.Dir,
		"--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0", "--save", "", "--maxclients", "1000")
	if err != nil {
		return err
	}
	return r.process.await(func() error {
		return r.with(func(c *redisConn) error {
			text, err := c.text("INFO", "server")
			if err != nil {
				return err
			}
			r.version = field(text, "redis_version:")
			hash, err := c.text("SCRIPT", "LOAD", chargeScript)
			if err == nil && hash != scriptHash {
				err = fmt.Errorf("the script is called %s, expected %s", hash, scriptHash)
			}
			return err
		})
	})
}

// Version is the server's own word.
func (r *Redis) Version() string { return "Redis " + r.version }

// PID is the process id, 0 when it does not run.
func (r *Redis) PID() int { return r.process.pid() }

func (r *Redis) with(do func(*redisConn) error) error {
	c, err := dialRedis(r.socket())
	if err != nil {
		return err
	}
	return errors.Join(do(c), c.conn.Close())
}

// Fresh empties the store and gives the customers credit.
func (r *Redis) Fresh(context.Context) error {
	return r.with(func(c *redisConn) error {
		if _, err := c.text("FLUSHALL", "SYNC"); err != nil {
			return err
		}
		_, err := c.integer("EVAL", grantScript, "0", "0", fmt.Sprint(r.Customers-1), fmt.Sprint(granted))
		return err
	})
}

// Verify holds the store against the events that were acknowledged since Fresh.
func (r *Redis) Verify(_ context.Context, acknowledged int64) error {
	return r.with(func(c *redisConn) error {
		keys, err := c.integer("DBSIZE")
		if err != nil {
			return err
		}
		rows, err := c.integer("LLEN", "ledger")
		if err != nil {
			return err
		}
		used, err := c.integer("EVAL", usedScript, "0", "0", fmt.Sprint(r.Customers-1), fmt.Sprint(granted))
		if err != nil {
			return err
		}
		lists := min(rows, 1)
		return same(acknowledged, map[string]int64{
			"identifiers": keys - lists - int64(r.Customers), "rows of the ledger": rows, "tokens deducted": used,
		})
	})
}

// Stop ends the server.
func (r *Redis) Stop() error { return r.process.stop(syscall.SIGTERM) }

// Pipelined is a connection that sends batch calls of one event at once.
func (r *Redis) Pipelined(_ context.Context, batch int, stream *load.Stream) (load.Sender, error) {
	return newRedisSender(r.socket(), 1, batch, stream)
}

// Scripted is a connection that sends one call of batch events.
func (r *Redis) Scripted(_ context.Context, batch int, stream *load.Stream) (load.Sender, error) {
	return newRedisSender(r.socket(), batch, 1, stream)
}
