package dbt_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/tasks/dbt"
)

func TestPostgresLock(t *testing.T) {
	t.Parallel()
	s := site{database: testkit.Postgres(t)}
	g := dbt.Postgres{Connect: s.connect}
	held, release, err := g.Lock(t.Context(), "one")
	if err != nil {
		t.Fatal(err)
	}
	defer release()

	_, other, err := g.Lock(t.Context(), "two")
	if err != nil {
		t.Fatalf("another name: %v", err)
	}
	other()
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, _, err := g.Lock(short, "one"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the taken lock: %v, want to wait until the context ends", err)
	}
	release()
	if !errors.Is(context.Cause(held), context.Canceled) {
		t.Errorf("held ended with %v after the release", context.Cause(held))
	}
	held, again, err := g.Lock(t.Context(), "one")
	if err != nil {
		t.Fatalf("the released lock: %v", err)
	}
	defer again()

	// The session that holds it is lost.
	s.value(t, "SELECT pg_terminate_backend(pid)::text FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
	<-held.Done()
	if !errors.Is(context.Cause(held), dbt.ErrLockLost) {
		t.Errorf("held ended with %v, want ErrLockLost", context.Cause(held))
	}
}

func TestPostgresTerminate(t *testing.T) {
	t.Parallel()
	s := site{database: testkit.Postgres(t)}
	g := dbt.Postgres{Connect: s.connect}
	open := func(name string) *pgx.Conn {
		config, err := pgx.ParseConfig(s.database)
		if err != nil {
			t.Fatal(err)
		}
		config.RuntimeParams["application_name"] = name
		conn, err := pgx.ConnectConfig(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		return conn
	}
	mine, orphan := open("someone else"), open("dbt of ours")
	if n, err := g.Terminate(t.Context(), "dbt of ours"); n != 1 || err != nil {
		t.Errorf("ended %d, %v; want 1", n, err)
	}
	if err := orphan.Ping(t.Context()); err == nil {
		t.Error("the orphan lives on")
	}
	if err := mine.Ping(t.Context()); err != nil {
		t.Errorf("another's session was ended: %v", err)
	}
	if _, err := g.Terminate(t.Context(), ""); err == nil {
		t.Error("an empty name was taken")
	}
}
