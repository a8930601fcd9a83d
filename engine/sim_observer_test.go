package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

// An observer looks at the store after each commit, keeps its own account of what is there, and says what must not be.
type observer struct {
	w     *world
	store *enginetest.Store
	ctx   context.Context

	runs    map[int64]*account
	leases  map[engine.TaskKey]held // who holds what now
	granted map[engine.Lease]bool   // ever
	workers map[int64]bool          // that have a row
	paused  map[string]bool
	pools   map[string]int
	sent    int64 // newest message seen
	used    map[string]bool
	free    map[int64]bool       // runs that are not held any more
	outputs map[int]engine.Lease // serial → whose attempt stored it
	rules   ruleBook
	commits int                    // so far
	good    map[engine.TaskKey]int // when the past of a waiting instance was seen good, last
}

type held struct {
	lease  engine.Lease
	worker int64
	dag    string
}

// An account is what the observer knows of a run.
type account struct {
	row    engine.RunRow
	spec   *engine.Spec
	book   book
	at     map[engine.TaskKey]engine.Instance
	tried  map[string]bool // key and try of each attempt in history
	output map[engine.TaskKey][]byte
	fails  map[engine.TaskKey]int
	timers map[timerKey]time.Time
}

func newObserver(w *world, s *enginetest.Store) *observer {
	return &observer{w: w, store: s, rules: ruleBook{}, ctx: context.Background(), runs: map[int64]*account{}, leases: map[engine.TaskKey]held{}, granted: map[engine.Lease]bool{},
		workers: map[int64]bool{}, paused: map[string]bool{}, pools: map[string]int{}, used: map[string]bool{}, free: map[int64]bool{}, outputs: map[int]engine.Lease{}, good: map[engine.TaskKey]int{}}
}

// begun checks that a process works only on what it holds, or held a moment ago.
func (o *observer) begun(p *process, l engine.Lease) {
	if !o.granted[l] {
		o.w.violated("p%d begins %v without a lease in the store", p.id, l.TaskKey)
	}
}

func (o *observer) claimed(c engine.ClaimRequest, out []engine.Leased) {
	if len(out) > c.Slots {
		o.w.violated("a claim for %d slots got %d", c.Slots, len(out))
	}
	for _, l := range out {
		if h, ok := o.leases[l.TaskKey]; ok {
			o.w.violated("%v is claimed while worker %d holds it", l.TaskKey, h.worker)
		}
		o.commits++
		o.w.say("  claimed %s of run %d, try %d, by worker %d", name(l.TaskKey), l.Lease.Run, l.Try, c.Worker)
		o.grant(l.Lease, c.Worker, l.DAG)
	}
}

// grant notes a new lease and checks the limits that it is under.
func (o *observer) grant(l engine.Lease, worker int64, dag string) {
	o.leases[l.TaskKey] = held{l, worker, dag}
	o.granted[l] = true
	if !o.workers[worker] {
		o.w.violated("%v is leased to worker %d, which has no row", l.TaskKey, worker)
	}
	if o.paused[dag] {
		o.w.violated("%v is leased although %s is paused", l.TaskKey, dag)
	}
	d := o.w.dags.byID[dag]
	inDAG, ofTask, inPool := 0, 0, 0
	task := d.task(l.Task)
	for _, h := range o.leases {
		if h.dag == dag {
			inDAG++
			if h.lease.Task == l.Task {
				ofTask++
			}
		}
		if t := o.w.dags.byID[h.dag].task(h.lease.Task); task.Pool != "" && t.Pool == task.Pool {
			inPool += t.PoolSlots
		}
	}
	if d.exact && inDAG > d.spec.MaxActiveTasks {
		o.w.violated("%d tasks of %s are leased, at most %d may", inDAG, dag, d.spec.MaxActiveTasks)
	}
	if task.MaxActive > 0 && ofTask > task.MaxActive {
		o.w.violated("%d instances of %s of %s are leased, at most %d may", ofTask, l.Task, dag, task.MaxActive)
	}
	if task.Pool != "" && inPool > o.pools[task.Pool] {
		o.w.violated("%d slots of pool %s are taken, it has %d", inPool, task.Pool, o.pools[task.Pool])
	}
}

// changed looks at runs after a transition.
func (o *observer) changed(ends []engine.Lease, d decision) {
	if len(d.changes) > 0 {
		o.commits++
	}
	o.pasts()
	over := map[engine.TaskKey]engine.Lease{}
	for i, l := range ends {
		mine := o.leases[l.TaskKey].lease == l && l.ID != uuid.Nil
		if mine != d.found.Held[i] {
			o.w.violated("the store says that the lease of %v is held: %v; it is: %v", l.TaskKey, d.found.Held[i], mine)
		}
		if mine {
			over[l.TaskKey] = l
		}
	}
	before := map[engine.TaskKey]held{}
	for k := range over {
		before[k] = o.leases[k]
		delete(o.leases, k)
	}
	var sent []string
	for i := range d.changes {
		sent = append(sent, o.change(&d.changes[i], over, before, d)...)
	}
	o.told(sent)
}

// cause is what the running thread does.
func (o *observer) cause() string {
	if o.w.on == nil {
		return "nobody"
	}
	return o.w.on.what
}

func (o *observer) change(c *engine.RunChange, over map[engine.TaskKey]engine.Lease, ended map[engine.TaskKey]held, d decision) []string {
	a := o.account(c.Key)
	was := *a
	leased := map[engine.TaskKey]bool{}
	for k := range o.leases {
		leased[k] = k.Run == c.Key
	}
	for k := range over {
		leased[k] = true
	}
	for _, k := range c.Dequeue {
		delete(o.leases, k)
	}
	for _, q := range c.Enqueue {
		if _, ok := o.leases[q.TaskKey]; ok {
			o.w.violated("%v is queued while it is leased", q.TaskKey)
		}
		if q.Lease != uuid.Nil && o.workers[q.Worker] {
			o.w.say("  handed over: %s of run %d, try %d, to worker %d", name(q.TaskKey), q.Run, q.Try, q.Worker)
			o.grant(engine.Lease{TaskKey: q.TaskKey, ID: q.Lease}, q.Worker, q.DAG)
		}
	}
	o.read(a)
	o.w.say("  %s: run %d (%s) %s → %s: %s", o.cause(), c.Key, a.row.DAG, was.row.State, a.row.State, a.diff(&was))
	v := view{o: o, c: c, a: a, was: &was, over: over, ended: ended, leased: leased, cause: o.cause()}
	v.user = strings.HasPrefix(v.cause, "person")
	for _, t := range c.Untimers {
		v.limit = v.limit || t.Kind == engine.TimerRunLimit && v.cause == "timers" && was.row.State == engine.RunRunning
	}
	v.check()
	return v.sent
}

func (o *observer) account(key int64) *account {
	a := o.runs[key]
	if a == nil {
		a = &account{tried: map[string]bool{}, output: map[engine.TaskKey][]byte{}, fails: map[engine.TaskKey]int{}, at: map[engine.TaskKey]engine.Instance{}}
		o.runs[key] = a
		rows, err := o.store.RunsByKey(o.ctx, []int64{key})
		if err != nil || len(rows) != 1 {
			panic(fmt.Sprint("no run ", key, err))
		}
		a.row = rows[0]
		a.row.State = engine.RunQueued
		a.spec = &o.w.dags.byID[a.row.DAG].spec
		a.book = book{spec: a.spec, rules: o.rules, index: o.w.dags.byID[a.row.DAG].index, output: func(task string, i int) []byte { return a.output[engine.TaskKey{Run: key, Task: task, MapIndex: i}] }}
	}
	return a
}

// read takes a run in as it is now.
func (o *observer) read(a *account) {
	rows, err := o.store.RunsByKey(o.ctx, []int64{a.row.Key})
	if err != nil || len(rows) != 1 {
		panic(fmt.Sprint("no run ", a.row.Key, err))
	}
	a.row = rows[0]
	states, err := engine.DecodeRunStates(a.row.States)
	if err != nil {
		o.w.violated("run %d: %v", a.row.Key, err)
		return
	}
	a.book.states = states
	a.at = map[engine.TaskKey]engine.Instance{}
	for i, t := range a.spec.Tasks {
		st := &states.Tasks[i]
		for j, in := range st.Instances {
			a.at[a.key(t.ID, st, j)] = in
		}
	}
}

func (a *account) key(task string, st *engine.TaskStates, j int) engine.TaskKey {
	if !st.Mapped {
		j = -1
	}
	return engine.TaskKey{Run: a.row.Key, Task: task, MapIndex: j}
}

func name(k engine.TaskKey) string {
	if k.MapIndex < 0 {
		return k.Task
	}
	return fmt.Sprintf("%s[%d]", k.Task, k.MapIndex)
}

// keys are the instances of a run, in order.
func (a *account) keys() []engine.TaskKey {
	var out []engine.TaskKey
	for i, t := range a.spec.Tasks {
		if i < len(a.book.states.Tasks) {
			st := &a.book.states.Tasks[i]
			for j := range st.Instances {
				out = append(out, a.key(t.ID, st, j))
			}
		}
	}
	return out
}

func (a *account) diff(was *account) string {
	var out []string
	for _, k := range a.keys() {
		if old, now := was.at[k], a.at[k]; old != now {
			out = append(out, fmt.Sprintf("%s %s#%d→%s#%d", name(k), old.State, old.Try, now.State, now.Try))
		}
	}
	return strings.Join(out, ", ")
}

// told checks that the outbox has what these changes had to leave in it, and nothing else.
func (o *observer) told(want []string) {
	last, err := o.store.Messages(o.ctx, 1)
	if err != nil {
		panic(err)
	}
	if len(last) == 0 && len(want) == 0 {
		return
	}
	var got []string
	if len(last) > 0 {
		rows, err := o.store.Messages(o.ctx, int(last[0].ID-o.sent))
		if err != nil {
			panic(err)
		}
		o.sent = last[0].ID
		for _, m := range rows {
			got = append(got, messageName(m))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		o.w.violated("the outbox got %q, want %q", got, want)
	}
}

func messageName(m engine.MessageRow) string {
	if m.Kind == engine.MessageWebhook {
		return fmt.Sprintf("event %s of %d %s", m.Type, m.Key.Run, m.Key.Task)
	}
	return fmt.Sprintf("call %s of %d %s", m.Hook, m.Key.Run, name(m.Key))
}

// released notes that a held run may start, and checks that it may.
func (o *observer) released(run int64) {
	rows, err := o.store.RunsByKey(o.ctx, []int64{run})
	if err != nil || len(rows) == 0 {
		panic(err)
	}
	if h := rows[0].Hold; h != nil && (o.w.mark == 0 || o.w.markAt().Before(h.Passed)) {
		o.w.violated("run %d is released before the stream has passed its day", run)
	}
}

// triggered checks that an update of an asset triggers a run of a DAG once.
func (o *observer) triggered(dag string, events []int64) {
	for _, e := range events {
		k := fmt.Sprint(dag, e)
		if o.used[k] {
			o.w.violated("event %d has triggered two runs of %s", e, dag)
		}
		o.used[k] = true
	}
}

// serialOf reads the serial of an output: a number, or the first of a list.
func serialOf(output []byte) (int, bool) {
	var n int
	if json.Unmarshal(output, &n) == nil {
		return n, true
	}
	var list []int
	if json.Unmarshal(output, &list) == nil && len(list) > 0 {
		return list[0], true
	}
	return 0, false
}

// pasts notes of which instances that depend on their past it is good now.
func (o *observer) pasts() {
	if !o.w.dags.past {
		return
	}
	o.w.store.quiet++
	defer func() { o.w.store.quiet-- }()
	for _, a := range o.runs {
		for k, in := range a.at {
			if in.State == engine.Scheduled && o.pastIsGood(a, k) {
				o.good[k] = o.w.turn
			}
		}
	}
}

// pastIsGood tells whether the run before has got as far as an instance asks for.
func (o *observer) pastIsGood(a *account, k engine.TaskKey) bool {
	rows, _, err := o.store.Runs(o.ctx, engine.RunFilter{DAGs: []string{a.row.DAG}, Limit: 10000})
	must(err)
	var before *engine.RunRow
	for i := range rows {
		r := &rows[i]
		if r.Logical == nil || !r.Logical.Before(*a.row.Logical) || a.spec.Catchup && r.Type != engine.ScheduledRun && r.Type != engine.BackfillRun {
			continue
		}
		if before == nil || r.Logical.After(*before.Logical) {
			before = r
		}
	}
	if before == nil {
		return true
	}
	if len(before.States) == 0 {
		return false
	}
	states, err := engine.DecodeRunStates(before.States)
	must(err)
	passed := func(task string, element int) bool {
		st := states.Tasks[a.book.index[task]]
		for j, in := range st.Instances {
			if st.Mapped && element >= 0 && element < len(st.Instances) && j != element {
				continue
			}
			if in.State != engine.Success && in.State != engine.Skipped && in.State != engine.Removed {
				return false
			}
		}
		return true
	}
	if !passed(k.Task, k.MapIndex) {
		return false
	}
	if !a.spec.Tasks[a.book.index[k.Task]].WaitForDownstream {
		return true
	}
	for _, t := range a.spec.Tasks {
		if slices.ContainsFunc(t.Upstream, func(e engine.EdgeSpec) bool { return e.Task == k.Task }) && !passed(t.ID, -1) {
			return false
		}
	}
	return true
}
