package dbt_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	dbtproject "github.com/tidemill/tidemill/dbt"
	"github.com/tidemill/tidemill/internal/embedded/postgres"
	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/migrations"
	"github.com/tidemill/tidemill/tasks/dbt"
)

// warehouse is the pipeline's own dbt project on a PostgreSQL server of the test's own, which can be killed. A query whose client is gone runs
// on there, as on servers that cannot tell.
type warehouse struct {
	site
	dir    string
	server *postgres.Server
	day    int // the last that has arrived
}

// points are where a run stops when it is told to: before, in and after the transaction of each model, and where dbt begins and ends.
var points = []string{
	"start", "stg_transactions before", "stg_transactions in", "stg_transactions after", "fct_transactions before", "fct_transactions in", "fct_transactions after",
	"fct_daily_revenue before", "fct_daily_revenue in", "fct_daily_revenue after", "gold_publications before", "gold_publications in", "gold_publications after", "end",
}

const (
	stopLock = 4711
	// stopAt makes a session wait at the point that test.stop names, for as long as somebody holds the lock.
	stopAt = `CREATE SCHEMA test; CREATE TABLE test.stop (point text); INSERT INTO test.stop VALUES ('');
		CREATE FUNCTION test.stop_at(at text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
			IF EXISTS (SELECT FROM test.stop WHERE point = at) THEN PERFORM pg_advisory_xact_lock_shared(4711); END IF;
		END $$`
	partition = `CREATE TABLE bronze.transactions_2024 PARTITION OF bronze.transactions FOR VALUES FROM ('2024-01-01 00:00:00+00') TO ('2025-01-01 00:00:00+00')`
	// arrives brings a day: new payments that are PENDING, and what becomes of those of the day before.
	arrives = `WITH audit AS (
			INSERT INTO metadata.load_audit (dag_id, run_id, task_id, try_number, day, status, rows_read, rows_loaded, finished_at)
			VALUES ('d', 'r', 'load', 1, $1::date, 'SUCCESS', 80, 80, now()) RETURNING id
		), file AS (
			INSERT INTO metadata.lake_files (lake, path, topic_id, day, generation, rows, rows_done, checksum)
			VALUES ('l', $1::date::text, 't', $1::date, 1, 80, 80, 'c') RETURNING id
		), load AS (
			INSERT INTO metadata.loads (audit_id, file_id, first_row, rows_loaded, rows_duplicate, rows_conflicting, rows_replaced, rows_rejected)
			SELECT audit.id, file.id, 0, 80, 0, 0, 0, 0 FROM audit, file RETURNING id
		)
		INSERT INTO bronze.transactions (transaction_id, status, event_time, initiated_at, amount, currency, customer_id, merchant_id, payment_method,
			is_fraud, payload_hash, topic_id, kafka_partition, kafka_offset, kafka_timestamp, ingestion_timestamp, load_id)
		SELECT d || '-' || i, CASE WHEN d = $1::date THEN 'PENDING' WHEN i % 3 = 0 THEN 'FAILED' ELSE 'SUCCESS' END,
			$1::date + interval '10 hours' + i * interval '1 second', d + interval '9 hours', 12.30 + i, (ARRAY['EUR', 'INR'])[1 + i % 2], 'c', 'm', 'CARD',
			false, sha256(convert_to($1::text || d || i, 'UTF8')), 't', 0, extract(epoch FROM $1::date)::bigint + 100 * ($1::date - d) + i,
			$1::date + interval '10 hours', now(), load.id
		FROM load, generate_series(1, 40) AS i, unnest(ARRAY[$1::date, $1::date - 1]) AS d`
	// goldIs digests what readers see; goldShould what bronze says that it should be.
	goldIs     = `SELECT md5(string_agg(concat_ws('|', transaction_id, status, amount, transaction_date), ',' ORDER BY transaction_id)) FROM gold.fct_transactions`
	goldShould = `SELECT md5(string_agg(concat_ws('|', transaction_id, status, amount, (initiated_at AT TIME ZONE 'UTC')::date), ',' ORDER BY transaction_id))
		FROM (SELECT DISTINCT ON (transaction_id) * FROM bronze.transactions ORDER BY transaction_id, event_time DESC) AS winner`
	// goldDiffers counts the groups of daily revenue that are not the sums of the payments beside them.
	goldDiffers = `SELECT count(*)::text FROM (
			SELECT transaction_date, currency, count(*) AS n, coalesce(sum(amount) FILTER (WHERE status = 'SUCCESS'), 0) AS gross FROM gold.fct_transactions GROUP BY 1, 2
		) AS summed FULL JOIN gold.fct_daily_revenue AS held USING (transaction_date, currency)
		WHERE (summed.n, summed.gross) IS DISTINCT FROM (held.transactions, held.gross_amount)`
)

// newWarehouse makes one with its first day in Gold.
func newWarehouse(t testing.TB) (*warehouse, *dbt.Runner) {
	t.Helper()
	w := &warehouse{dir: filepath.Join(testkit.Home(t), "postgres")}
	w.startServer(t)
	t.Cleanup(func() {
		if err := w.server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if _, err := migrations.Up(t.Context(), w.database, migrations.Warehouse); err != nil {
		t.Fatal(err)
	}
	w.exec(t, partition)
	w.exec(t, stopAt)
	at, err := url.Parse(w.database)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := dbtproject.Extract(dir); err != nil {
		t.Fatal(err)
	}
	addStops(t, filepath.Join(dir, "dbt_project.yml"))
	password, _ := at.User.Password()
	w.project = dbt.Project{Dir: dir, Python: testkit.DBT(t).Python(), Env: []string{
		"TIDEMILL_DBT_HOST=" + at.Hostname(), "TIDEMILL_DBT_PORT=" + at.Port(), "TIDEMILL_DBT_USER=" + at.User.Username(), "TIDEMILL_DBT_PASSWORD=" + password,
		"TIDEMILL_DBT_DBNAME=" + strings.TrimPrefix(at.Path, "/"), "TIDEMILL_DBT_SSLMODE=disable", "PGOPTIONS=",
	}}
	r := w.runner(t, dbt.Options{})
	w.arrive(t)
	if _, err := r.Run(t.Context(), w.today()); err != nil {
		t.Fatal(err)
	}
	return w, r
}

// startServer starts the server, where it was stopped or killed at the same address.
func (w *warehouse) startServer(t testing.TB) {
	t.Helper()
	s, err := postgres.Start(t.Context(), postgres.Options{Dir: w.dir, Settings: map[string]string{"client_connection_check_interval": "0"}})
	if err != nil {
		t.Fatal(err)
	}
	if w.database != "" && s.URL() != w.database {
		t.Fatal("the server has another address than before")
	}
	w.server, w.database = s, s.URL()
}

// addStops gives the project hooks that call test.stop_at.
func addStops(t testing.TB, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const hook = `    +pre-hook: "set local time zone 'UTC'"`
	if strings.Count(string(text), hook) != 1 {
		t.Fatalf("%s has %q not once", path, hook)
	}
	edited := strings.Replace(string(text), hook, `    +pre-hook: ["set local time zone 'UTC'", "select test.stop_at('{{ this.name }} before')"]
    +post-hook: ["select test.stop_at('{{ this.name }} in')", {sql: "select test.stop_at('{{ this.name }} after')", transaction: false}]`, 1) + `
on-run-start: ["select test.stop_at('start')"]
on-run-end: ["select test.stop_at('end')"]
`
	if err := os.WriteFile(path, []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (w *warehouse) date() string {
	return time.Date(2024, 1, w.day, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
}

// arrive brings the next day to bronze.
func (w *warehouse) arrive(t testing.TB) {
	t.Helper()
	w.day++
	conn, err := w.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background()) //nolint:errcheck // the statement has ended
	if _, err := conn.Exec(t.Context(), arrives, w.date()); err != nil {
		t.Fatal(err)
	}
}

// today is the run of the last day that has arrived.
func (w *warehouse) today() dbt.Invocation {
	return dbt.Invocation{Command: dbt.CommandRun, Env: map[string]string{"TIDEMILL_DBT_DAY": w.date(), "TIDEMILL_DBT_RUN_ID": "run of " + w.date()}}
}

// checkGold: what readers see is of one run, that before or that after.
func (w *warehouse) checkGold(t *testing.T, before string) {
	t.Helper()
	if n := w.value(t, goldDiffers); n != "0" {
		t.Errorf("%s groups of daily revenue are not the sums of the payments beside them", n)
	}
	if is := w.value(t, goldIs); is != before && is != w.value(t, goldShould) {
		t.Error("Gold is neither that before the run nor that after it")
	}
}

// checkGoldIsNew: readers see all that is in bronze.
func (w *warehouse) checkGoldIsNew(t *testing.T) {
	t.Helper()
	w.checkGold(t, "")
}

// hold takes the lock at which a run stops, in a session of its own.
func (w *warehouse) hold(t *testing.T, point string) *pgx.Conn {
	t.Helper()
	conn, err := w.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), fmt.Sprintf("SELECT pg_advisory_lock(%d)", stopLock)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "UPDATE test.stop SET point = $1", point); err != nil {
		t.Fatal(err)
	}
	return conn
}

// stopped counts the sessions that wait at the point.
const stopped = `SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted`
