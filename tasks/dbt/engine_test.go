package dbt_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/coder/quartz"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/tasks/dbt"
)

// nothing is the input of a DAG that only runs dbt.
type nothing struct{}

func (nothing) DBTVariables() map[string]string { return nil }

// mill runs DAGs in this process, its store in memory.
type mill struct {
	store   *enginetest.Store
	control *engine.Control
}

func newMill(t *testing.T, dags ...engine.AnyDAG) mill {
	t.Helper()
	catalog, err := engine.Compile(dags...)
	if err != nil {
		t.Fatal(err)
	}
	store := enginetest.NewStore(quartz.NewReal())
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
	})
	<-runtime.Ready()
	return mill{store, runtime.Control()}
}

// buildAndTest is a DAG of the whole project.
func buildAndTest(id string, r *dbt.Runner) engine.AnyDAG {
	d := engine.New[engine.NoParams](id)
	begun := engine.After(d.Run(), "begin", func(context.Context, engine.Run[engine.NoParams]) (nothing, error) { return nothing{}, nil })
	dbt.Test(dbt.Run(begun, r), r)
	return d
}

func (m mill) trigger(t *testing.T, dag string) engine.RunView {
	t.Helper()
	run, err := m.control.Trigger(t.Context(), engine.TriggerRequest{DAG: dag})
	if err != nil {
		t.Fatal(err)
	}
	return m.await(t, run.Key)
}

// await waits until the run is over.
func (m mill) await(t *testing.T, run int64) engine.RunView {
	t.Helper()
	var view engine.RunView
	eventually(t, "the run is over", func() bool {
		rows, err := m.store.RunsByKey(t.Context(), []int64{run})
		if err != nil {
			t.Fatal(err)
		}
		views, err := engine.View(t.Context(), m.store, rows, true)
		if err != nil {
			t.Fatal(err)
		}
		view = views[0]
		return view.Run.State.Terminal()
	})
	return view
}

func task(t *testing.T, v engine.RunView, id string) engine.TaskView {
	t.Helper()
	i := slices.IndexFunc(v.Tasks, func(tv engine.TaskView) bool { return tv.Task == id })
	if i < 0 {
		t.Fatalf("the run has no %s", id)
	}
	return v.Tasks[i]
}

// attached are what the latest try of a task has kept, by node and name, once all that are wanted are in its log, which is written a moment
// later than the try ends.
func (m mill) attached(t *testing.T, of engine.TaskView, wanted ...[2]string) map[[2]string]engine.Attachment {
	t.Helper()
	found := map[[2]string]engine.Attachment{}
	eventually(t, fmt.Sprintf("the log has %v", wanted), func() bool {
		chunks, err := m.store.ReadLog(t.Context(), of.TaskKey, of.Try, 0, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range chunks {
			for line := range bytes.Lines(c.Lines) {
				if a, ok := engine.ParseAttachment(line); ok {
					found[[2]string{a.Node, a.Name}] = a
				}
			}
		}
		return !slices.ContainsFunc(wanted, func(w [2]string) bool { _, ok := found[w]; return !ok })
	})
	return found
}
