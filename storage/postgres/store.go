package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/turns"
)

// Options say how a store works with its database. Zero fields have defaults.
type Options struct {
	// AppName is the application_name of the store's sessions, to which a random suffix is added: sessions of a dead
	// process are found and ended by it. Default "tidemill".
	AppName string
	// MaxConns bounds the connections that transitions and claims use (default 8). Reading has half as many more, at
	// least two, so that people who look do not hold up the work, and the transactions of task bodies a quarter, at least one.
	MaxConns int
	// Log gets what a caller is not told, such as repeated transactions. Default: discarded.
	Log *slog.Logger
	// Clock paces pauses between repetitions and wake-ups; it never decides what is due. Default: the real one.
	Clock engine.Clock
}

// A Store keeps the engine's state in PostgreSQL. It is safe for concurrent use by any number of goroutines, and any
// number of processes may work on one database.
type Store struct {
	app    string
	at     database
	work   *pool // transitions, claims: index plans only
	look   *pool // everything that scans or is looked at
	log    *slog.Logger
	clock  engine.Clock
	stats  counters
	turns  turns.Turns
	ledger ledger
	floors floors
	known  knowledge
	ready  readiness
	waker  waker
	bodies chan struct{} // holds one for each connection that a task's own transaction has
	ends   context.CancelFunc
	wg     sync.WaitGroup
}

var _ engine.Store = (*Store)(nil)

// session are the settings of every session of the store. A process that is frozen or cut off must not hold its locks
// for longer than others are willing to wait.
var session = map[string]string{
	"idle_in_transaction_session_timeout": "5s",
	"lock_timeout":                        "5s",
	"client_connection_check_interval":    "2s",
	"tcp_user_timeout":                    "10s",
	"timezone":                            "UTC",
	"jit":                                 "off",
	"default_transaction_isolation":       "read committed",
}

// workSession are the settings of the sessions that do the work. Their statements find few rows by key in tables whose
// size changes by orders of magnitude within seconds, long before any ANALYZE: only plans over indexes are right at all
// times, and one generic plan per statement saves planning.
var workSession = map[string]string{
	"plan_cache_mode":  "force_generic_plan",
	"enable_seqscan":   "off",
	"enable_hashjoin":  "off",
	"enable_mergejoin": "off",
}

// Open connects to the database at url (postgres://…), whose schema must be up to date: see migrations.Up. That may be
// the address of a pooler that lends connections for a transaction. Whoever opens a store closes it.
func Open(ctx context.Context, url string, opts Options) (*Store, error) {
	if opts.AppName == "" {
		opts.AppName = "tidemill"
	}
	if opts.MaxConns <= 0 {
		opts.MaxConns = 8
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Clock == nil {
		opts.Clock = realClock()
	}
	s := &Store{app: sessionName(opts.AppName), log: opts.Log, clock: opts.Clock, bodies: make(chan struct{}, max(1, opts.MaxConns/4))}
	var err error
	if s.at, err = lookAt(ctx, url, s.app); err != nil {
		return nil, err
	}
	if s.work, err = s.connect(ctx, url, opts.MaxConns, workSession); err != nil {
		return nil, err
	}
	if s.look, err = s.connect(ctx, url, max(2, opts.MaxConns/2), nil); err != nil {
		s.work.Close()
		return nil, err
	}
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.ends = cancel
	s.startWaker(background)
	return s, nil
}

// sessionName makes an application_name that no other process has; PostgreSQL cuts it at 63 bytes.
func sessionName(app string) string {
	suffix := "-" + uuid.NewString()[:8]
	return app[:min(len(app), 63-len(suffix))] + suffix
}

func (s *Store) connect(ctx context.Context, url string, conns int, settings map[string]string) (*pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("database URL: %w", err) // pgx redacts the password
	}
	cfg.MaxConns = int32(min(conns, 10_000)) //nolint:gosec // bounded
	cfg.ConnConfig.ConnectTimeout = connectTimeout
	params := cfg.ConnConfig.RuntimeParams
	params["application_name"] = s.app
	all := maps.Clone(session)
	maps.Copy(all, settings)
	p := &pool{}
	if s.at.pooled {
		p.local = localSettings(all)
		if cfg.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
			cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
		}
	} else {
		maps.Copy(params, all)
	}
	cfg.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		registerColumns(conn.TypeMap())
		return nil
	}
	if p.Pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	return p, nil
}

// Close ends what the store does in the background and closes its connections. It waits for calls that are under way.
func (s *Store) Close() {
	s.ends()
	s.wg.Wait()
	s.work.Close()
	s.look.Close()
}

// Now implements engine.Store: the database's clock.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	var now time.Time
	if err := s.look.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now); err != nil {
		return now, fmt.Errorf("read the database's clock: %w", err)
	}
	s.known.sample(now, s.clock.Now())
	return now, nil
}
