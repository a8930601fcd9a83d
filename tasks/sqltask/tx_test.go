package sqltask_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/migrations"
	"github.com/tidemill/tidemill/storage/postgres"
	"github.com/tidemill/tidemill/tasks/sqltask"
)

// What a task writes by ExecTx is there when the task has succeeded, and not when it has failed, also where a statement before it was fine.
func TestExecTxIsPartOfTheTasksSuccess(t *testing.T) {
	t.Parallel()
	url := testkit.Migrated(t, migrations.Engine)
	db, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	must(t, db, "CREATE TABLE ledger (task text UNIQUE, timeout text)")
	write := func(second string) func(context.Context, engine.Run[engine.NoParams]) (string, error) {
		exec := sqltask.ExecTx(func(engine.Run[engine.NoParams]) []sqltask.Statement {
			return []sqltask.Statement{
				{SQL: "INSERT INTO ledger SELECT $1, current_setting('statement_timeout')", Args: []any{second}},
				{SQL: second, Timeout: 3 * time.Second},
			}
		})
		return func(ctx context.Context, r engine.Run[engine.NoParams]) (timeout string, err error) { // the engine's own statements come next
			if _, err := exec(ctx, r); err != nil {
				return "", err
			}
			tx, err := engine.Tx[pgx.Tx](ctx)
			if err != nil {
				return "", err
			}
			err = tx.QueryRow(ctx, "SELECT current_setting('statement_timeout')").Scan(&timeout)
			return timeout, err
		}
	}
	d := engine.New[engine.NoParams]("d")
	engine.After(d.Run(), "succeeds", write("SELECT 1"))
	engine.After(d.Run(), "fails", write("SELECT 1/0"))

	store, err := postgres.Open(t.Context(), url, postgres.Options{MaxConns: 4, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	catalog, err := engine.Compile(d)
	if err != nil {
		t.Fatal(err)
	}
	r, err := engine.NewRuntime(engine.Config{Store: store, Catalog: catalog, Log: slog.New(slog.DiscardHandler), Poll: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	<-r.Ready()
	row, err := r.Control().Trigger(ctx, engine.TriggerRequest{DAG: "d"})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the run is over", func() bool {
		rows, err := store.RunsByKey(ctx, []int64{row.Key})
		return err == nil && rows[0].State.Terminal()
	})
	got, err := sqltask.Query[struct{ Task, Timeout string }](t.Context(), db, sqltask.Statement{SQL: "SELECT * FROM ledger"})
	if err != nil || len(got) != 1 || got[0].Task != "SELECT 1" {
		t.Errorf("the ledger has %+v, %v", got, err)
	}
	for task, want := range map[string]engine.State{"succeeds": engine.Success, "fails": engine.Failed} {
		a, err := store.Attempt(t.Context(), engine.TaskKey{Run: row.Key, Task: task, MapIndex: -1}, -1)
		if err != nil || a.State != want {
			t.Errorf("%s is %s (%s), %v", task, a.State, a.Error, err)
		}
		if want == engine.Success && len(got) == 1 && string(a.Output) != strconv.Quote(got[0].Timeout) {
			t.Errorf("after the statements the timeout is %s, before them it was %s", a.Output, got[0].Timeout)
		}
	}
	stop()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
