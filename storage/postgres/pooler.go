package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Between us and the database may stand a pooler that lends a server's connection for one transaction (PgBouncer with pool_mode =
// transaction). What is told to a session is lost there: its settings, its prepared statements, LISTEN. Behind one
//
//   - a transaction begins with its settings, in the same round trip, and a single statement is a transaction for that;
//   - statements have no name at the server: their description is kept here, their plan is made each time;
//   - wake-ups are looked for (see wake.go).

// A database is what is found out about it before it is worked with.
type database struct {
	pooled bool // a pooler stands before it
}

// lookAt finds out that the database is there, new enough and migrated, and whether a pooler stands before it: then the process that
// works for a connection is not the one that was told of when it was made.
func lookAt(ctx context.Context, url, app string) (database, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return database{}, fmt.Errorf("database URL: %w", err) // pgx redacts the password
	}
	c := cfg.ConnConfig
	c.ConnectTimeout = connectTimeout
	c.RuntimeParams["application_name"] = app
	c.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return database{}, fmt.Errorf("connect to the database: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is pending
	var pid uint32
	var version string
	var migrated bool
	err = conn.QueryRow(ctx, `SELECT pg_backend_pid(), current_setting('server_version_num'), to_regclass('tidemill.wakes') IS NOT NULL`).Scan(&pid, &version, &migrated)
	if err != nil {
		return database{}, fmt.Errorf("connect to the database: %w", err)
	}
	if n, err := strconv.Atoi(version); err != nil || n < 150000 {
		return database{}, fmt.Errorf("the database is PostgreSQL %s: version 15 or newer is needed", version)
	}
	if !migrated {
		return database{}, fmt.Errorf("the database lacks the schema tidemill, or has an older one: run tidemill migrate up")
	}
	return database{pooled: pid != conn.PgConn().PID()}, nil
}

// connectTimeout bounds the making of one connection.
const connectTimeout = 10 * time.Second

// ofConnections are settings that mean something for a connection only, and none for a transaction.
var ofConnections = []string{"client_connection_check_interval", "tcp_user_timeout"}

// localSettings is the statement that makes settings for the transaction that it is in.
func localSettings(settings map[string]string) string {
	var calls []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if !slices.Contains(ofConnections, name) {
			calls = append(calls, fmt.Sprintf("set_config('%s', '%s', true)", name, settings[name]))
		}
	}
	return "SELECT " + strings.Join(calls, ", ")
}

// begin begins a transaction of which each statement sees what was committed before it, whatever the database's default is: what is counted
// under a lock is read after the lock.
const begin = "BEGIN ISOLATION LEVEL READ COMMITTED"

// A pool is connections whose statements run under settings of the store's: those of the session, or, behind a pooler, of each transaction.
type pool struct {
	*pgxpool.Pool
	local string // what makes the settings for a transaction; "": the sessions have them
}

// beginSQL begins a transaction, sent by itself and without parameters: that may be several statements.
func (p *pool) beginSQL() string {
	if p.local == "" {
		return begin
	}
	return begin + "; " + p.local
}

// queueBegin begins a transaction in a pipeline.
func (p *pool) queueBegin(b *pgx.Batch) {
	b.Queue(begin)
	if p.local != "" {
		b.Queue(p.local)
	}
}

// begin begins a transaction on a connection of the pool.
func (p *pool) begin(ctx context.Context, conn *pgx.Conn) (pgx.Tx, error) {
	return conn.BeginTx(ctx, pgx.TxOptions{BeginQuery: p.beginSQL()})
}

// send sends a statement with its settings before it. What comes before a pipeline's end is one transaction.
func (p *pool) send(ctx context.Context, sql string, args []any) pgx.BatchResults {
	b := &pgx.Batch{}
	b.Queue(p.local)
	b.Queue(sql, args...)
	return p.SendBatch(ctx, b)
}

// Exec implements querier.
func (p *pool) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if p.local == "" {
		return p.Pool.Exec(ctx, sql, args...)
	}
	results := p.send(ctx, sql, args)
	if _, err := results.Exec(); err != nil {
		_ = results.Close() // the same error
		return pgconn.CommandTag{}, err
	}
	tag, err := results.Exec()
	if cerr := results.Close(); err == nil {
		err = cerr
	}
	return tag, err
}

// Query implements querier.
func (p *pool) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if p.local == "" {
		return p.Pool.Query(ctx, sql, args...)
	}
	results := p.send(ctx, sql, args)
	_, err := results.Exec()
	if err == nil {
		var rows pgx.Rows
		if rows, err = results.Query(); err == nil {
			return &lastRows{Rows: rows, results: results}, nil
		}
	}
	_ = results.Close() // the same error
	return nil, err
}

// QueryRow implements querier.
func (p *pool) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if p.local == "" {
		return p.Pool.QueryRow(ctx, sql, args...)
	}
	rows, err := p.Query(ctx, sql, args...)
	return firstRow{rows, err}
}

// lastRows are the rows of a pipeline's last statement: with them the pipeline ends, and that may fail.
type lastRows struct {
	pgx.Rows
	results pgx.BatchResults
	err     error
}

// Next implements pgx.Rows.
func (r *lastRows) Next() bool {
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

// Close implements pgx.Rows.
func (r *lastRows) Close() {
	r.Rows.Close()
	if err := r.results.Close(); r.err == nil {
		r.err = err
	}
}

// Err implements pgx.Rows.
func (r *lastRows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return err
	}
	return r.err
}

// A firstRow is the answer to a statement that yields one row.
type firstRow struct {
	rows pgx.Rows
	err  error
}

// Scan implements pgx.Row.
func (r firstRow) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	r.rows.Close()
	return r.rows.Err()
}
