package postgres_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
	server "github.com/tidemill/tidemill/internal/embedded/postgres"
	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/migrations"
	"github.com/tidemill/tidemill/storage/postgres"
)

// The database restarts under three processes with tasks in flight: the processes reconnect by themselves, and each attempt completes as
// the one that it was. Nobody is declared dead for an outage that all share, and nothing is run twice.
func TestAttemptsInFlightSurviveARestartOfTheDatabase(t *testing.T) {
	port, err := strconv.Atoi(freePort(t))
	if err != nil {
		t.Fatal(err)
	}
	opts := server.Options{Dir: filepath.Join(testkit.Home(t), "postgres"), Port: port}
	up := func() *server.Server {
		t.Helper()
		s, err := server.Start(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	db := up()
	t.Cleanup(func() {
		if err := db.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	if _, err := migrations.Up(t.Context(), db.URL(), migrations.Engine); err != nil {
		t.Fatal(err)
	}
	const processes, tasks = 3, 12
	var begun atomic.Int32
	release := make(chan struct{})
	d := engine.New[engine.NoParams]("d")
	for i := range tasks {
		first := engine.After(d.Run(), fmt.Sprint("first", i), func(context.Context, txRun) (int, error) {
			begun.Add(1)
			<-release
			return i, nil
		})
		engine.Sink(first, fmt.Sprint("then", i), func(_ context.Context, n int) error {
			if n != i {
				return fmt.Errorf("got %d, want %d", n, i)
			}
			return nil
		})
	}
	catalog, err := engine.Compile(d)
	if err != nil {
		t.Fatal(err)
	}
	var control *engine.Control
	for i := range processes {
		s := openAt(t, db.URL(), postgres.Options{})
		r, err := engine.NewRuntime(engine.Config{Store: s, Catalog: catalog, Log: slog.New(slog.DiscardHandler), Name: fmt.Sprint("p", i), Slots: tasks / processes,
			Poll: 50 * time.Millisecond, Heartbeat: 500 * time.Millisecond, DeadAfter: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if n := r.Repairs(); n != 0 {
				t.Errorf("%d runs had to be pushed on", n)
			}
		})
		<-r.Ready()
		control = r.Control()
	}
	row, err := control.Trigger(t.Context(), engine.TriggerRequest{DAG: "d", RunID: "r", By: "test"})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "all processes are busy", func() bool { return begun.Load() == tasks })
	if err := db.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(release) // the bodies end while the database is away
	db = up()
	if over := waitOver(t, control.Store(), row.Key, 60*time.Second); over.State != engine.RunSuccess {
		t.Fatalf("the run is %s", over.State)
	}
	attempts, err := control.Store().Attempts(t.Context(), []int64{row.Key}, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range attempts {
		if a.Try != 1 || a.Ending != engine.EndSuccess {
			t.Errorf("%s, try %d, ended %s", a.Task, a.Try, a.Ending)
		}
	}
	if n := begun.Load(); n != tasks || len(attempts) != 2*tasks {
		t.Errorf("%d bodies ran and there are %d attempts, want %d and %d", n, len(attempts), tasks, 2*tasks)
	}
}
