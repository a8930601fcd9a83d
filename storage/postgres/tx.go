package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/tidemill/tidemill/engine"
)

const (
	maxTries     = 20                     // of one transaction; the pauses add up to some 3 s
	firstPause   = 2 * time.Millisecond   // doubled each time, and jittered
	longestPause = 250 * time.Millisecond // so that a herd of colliding transactions spreads
	commitLimit  = 15 * time.Second       // for the last pipeline: longer than lock_timeout
	settleLimit  = 20 * time.Second       // for asking what became of a commit: longer than it takes the server to drop a dead client
	settlePause  = 20 * time.Millisecond
)

// ErrUnknownCommit says that a connection was lost during a commit and that the database could not be asked in time
// whether it happened.
var ErrUnknownCommit = errors.New("the outcome of a commit is unknown")

// A cutOff is an error that came before the commit was sent: nothing was done, and the transaction can be repeated.
type cutOff struct{ error }

func (e cutOff) Unwrap() error { return e.error }

// A final is an error that is returned as it is and never leads to a repetition.
type final struct{ error }

func (e final) Unwrap() error { return e.error }

// errRolledBack says that a commit whose answer was lost did not happen.
var errRolledBack = errors.New("connection lost during the commit, which did not happen")

// repeat runs a transaction until it succeeds or fails for good. It is repeated when the database asks for it (deadlock,
// serialisation, lock timeout) and when its connection was lost before the commit.
func (s *Store) repeat(ctx context.Context, transaction func(context.Context) error) error {
	pause := firstPause
	for try := 1; ; try++ {
		err := transaction(ctx)
		if err == nil {
			return nil
		}
		var f final
		if errors.As(err, &f) {
			return f.error
		}
		if ctx.Err() != nil || try == maxTries {
			return err
		}
		if errors.As(err, new(again)) {
			continue
		}
		if !s.repeatable(err) {
			return refused(err)
		}
		s.log.Debug("transaction repeated", "try", try, "error", err)
		if err := s.pause(ctx, pause/2+rand.N(pause)); err != nil { //nolint:gosec // jitter
			return err
		}
		pause = min(2*pause, longestPause)
	}
}

// refused marks an error that the data make, and that will come again with them: a value of the wrong form or range (class 22), one that
// a check refuses (23514), one that is too large for its place (class 54). A row that was not where it should be is none of these: see allOf.
func refused(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code != divisionByZero && (strings.HasPrefix(pg.Code, "22") || strings.HasPrefix(pg.Code, "54") || pg.Code == "23514") {
		return fmt.Errorf("%w: %w", engine.ErrRefused, err)
	}
	return err
}

// repeatable tells whether a transaction that ended with err may be repeated, and counts it.
func (s *Store) repeatable(err error) bool {
	var pg *pgconn.PgError
	var cut cutOff
	switch {
	case errors.As(err, &cut), errors.Is(err, errRolledBack):
		s.stats.cutOff.Add(1)
	case !errors.As(err, &pg):
		return false
	case pg.Code == "40P01":
		s.stats.deadlocks.Add(1)
	case pg.Code == "40001":
		s.stats.serial.Add(1)
	case pg.Code == "55P03":
		s.stats.lockWaits.Add(1)
	default:
		return false
	}
	return true
}

func (s *Store) pause(ctx context.Context, d time.Duration) error {
	t := s.clock.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lost tells whether err means that the connection is gone, rather than that the database refused a statement.
func lost(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Severity == "FATAL" || pg.Severity == "PANIC" || pg.Code == "25P03" || pg.Code == "57P01"
	}
	return err != nil && !errors.Is(err, pgx.ErrNoRows)
}

// beforeCommit marks errors of statements before the commit: if the connection was lost, nothing was done. An error of
// building a statement is none of the connection's.
func beforeCommit(conn *pgx.Conn, err error) error {
	if err != nil && lost(err) && conn.IsClosed() {
		return cutOff{err}
	}
	return err
}

// rollback ends a transaction that failed, so that its connection can be used again.
func rollback(ctx context.Context, conn *pgx.Conn) {
	if conn.IsClosed() || conn.PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if _, err := conn.Exec(ctx, "ROLLBACK"); err != nil {
		_ = conn.Close(ctx) // the server rolls back then
	}
}

// write runs do in a transaction and commits it. It may be repeated: do must not have effects of its own.
func (s *Store) write(ctx context.Context, do func(ctx context.Context, tx pgx.Tx) error) error {
	return s.repeat(ctx, func(ctx context.Context) error {
		conn, err := s.look.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		return s.writeOn(ctx, s.look, conn, do)
	})
}

// writeOn is one try of write, on a connection of a pool.
func (s *Store) writeOn(ctx context.Context, p *pool, conn *pgxpool.Conn, do func(ctx context.Context, tx pgx.Tx) error) error {
	tx, err := p.begin(ctx, conn.Conn())
	if err != nil {
		return beforeCommit(conn.Conn(), err)
	}
	defer rollback(ctx, conn.Conn())
	if err := do(ctx, tx); err != nil {
		return beforeCommit(conn.Conn(), err)
	}
	var m mark
	if err := tx.QueryRow(ctx, `SELECT `+markColumns).Scan(m.targets()...); err != nil {
		return beforeCommit(conn.Conn(), err)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitLimit)
	defer cancel()
	if err := tx.Commit(last); err != nil {
		if lost(err) {
			return s.settle(ctx, m, err)
		}
		return err
	}
	return nil
}

// query collects the rows of one statement.
func query[T any](ctx context.Context, q querier, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

// A querier is a pool, a connection or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}
