package sqltask

import (
	"context"
	"database/sql"
	"encoding"
	"errors"
	"fmt"
	"reflect"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

// Rows makes a body for engine.After, Map and the like whose output is what the query yields that build makes of the task's input. See
// [Query].
func Rows[B, A any](db DB, build func(A) Statement) func(context.Context, A) ([]B, error) {
	return func(ctx context.Context, a A) ([]B, error) { return Query[B](ctx, db, build(a)) }
}

// Row is [Rows] for a query that yields exactly one row: none is an error that wraps pgx.ErrNoRows and is retried, several are a permanent
// one.
func Row[B, A any](db DB, build func(A) Statement) func(context.Context, A) (B, error) {
	return func(ctx context.Context, a A) (B, error) {
		var b B
		s := build(a)
		s.MaxRows = 1
		rows, err := Query[B](ctx, db, s)
		if err != nil {
			return b, err
		}
		if len(rows) == 0 {
			return b, fmt.Errorf("statement %s: %w where one was expected", s.name(), pgx.ErrNoRows)
		}
		return rows[0], nil
	}
}

// Affected is what statements have changed.
type Affected struct {
	Rows int64   `json:"rows"` // in all
	Each []int64 `json:"each"` // by each statement, in order
}

// Exec makes a body that runs the statements that build makes of the task's input, in order, in one transaction.
func Exec[A any](db DB, build func(A) []Statement) func(context.Context, A) (Affected, error) {
	return func(ctx context.Context, a A) (Affected, error) { return Execute(ctx, db, build(a)...) }
}

// Query runs a query in a transaction of its own and returns its rows, never nil. A struct B is filled by the names of the columns, as
// pgx.RowToStructByName does: each exported field needs its column and each column its field, "db" tags rename. Any other B takes the one column that
// there is. More rows than the statement's MaxRows are a permanent error.
func Query[B any](ctx context.Context, db DB, s Statement) ([]B, error) {
	return query[B](ctx, db, s, pgx.ReadWrite)
}

// Look is [Query] for queries that change nothing: the transaction is read only. It is what sensors do.
func Look[B any](ctx context.Context, db DB, s Statement) ([]B, error) {
	return query[B](ctx, db, s, pgx.ReadOnly)
}

func query[B any](ctx context.Context, db DB, s Statement, mode pgx.TxAccessMode) ([]B, error) {
	out := []B{}
	err := inTx(ctx, db, mode, func(tx pgx.Tx) error {
		return (&limits{}).run(ctx, tx, s, func(ctx context.Context) error {
			ctx, stop := context.WithCancel(ctx)
			defer stop()
			rows, err := tx.Query(ctx, s.SQL, s.Args...)
			if err != nil {
				return err
			}
			defer rows.Close()
			for read := rowTo[B](); rows.Next(); {
				if len(out) == s.maxRows() {
					stop() // else Close would read all that is left
					return engine.Permanent(fmt.Errorf("it yields more rows than %d: ask for fewer, raise MaxRows, or let SQL write them where they belong", s.maxRows()))
				}
				b, err := read(rows)
				if err != nil {
					return engine.Permanent(fmt.Errorf("a row does not fit %T: give each column a field of its name and type (a pointer where it may be NULL): %w", b, err))
				}
				out = append(out, b)
			}
			return rows.Err()
		})
	})
	if err != nil {
		return nil, err
	}
	engine.Log(ctx).Info("queried", "statement", s.name(), "rows", len(out))
	return out, nil
}

// Execute runs statements in order in one transaction. It errs when there is none.
func Execute(ctx context.Context, db DB, statements ...Statement) (out Affected, err error) {
	err = inTx(ctx, db, pgx.ReadWrite, func(tx pgx.Tx) error {
		out, err = executeIn(ctx, tx, statements)
		return err
	})
	if err != nil {
		return Affected{}, err
	}
	return out, nil
}

// ExecTx is [Exec] through the transaction that records the task's success (engine.Tx): what the statements change happens exactly once,
// whatever dies when. It works on the engine's own database, with the engine's role; the statements should be short.
func ExecTx[A any](build func(A) []Statement) func(context.Context, A) (Affected, error) {
	return func(ctx context.Context, a A) (Affected, error) {
		tx, err := engine.Tx[pgx.Tx](ctx)
		if err != nil {
			return Affected{}, err
		}
		return executeIn(ctx, tx, build(a))
	}
}

// executeIn runs statements in a transaction of somebody else's, whose timeout is at the end what it was.
func executeIn(ctx context.Context, tx pgx.Tx, statements []Statement) (Affected, error) {
	if len(statements) == 0 {
		return Affected{}, engine.Permanent(errors.New("SQL: there is no statement to run: give at least one"))
	}
	out := Affected{Each: make([]int64, len(statements))}
	l := &limits{}
	for i, s := range statements {
		if err := l.run(ctx, tx, s, func(ctx context.Context) error {
			tag, err := tx.Exec(ctx, s.SQL, s.Args...)
			out.Each[i] = tag.RowsAffected()
			out.Rows += out.Each[i]
			return err
		}); err != nil {
			return Affected{}, err
		}
		engine.Log(ctx).Info("executed", "statement", s.name(), "rows", out.Each[i])
	}
	if err := l.reset(ctx, tx); err != nil {
		return Affected{}, fmt.Errorf("SQL: reset the timeout of statements: %w", err)
	}
	return out, nil
}

// inTx does something in a transaction. The database ends what it is doing for us when ctx ends.
func inTx(ctx context.Context, db DB, mode pgx.TxAccessMode, do func(pgx.Tx) error) error {
	if v := reflect.ValueOf(db); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return engine.Permanent(errors.New("SQL: there is no database: give the body a *pgxpool.Pool when the DAG is made"))
	}
	err := pgx.BeginTxFunc(ctx, db, pgx.TxOptions{AccessMode: mode}, do)
	if err != nil && ctx.Err() != nil && !errors.Is(err, context.Cause(ctx)) {
		return fmt.Errorf("SQL: %w", context.Cause(ctx))
	}
	return err
}

// rowTo is how a row becomes a B.
func rowTo[B any]() pgx.RowToFunc[B] {
	var b *B
	_, scans := any(b).(sql.Scanner)
	_, reads := any(b).(encoding.TextUnmarshaler) // time.Time, netip.Addr …
	if reflect.TypeFor[B]().Kind() == reflect.Struct && !scans && !reads {
		return pgx.RowToStructByName[B]
	}
	return pgx.RowTo[B]
}
