package postgres_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/migrations"
	"github.com/tidemill/tidemill/storage/postgres"
)

// open returns a store on an empty database of the test's own, and the database's address.
func open(t testing.TB, opts postgres.Options) (*postgres.Store, string) {
	t.Helper()
	url := testkit.Migrated(t, migrations.Engine)
	return openAt(t, url, opts), url
}

// openAt opens another store on a database, as another process would.
func openAt(t testing.TB, url string, opts postgres.Options) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestConformance(t *testing.T) {
	url := testkit.Migrated(t, migrations.Engine)
	enginetest.Conformance(t, func(t *testing.T) engine.Store {
		empty(t, url)
		return openAt(t, url, postgres.Options{})
	})
}

// empty takes everything out of a database and starts its numbers anew. TRUNCATE would make some hundred files anew each time.
func empty(t *testing.T, url string) {
	t.Helper()
	execute(t, url, `DO $$ DECLARE r record; BEGIN
		SET LOCAL session_replication_role = replica;
		FOR r IN SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'tidemill' LOOP
			EXECUTE format('DELETE FROM %I.%I', r.schemaname, r.tablename);
		END LOOP;
		PERFORM setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false) FROM pg_sequences WHERE schemaname = 'tidemill';
	END $$`)
}

// execute runs one statement on a connection of its own.
func execute(t testing.TB, url, sql string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context()) //nolint:errcheck // nothing is pending
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func TestHistorySize(t *testing.T) {
	s, url := open(t, postgres.Options{})
	before, err := s.HistorySize(t.Context())
	if err != nil || before.Runs != 0 || before.Attempts != 0 {
		t.Fatalf("an empty history is %+v (%v)", before, err)
	}
	execute(t, url, `INSERT INTO tidemill.attempts (run_id, ended_at, map_index, try, task_id, state, ending, worker, version, build, error, marked_by)
		SELECT i, now(), -1, 1, 't', 'success', 'success', '', '', '', '', '' FROM generate_series(1, 5000) AS i`)
	execute(t, url, `ANALYZE tidemill.attempts`)
	after, err := s.HistorySize(t.Context())
	if err != nil || after.Attempts != 5000 || after.Bytes < before.Bytes+5000*50 {
		t.Errorf("after 5000 attempts it is %+v, and was %+v (%v)", after, before, err)
	}
}
