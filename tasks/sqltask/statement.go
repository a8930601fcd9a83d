package sqltask

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

// DefaultMaxRows is how many rows a [Statement] that names no bound may yield.
const DefaultMaxRows = 10_000

// A DB is where statements run: a *pgxpool.Pool, or a *pgx.Conn that nobody else uses.
type DB interface {
	BeginTx(ctx context.Context, opts pgx.TxOptions) (pgx.Tx, error)
}

// A Statement is one statement of SQL with its arguments.
type Statement struct {
	SQL     string
	Args    []any         // of $1, $2 …; or one pgx.StrictNamedArgs, of @name
	Timeout time.Duration // after which the server ends it. 0: as the server is set
	MaxRows int           // rows that it may yield; more are an error. 0: [DefaultMaxRows]
}

func (s Statement) check(ctx context.Context) error {
	switch {
	case strings.TrimSpace(s.SQL) == "":
		return errors.New("its SQL is empty: set Statement.SQL")
	case s.Timeout < 0:
		return fmt.Errorf("its Timeout is %s: give 0 for the server's, or more", s.Timeout)
	case s.MaxRows < 0:
		return fmt.Errorf("its MaxRows is %d: give 0 for %d, or more", s.MaxRows, DefaultMaxRows)
	}
	_, err := s.sent(ctx)
	return err
}

func (s Statement) maxRows() int {
	if s.MaxRows == 0 {
		return DefaultMaxRows
	}
	return s.MaxRows
}

// name is the statement for people: the beginning of its text.
func (s Statement) name() string {
	text := []rune(strings.Join(strings.Fields(s.SQL), " "))
	if len(text) > 60 {
		text = append(text[:59], '…')
	}
	return strconv.Quote(string(text))
}

// slack is how long the client waits beyond a statement's timeout for the server to say that it has passed.
const slack = 5 * time.Second

// limits are the limits of statements in one transaction.
type limits struct {
	before string // the transaction's own statement_timeout; "": not asked for yet
	ours   bool   // one of ours is set
}

// run checks a statement, sets its limits in the transaction and does it.
func (l *limits) run(ctx context.Context, tx pgx.Tx, s Statement, do func(context.Context) error) error {
	if err := s.check(ctx); err != nil {
		return engine.Permanent(fmt.Errorf("statement %s: %w", s.name(), err))
	}
	if s.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.Timeout+slack, fmt.Errorf("the server has not answered within %s", s.Timeout+slack))
		defer cancel()
	}
	err := l.set(ctx, tx, s)
	if err == nil {
		err = do(ctx)
	}
	return explain(ctx, s, err)
}

// set sets the statement's timeout on the server: for it, and not for those after it.
func (l *limits) set(ctx context.Context, tx pgx.Tx, s Statement) error {
	if s.Timeout == 0 {
		return l.reset(ctx, tx)
	}
	if l.before == "" {
		if err := tx.QueryRow(ctx, "SELECT current_setting('statement_timeout')").Scan(&l.before); err != nil {
			return err
		}
	}
	l.ours = true
	ms := max(1, s.Timeout.Milliseconds()) // 0 would be none
	return setTimeout(ctx, tx, strconv.FormatInt(ms, 10))
}

// reset gives the transaction its own timeout back.
func (l *limits) reset(ctx context.Context, tx pgx.Tx) error {
	if !l.ours {
		return nil
	}
	l.ours = false
	return setTimeout(ctx, tx, l.before)
}

func setTimeout(ctx context.Context, tx pgx.Tx, value string) error {
	_, err := tx.Exec(ctx, "SELECT set_config('statement_timeout', $1, true)", value)
	return err
}
