package enginetest

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
)

var contextCases = []conformanceCase{
	{"with a context that is over nothing happens", contextOver},
}

func contextOver(f *fixture) {
	run, w := f.running("d"), f.join("w")
	f.enqueue("d", run, "t")
	f.queued("d", 1)
	over, cancel := context.WithCancel(f.ctx)
	cancel()
	for name, do := range map[string]func() error{
		"Register": func() error {
			_, err := f.Register(over, []engine.DAGRecord{{ID: "new", Version: "v1"}})
			return err
		},
		"CreateRuns": func() error {
			_, err := f.CreateRuns(over, []engine.NewRun{{DAG: "d", RunID: "new"}})
			return err
		},
		"Claim": func() error {
			_, err := f.Claim(over, engine.ClaimRequest{Worker: w, Lease: uuid.New(), Slots: 1, Queues: []string{"default"}, DAGs: []engine.ClaimDAG{{ID: "d", Room: 1}}})
			return err
		},
		"StartRuns": func() error {
			_, err := f.StartRuns(over, []string{"d"}, 5, count)
			return err
		},
		"Transition": func() error {
			return f.Transition(over, engine.Transition{Runs: []int64{run}, Decide: count})
		},
		"Leave": func() error { return f.Leave(over, w) },
	} {
		if err := do(); !errors.Is(err, context.Canceled) {
			f.Errorf("%s: %v, want that the context was cancelled", name, err)
		}
	}
	equal(f, "DAGs", len(got[[]engine.DAGStatus](f)(f.DAGStatuses(f.ctx))), 1)
	_, total, err := f.Runs(f.ctx, engine.RunFilter{})
	f.ok(err)
	equal(f, "runs", total, 2)
	equal(f, "leased", f.queueRow(plain(run, "t")).Leased, false)
	equal(f, "transitions", counted(f.row(run)), 0)
	equal(f, "workers", len(f.workers()), 1)
}
