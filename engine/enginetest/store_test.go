package enginetest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

var ctx = context.Background()

func register(t testing.TB, s engine.Store) {
	t.Helper()
	_, err := s.Register(ctx, []engine.DAGRecord{{ID: "d", Version: "v", Spec: engine.Spec{DAG: "d", Tags: []string{"a"}}, MaxActiveRuns: 16}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFaultBeforeAnOperationLeavesNothing(t *testing.T) {
	s := enginetest.NewStore(enginetest.NewClock(t))
	register(t, s)
	down := errors.New("down")
	s.Fail = func(op string) error {
		if op == "CreateRuns" {
			return down
		}
		return nil
	}
	if _, err := s.CreateRuns(ctx, []engine.NewRun{{DAG: "d", RunID: "r"}}); !errors.Is(err, down) {
		t.Fatalf("CreateRuns returned %v, want %v", err, down)
	}
	if _, err := s.RunByID(ctx, "d", "r"); !errors.Is(err, engine.ErrNotFound) {
		t.Fatalf("the refused run is there (%v)", err)
	}
}

func TestFaultAtTheCommitLosesOnlyTheAnswer(t *testing.T) {
	s := enginetest.NewStore(enginetest.NewClock(t))
	register(t, s)
	lost := errors.New("answer lost")
	s.Fail = func(op string) error {
		if op == "CreateRuns.commit" {
			return lost
		}
		return nil
	}
	created, err := s.CreateRuns(ctx, []engine.NewRun{{DAG: "d", RunID: "r"}})
	if !errors.Is(err, lost) || created != nil {
		t.Fatalf("CreateRuns returned %v, %v, want nothing and %v", created, err, lost)
	}
	if _, err := s.RunByID(ctx, "d", "r"); err != nil {
		t.Fatalf("the committed run is not there: %v", err)
	}
}

func TestRepeatCallsDecideTwiceAndAppliesOnce(t *testing.T) {
	s := enginetest.NewStore(enginetest.NewClock(t))
	s.Repeat = true
	register(t, s)
	created, err := s.CreateRuns(ctx, []engine.NewRun{{DAG: "d", RunID: "r"}})
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	err = s.Transition(ctx, engine.Transition{Runs: []int64{created[0].Key}, Decide: func(_ time.Time, runs []engine.RunRow, _ engine.Found) ([]engine.RunChange, error) {
		calls++
		return []engine.RunChange{{Key: runs[0].Key, State: runs[0].State, States: append(runs[0].States, 'x')}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.RunByID(ctx, "d", "r")
	if err != nil {
		t.Fatal(err)
	}
	if calls != 2 || string(r.States) != "x" {
		t.Fatalf("%d calls left %q, want 2 calls that leave \"x\"", calls, r.States)
	}
}

func TestWhatComesOutIsACopy(t *testing.T) {
	s := enginetest.NewStore(enginetest.NewClock(t))
	register(t, s)
	logical, params := enginetest.Epoch, []byte(`{"a":1}`)
	if _, err := s.CreateRuns(ctx, []engine.NewRun{{DAG: "d", RunID: "r", Logical: &logical, Params: params}}); err != nil {
		t.Fatal(err)
	}
	spoil := func(r engine.RunRow) { *r.Logical, r.Params[0] = time.Time{}, '!' }
	spoil(engine.RunRow{Logical: &logical, Params: params}) // what went in
	for range 2 {                                           // what comes out
		r, err := s.RunByID(ctx, "d", "r")
		if err != nil {
			t.Fatal(err)
		}
		if string(r.Params) != `{"a":1}` || !r.Logical.Equal(enginetest.Epoch) {
			t.Fatalf("the store's run was changed from outside: %s, %s", r.Params, r.Logical)
		}
		spoil(r)
	}
	for range 2 {
		spec, err := s.Spec(ctx, "d", "v")
		if err != nil {
			t.Fatal(err)
		}
		if spec.Tags[0] != "a" {
			t.Fatalf("the store's spec was changed from outside: %v", spec.Tags)
		}
		spec.Tags[0] = "b"
	}
}

// BenchmarkMonthOfMinutes takes a minutely DAG of two tasks through a month: 43,200 runs that are created at once, started
// as the limit allows, and claimed and ended one task after the other.
func BenchmarkMonthOfMinutes(b *testing.B) {
	const runs = 30 * 24 * 60
	for b.Loop() {
		s := enginetest.NewStore(enginetest.NewClock(b))
		register(b, s)
		batch := make([]engine.NewRun, runs)
		for i := range batch {
			at := enginetest.Epoch.Add(time.Duration(i) * time.Minute)
			batch[i] = engine.NewRun{DAG: "d", RunID: at.Format(time.RFC3339), Type: engine.ScheduledRun, Logical: &at}
		}
		if _, err := s.CreateRuns(ctx, batch); err != nil {
			b.Fatal(err)
		}
		w, err := s.Join(ctx, engine.WorkerInfo{Name: "w"})
		if err != nil {
			b.Fatal(err)
		}
		ended := 0
		for ended < runs {
			if _, err := s.StartRuns(ctx, []string{"d"}, 100, startAll); err != nil {
				b.Fatal(err)
			}
			claimed, err := s.Claim(ctx, engine.ClaimRequest{
				Worker: w, Lease: uuid.New(), Slots: 16, Queues: []string{"default"}, DAGs: []engine.ClaimDAG{{ID: "d", Room: 16}},
			})
			if err != nil {
				b.Fatal(err)
			}
			if len(claimed) == 0 {
				b.Fatalf("nothing to claim after %d of %d runs", ended, runs)
			}
			for _, l := range claimed {
				if err := s.Transition(ctx, engine.Transition{Runs: []int64{l.Lease.Run}, Ends: []engine.Lease{l.Lease}, Decide: endOf(l)}); err != nil {
					b.Fatal(err)
				}
				if l.Task == "second" {
					ended++
				}
			}
		}
	}
	b.ReportMetric(float64(runs)*float64(b.N)/b.Elapsed().Seconds(), "runs/s")
}

func startAll(now time.Time, runs []engine.RunRow, _ engine.Found) ([]engine.RunChange, error) {
	var out []engine.RunChange
	for _, r := range runs {
		out = append(out, engine.RunChange{Key: r.Key, State: engine.RunRunning, StartedAt: &now, Enqueue: []engine.QueueItem{itemOf(r.Key, "first")}})
	}
	return out, nil
}

func endOf(l engine.Leased) engine.Decide {
	return func(now time.Time, _ []engine.RunRow, _ engine.Found) ([]engine.RunChange, error) {
		c := engine.RunChange{Key: l.Lease.Run, State: engine.RunRunning, Attempts: []engine.Attempt{
			{TaskKey: l.TaskKey, Try: 1, State: engine.Success, Ending: engine.EndSuccess, EndedAt: now},
		}}
		if l.Task == "first" {
			c.Enqueue = []engine.QueueItem{itemOf(l.Lease.Run, "second")}
		} else {
			c.State, c.EndedAt = engine.RunSuccess, &now
		}
		return []engine.RunChange{c}, nil
	}
}

func itemOf(run int64, task string) engine.QueueItem {
	return engine.QueueItem{TaskKey: engine.TaskKey{Run: run, Task: task, MapIndex: -1}, DAG: "d", Try: 1, Queue: "default"}
}
