package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib" // the database/sql driver that goose speaks through
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed engine/*.sql warehouse/*.sql
var files embed.FS

// A Set is one of the two groups of migrations; its value is the folder that holds them.
type Set string

// The sets of migrations.
const (
	Engine    Set = "engine"    // run history: schema tidemill
	Warehouse Set = "warehouse" // bronze, staging, gold, metadata
)

// An Applied tells of one migration whether the database has it.
type Applied struct {
	Version int64     `json:"version"`
	Name    string    `json:"name"`
	Done    bool      `json:"applied"`
	At      time.Time `json:"applied_at,omitzero"` // zero when not applied
}

// Up applies every migration of set that the database at url lacks, in order, each in a transaction of its own, and
// returns how many it applied. Processes that call it at once wait for each other.
func Up(ctx context.Context, url string, set Set) (int, error) {
	var n int
	err := with(ctx, url, set, func(p *goose.Provider) error {
		done, err := p.Up(ctx)
		n = len(done)
		return err
	})
	if err != nil {
		return n, fmt.Errorf("migrate %s: %w", set, err)
	}
	return n, nil
}

// Status lists the migrations of set, oldest first, with whether the database at url has them.
func Status(ctx context.Context, url string, set Set) ([]Applied, error) {
	var out []Applied
	err := with(ctx, url, set, func(p *goose.Provider) error {
		all, err := p.Status(ctx)
		for _, s := range all {
			out = append(out, Applied{Version: s.Source.Version, Name: s.Source.Path, Done: s.State == goose.StateApplied, At: s.AppliedAt})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read migrations of %s: %w", set, err)
	}
	return out, nil
}

func with(ctx context.Context, url string, set Set, do func(*goose.Provider) error) (err error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return err // pgx redacts the password
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec // no statement has a name: a pooler may stand before the database
	db := stdlib.OpenDB(*cfg)
	defer func() {
		if cerr := db.Close(); err == nil {
			err = cerr
		}
	}()
	if err := db.PingContext(ctx); err != nil {
		return err
	}
	sub, err := fs.Sub(files, string(set))
	if err != nil {
		return err
	}
	release, err := alone(ctx, db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	p, err := goose.NewProvider(goose.DialectPostgres, db, sub, goose.WithTableName("public.tidemill_migrations_"+string(set)))
	if err != nil {
		return err
	}
	return do(p)
}

// alone waits until nobody else migrates the database, and keeps others waiting until what it returns is called. The lock is that of a
// transaction, which stays open: behind a pooler a session keeps none.
func alone(ctx context.Context, db *sql.DB) (release func() error, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	_, err = tx.ExecContext(ctx, `SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL lock_timeout = 0`)
	if err == nil {
		_, err = tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, lock.DefaultLockID)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("wait for others that migrate: %w", err), tx.Rollback())
	}
	return tx.Commit, nil
}
