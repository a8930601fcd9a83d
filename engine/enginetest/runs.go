package enginetest

import "github.com/tidemill/tidemill/engine"

// A run is a run with all that hangs on it.
type run struct {
	dag      *dag
	scope    *scope // where its timers and waits are
	row      engine.RunRow
	index    int // in its group's pile, while it is queued
	queue    map[engine.TaskKey]*item
	timers   map[timerKey]*timer           // nil until one is set
	attempts map[string]map[int][]*attempt // by task and map index, in the order written
	virtuals []*virtual                    // in the order first reported
	waits    map[engine.TaskKey]engine.Wait
	asked    map[engine.TaskKey]engine.QuestionRow
	askedOld map[engine.TaskKey][]engine.QuestionRow // before, oldest first
	names    map[engine.TaskKey]string
	notes    map[engine.TaskKey]note
	noteBy   string
	events   []int64 // of assets, that triggered it
}

// A group is the runs of one DAG that share a limit: those of one backfill, or those of none.
type group struct {
	queued  *pile[*run] // those that are not held
	held    int         // queued, but held
	running int
}

func newRun(d *dag, row engine.RunRow) *run {
	r := &run{
		dag: d, scope: d.scope, row: row, queue: map[engine.TaskKey]*item{}, attempts: map[string]map[int][]*attempt{},
	}
	r.enter()
	return r
}

// change sets a run's state and backfill and keeps the indexes in step. A run that is not queued any more is not held.
func (r *run) change(state engine.RunState, backfill int64) {
	r.leave()
	r.row.State, r.row.Backfill = state, backfill
	if state != engine.RunQueued {
		r.row.Hold = nil
	}
	r.enter()
}

// release lets a held run start.
func (r *run) release() {
	r.leave()
	r.row.Hold = nil
	r.enter()
}

func (r *run) enter() {
	g := r.dag.groups[r.row.Backfill]
	if g == nil {
		g = &group{queued: newPile(startsBefore, func(r *run) *int { return &r.index })}
		r.dag.groups[r.row.Backfill] = g
	}
	switch {
	case r.row.Hold != nil:
		g.held++
		r.dag.held[r] = struct{}{}
	case r.row.State == engine.RunQueued:
		g.queued.put(r)
	case r.row.State == engine.RunRunning:
		g.running++
		r.dag.running[r] = struct{}{}
	}
}

func (r *run) leave() {
	g := r.dag.groups[r.row.Backfill]
	switch {
	case r.row.Hold != nil:
		g.held--
		delete(r.dag.held, r)
	case r.row.State == engine.RunQueued:
		g.queued.remove(r)
	case r.row.State == engine.RunRunning:
		g.running--
		delete(r.dag.running, r)
	}
}

// startsBefore is the order in which queued runs start: those of a schedule or of assets, manual, backfill; then by order and key.
func startsBefore(a, b *run) bool {
	if x, y := typeRank(a.row.Type), typeRank(b.row.Type); x != y {
		return x < y
	}
	if a.row.Order != b.row.Order {
		return a.row.Order < b.row.Order
	}
	return a.row.Key < b.row.Key
}

func typeRank(t engine.RunType) int {
	switch t {
	case engine.ScheduledRun, engine.AssetRun:
		return 0
	case engine.ManualRun:
		return 1
	default:
		return 2
	}
}
