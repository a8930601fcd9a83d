package postgres

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemill/tidemill/engine"
)

// A transition of runs that this process was the last to change can be made in one round trip: it is decided by what was left behind, and the
// transaction that writes it proves that all of it is still so, or stores nothing:
//
//   - the server has neither been restarted since nor been replaced by another, and its clock tells the time of the decision, or nearly,
//   - the last to write each run's row was the transaction that left behind what is known,
//   - each lease that ends is in the queue,
//   - the DAGs are paused or not, and on the versions, as they were,
//   - the worker to whom tasks are handed over has a row, and keeps it until the end.
//
// The transaction waits for nobody's thought: it holds its locks from its first statement to its commit, all within the server. A process that
// is frozen holds none.
const (
	proveStanding = `SELECT 1 / (count(*) = cardinality($1))::int FROM unnest($1::text[], $2::boolean[], $3::text[]) AS c(dag_id, paused, version)
		CROSS JOIN LATERAL (SELECT FROM tidemill.dags d WHERE d.dag_id = c.dag_id AND d.paused = c.paused AND d.version = c.version OFFSET 0) d`

	// proveServer: a process that was frozen when it took the time, or has decided and then been frozen, would write the past.
	proveServer = `SELECT 1 / (` + serverLife + ` = $1 AND clock_timestamp() BETWEEN $2::timestamptz - $3::interval AND $2::timestamptz + $3::interval)::int`

	proveWorker = `SELECT 1 / count(*) FROM (SELECT FROM tidemill.workers WHERE id = $1 FOR KEY SHARE) w`
)

// inOne makes a transition in one round trip, if enough is known for it. done tells whether it was made; otherwise nothing has been stored, and it
// is to be made the long way, which also tells what is wrong.
func (s *Store) inOne(ctx context.Context, keys []int64, t *engine.Transition) (done bool) {
	if len(t.Heads) != len(keys) || len(keys) == 0 || len(t.Timers) > 0 || len(t.Waits) > 0 {
		return false
	}
	f, ok := s.known.find(keys, t, s.clock.Now())
	if !ok {
		return false
	}
	changes, err := t.Decide(f.now, f.runs, f.Found)
	if err != nil || len(changes) != len(keys) { // what is not changed would not be proved
		return false
	}
	w, err := newWrites(f, t, changes, false)
	if err != nil {
		return false
	}
	w.proven.grow(len(t.Ends))
	for _, l := range t.Ends {
		w.proven.add(l)
	}
	conn, err := s.work.Acquire(ctx)
	if err != nil {
		return false
	}
	defer conn.Release()
	defer rollback(ctx, conn.Conn())
	err = s.prove(ctx, conn, f, w)
	if err == nil || lost(err) && s.wasMade(ctx, f.mark, changes, err) {
		s.known.right()
		s.stats.inOne.Add(1)
		s.committed(f, changes)
		return true
	}
	s.known.mistaken(keys)
	s.stats.wrongGuesses.Add(1)
	return false
}

// prove sends a whole transaction.
func (s *Store) prove(ctx context.Context, conn *pgxpool.Conn, f *found, w *writes) error {
	type standing struct {
		dag, version string
		paused       bool
	}
	var all []standing // of two runs of a DAG one may be known from before it was paused: both are proved, and one fails
	var dags, versions []string
	var paused []bool
	for i := range f.runs {
		r := &f.runs[i]
		if st := (standing{r.DAG, r.DAGVersion, r.DAGPaused}); !slices.Contains(all, st) {
			all = append(all, st)
			dags, versions, paused = append(dags, st.dag), append(versions, st.version), append(paused, st.paused)
		}
	}
	var clock time.Time
	w.proofs = func(b *pgx.Batch) {
		b.Queue(proveServer, f.server, f.now, clockSlack)
		b.Queue(proveStanding, dags, paused, versions)
		if w.enqueue.handed {
			b.Queue(proveWorker, w.worker)
		}
		b.Queue(readClock).QueryRow(func(row pgx.Row) error { return row.Scan(append(f.mark.targets(), &clock)...) })
	}
	b := &pgx.Batch{}
	s.work.queueBegin(b)
	w.queue(b)
	b.Queue("COMMIT")
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitLimit)
	defer cancel()
	return conn.SendBatch(last, b).Close()
}

// committed takes in what a transition that has been committed left behind.
func (s *Store) committed(f *found, changes []engine.RunChange) {
	s.stats.transitions.Add(1)
	if !f.keep {
		return
	}
	if number, err := strconv.ParseUint(f.mark.xid, 10, 64); err == nil {
		s.known.wrote(f, changes, uint32(number)) //nolint:gosec // as xmin has it: without its epoch
	}
}

// wasMade finds out whether a transaction that went in one round trip was committed although its answer was lost: by its mark, or, when not even
// that has come, by a lease that none but it can have given. Where it has given none it does not matter: the long way finds what is so.
func (s *Store) wasMade(ctx context.Context, m mark, changes []engine.RunChange, cause error) (made bool) {
	if m.xid != "" {
		return s.settle(ctx, m, cause) == nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleLimit)
	defer cancel()
	for i := range changes {
		for _, q := range changes[i].Enqueue {
			if q.Lease == uuid.Nil {
				continue
			}
			s.stats.unknown.Add(1)
			err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, lockRuns, []int64{q.Run}); err != nil { // once it is over, or before it has begun: then it fails
					return err
				}
				return tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM tidemill.task_queue WHERE run_id = $1 AND task_id = $2 AND map_index = $3 AND lease = $4)`,
					q.Run, q.Task, q.MapIndex, pgtype.UUID{Bytes: q.Lease, Valid: true}).Scan(&made)
			})
			return err == nil && made
		}
	}
	return false
}
