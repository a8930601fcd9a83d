package enginetest

import (
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
)

var virtualCases = []conformanceCase{
	{"virtual nodes are stored under their runner and replaced by id", virtualStores},
	{"a report without the lease is ErrLostLease and stores nothing", virtualFenced},
	{"a close ends the runner's nodes that are not terminal", virtualClose},
	{"no nodes are no error", func(f *fixture) {
		run, w := f.running("d"), f.join("w")
		f.ok(f.ReportVirtual(f.ctx, f.lease(w, "d", run, "t"), nil))
		equal(f, "nodes", len(f.virtuals(run)), 0)
	}},
}

// virtuals returns the virtual nodes of runs by runner and id.
func (f *fixture) virtuals(runs ...int64) map[string]engine.VirtualRow {
	f.Helper()
	out := map[string]engine.VirtualRow{}
	for _, v := range got[[]engine.VirtualRow](f)(f.Virtuals(f.ctx, runs)) {
		out[v.Runner.Task+"/"+v.ID] = v
	}
	return out
}

func virtualStores(f *fixture) {
	run, w := f.running("d"), f.join("w")
	a, b := f.lease(w, "d", run, "a"), f.lease(w, "d", run, "b")
	started, ended := Epoch, Epoch.Add(time.Minute)
	node := engine.VirtualState{ID: "n", State: engine.Running, StartedAt: &started, Try: 1, Upstream: []string{"m", "l"}}
	f.ok(f.ReportVirtual(f.ctx, a, []engine.VirtualState{node, {ID: "m", State: engine.None, Try: 1}}))
	f.ok(f.ReportVirtual(f.ctx, b, []engine.VirtualState{{ID: "n", State: engine.Success, Try: 2}}))
	equal(f, "nodes", len(f.virtuals(run)), 3)
	equal(f, "nodes of another run", len(f.virtuals(f.run("d"))), 0)
	node.State, node.EndedAt, node.Message, node.Details = engine.Failed, &ended, "it broke", []byte(`{"rows": 3}`)
	f.ok(f.ReportVirtual(f.ctx, a, []engine.VirtualState{node}))
	have := f.virtuals(run)
	equal(f, "nodes after a second report", len(have), 3)
	equal(f, "state of m", have["a/m"].State, engine.None)
	equal(f, "state of b's n", have["b/n"].State, engine.Success)
	n := have["a/n"]
	equal(f, "runner", n.Runner, a.TaskKey)
	f.sameTime("started at", n.StartedAt, &started)
	f.sameTime("ended at", n.EndedAt, &ended)
	equal(f, "details", string(n.Details), string(node.Details))
	n.StartedAt, n.EndedAt, n.Details = node.StartedAt, node.EndedAt, node.Details
	equal(f, "node", n.VirtualState, node)
}

func virtualFenced(f *fixture) {
	run, w := f.running("d"), f.join("w")
	l := f.lease(w, "d", run, "t")
	f.ok(f.ReportVirtual(f.ctx, l, []engine.VirtualState{{ID: "n", State: engine.Running}}))
	refused := func(what string, l engine.Lease) {
		f.Helper()
		err := f.ReportVirtual(f.ctx, l, []engine.VirtualState{{ID: "n", State: engine.Success}, {ID: "m", State: engine.Success}})
		if !errors.Is(err, engine.ErrLostLease) {
			f.Errorf("%s: %v, want ErrLostLease", what, err)
		}
		equal(f, "nodes after "+what, len(f.virtuals(run)), 1)
		equal(f, "state after "+what, f.virtuals(run)["t/n"].State, engine.Running)
	}
	refused("another lease", engine.Lease{TaskKey: l.TaskKey, ID: uuid.New()})
	refused("another task", engine.Lease{TaskKey: plain(run, "u"), ID: l.ID})
	f.end(l)
	refused("the end", l)
}

func virtualClose(f *fixture) {
	run, w := f.running("d"), f.join("w")
	a, b := f.lease(w, "d", run, "a"), f.lease(w, "d", run, "b")
	var nodes []engine.VirtualState
	states := []engine.State{engine.None, engine.Queued, engine.Running, engine.UpForRetry, engine.Success, engine.Failed, engine.Skipped, engine.UpstreamFailed}
	for _, s := range states {
		nodes = append(nodes, engine.VirtualState{ID: string(s), State: s, Message: "its own"})
	}
	f.ok(f.ReportVirtual(f.ctx, a, nodes))
	f.ok(f.ReportVirtual(f.ctx, b, nodes))
	f.change(engine.RunChange{Key: run, Close: []engine.VirtualClose{{Task: a.TaskKey, State: engine.Failed, Why: "its runner was lost"}}}, a)
	have := f.virtuals(run)
	for _, s := range states {
		closed := !s.Terminal()
		n, want, why := have["a/"+string(s)], s, "its own"
		if closed {
			want, why = engine.Failed, "its runner was lost"
		}
		equal(f, "state of what was "+string(s), n.State, want)
		equal(f, "message of what was "+string(s), n.Message, why)
		equal(f, "ended, of what was "+string(s), n.EndedAt != nil, closed)
		equal(f, "state of another runner's", have["b/"+string(s)].State, s)
	}
	equal(f, "nodes", len(have), 2*len(states))
	f.change(engine.RunChange{Key: run, Close: []engine.VirtualClose{{Task: a.TaskKey, Again: []string{string(engine.Success), string(engine.Failed), "there is none"}, Try: 7}}})
	for id, n := range f.virtuals(run) {
		again := id == "a/"+string(engine.Success) || id == "a/"+string(engine.Failed)
		equal(f, id+" waits again", n.State == engine.None && n.Try == 7 && n.Message == "" && n.StartedAt == nil && n.EndedAt == nil, again)
	}
	f.change(engine.RunChange{Key: run, Close: []engine.VirtualClose{{Task: b.TaskKey, Forget: true}}})
	equal(f, "nodes after one runner's were forgotten", len(f.virtuals(run)), len(states))
}
