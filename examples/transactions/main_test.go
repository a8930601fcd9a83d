package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/migrations"
	"github.com/tidemill/tidemill/storage/postgres"
)

// A transfer that fails after its INSERT leaves nothing in the ledger; one that succeeds is there with its output.
func TestATransferIsBookedWithItsSuccess(t *testing.T) {
	url := testkit.Migrated(t, migrations.Engine)
	db, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(context.Background())
	if _, err := db.Exec(t.Context(), "CREATE TABLE ledger (account text, cents bigint, at timestamptz DEFAULT now())"); err != nil {
		t.Fatal(err)
	}
	control := start(t, url)
	for _, c := range []struct {
		cents   int64
		want    engine.RunState
		entries int
		balance string
	}{
		{1200, engine.RunSuccess, 2, "-1200"},
		{math.MaxInt64, engine.RunFailed, 2, ""}, // the balance does not fit: the body errs after it has written
		{300, engine.RunSuccess, 4, "-1500"},
	} {
		params, err := json.Marshal(Transfer{"Ada", "Grace", c.cents})
		if err != nil {
			t.Fatal(err)
		}
		run, err := control.Trigger(t.Context(), engine.TriggerRequest{DAG: "transfer", Params: params})
		if err != nil {
			t.Fatal(err)
		}
		if got := await(t, control.Store(), run.Key); got != c.want {
			t.Errorf("%d cents: the run is %s, want %s", c.cents, got, c.want)
		}
		last, err := control.Store().Attempt(t.Context(), engine.TaskKey{Run: run.Key, Task: "book", MapIndex: -1}, -1)
		if err != nil || string(last.Output) != c.balance {
			t.Errorf("%d cents: the balance is %s, %v; want %s", c.cents, last.Output, err, c.balance)
		}
		var entries int
		if err := db.QueryRow(t.Context(), "SELECT count(*) FROM ledger").Scan(&entries); err != nil || entries != c.entries {
			t.Errorf("%d cents: the ledger has %d entries, %v; want %d", c.cents, entries, err, c.entries)
		}
	}
	if _, err := control.Trigger(t.Context(), engine.TriggerRequest{DAG: "transfer", Params: []byte(`{"from": "Ada", "to": "Grace", "cents": -1}`)}); err == nil {
		t.Error("a transfer of less than nothing becomes a run")
	}
}

// start runs the DAG on a database until the test ends.
func start(t *testing.T, url string) *engine.Control {
	t.Helper()
	store, err := postgres.Open(t.Context(), url, postgres.Options{MaxConns: 4})
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := engine.Compile(transfer())
	if err != nil {
		t.Fatal(err)
	}
	runtime, err := engine.NewRuntime(engine.Config{Store: store, Catalog: catalog, Log: slog.New(slog.DiscardHandler), Poll: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- runtime.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		store.Close()
	})
	select {
	case <-runtime.Ready():
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	return runtime.Control()
}

func await(t *testing.T, store engine.Store, run int64) engine.RunState {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(20 * time.Second); ; {
		rows, err := store.RunsByKey(t.Context(), []int64{run})
		if err != nil {
			t.Fatal(err)
		}
		if rows[0].State.Terminal() {
			return rows[0].State
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("after 20 s the run is still %s", rows[0].State)
		}
	}
}
