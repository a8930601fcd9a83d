package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

var _ engine.TxStore = (*Store)(nil)

// A taskTx is a transaction that a task's body writes through. It has its connection for itself: the body may take its time.
type taskTx struct {
	s    *Store
	conn *pgx.Conn
	tx   guarded
	once sync.Once
}

// guarded is what a body gets of its transaction.
type guarded struct{ pgx.Tx }

var errGuarded = errors.New("the engine commits this transaction with the task's success, and rolls it back otherwise: return nil or an error")

// Commit is refused.
func (guarded) Commit(context.Context) error { return errGuarded }

// Rollback is refused.
func (guarded) Rollback(context.Context) error { return errGuarded }

// BeginTask implements engine.TxStore. The session's limits on idling and waiting do not hold until End: they are the body's affair. It
// waits for a database that is away.
func (s *Store) BeginTask(ctx context.Context) (engine.TaskTx, error) {
	select {
	case s.bodies <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		conn, tx, err := s.beginBody(ctx)
		if err == nil {
			return &taskTx{s: s, conn: conn, tx: guarded{tx}}, nil
		}
		if !lost(err) || s.pause(ctx, pause) != nil {
			<-s.bodies
			return nil, err
		}
	}
}

// beginBody begins a transaction on a connection of its own: a body that never returns must not hold up Close.
func (s *Store) beginBody(ctx context.Context) (*pgx.Conn, pgx.Tx, error) {
	pooled, err := s.look.Acquire(ctx)
	if err != nil {
		return nil, nil, err
	}
	conn := pooled.Hijack()
	tx, err := s.look.begin(ctx, conn)
	if err == nil {
		_, err = tx.Exec(ctx, `SELECT set_config('idle_in_transaction_session_timeout', '0', true), set_config('lock_timeout', '0', true)`)
	}
	if err != nil {
		_ = conn.Close(context.WithoutCancel(ctx)) // it is of no use any more
		return nil, nil, err
	}
	return conn, tx, nil
}

// Handle implements engine.TaskTx: a pgx.Tx.
func (t *taskTx) Handle() any { return t.tx }

// End implements engine.TaskTx. What precedes the decision is under a savepoint, so that a decision that errs can be made anew.
func (t *taskTx) End(ctx context.Context, tr engine.Transition) error {
	s, keys := t.s, slices.Compact(slices.Sorted(slices.Values(tr.Runs)))
	f := newFound(&tr, len(keys))
	b := &pgx.Batch{}
	b.Queue(`SELECT set_config('idle_in_transaction_session_timeout', $1, true), set_config('lock_timeout', $2, true)`,
		session["idle_in_transaction_session_timeout"], session["lock_timeout"])
	b.Queue("SAVEPOINT tidemill_end")
	b.Queue(lockRuns, keys)
	queueFind(b, &tr, f)
	queueReadRuns(b, keys, f)
	b.Queue(readClock).QueryRow(func(row pgx.Row) error { return row.Scan(append(f.mark.targets(), &f.now)...) })
	if err := t.conn.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("end of a task's transaction: %w", t.conflict(err))
	}
	replace := true // what stands in the way is replaced: the body's work is not to be thrown away for a row of history
	err := s.decide(ctx, t.conn, f, &tr, &replace)
	var own decideError
	switch {
	case err == nil:
		t.close(ctx)
		return nil
	case errors.As(err, &own):
		if _, err := t.conn.Exec(ctx, "ROLLBACK TO SAVEPOINT tidemill_end"); err != nil {
			return fmt.Errorf("end of a task's transaction: %w", err)
		}
		return own.error
	}
	var fin final
	if errors.As(err, &fin) {
		err = fin.error
	}
	return fmt.Errorf("end of a task's transaction: %w", refused(t.conflict(err)))
}

// conflict marks what the database asks to be repeated, and what its going away has undone.
func (t *taskTx) conflict(err error) error {
	if t.s.repeatable(beforeCommit(t.conn, err)) { // counts it
		return fmt.Errorf("%w: %w", engine.ErrTxConflict, err)
	}
	return err
}

// Lost implements engine.TaskTx.
func (t *taskTx) Lost() bool { return t.conn.IsClosed() }

// Rollback implements engine.TaskTx.
func (t *taskTx) Rollback(ctx context.Context) { t.close(ctx) }

// close closes the connection, with which the server rolls back what was not committed.
func (t *taskTx) close(ctx context.Context) {
	t.once.Do(func() {
		_ = t.conn.Close(context.WithoutCancel(ctx))
		<-t.s.bodies
	})
}
