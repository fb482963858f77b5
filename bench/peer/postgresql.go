package peer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// PostgreSQL is a server of its own, started by Start.
type PostgreSQL struct {
	Dir       string // made by the caller; everything is inside
	Customers int

	process *process
	version string
}

// postgresqlSettings are the server's; see the package comment.
var postgresqlSettings = []string{
	"listen_addresses=", "max_connections=200", "fsync=on", "synchronous_commit=on", "full_page_writes=on",
	"shared_buffers=1GB", "wal_buffers=64MB", "min_wal_size=2GB", "max_wal_size=32GB", "checkpoint_timeout=1d",
	"wal_level=minimal", "max_wal_senders=0", "autovacuum=off", "jit=off", "huge_pages=try", "plan_cache_mode=force_generic_plan",
	"random_page_cost=1.1", // all is in memory
}

// postgresqlSchema is the work of an event, as tables and functions.
const postgresqlSchema = `
create table balances (customer text collate "C" primary key, balance bigint not null) with (fillfactor = 40);
create table events (identifier uuid primary key, customer text collate "C" not null, amount bigint not null);
create table ledger (identifier uuid not null, customer text collate "C" not null, amount bigint not null,
  balance bigint not null, at timestamptz not null default now());

create function charge(id uuid, who text, units bigint) returns integer language plpgsql as $$
declare rest bigint;
begin
  insert into events values (id, who, units) on conflict do nothing;
  if not found then return 0; end if;
  update balances set balance = balance - units where customer = who returning balance into strict rest;
  insert into ledger (identifier, customer, amount, balance) values (id, who, units, rest);
  return 1;
end $$;

-- The customers come sorted, and with a nested loop over them all writers lock
-- balances in one order: there are no deadlocks.
create function lower_all(whos text[], units bigint[]) returns table (customer text, balance bigint) language plpgsql
set enable_hashjoin = off set enable_mergejoin = off set enable_seqscan = off as $$
#variable_conflict use_column
begin
  return query update balances b set balance = b.balance - s.units from unnest(whos, units) as s (who, units)
    where b.customer = s.who returning b.customer, b.balance;
end $$;

create function charge_all(ids uuid[], whos text[], units bigint[]) returns integer language plpgsql as $$
declare counted integer;
begin
  with fresh as (
    insert into events select * from unnest(ids, whos, units) on conflict do nothing returning identifier, customer, amount
  ), sums as (
    select customer, sum(amount)::bigint as amount from fresh group by customer
  ), sorted as (
    select array_agg(customer order by customer) as whos, array_agg(amount order by customer) as units from sums
  ), rests as materialized (
    select r.customer, r.balance from sorted s, lower_all(s.whos, s.units) r
  )
  insert into ledger (identifier, customer, amount, balance)
    select f.identifier, f.customer, f.amount, r.balance from fresh f join rests r on r.customer = f.customer;
  get diagnostics counted = row_count;
  return counted;
end $$;`

// postgresqlPrograms is the directory of the server's programs.
func postgresqlPrograms() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	path, err := exec.LookPath("postgres")
	if err != nil {
		return "", fmt.Errorf("PostgreSQL is %w: no postgres in /usr/lib/postgresql or PATH", ErrNotInstalled)
	}
	return filepath.Dir(path), nil
}

// postgresqlUser is who the server runs as: it refuses to run as root.
func postgresqlUser() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL is %w: it does not run as root, and there is no user postgres", ErrNotInstalled)
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

// Start makes a database and serves it. The error is ErrNotInstalled when there is
// no PostgreSQL.
func (p *PostgreSQL) Start(ctx context.Context) error {
	programs, err := postgresqlPrograms()
	if err != nil {
		return err
	}
	as, err := postgresqlUser()
	if err != nil {
		return err
	}
	if as != nil {
		if err := errors.Join(os.Chown(p.Dir, int(as.Uid), int(as.Gid)), os.Chmod(filepath.Dir(p.Dir), 0o755)); err != nil {
			return err
		}
	}
	data := filepath.Join(p.Dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(programs, "initdb"), "-D", data, "-U", "bench", "--auth=trust", "-E", "UTF8", "--locale=C")
	initdb.Dir, initdb.SysProcAttr = p.Dir, &syscall.SysProcAttr{Credential: as}
	if output, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, output)
	}
	args := []string{"-D", data, "-k", p.Dir}
	for _, setting := range postgresqlSettings {
		args = append(args, "-c", setting)
	}
	if p.process, err = start(p.Dir, as, syscall.SIGQUIT, filepath.Join(programs, "postgres"), args...); err != nil {
		return err
	}
	return p.process.await(func() error {
		return p.with(ctx, func(conn *pgx.Conn) error {
			p.version = conn.PgConn().ParameterStatus("server_version")
			_, err := conn.Exec(ctx, postgresqlSchema)
			return err
		})
	})
}

// Version is the server's own word.
func (p *PostgreSQL) Version() string { return "PostgreSQL " + p.version }

// PID is the process id, 0 when it does not run.
func (p *PostgreSQL) PID() int { return p.process.pid() }

func (p *PostgreSQL) connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, "host="+p.Dir+" user=bench dbname=postgres")
}

func (p *PostgreSQL) with(ctx context.Context, do func(*pgx.Conn) error) error {
	conn, err := p.connect(ctx)
	if err != nil {
		return err
	}
	return errors.Join(do(conn), conn.Close(ctx))
}

// granted is what every customer holds to begin with.
const granted = 1_000_000_000_000

// Fresh empties the tables and gives the customers credit.
func (p *PostgreSQL) Fresh(ctx context.Context) error {
	return p.with(ctx, func(conn *pgx.Conn) error {
		for _, statement := range []string{
			"truncate balances, events, ledger",
			fmt.Sprintf("insert into balances select 'cus_' || lpad(i::text, 8, '0'), %d from generate_series(0, %d) i", granted, p.Customers-1),
			"vacuum analyze balances",
			"checkpoint",
		} {
			if _, err := conn.Exec(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		return nil
	})
}

// Verify holds the tables against the events that were acknowledged since Fresh.
func (p *PostgreSQL) Verify(ctx context.Context, acknowledged int64) error {
	return p.with(ctx, func(conn *pgx.Conn) error {
		var events, rows, used int64
		err := conn.QueryRow(ctx, "select (select count(*) from events), (select count(*) from ledger), "+
			"(select sum($1 - balance)::bigint from balances)", int64(granted)).Scan(&events, &rows, &used)
		if err != nil {
			return err
		}
		return same(acknowledged, map[string]int64{"events": events, "rows of the ledger": rows, "tokens deducted": used})
	})
}

// same holds what a peer kept against what it acknowledged, an event a token.
func same(acknowledged int64, kept map[string]int64) error {
	for what, n := range kept {
		if n != acknowledged {
			return fmt.Errorf("it acknowledged %d events but kept %d %s", acknowledged, n, what)
		}
	}
	return nil
}

// Stop ends the server.
func (p *PostgreSQL) Stop() error { return p.process.stop(syscall.SIGINT) }
