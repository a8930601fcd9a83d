package e2e

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/quartz"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemill/tidemill/dags"
	dbtproject "github.com/tidemill/tidemill/dbt"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/storage/payment/goldref"
	"github.com/tidemill/tidemill/storage/warehouse"
	"github.com/tidemill/tidemill/tasks/daily"
	"github.com/tidemill/tidemill/tasks/dbt"
	"github.com/tidemill/tidemill/tasks/ingest"
	"github.com/tidemill/tidemill/tasks/produce"
	"github.com/tidemill/tidemill/tasks/webhook"
)

// virtual is the reference pipeline in this process, on a clock that stands still until the test moves it: the clock of the engine's
// store, of the lake's commits and of the check of freshness. Everything else is the real thing.
type virtual struct {
	outcome
	clock   *quartz.Mock
	runtime *engine.Runtime
	lake    *lake.Lake
	oncall  *receiver
	log     *output
}

func newVirtual(t *testing.T, now time.Time) *virtual {
	t.Helper()
	database := testkit.Migrated(t)
	v := &virtual{outcome: outcome{&home{t: t, dir: testkit.Home(t)}, database, testkit.Broker(t)}, clock: enginetest.NewClock(t), oncall: newReceiver(t), log: &output{}}
	v.clock.Set(now)
	var err error
	if v.lake, err = lake.Open(v.home.lake(), topicName, lake.WithClock(func() time.Time { return v.clock.Now() })); err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.New(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	log := slog.New(slog.NewJSONHandler(v.log, nil))
	ground := dags.Platform{
		Log:   log,
		Tasks: daily.Tasks{Lake: v.lake, Warehouse: warehouse.New(pool, warehouse.FromLake(v.lake), warehouse.WithLogger(log)), Now: func() time.Time { return v.clock.Now() }},
		DBT:   newDBT(t, v.home, database),
		Ingest: ingest.Config[payment.Row]{
			Brokers: v.brokers, Topic: topicName, Group: "e2e", Lake: v.lake, Transform: ingest.Payments, WaitForTopic: true, Log: log,
			FlushAge: 50 * time.Millisecond, Tick: 20 * time.Millisecond, WatermarkAge: 20 * time.Millisecond,
		},
	}
	catalog, err := engine.Compile(dags.DailyTransactions(ground))
	if err != nil {
		t.Fatal(err)
	}
	hook, err := webhook.New(v.oncall.URL, webhookSecret, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	store := enginetest.NewStore(v.clock)
	if err := store.RegisterReceiver(t.Context(), "default", hook.Place()); err != nil {
		t.Fatal(err)
	}
	v.runtime, err = engine.NewRuntime(engine.Config{
		Store: store, Catalog: catalog, Streams: []*engine.Stream{dags.BronzeIngest(ground)}, Log: log, Poll: 20 * time.Millisecond,
		Deliver: map[string]engine.DeliverFunc{"default": hook.Deliver},
	})
	if err != nil {
		t.Fatal(err)
	}
	v.start()
	return v
}

// newDBT unpacks the project of the reference pipeline into the home and makes a runner of it, as the program does.
func newDBT(t *testing.T, h *home, database string) *dbt.Runner {
	t.Helper()
	project := h.path("dbt-project")
	if err := dbtproject.Extract(project); err != nil {
		t.Fatal(err)
	}
	at, err := pgx.ParseConfig(database)
	if err != nil {
		t.Fatal(err)
	}
	python := testkit.DBT(t)
	r, err := dbt.NewRunner(dbt.Project{
		Dir: project, TargetPath: h.path("dbt-target"), Python: python.Python(), DBT: python.DBT(), ApplicationName: "tidemill dbt",
		Env: []string{"TIDEMILL_DBT_HOST=" + at.Host, fmt.Sprintf("TIDEMILL_DBT_PORT=%d", at.Port),
			"TIDEMILL_DBT_USER=" + at.User, "TIDEMILL_DBT_PASSWORD=" + at.Password, "TIDEMILL_DBT_DBNAME=" + at.Database, "TIDEMILL_DBT_SSLMODE=disable"},
	}, dbt.Options{Guard: dbt.Postgres{Connect: func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, database) }}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (v *virtual) start() {
	v.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.runtime.Run(ctx) }()
	v.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			v.t.Error(err)
		}
		if v.t.Failed() {
			v.t.Log(v.log.String())
		}
	})
	eventually(v.t, "the runtime has joined", func() bool {
		select {
		case <-v.runtime.Ready():
			return true
		default:
			return false
		}
	})
}

// produce puts events on the topic and waits until a file with them is committed, on the clock's time.
func (v *virtual) produce(list ...goldref.Event) {
	v.t.Helper()
	file := writeEvents(v.t, filepath.Join(v.t.TempDir(), "events.ndjson"), list, false)
	source, err := produce.FileSource(file)
	if err != nil {
		v.t.Fatal(err)
	}
	config := produce.Config{Brokers: v.brokers, Topic: topicName, Log: slog.New(slog.DiscardHandler)}
	if _, err := produce.Produce(v.t.Context(), config, source.Events, nil); err != nil {
		v.t.Fatal(err)
	}
	eventually(v.t, "the events are in the lake", func() bool {
		last, err := v.lake.LastCommit(v.t.Context())
		d, lagErr := ingest.Lag(v.t.Context(), v.brokers, topicName, nil, v.lake)
		return err == nil && lagErr == nil && d.CaughtUp() && last.Equal(v.clock.Now())
	})
}

// run waits until the scheduled run of a logical date is over.
func (v *virtual) run(logical time.Time) engine.RunView {
	v.t.Helper()
	store := v.runtime.Control().Store()
	var view engine.RunView
	eventually(v.t, "the run of "+logical.String()+" is over", func() bool {
		rows, _, err := store.Runs(v.t.Context(), engine.RunFilter{DAGs: []string{"daily_transactions"}, LogicalFrom: &logical, LogicalTo: &logical, Limit: 1})
		if err != nil {
			v.t.Fatal(err)
		}
		if len(rows) == 0 || !rows[0].State.Terminal() {
			return false
		}
		views, err := engine.View(v.t.Context(), store, rows, true)
		if err != nil {
			v.t.Fatal(err)
		}
		view = views[0]
		return true
	})
	return view
}

// TheProducerStops is the second scenario. What is guarded: a scheduled run asks for a file of the last two hours, by the clock
// that is passed in, and is not taken in by the commits that only move an idle topic's watermark; a failure that lasts goes to the
// callback and, signed, to the webhook; and nothing has to be done for what comes after.
func TheProducerStops(t *testing.T) {
	t.Parallel()
	v := newVirtual(t, at("2024-03-10T22:00:00Z"))
	event := func(id int, when string) goldref.Event { return record(id, "SUCCESS", when, at(when)) }

	// While events come, the run succeeds.
	v.produce(event(1, "2024-03-10T21:59:00Z"))
	v.clock.Set(at("2024-03-11T01:30:00Z"))
	v.produce(event(2, "2024-03-11T01:29:00Z"))
	v.clock.Set(at("2024-03-11T02:00:00Z"))
	if r := v.run(at("2024-03-10T02:00:00Z")); r.Run.State != engine.RunSuccess {
		t.Fatalf("with a file half an hour old the run ended %s", r.Run.State)
	}

	// The last file comes at 23:59:59, two hours and a second before the run is due. The stream goes on, and commits watermarks.
	v.clock.Set(at("2024-03-11T23:59:59Z"))
	v.produce(event(3, "2024-03-11T23:58:00Z"))
	v.clock.Set(at("2024-03-12T01:59:59Z"))
	before := v.entries()
	eventually(t, "the idle stream moves its watermark", func() bool { return v.entries() > before })
	v.clock.Set(at("2024-03-12T02:00:00Z"))
	for n, delay := range []time.Duration{5 * time.Minute, 10 * time.Minute} {
		eventually(t, "a retry is told", func() bool { return len(v.oncall.of(engine.EventTaskRetry, "check_data_freshness")) == n+1 })
		due, err := v.runtime.Control().Store().NextTimer(t.Context(), []string{"daily_transactions"})
		if err != nil || !due.Equal(v.clock.Now().Add(delay)) {
			t.Errorf("try %d is due at %s (%v), want in %s", n+2, due, err, delay)
		}
		v.clock.Advance(delay)
	}
	failed := v.run(at("2024-03-11T02:00:00Z"))
	if failed.Run.State != engine.RunFailed || !failed.Run.EndedAt.Equal(at("2024-03-12T02:15:00Z")) {
		t.Errorf("the run ended %s at %s, want failed at 02:15", failed.Run.State, failed.Run.EndedAt)
	}
	for _, task := range failed.Tasks {
		want := engine.UpstreamFailed
		if task.Task == "check_data_freshness" {
			want = engine.Failed
			if task.Try != 3 || !strings.Contains(task.Error, "no file was committed for 2h15m1s") {
				t.Errorf("%s: try %d, %q", task.Task, task.Try, task.Error)
			}
		}
		if task.Runner == "" && task.State != want {
			t.Errorf("%s is %s, want %s", task.Task, task.State, want)
		}
	}
	if n := v.number(`SELECT count(*) FROM metadata.load_audit WHERE day = '2024-03-11'`); n != 0 {
		t.Errorf("%d loads began although the lake was stale", n)
	}
	eventually(t, "whoever is on call has been told", func() bool {
		return len(v.oncall.of(engine.EventTaskFailed, "check_data_freshness")) == 1 && len(v.oncall.of(engine.EventRunFailed, "")) == 1
	})
	if a := v.oncall.of(engine.EventTaskFailed, "check_data_freshness")[0]; a.Data.Run != failed.Run.RunID || !strings.Contains(a.Data.Error, "are producer and stream running?") {
		t.Errorf("the alert: %+v", a)
	}
	eventually(t, "the callbacks were called", func() bool {
		said := []byte(v.log.String())
		return bytes.Contains(said, []byte(`"msg":"needs a look","event":"task.failed"`)) && bytes.Contains(said, []byte(`"msg":"needs a look","event":"run.failed"`))
	})

	// The producer resumes: the stream goes on where it was, the next run succeeds and takes what the failed one has left.
	v.clock.Set(at("2024-03-13T01:00:00Z"))
	v.produce(event(4, "2024-03-12T12:00:00Z"), event(5, "2024-03-13T00:59:00Z"))
	v.clock.Set(at("2024-03-13T02:00:00Z"))
	if r := v.run(at("2024-03-12T02:00:00Z")); r.Run.State != engine.RunSuccess {
		t.Fatalf("after the producer resumed the run ended %s", r.Run.State)
	}
	all := v.topic()
	inGold := func(e goldref.Event) bool { return e.Time.Before(at("2024-03-13T00:00:00Z")) } // the 13th is loaded by its own run
	var loaded []goldref.Event
	for _, e := range all {
		if inGold(e) {
			loaded = append(loaded, e)
		}
	}
	v.checkGold(loaded)
	checkLake(t, v.home.lake(), goldref.Of(all, time.Now()))
}

// entries is how many entries the lake's log has.
func (v *virtual) entries() int64 {
	v.t.Helper()
	s, err := v.lake.Status(v.t.Context())
	if err != nil {
		v.t.Fatal(err)
	}
	return s.Entries
}
