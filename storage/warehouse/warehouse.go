package warehouse

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemill/tidemill/storage/lake"
)

const (
	// defaultBatch is how many rows one transaction of a load has.
	defaultBatch = 1000
	// defaultLookback is how many days before the day of a run its models look back; a file older than that is late.
	defaultLookback = 3
	// defaultLockLimit is how long a load waits for a lock on its account.
	defaultLockLimit = 5 * time.Second
)

// Warehouse loads a lake into a database that has the migrations of the warehouse. It is safe for concurrent use. It
// owns neither the pool nor the source: the caller closes them.
type Warehouse struct {
	pool        *pgxpool.Pool
	source      Source
	log         *slog.Logger
	batch       int
	connections int
	lookback    int
	lockLimit   time.Duration
	now         func() time.Time
}

// Option changes a default of [New].
type Option func(*Warehouse)

// WithLogger sets where the warehouse logs to; the default is slog.Default(). A logger with [LevelName] as its
// ReplaceAttr spells LevelCritical.
func WithLogger(log *slog.Logger) Option { return func(w *Warehouse) { w.log = log } }

// WithBatch sets how many rows one transaction of a load has: at least 1, by default 1,000.
func WithBatch(rows int) Option { return func(w *Warehouse) { w.batch = max(1, rows) } }

// WithConnections sets over how many connections a load brings files at once: at least 1, by default 1. Each brings whole files.
func WithConnections(n int) Option { return func(w *Warehouse) { w.connections = max(1, n) } }

// WithLookback sets how many days before its own a run's models look back: a file that is older is counted as late. The
// default is 3.
func WithLookback(days int) Option { return func(w *Warehouse) { w.lookback = max(0, days) } }

// WithLockLimit sets how long a load waits for a lock that another session holds on metadata.load_audit, before it fails
// and says so; the default is 5 s, the least 1 ms.
func WithLockLimit(d time.Duration) Option { return func(w *Warehouse) { w.lockLimit = d } }

// WithClock sets the clock that measures how long an attempt took; the default is time.Now.
func WithClock(now func() time.Time) Option { return func(w *Warehouse) { w.now = now } }

// New returns a warehouse on pool that loads from source. It does not connect.
func New(pool *pgxpool.Pool, source Source, options ...Option) *Warehouse {
	w := &Warehouse{pool: pool, source: source, log: slog.Default(), batch: defaultBatch, connections: 1, lookback: defaultLookback, lockLimit: defaultLockLimit, now: time.Now}
	for _, o := range options {
		o(w)
	}
	return w
}

// session opens a connection of its own, outside the pool: what a load holds on to (locks, a temporary table) ends with
// it, however it ends. The caller closes it.
func (w *Warehouse) session(ctx context.Context, name string) (*pgx.Conn, error) {
	config := w.pool.Config().ConnConfig.Copy()
	config.RuntimeParams["timezone"] = "UTC"
	config.RuntimeParams["application_name"] = name
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to the warehouse: %w", err)
	}
	return conn, nil
}

// late says whether a file of day f is older than the lookback of a run of day d.
func late(f, d lake.Day, lookback int) bool {
	return f < lake.DayOf(d.Start().AddDate(0, 0, -lookback))
}
