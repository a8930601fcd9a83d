package testkit

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/tidemill/tidemill/internal/embedded/postgres"
	"github.com/tidemill/tidemill/migrations"
)

// stepLimit bounds one step on the shared server.
const stepLimit = time.Minute

// Postgres returns the address of a fresh, empty database, which is dropped, with whatever is connected to it, when
// the test ends. The role is a superuser. The server keeps nothing through a crash.
func Postgres(t testing.TB) string {
	t.Helper()
	return fresh(t, "template0")
}

// Migrated is [Postgres] with the given sets of migrations applied; without sets, all of them.
func Migrated(t testing.TB, sets ...migrations.Set) string {
	t.Helper()
	if len(sets) == 0 {
		sets = []migrations.Set{migrations.Engine, migrations.Warehouse}
	}
	sets = slices.Compact(slices.Sorted(slices.Values(sets)))
	made, _ := templates.LoadOrStore(fmt.Sprint(sets), sync.OnceValues(func() (string, error) { return template(sets) }))
	name, err := made.(func() (string, error))()
	if err != nil {
		t.Fatalf("testkit: make migrated template: %v", err)
	}
	return fresh(t, name)
}

// Durable returns the address of a fresh, empty database on a server of the test's own that waits for the disk as
// PostgreSQL does by default. It takes a second; the server ends with the test.
func Durable(t testing.TB) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startWait)
	defer cancel()
	s, err := postgres.Start(ctx, postgres.Options{Dir: filepath.Join(Home(t), "postgres")})
	if err != nil {
		t.Fatalf("testkit: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stepLimit)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Errorf("testkit: %v", err)
		}
	})
	return s.URL()
}

// templates has this process' template database of each choice of sets, as func() (string, error).
var templates sync.Map

// template makes a database with the sets applied, which others are copied from, and returns its name.
func template(sets []migrations.Set) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), stepLimit)
	defer cancel()
	server, err := sharedServer()
	if err != nil {
		return "", err
	}
	name := databaseName()
	if err := execute(ctx, server, "CREATE DATABASE "+name+" TEMPLATE template0"); err != nil {
		return "", err
	}
	for _, set := range sets {
		if _, err := migrations.Up(ctx, withDatabase(server, name), set); err != nil {
			return "", err
		}
	}
	return name, nil
}

func fresh(t testing.TB, from string) string {
	t.Helper()
	server, err := sharedServer()
	if err != nil {
		t.Fatalf("testkit: %v", err)
	}
	name := databaseName()
	run := func(sql string) error {
		ctx, cancel := context.WithTimeout(context.Background(), stepLimit) // not the test's: that has ended at cleanup
		defer cancel()
		return execute(ctx, server, sql)
	}
	if err := run("CREATE DATABASE " + name + " TEMPLATE " + from); err != nil {
		t.Fatalf("testkit: make database: %v", err)
	}
	t.Cleanup(func() {
		if err := run("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("testkit: drop database: %v", err)
		}
	})
	return withDatabase(server, name)
}

// databaseName is unique and tells whose the database is: t_<process>_<random>.
func databaseName() string {
	return fmt.Sprintf("t_%d_%s", os.Getpid(), strings.ReplaceAll(uuid.NewString(), "-", ""))
}

// sweep drops the databases of processes that have ended: their templates, and what a killed test left.
func sweep(ctx context.Context, server string) error {
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return fmt.Errorf("connect to the test server: %w", err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is pending
	rows, err := conn.Query(ctx, `SELECT datname FROM pg_database WHERE datname LIKE 't\_%'`)
	if err != nil {
		return fmt.Errorf("list test databases: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("list test databases: %w", err)
	}
	for _, name := range names {
		var pid int
		if _, err := fmt.Sscanf(name, "t_%d_", &pid); err != nil || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		if _, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			return fmt.Errorf("drop left-over database %s: %w", name, err)
		}
	}
	return nil
}

// execute runs one statement on a connection of its own.
func execute(ctx context.Context, address, sql string) error {
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return fmt.Errorf("connect to the test server: %w", err)
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

// withDatabase returns the address of another database of the same server.
func withDatabase(address, name string) string {
	u, err := url.Parse(address)
	if err != nil {
		panic(err) // we made it
	}
	u.Path = "/" + name
	return u.String()
}
