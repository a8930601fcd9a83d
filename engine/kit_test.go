package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/quartz"
	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

type run = engine.Run[engine.NoParams]

func compiled(t testing.TB, dags ...engine.AnyDAG) *engine.Catalog {
	t.Helper()
	catalog, err := engine.Compile(dags...)
	if err != nil {
		t.Fatal(err)
	}
	return catalog
}

// running starts a runtime that is quick to notice, and ends it with the test.
func running(t *testing.T, store engine.Store, tune func(*engine.Config), dags ...engine.AnyDAG) *engine.Runtime {
	t.Helper()
	r, _ := started(t, store, compiled(t, dags...), tune)
	return r
}

// started is running, with a function that ends the runtime before the test does.
func started(t *testing.T, store engine.Store, catalog *engine.Catalog, tune func(*engine.Config)) (r *engine.Runtime, stop func()) {
	t.Helper()
	cfg := engine.Config{Store: store, Catalog: catalog, Log: slog.New(slog.DiscardHandler), Poll: 10 * time.Millisecond, Heartbeat: 50 * time.Millisecond, DeadAfter: 300 * time.Millisecond, Name: t.Name()}
	if tune != nil {
		tune(&cfg)
	}
	r, err := engine.NewRuntime(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Run(ctx); err != nil {
			t.Error("the runtime ended with: ", err)
		}
	}()
	stop = func() {
		cancel()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Error("the runtime does not end")
		}
	}
	t.Cleanup(func() {
		stop()
		if n := r.Repairs(); n != 0 {
			t.Errorf("%d runs had to be pushed on", n)
		}
	})
	select {
	case <-r.Ready():
	case <-done:
		t.FailNow()
	case <-time.After(20 * time.Second):
		t.Fatal("the runtime is not ready")
	}
	return r, stop
}

// memory is a store in memory that repeats every decision, on the real clock.
func memory() *enginetest.Store {
	s := enginetest.NewStore(quartz.NewReal())
	s.Repeat = true
	return s
}

// dated is a store in memory whose time the test sets, while runtimes on it live in real time.
func dated(t *testing.T, at string) (*enginetest.Store, *quartz.Mock) {
	clock := enginetest.NewClock(t)
	clock.Set(day(at))
	s := enginetest.NewStore(clock)
	s.Repeat = true
	return s, clock
}

// day reads 2024-01-05 or 2024-01-05T02:00.
func day(text string) time.Time {
	for _, layout := range []string{"2006-01-02", "2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at
		}
	}
	panic("no date: " + text)
}

// mocked puts store and runtime on one clock that only [elapse] moves, at the default timing.
func mocked(t *testing.T) (store *enginetest.Store, clock *quartz.Mock, tune func(*engine.Config)) {
	clock = enginetest.NewClock(t)
	store = enginetest.NewStore(clock)
	store.Repeat = true
	return store, clock, func(c *engine.Config) {
		c.Clock, c.Poll, c.Heartbeat, c.DeadAfter = clock, engine.DefaultPoll, engine.DefaultHeartbeat, engine.DefaultDeadAfter
	}
}

// elapse lets time pass, from one timer to the next, until ok. It goes slowly enough for what a timer started to get its turn.
func elapse(t *testing.T, clock *quartz.Mock, what string, ok func() bool) {
	t.Helper()
	within(t, what, 3*time.Millisecond, func() bool {
		if ok() {
			return true
		}
		if _, any := clock.Peek(); any {
			_, w := clock.AdvanceNext()
			w.MustWait(t.Context())
		}
		return false
	})
}

// A link is one process's connection to a store. While it is cut nothing gets through.
type link struct {
	engine.Store
	cut atomic.Bool
}

var errCut = errors.New("the connection is cut")

func (l *link) Beat(ctx context.Context, b engine.Beat) (engine.BeatAnswer, error) {
	if l.cut.Load() {
		return engine.BeatAnswer{}, errCut
	}
	return l.Store.Beat(ctx, b)
}

func (l *link) Claim(ctx context.Context, c engine.ClaimRequest) ([]engine.Leased, error) {
	if l.cut.Load() {
		return nil, errCut
	}
	return l.Store.Claim(ctx, c)
}

func (l *link) Transition(ctx context.Context, t engine.Transition) error {
	if l.cut.Load() {
		return errCut
	}
	return l.Store.Transition(ctx, t)
}

func (l *link) StartRuns(ctx context.Context, dags []string, limit int, d engine.Decide) (int, error) {
	if l.cut.Load() {
		return 0, errCut
	}
	return l.Store.StartRuns(ctx, dags, limit, d)
}

func (l *link) Workers(ctx context.Context) ([]engine.WorkerRow, error) {
	if l.cut.Load() {
		return nil, errCut
	}
	return l.Store.Workers(ctx)
}

func (l *link) ClaimOutbox(ctx context.Context, c engine.OutboxClaim) ([]engine.Message, error) {
	if l.cut.Load() {
		return nil, errCut
	}
	return l.Store.ClaimOutbox(ctx, c)
}

func (l *link) FinishOutbox(ctx context.Context, id int64, claim uuid.UUID, d engine.Delivery) error {
	if l.cut.Load() {
		return errCut
	}
	return l.Store.FinishOutbox(ctx, id, claim, d)
}

func (l *link) ClaimStream(ctx context.Context, name string, worker int64, lease uuid.UUID) (engine.StreamLease, bool, error) {
	if l.cut.Load() {
		return engine.StreamLease{}, false, errCut
	}
	return l.Store.ClaimStream(ctx, name, worker, lease)
}

func (l *link) BeatStream(ctx context.Context, s engine.StreamLease, progress []byte) (held, paused bool, err error) {
	if l.cut.Load() {
		return false, false, errCut
	}
	return l.Store.BeatStream(ctx, s, progress)
}

func (l *link) EndStream(ctx context.Context, s engine.StreamLease, cause string, next time.Time, events []engine.Event) error {
	if l.cut.Load() {
		return errCut
	}
	return l.Store.EndStream(ctx, s, cause, next, events)
}

// settled triggers a run and waits until it is over.
func settled(t *testing.T, r *engine.Runtime, dag string) engine.RunView {
	t.Helper()
	return over(t, r, triggered(t, r, dag))
}

func triggered(t *testing.T, r *engine.Runtime, dag string) engine.RunRow {
	t.Helper()
	row, err := r.Control().Trigger(t.Context(), engine.TriggerRequest{DAG: dag, By: "test", RunID: uuid.NewString()})
	if err != nil {
		t.Fatal(err)
	}
	return row
}

func over(t *testing.T, r *engine.Runtime, row engine.RunRow) engine.RunView {
	t.Helper()
	store := r.Control().Store()
	var view engine.RunView
	eventually(t, "run "+row.RunID+" is over", func() bool {
		view = seen(t, store, row)
		return view.Run.State.Terminal()
	})
	return view
}

// seen is how a run stands now.
func seen(t *testing.T, store engine.Store, row engine.RunRow) engine.RunView {
	t.Helper()
	rows, err := store.RunsByKey(t.Context(), []int64{row.Key})
	if err != nil {
		t.Fatal(err)
	}
	views, err := engine.View(t.Context(), store, rows, true)
	if err != nil {
		t.Fatal(err)
	}
	return views[0]
}

// endings lists how the attempts of a task ended, oldest first.
func endings(t *testing.T, store engine.Store, row engine.RunRow, task string) string {
	t.Helper()
	attempts, err := store.Attempts(t.Context(), []int64{row.Key}, task)
	if err != nil {
		t.Fatal(err)
	}
	var out []engine.Ending
	for _, a := range attempts {
		out = append(out, a.Ending)
	}
	return fmt.Sprint(out)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	within(t, what, time.Millisecond, ok)
}

func within(t *testing.T, what string, every time.Duration, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("not in time: " + what)
		}
	}
}

func states(v engine.RunView) map[string]string {
	out := map[string]string{}
	for _, tv := range v.Tasks {
		id := tv.Task
		if tv.MapIndex >= 0 {
			id = fmt.Sprintf("%s[%d]", id, tv.MapIndex)
		}
		out[id] = string(tv.State)
	}
	return out
}

func sameStates(t *testing.T, v engine.RunView, want map[string]string) {
	t.Helper()
	got := states(v)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("states of run %s:\n got %v\nwant %v", v.Run.RunID, got, want)
	}
}
