package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemill/tidemill/engine"
)

// Statements of this file and of the writes find rows by key from arrays of keys. They are planned once, for a table whose
// size nobody knows, so they leave no choice: for each key (LATERAL … OFFSET 0) its row is looked up through the index
// and then reached by its address (ctid). That address is good because the rows are locked, by the run's lock or
// in a statement before. The rows that nearly every transition changes, its runs' and those of the leases that it ends, are looked up
// once, in the first round trip, and reached by address in the second: in all a look-up of each row less.

const (
	lockRuns = `SELECT id FROM tidemill.runs WHERE id = ANY($1) ORDER BY id FOR UPDATE`

	readRuns = `SELECT ` + runColumns + `, r.states, r.ctid, coalesce(d.paused, false), coalesce(d.version, '')
		FROM tidemill.runs r LEFT JOIN LATERAL (SELECT d.paused, d.version FROM tidemill.dags d WHERE d.dag_id = r.dag_id OFFSET 0) d ON true
		WHERE r.id = ANY($1) ORDER BY r.id`

	// lockKnown locks runs and reads of them what changes, for a caller who knows the rest. It may do both at once: of the rows that it locks
	// a SELECT … FOR UPDATE returns the versions that it has locked, however long it waited, and a run's state is all in its row. (What is
	// in other rows would be read as it was before the wait: that needs a statement of its own.)
	lockKnown = `SELECT r.id, r.state, r.version, r.failed_tasks, r.backfill_id, r.states, r.ctid FROM tidemill.runs r WHERE r.id = ANY($1) ORDER BY r.id FOR UPDATE`

	readStanding = `SELECT d.dag_id, d.paused, d.version FROM tidemill.dags d WHERE d.dag_id = ANY($1)`

	readClock = `SELECT ` + markColumns + `, clock_timestamp()`
)

// Transition implements engine.Dispatcher: in one round trip where what there is to know is known (see inOne), otherwise in two. Runs that there are not are left out; Decide gets those
// found in ascending order. A change of a run that is not among them is an error.
//
// Once the decision is made ctx no longer cancels it: the last pipeline ends within seconds, and cutting it would only
// leave its outcome unknown.
func (s *Store) Transition(ctx context.Context, t engine.Transition) error {
	keys := slices.Compact(slices.Sorted(slices.Values(t.Runs)))
	if s.inOne(ctx, keys, &t) {
		return nil
	}
	replace := false
	err := s.repeat(ctx, func(ctx context.Context) error {
		conn, err := s.work.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		defer rollback(ctx, conn.Conn())
		found, err := s.begin(ctx, conn, keys, &t)
		if err != nil {
			return err
		}
		return s.decide(ctx, conn.Conn(), found, &t, &replace)
	})
	if err != nil {
		var own decideError
		if errors.As(err, &own) {
			return own.error
		}
		return fmt.Errorf("transition of %d runs: %w", len(keys), err)
	}
	return nil
}

// A decideError is an error of the engine's Decide, which is returned as it is.
type decideError struct{ error }

func (e decideError) Unwrap() error { return e.error }

// What a transaction found under its locks.
type found struct {
	engine.Found
	runs    []engine.RunRow
	at      []pgtype.TID // addresses of the runs
	ended   []pgtype.TID // addresses of the queue's rows whose leases end
	writers []uint32     // instead of addresses, where nothing was looked up: see knownRun
	server  string       // likewise: see knowledge
	keep    bool         // what is left of the runs is worth knowing: their tasks are this process's, or likely to be
	now     time.Time    // of the decision
	mark    mark
}

// newFound makes room for what a transition finds.
func newFound(t *engine.Transition, runs int) *found {
	return &found{
		Found: engine.Found{Held: make([]bool, len(t.Ends)), Due: make([]bool, len(t.Timers)), Wait: make([]bool, len(t.Waits))},
		runs:  make([]engine.RunRow, 0, runs),
		at:    make([]pgtype.TID, 0, runs),
	}
}

// leave keeps of the runs those that are chosen, with their addresses.
func (f *found) leave(chosen map[int64]bool) {
	n := 0
	for i := range f.runs {
		if chosen[f.runs[i].Key] {
			f.runs[n], f.at[n] = f.runs[i], f.at[i]
			n++
		}
	}
	f.runs, f.at = f.runs[:n], f.at[:n]
}

// begin is the first round trip: it begins a transaction, locks the runs, ends the leases and reads.
func (s *Store) begin(ctx context.Context, conn *pgxpool.Conn, keys []int64, t *engine.Transition) (*found, error) {
	f := newFound(t, len(keys))
	b := &pgx.Batch{}
	s.work.queueBegin(b)
	known := len(t.Heads) == len(keys)
	f.keep = known
	switch {
	case len(keys) == 0:
	case known:
		queueLockKnown(b, keys, t.Heads, f)
	default:
		b.Queue(lockRuns, keys)
	}
	queueFind(b, t, f)
	if len(keys) > 0 && !known {
		queueReadRuns(b, keys, f)
	}
	b.Queue(readClock).QueryRow(func(row pgx.Row) error { return row.Scan(append(f.mark.targets(), &f.now)...) })
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		return nil, beforeCommit(conn.Conn(), err)
	}
	s.known.sample(f.now, s.clock.Now()) // here, where the answer has not waited for a commit
	return f, nil
}

// queueLockKnown queues the lock of runs of which all but the state is known, and how their DAGs stand.
func queueLockKnown(b *pgx.Batch, keys []int64, heads map[int64]*engine.RunRow, f *found) {
	var dags []string
	b.Queue(lockKnown, keys).Query(func(rows pgx.Rows) error {
		var key, backfill int64
		var state, version string
		var failed int
		var states []byte
		var at pgtype.TID
		_, err := pgx.ForEachRow(rows, []any{&key, &state, &version, &failed, &backfill, &states, &at}, func() error {
			r := *heads[key]
			r.State, r.Version, r.FailedTasks, r.Backfill, r.States = engine.RunState(state), version, failed, backfill, states
			f.runs, f.at = append(f.runs, r), append(f.at, at)
			return nil
		})
		return err
	})
	for _, k := range keys {
		if dag := heads[k].DAG; len(dags) == 0 || dags[len(dags)-1] != dag && !slices.Contains(dags, dag) {
			dags = append(dags, dag)
		}
	}
	b.Queue(readStanding, dags).Query(func(rows pgx.Rows) error {
		var dag, version string
		var paused bool
		_, err := pgx.ForEachRow(rows, []any{&dag, &paused, &version}, func() error {
			for i := range f.runs {
				if f.runs[i].DAG == dag {
					f.runs[i].DAGPaused, f.runs[i].DAGVersion = paused, version
				}
			}
			return nil
		})
		return err
	})
}

func queueReadRuns(b *pgx.Batch, keys []int64, f *found) {
	b.Queue(readRuns, keys).Query(func(rows pgx.Rows) error {
		var r engine.RunRow
		var at pgtype.TID
		dest := append(runTargets(&r), &r.States, &at, &r.DAGPaused, &r.DAGVersion)
		_, err := pgx.ForEachRow(rows, dest, func() error {
			f.runs, f.at = append(f.runs, r), append(f.at, at)
			return nil
		})
		return err
	})
}

// decide asks the engine what follows, and stores that in the second round trip. Rows of the queue and of history are
// first written as if they were new, which they nearly always are; if one is there already all is repeated with
// statements that replace it.
func (s *Store) decide(ctx context.Context, conn *pgx.Conn, f *found, t *engine.Transition, replace *bool) error {
	changes, err := t.Decide(f.now, f.runs, f.Found)
	if err != nil {
		return final{decideError{err}}
	}
	w, err := newWrites(f, t, changes, *replace)
	if err != nil {
		return final{err}
	}
	b := &pgx.Batch{}
	w.queue(b)
	b.Queue("COMMIT")
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitLimit)
	defer cancel()
	if err := conn.SendBatch(last, b).Close(); err != nil {
		if lost(err) && conn.IsClosed() {
			if err := s.settle(ctx, f.mark, err); err != nil {
				return err
			}
		} else {
			return s.refused(err, replace)
		}
	}
	s.committed(f, changes)
	return nil
}

// newWrites gathers what a decision changes; replace: rows of the queue and of history may be there already.
func newWrites(f *found, t *engine.Transition, changes []engine.RunChange, replace bool) (*writes, error) {
	w := &writes{now: f.now, replace: replace, ended: f.ended}
	if f.Worker {
		w.worker = t.Worker
	}
	w.grow(changes)
	for i := range changes {
		if err := w.add(&changes[i], f); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// refused turns to replacing when a row was there already.
func (s *Store) refused(err error, replace *bool) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "23505" && !*replace && (pg.ConstraintName == "attempts_pkey" || pg.ConstraintName == "task_queue_pkey") {
		*replace = true
		s.stats.rewrites.Add(1)
		return again{err}
	}
	return err
}

// An again asks for a repetition at once.
type again struct{ error }

func (e again) Unwrap() error { return e.error }

func compareKeys(a, b engine.TaskKey) int {
	return cmp.Or(cmp.Compare(a.Run, b.Run), cmp.Compare(a.Task, b.Task), cmp.Compare(a.MapIndex, b.MapIndex))
}
