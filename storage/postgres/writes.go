package postgres

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tidemill/tidemill/engine"
)

// writes are the changes of a transition, gathered into one statement per table. They are queued in the order of locks:
// runs, queue, history, timers, virtual nodes, waits, questions, assets, outbox, audit log.
type writes struct {
	now     time.Time
	replace bool  // rows of the queue and of history may be there already
	worker  int64 // to whom tasks may be handed over; 0: to nobody

	ended     []pgtype.TID // rows of the queue whose leases have ended, or
	proven    leaseColumns // those leases, where nothing was looked up
	runs      runColumnsOut
	repin     pinColumns
	dequeue   keyColumns
	enqueue   queueColumns
	counted   countedRows
	cancel    keyColumns
	attempts  attemptColumns
	untimers  timerColumns
	timers    timerColumns
	closes    closeColumns
	unhold    []int64 // runs that were held and are not queued any more
	unwaits   keyColumns
	waits     waitRows
	unasks    keyColumns
	asks      []engine.QuestionRow
	assets    assetRows
	events    eventColumns
	callbacks callbackColumns
	acts      auditRows
	proofs    func(*pgx.Batch) // queued once the runs are locked; nil: none
}

// add gathers one run's change. It refuses one that reaches beyond the runs that are locked.
func (w *writes) add(c *engine.RunChange, f *found) error {
	i, ok := slices.BinarySearchFunc(f.runs, c.Key, compareKey)
	if !ok {
		return fmt.Errorf("change of run %d, which is not one of the transition's", c.Key)
	}
	run := &f.runs[i]
	if err := w.ownKeys(c); err != nil {
		return err
	}
	w.runs.add(c)
	if f.writers != nil {
		w.runs.writers = append(w.runs.writers, f.writers[i])
	} else {
		w.runs.at = append(w.runs.at, f.at[i])
	}
	if c.Repin {
		w.repin.keys = append(w.repin.keys, c.Key)
		w.repin.dags = append(w.repin.dags, engine.PinnedTo(run.DAG, c.Pin))
		w.repin.pins = append(w.repin.pins, c.Pin)
	}
	scope := engine.PinnedTo(run.DAG, c.Pin)
	if run.Hold != nil && c.State != engine.RunQueued {
		w.unhold = append(w.unhold, c.Key)
	}
	for _, k := range c.Dequeue {
		w.dequeue.add(k)
	}
	enqueue, attempts := c.Enqueue, c.Attempts
	if w.replace {
		enqueue = lastOf(enqueue, func(q *engine.QueueItem) engine.TaskKey { return q.TaskKey })
		attempts = lastOf(attempts, func(a *engine.Attempt) attemptKey { return attemptKey{a.TaskKey, a.Try} })
	}
	for i := range enqueue {
		w.enqueue.add(&enqueue[i], c.Pin)
		w.counted.add(&enqueue[i])
	}
	for _, k := range c.Cancel {
		w.cancel.add(k)
	}
	for i := range attempts {
		w.attempts.add(&attempts[i])
	}
	for _, t := range c.Untimers {
		w.untimers.add(t, run.DAG)
	}
	for _, t := range lastOf(c.Timers, func(t *engine.Timer) timerKey { return timerKey{t.TaskKey, t.Kind} }) {
		w.timers.add(t, scope)
	}
	for _, v := range c.Close {
		w.closes.add(v)
	}
	for _, k := range c.Unwaits {
		w.unwaits.add(k)
	}
	waits := lastOf(c.Waits, func(x *engine.Wait) engine.TaskKey { return x.TaskKey })
	for i := range waits {
		w.waits.add(&waits[i], scope)
	}
	for _, k := range c.Unask {
		w.unasks.add(k)
	}
	w.asks = append(w.asks, c.Ask...)
	for i := range c.Assets {
		w.assets.add(&c.Assets[i])
	}
	for i := range c.Events {
		w.events.add(&c.Events[i])
	}
	for i := range c.Callbacks {
		w.callbacks.add(&c.Callbacks[i])
	}
	w.acts.add(c.Acts)
	return nil
}

func compareKey(r engine.RunRow, key int64) int { return cmp.Compare(r.Key, key) }

// grow makes room for what a transition nearly always writes.
func (w *writes) grow(changes []engine.RunChange) {
	var dequeue, enqueue, attempts int
	for i := range changes {
		c := &changes[i]
		dequeue, enqueue, attempts = dequeue+len(c.Dequeue), enqueue+len(c.Enqueue), attempts+len(c.Attempts)
	}
	w.runs.grow(len(changes))
	w.dequeue.grow(dequeue)
	w.enqueue.grow(enqueue)
	w.attempts.grow(attempts)
}

type attemptKey struct {
	engine.TaskKey
	try int
}

type timerKey struct {
	engine.TaskKey
	kind engine.TimerKind
}

// lastOf leaves of several elements of one key only the last: a statement cannot write a row twice.
func lastOf[T any, K comparable](in []T, key func(*T) K) []T {
	if len(in) < 2 {
		return in
	}
	last := make(map[K]int, len(in))
	for i := range in {
		last[key(&in[i])] = i
	}
	if len(last) == len(in) {
		return in
	}
	out := make([]T, 0, len(last))
	for i := range in {
		if last[key(&in[i])] == i {
			out = append(out, in[i])
		}
	}
	return out
}

// ownKeys refuses a change of one run that holds tasks of another: those are not locked. Nor may it hand tasks over to a worker that was not
// found.
func (w *writes) ownKeys(c *engine.RunChange) error {
	refuse := func(what string, k engine.TaskKey) error {
		return fmt.Errorf("change of run %d: %s names task %q of run %d", c.Key, what, k.Task, k.Run)
	}
	for i := range c.Attempts {
		if c.Attempts[i].Run != c.Key {
			return refuse("Attempts", c.Attempts[i].TaskKey)
		}
	}
	for i := range c.Enqueue {
		if c.Enqueue[i].Run != c.Key {
			return refuse("Enqueue", c.Enqueue[i].TaskKey)
		}
		q := &c.Enqueue[i]
		if q.Lease != uuid.Nil && (q.Worker == 0 || q.Worker != w.worker) {
			return fmt.Errorf("change of run %d hands task %q over to worker %d, which the transition did not find", c.Key, q.Task, q.Worker)
		}
		if q.Pool != "" && q.Lease != uuid.Nil {
			return fmt.Errorf("change of run %d hands task %q over, which takes slots of pool %q: only a claim counts those", c.Key, q.Task, q.Pool)
		}
	}
	for i := range c.Waits {
		if c.Waits[i].Run != c.Key {
			return refuse("Waits", c.Waits[i].TaskKey)
		}
	}
	for i := range c.Ask {
		if c.Ask[i].Run != c.Key {
			return refuse("Ask", c.Ask[i].TaskKey)
		}
	}
	for _, of := range [...]struct {
		what string
		keys []engine.TaskKey
	}{{"Dequeue", c.Dequeue}, {"Cancel", c.Cancel}, {"Unwaits", c.Unwaits}, {"Unask", c.Unask}} {
		for _, k := range of.keys {
			if k.Run != c.Key {
				return refuse(of.what, k)
			}
		}
	}
	for _, of := range [...]struct {
		what   string
		timers []engine.Timer
	}{{"Timers", c.Timers}, {"Untimers", c.Untimers}} {
		for _, t := range of.timers {
			if t.Run != c.Key {
				return refuse(of.what, t.TaskKey)
			}
		}
	}
	return nil
}

// queue queues the statements that have something to do.
func (w *writes) queue(b *pgx.Batch) {
	w.runs.queue(b)
	if len(w.unhold) > 0 {
		b.Queue(releaseRuns, w.unhold)
	}
	if w.proofs != nil {
		w.proofs(b)
	}
	w.queueEnded(b)
	if len(w.dequeue.runs) > 0 {
		b.Queue(lockQueueRows, w.dequeue.runs, w.dequeue.tasks, w.dequeue.indexes)
		b.Queue(dequeueRows, w.dequeue.runs, w.dequeue.tasks, w.dequeue.indexes)
	}
	w.repin.queue(b)
	w.enqueue.queue(b, w.now, w.worker, w.replace)
	w.counted.queue(b)
	if len(w.cancel.runs) > 0 {
		b.Queue(lockQueueRows, w.cancel.runs, w.cancel.tasks, w.cancel.indexes)
		b.Queue(cancelRows, w.cancel.runs, w.cancel.tasks, w.cancel.indexes)
	}
	w.attempts.queue(b, w.replace)
	w.untimers.queueDelete(b)
	w.timers.queueSet(b)
	w.closes.queue(b, w.now)
	if len(w.unwaits.runs) > 0 {
		b.Queue(deleteWaits, w.unwaits.runs, w.unwaits.tasks, w.unwaits.indexes)
	}
	w.waits.queue(b)
	queueUnask(b, &w.unasks, w.now)
	queueAsk(b, w.asks)
	w.assets.queue(b)
	w.events.queue(b)
	w.callbacks.queue(b, w.now)
	w.acts.queue(b)
}

// queueEnded queues what becomes of the queue's rows whose leases have ended. They pass to the tasks that are handed over, unless others are
// taken out or moved as well: that goes before what comes in.
func (w *writes) queueEnded(b *pgx.Batch) {
	n := len(w.ended) + len(w.proven.runs)
	moved := 0
	if !w.replace && len(w.dequeue.runs) == 0 && len(w.repin.keys) == 0 && w.enqueue.alike() {
		moved = min(n, len(w.enqueue.runs))
	}
	if w.proven.runs != nil {
		if moved < n {
			b.Queue(dropProven, w.proven.args(moved, n)...)
		}
		w.enqueue.queueMoved(b, moveProven, w.now, w.worker, moved, w.proven.args(0, moved)...)
		return
	}
	if rest := w.ended[moved:]; len(rest) > 0 {
		b.Queue(dropEnded, rest)
	}
	w.enqueue.queueMoved(b, moveHanded, w.now, w.worker, moved, w.ended[:moved])
}

const changeRun = `UPDATE tidemill.runs r SET
	state = c.state,
	states = c.states,
	version = c.version,
	started_at = coalesce(c.started_at, r.started_at),
	ended_at = CASE WHEN c.reopened THEN NULL ELSE coalesce(c.ended_at, r.ended_at) END,
	failed_tasks = c.failed_tasks
	`

var (
	updateRuns = allOf(changeRun+`FROM unnest($9::tid[], $1::bigint[], $2::text[], $3::bytea[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::boolean[], $8::int[])
		AS c(at, id, state, states, version, started_at, ended_at, reopened, failed_tasks)
	WHERE r.ctid = c.at AND r.id + 0 = c.id`, "$1")  // + 0: to be compared, not to be looked up by

	// updateProven writes runs that nobody has changed since a transaction, of the number in $9. They are looked up through the index, which
	// clears their pages of old versions by the way.
	updateProven = allOf(changeRun+`FROM (
		SELECT c.*, r.at FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::boolean[], $8::int[], $9::xid[])
			AS c(id, state, states, version, started_at, ended_at, reopened, failed_tasks, writer)
			CROSS JOIN LATERAL (SELECT r.ctid AS at FROM tidemill.runs r WHERE r.id = c.id OFFSET 0) r) c
	WHERE r.ctid = c.at AND r.xmin = c.writer`, "$1")
)

type runColumnsOut struct {
	at       []pgtype.TID // or
	writers  []uint32
	keys     []int64
	states   []string
	blobs    [][]byte
	versions []string
	started  []*time.Time
	ended    []*time.Time
	reopened []bool
	failed   []int32
}

func (o *runColumnsOut) add(c *engine.RunChange) {
	o.keys = append(o.keys, c.Key)
	o.states = append(o.states, string(c.State))
	o.blobs = append(o.blobs, c.States)
	o.versions = append(o.versions, c.Version)
	o.started = append(o.started, c.StartedAt)
	o.ended = append(o.ended, c.EndedAt)
	o.reopened = append(o.reopened, c.Reopened)
	o.failed = append(o.failed, int32(c.FailedTasks)) //nolint:gosec // bounded by the number of tasks
}

// grow makes room for n more.
func (o *runColumnsOut) grow(n int) {
	o.keys, o.states, o.blobs, o.versions = slices.Grow(o.keys, n), slices.Grow(o.states, n), slices.Grow(o.blobs, n), slices.Grow(o.versions, n)
	o.started, o.ended, o.reopened, o.failed = slices.Grow(o.started, n), slices.Grow(o.ended, n), slices.Grow(o.reopened, n), slices.Grow(o.failed, n)
}

func (o *runColumnsOut) queue(b *pgx.Batch) {
	args := []any{o.keys, o.states, o.blobs, o.versions, o.started, o.ended, o.reopened, o.failed}
	switch {
	case len(o.keys) == 0:
	case o.writers != nil:
		b.Queue(updateProven, append(args, o.writers)...)
	default:
		b.Queue(updateRuns, append(args, o.at)...)
	}
}
