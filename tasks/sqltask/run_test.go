package sqltask_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/tasks/sqltask"
)

func stmt(sql string, args ...any) sqltask.Statement { return sqltask.Statement{SQL: sql, Args: args} }

func TestRowsAreTyped(t *testing.T) {
	t.Parallel()
	db := pool(t)
	type sale struct {
		ID     int
		Day    time.Time `db:"sold_on"`
		Region *string
	}
	body := sqltask.Rows[sale](db, func(n int) sqltask.Statement {
		return stmt("SELECT i AS id, date '2024-01-05' AS sold_on, CASE WHEN i > 1 THEN 'EU' END AS region FROM generate_series(1, @n) i", pgx.StrictNamedArgs{"n": n})
	})
	got, err := body(t.Context(), 2)
	if err != nil || len(got) != 2 || got[0].Region != nil || *got[1].Region != "EU" || got[1].ID != 2 || !got[1].Day.Equal(time.Date(2024, 1, 5, 0, 0, 0, 0, time.UTC)) {
		t.Fatalf("%+v, %v", got, err)
	}
	if none, err := body(t.Context(), 0); err != nil || none == nil || len(none) != 0 {
		t.Errorf("no rows are %#v, %v", none, err)
	}
	if names, err := sqltask.Query[string](t.Context(), db, stmt("SELECT * FROM unnest($1::text[])", []string{"a", "b"})); err != nil || len(names) != 2 || names[1] != "b" {
		t.Errorf("%q, %v", names, err)
	}
	if at, err := sqltask.Query[time.Time](t.Context(), db, stmt("SELECT timestamptz '2024-01-05 01:00+01'")); err != nil || !at[0].Equal(time.Date(2024, 1, 5, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%v, %v", at, err)
	}
	if addr, err := sqltask.Query[netip.Addr](t.Context(), db, stmt("SELECT inet '10.0.0.1'")); err != nil || addr[0].String() != "10.0.0.1" {
		t.Errorf("%v, %v", addr, err)
	}
}

func TestRowIsOneRow(t *testing.T) {
	t.Parallel()
	body := sqltask.Row[int](pool(t), func(n int) sqltask.Statement { return stmt("SELECT * FROM generate_series(1, $1::int)", n) })
	if n, err := body(t.Context(), 1); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	_, err := body(t.Context(), 0)
	if _, forGood := errors.AsType[*engine.PermanentError](err); !errors.Is(err, pgx.ErrNoRows) || forGood {
		t.Errorf("none: %v", err)
	}
	_, err = body(t.Context(), 2)
	if _, forGood := errors.AsType[*engine.PermanentError](err); err == nil || !forGood {
		t.Errorf("two: %v", err)
	}
}

func TestStatementsCountTogetherOrNotAtAll(t *testing.T) {
	t.Parallel()
	db := pool(t)
	must(t, db, "CREATE TABLE sales (day text, n int CHECK (n < 100))")
	body := sqltask.Exec(db, func(n int) []sqltask.Statement {
		return []sqltask.Statement{
			stmt("DELETE FROM sales WHERE day = $1", "monday"),
			stmt("INSERT INTO sales SELECT 'monday', $1::int + i FROM generate_series(1, 3) i", n),
		}
	})
	for i, want := range [][]int64{{0, 3}, {3, 3}} { // the second attempt is as good as the first
		got, err := body(t.Context(), 1)
		if err != nil || got.Rows != want[0]+want[1] || got.Each[0] != want[0] || got.Each[1] != want[1] {
			t.Fatalf("time %d: %+v, %v", i, got, err)
		}
	}
	_, err := body(t.Context(), 98)
	p, ok := errors.AsType[*pgconn.PgError](err)
	if _, forGood := errors.AsType[*engine.PermanentError](err); !ok || p.Code != "23514" || forGood {
		t.Fatalf("%v", err)
	}
	if strings.Contains(err.Error(), "Failing row") {
		t.Errorf("the error tells of the row: %v", err)
	}
	if n, err := sqltask.Query[int](t.Context(), db, stmt("SELECT count(*)::int FROM sales")); err != nil || n[0] != 3 {
		t.Errorf("%v rows are left, %v", n, err)
	}
}

func TestErrorsNameTheFix(t *testing.T) {
	t.Parallel()
	db := pool(t)
	type pair struct{ A, B int }
	for _, c := range []struct {
		name    string
		s       sqltask.Statement
		want    string
		forGood bool
	}{
		{"empty", stmt(" \n"), "set Statement.SQL", true},
		{"timeout", sqltask.Statement{SQL: "SELECT 1", Timeout: -1}, "Timeout is -1ns", true},
		{"bound", sqltask.Statement{SQL: "SELECT 1", MaxRows: -1}, "MaxRows is -1", true},
		{"syntax", stmt("SELECT 1,\n  FROM x"), `statement "SELECT 1, FROM x": ERROR: syntax error at or near "FROM" (SQLSTATE 42601) at line 2, column 3`, true},
		{"syntax with names", stmt("SELECT @a::int,\n  FROM x", pgx.StrictNamedArgs{"a": 1}), "at line 2, column 3", true},
		{"no such table", stmt("SELECT 1 AS a, 2 AS b FROM nowhere"), `relation "nowhere" does not exist`, true},
		{"hint", stmt("SELECT 1 AS a, no_such('x') AS b"), "No function matches", true},
		{"data", stmt("SELECT 1 AS a, 1/0 AS b"), "division by zero", true},
		{"a missing name", stmt("SELECT @a::int AS a, @b::int AS b", pgx.StrictNamedArgs{"a": 1}), "argument b found in sql query", true},
		{"a column too few", stmt("SELECT 1 AS a"), "give each column a field", true},
		{"a column too many", stmt("SELECT 1 AS a, 2 AS b, 3 AS c"), "give each column a field", true},
		{"NULL", stmt("SELECT 1 AS a, NULL::int AS b"), "a pointer where it may be NULL", true},
		{"too many rows", sqltask.Statement{SQL: "SELECT 1 AS a, generate_series(1, 5000000) AS b", MaxRows: 5}, "more rows than 5", true},
		{"slow", sqltask.Statement{SQL: "SELECT 1 AS a, 2 AS b FROM pg_sleep(1000)", Timeout: 20 * time.Millisecond}, "statement timeout (SQLSTATE 57014): its Timeout is 20ms", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := sqltask.Query[pair](t.Context(), db, c.s)
			_, forGood := errors.AsType[*engine.PermanentError](err)
			if err == nil || !strings.Contains(err.Error(), c.want) || forGood != c.forGood {
				t.Errorf("permanent %v: %v", forGood, err)
			}
		})
	}
	for name, f := range map[string]func() error{
		"no statement": func() error { _, err := sqltask.Execute(t.Context(), db); return err },
		"no database":  func() error { _, err := sqltask.Execute(t.Context(), nil, stmt("SELECT 1")); return err },
		"no pool": func() error {
			_, err := sqltask.Execute(t.Context(), (*pgxpool.Pool)(nil), stmt("SELECT 1"))
			return err
		},
		"a look that writes": func() error {
			_, err := sqltask.Look[int](t.Context(), db, stmt("CREATE TABLE x ()"))
			return err
		},
		"no task": func() error {
			_, err := sqltask.ExecTx(func(int) []sqltask.Statement { return nil })(t.Context(), 1)
			return err
		},
	} {
		err := f()
		if _, forGood := errors.AsType[*engine.PermanentError](err); err == nil || !forGood && name != "no task" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A statement's timeout is its own: those after it have the transaction's.
func TestATimeoutIsOfOneStatement(t *testing.T) {
	t.Parallel()
	db := pool(t)
	must(t, db, "CREATE TABLE seen (at serial, value text)")
	see := "INSERT INTO seen (value) SELECT current_setting('statement_timeout')"
	_, err := sqltask.Execute(t.Context(), db, stmt("SET LOCAL statement_timeout = '7s'"), stmt(see),
		sqltask.Statement{SQL: see, Timeout: 2 * time.Second}, sqltask.Statement{SQL: see, Timeout: 3 * time.Second}, stmt(see), sqltask.Statement{SQL: see, Timeout: 100 * time.Microsecond * 15})
	if err != nil {
		t.Fatal(err)
	}
	got, err := sqltask.Query[string](t.Context(), db, stmt("SELECT value FROM seen ORDER BY at"))
	if want := "7s 2s 3s 7s 1ms"; err != nil || strings.Join(got, " ") != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}

// The server ends what nobody waits for any more, and nothing of it stays.
func TestACancelledStatementEndsOnTheServer(t *testing.T) {
	t.Parallel()
	db := pool(t)
	must(t, db, "CREATE TABLE x (n int)")
	running := func() (n int) {
		if err := db.QueryRow(context.Background(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'INSERT INTO x%' AND state = 'active'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	why := errors.New("the reason of the test")
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := sqltask.Execute(ctx, db, stmt("INSERT INTO x SELECT 1 FROM pg_sleep(1000)"))
		ended <- err
	}()
	eventually(t, "the statement runs", func() bool { return running() == 1 })
	cancel(why)
	if err := <-ended; !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
	eventually(t, "the server has ended it", func() bool { return running() == 0 })
	if n, err := sqltask.Query[int](t.Context(), db, stmt("SELECT count(*)::int FROM x")); err != nil || n[0] != 0 {
		t.Errorf("%v rows, %v", n, err)
	}
	if _, err := sqltask.Execute(ctx, db, stmt("SELECT 1")); !errors.Is(err, why) {
		t.Errorf("not begun: %v", err)
	}
}
