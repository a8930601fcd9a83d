package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/internal/embedded/postgres"
	"github.com/tidemill/tidemill/migrations"
)

// A lab is what measurements are made in: a PostgreSQL and a folder. Whoever opened it closes it.
type lab struct {
	sizes  sizes
	log    *slog.Logger
	dir    string
	server *postgres.Server // nil: one that others run
	url    *url.URL
	bronze bytes.Buffer // the rows of the last load, for COPY
}

// openLab starts an embedded PostgreSQL unless dsn names one.
func openLab(ctx context.Context, dsn string, of sizes, log *slog.Logger) (*lab, error) {
	dir, err := os.MkdirTemp("", "tidemill-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	l := &lab{sizes: of, log: log, dir: dir}
	if err := l.open(ctx, dsn); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

func (l *lab) open(ctx context.Context, dsn string) (err error) {
	if err := os.Chmod(l.dir, 0o755); err != nil { //nolint:gosec // the server's user must enter it
		return err
	}
	if dsn == "" {
		say := func(what string) { fmt.Fprintln(os.Stderr, what) }
		if l.server, err = postgres.Start(ctx, postgres.Options{Dir: filepath.Join(l.dir, "postgres"), Progress: say, Log: l.log}); err != nil {
			return err
		}
		dsn = l.server.URL()
	} else if _, err := pgx.ParseConfig(dsn); err != nil {
		return fmt.Errorf("-dsn: %w", err) // without the password
	}
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		return errors.New("-dsn: give it as postgres://user:password@host:port/database")
	}
	if l.url, err = url.Parse(dsn); err != nil {
		return errors.New("-dsn: it is no URL")
	}
	return l.check(ctx)
}

// check refuses a server that does not wait for the disk, whose figures would mean something else.
func (l *lab) check(ctx context.Context) error {
	return l.admin(ctx, func(conn *pgx.Conn) error {
		for _, setting := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
			var value string
			if err := conn.QueryRow(ctx, `SELECT current_setting($1)`, setting).Scan(&value); err != nil {
				return fmt.Errorf("read setting %s: %w", setting, err)
			}
			if value != "on" {
				fmt.Fprintf(os.Stderr, "note: the server runs with %s = %s: its figures are not those of default durability\n", setting, value)
			}
		}
		return nil
	})
}

// database makes a database with the given migrations. drop takes it away again.
func (l *lab) database(ctx context.Context, sets ...migrations.Set) (address string, drop func(), err error) {
	name := "tidemill_bench_" + uuid.NewString()[:8]
	if err := l.admin(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE template0")
		return err
	}); err != nil {
		return "", nil, fmt.Errorf("make a database: %w", err)
	}
	drop = func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		if err := l.admin(ctx, func(conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
			return err
		}); err != nil {
			l.log.Warn("a database could not be dropped", "database", name, "error", err)
		}
	}
	u := *l.url
	u.Path = "/" + name
	for _, set := range sets {
		if _, err := migrations.Up(ctx, u.String(), set); err != nil {
			drop()
			return "", nil, err
		}
	}
	return u.String(), drop, nil
}

// settle brings a database to rest before what is timed: statistics are there, and the last checkpoint is just over.
func (l *lab) settle(ctx context.Context, address string) error {
	return on(ctx, address, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "VACUUM ANALYZE"); err != nil {
			return fmt.Errorf("analyze: %w", err)
		}
		if _, err := conn.Exec(ctx, "CHECKPOINT"); err != nil {
			l.log.Warn("no checkpoint before what is timed", "error", err) // not everybody may ask for one
		}
		return nil
	})
}

func (l *lab) admin(ctx context.Context, do func(*pgx.Conn) error) error {
	return on(ctx, l.url.String(), do)
}

// on does something on a connection of its own.
func on(ctx context.Context, address string, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx) // nothing is pending
	}()
	return do(conn)
}

// walPosition is how far the server's log has come, in bytes.
func walPosition(ctx context.Context, conn *pgx.Conn) (float64, error) {
	var at float64
	if err := conn.QueryRow(ctx, `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8`).Scan(&at); err != nil {
		return 0, fmt.Errorf("read the position of the log: %w", err)
	}
	return at, nil
}

// close stops the server and takes the folder away.
func (l *lab) close() error {
	var err error
	if l.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		err = l.server.Stop(ctx)
	}
	return errors.Join(err, os.RemoveAll(l.dir))
}
