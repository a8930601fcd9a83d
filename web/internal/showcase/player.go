package showcase

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/tidemill/tidemill/engine"
)

// A player writes what a worker would have done into a store.
type player struct {
	ctx     context.Context
	store   engine.Store
	set     func(time.Time) // moves the store's clock
	control *engine.Control
	worker  int64
}

// play is a run that is being played.
type play struct {
	*player
	key    int64
	def    *engine.Definition
	states engine.RunStates
	state  engine.RunState
	start  time.Time
	at     time.Time
	runID  string
}

// begin starts a run at a time.
func (p *player) begin(dag string, key int64, at time.Time) (*play, error) {
	def, _ := p.control.Catalog().DAG(dag)
	r := &play{player: p, key: key, def: def, state: engine.RunRunning, start: at, at: at}
	for range def.Spec.Tasks {
		r.states.Tasks = append(r.states.Tasks, engine.TaskStates{Length: -1, Instances: []engine.Instance{{State: engine.None}}})
	}
	p.set(at)
	rows, err := p.store.RunsByKey(p.ctx, []int64{key})
	if err != nil {
		return nil, err
	}
	r.runID = rows[0].RunID
	return r, r.change(engine.RunChange{StartedAt: &at})
}

func (r *play) change(c engine.RunChange, ends ...engine.Lease) error {
	c.Key, c.State, c.States, c.Version = r.key, r.state, r.states.Encode(), r.def.Version
	return r.store.Transition(r.ctx, engine.Transition{Runs: []int64{r.key}, Ends: ends, Worker: r.worker, Decide: func(time.Time, []engine.RunRow, engine.Found) ([]engine.RunChange, error) {
		return []engine.RunChange{c}, nil
	}})
}

func (r *play) index(task string) int {
	return slices.IndexFunc(r.def.Spec.Tasks, func(t engine.TaskSpec) bool { return t.ID == task })
}

func (r *play) instance(k engine.TaskKey) *engine.Instance {
	return &r.states.Tasks[r.index(k.Task)].Instances[max(k.MapIndex, 0)]
}

// A step is one attempt.
type step struct {
	task     string
	mapIndex int // −1: not mapped
	takes    time.Duration
	state    engine.State // what becomes of the instance; Running: it is left running
	ending   engine.Ending
	err      string
	output   any
	log      []string
	kept     []engine.Attachment
	nodes    []engine.VirtualState
	name     string // of its element
	extra    []byte // of the assets that it updates
	version  string // of the DAG; "": the present one
}

// do plays an attempt.
func (r *play) do(s step) error {
	k := engine.TaskKey{Run: r.key, Task: s.task, MapIndex: s.mapIndex}
	in := r.instance(k)
	in.Try++
	in.State = engine.Queued
	lease := engine.Lease{TaskKey: k, ID: uuid.New()}
	queued := r.at
	r.at = r.at.Add(800 * time.Millisecond)
	r.set(r.at)
	spec := r.def.Spec.Tasks[r.index(s.task)]
	item := engine.QueueItem{TaskKey: k, DAG: r.def.Spec.DAG, Try: in.Try, Queue: engine.DefaultQueue, Pool: spec.Pool, Slots: spec.PoolSlots, Lease: lease.ID, Worker: r.worker}
	if spec.Pool != "" { // only a claim counts its slots
		item.Lease, item.Worker = uuid.Nil, 0
	}
	if err := r.change(engine.RunChange{Enqueue: []engine.QueueItem{item}}); err != nil {
		return err
	}
	if spec.Pool != "" {
		got, err := r.store.Claim(r.ctx, engine.ClaimRequest{Worker: r.worker, Lease: lease.ID, Slots: 1, Queues: []string{engine.DefaultQueue}, DAGs: []engine.ClaimDAG{{ID: item.DAG, Room: 1, Pooled: true}}})
		if err != nil || len(got) != 1 || got[0].TaskKey != k {
			return fmt.Errorf("claim %s [%d] of %s: got %v, %w", k.Task, k.MapIndex, item.DAG, got, err)
		}
	}
	start := r.at
	if s.name != "" {
		if err := r.store.NameElement(r.ctx, lease, s.name); err != nil {
			return err
		}
	}
	if len(s.nodes) > 0 {
		for i := range s.nodes {
			s.nodes[i].Try = in.Try
		}
		if err := r.store.ReportVirtual(r.ctx, lease, s.nodes); err != nil {
			return err
		}
	}
	if err := r.write(k, in.Try, start, s); err != nil || s.state == engine.Running {
		return err
	}
	r.at = r.at.Add(s.takes)
	r.set(r.at)
	in.State = s.state
	if s.ending == engine.EndFailed || s.ending == engine.EndTimedOut || s.ending == engine.EndLost {
		in.Failures++
	}
	a := engine.Attempt{TaskKey: k, Try: in.Try, State: s.state, Ending: s.ending, QueuedAt: &queued, StartedAt: &start, EndedAt: r.at, Worker: "mill-1:4711", Version: cmp.Or(s.version, r.def.Version), Build: "3f14f7d", Error: s.err}
	if up := spec.Upstream; len(up) > 0 {
		read := map[string]int{}
		for _, u := range up {
			read[u.Task] = r.instance(engine.TaskKey{Task: u.Task, MapIndex: -1}).Try
		}
		inputs, err := json.Marshal(read)
		if err != nil {
			return err
		}
		a.Inputs = inputs
	}
	if s.output != nil {
		raw, err := json.Marshal(s.output)
		if err != nil {
			return err
		}
		a.Output = raw
	}
	var updated []engine.AssetEvent
	if s.state == engine.Success {
		for _, name := range spec.Updates {
			updated = append(updated, engine.AssetEvent{Asset: name, At: r.at, DAG: r.def.Spec.DAG, Run: r.key, RunID: r.runID, Task: s.task, MapIndex: s.mapIndex, Extra: s.extra})
		}
	}
	return r.change(engine.RunChange{Attempts: []engine.Attempt{a}, Assets: updated}, lease)
}

func (r *play) write(k engine.TaskKey, try int, start time.Time, s step) error {
	var lines []byte
	for i, l := range s.log {
		level, text := "INFO", l
		if len(l) > 6 && l[:6] == "ERROR " {
			level, text = "ERROR", l[6:]
		}
		at := start.Add(s.takes * time.Duration(i+1) / time.Duration(len(s.log)+1))
		line, err := json.Marshal(map[string]any{"time": at, "level": level, "msg": text})
		if err != nil {
			return err
		}
		lines = append(append(lines, line...), '\n')
	}
	for _, a := range s.kept {
		line, err := attachmentLine(start, a)
		if err != nil {
			return err
		}
		lines = append(append(lines, line...), '\n')
	}
	if len(lines) == 0 {
		return nil
	}
	return r.store.AppendLog(r.ctx, []engine.LogChunk{{TaskKey: k, Try: try, Lines: lines}})
}

// decide ends instances without an attempt.
func (r *play) decide(state engine.State, why string, tasks ...string) error {
	var c engine.RunChange
	for _, t := range tasks {
		k := engine.TaskKey{Run: r.key, Task: t, MapIndex: -1}
		r.instance(k).State = state
		c.Attempts = append(c.Attempts, engine.Attempt{TaskKey: k, State: state, EndedAt: r.at, Version: r.def.Version, Error: why})
	}
	return r.change(c)
}

// end ends the run.
func (r *play) end(state engine.RunState, failed int) error {
	r.state = state
	return r.change(engine.RunChange{EndedAt: &r.at, FailedTasks: failed})
}

func nodes(runner string, names []string, state func(i int) engine.State, at time.Time) []engine.VirtualState {
	var out []engine.VirtualState
	for i, n := range names {
		v := engine.VirtualState{ID: runner + "_" + n, State: state(i)}
		start := at.Add(time.Duration(i) * 2 * time.Second)
		end := start.Add(time.Duration(3+i%4) * time.Second)
		switch v.State {
		case engine.Success:
			v.StartedAt, v.EndedAt, v.Message = &start, &end, fmt.Sprintf("INSERT 0 %d", 41000+137*i)
			if runner == "dbt_test" {
				v.Message = "0 rows"
			}
		case engine.Running:
			v.StartedAt = &start
		case engine.Failed:
			v.StartedAt, v.EndedAt, v.Message = &start, &end, "Database Error in model "+n+": numeric field overflow (SQLSTATE 22003)"
		}
		if runner == "dbt_run" {
			v.Upstream = upstream(Models[i])
		}
		v.Details = details(runner, n, i, v)
		out = append(out, v)
	}
	return out
}

func modelNames() []string {
	var out []string
	for _, m := range Models {
		out = append(out, m[0])
	}
	return out
}
