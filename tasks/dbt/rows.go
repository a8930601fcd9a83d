package dbt

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/tidemill/tidemill/engine"
)

// Rows reads what a test has found.
type Rows interface {
	// FirstRows returns the first rows that a query yields, at most limit, as text. The query reads and changes nothing.
	FirstRows(ctx context.Context, query string, limit int) (engine.Table, error)
}

// failingRows is how many of the rows that a test has found are kept.
const failingRows = 100

// rowsTimeout is how long one test's rows may take to read: what took longer to find is told by its number alone.
const rowsTimeout = 30 * time.Second

// FirstRows reads within a transaction that can change nothing.
func (g Postgres) FirstRows(ctx context.Context, query string, limit int) (engine.Table, error) {
	conn, err := g.Connect(ctx)
	if err != nil {
		return engine.Table{}, fmt.Errorf("connect: %w", err)
	}
	defer closeConn(ctx, conn)
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return engine.Table{}, fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback(ctx)                                               //nolint:errcheck // it only read
	if _, err := tx.Exec(ctx, "SET LOCAL TIME ZONE 'UTC'"); err != nil { // as dbt's own sessions
		return engine.Table{}, fmt.Errorf("set the time zone: %w", err)
	}
	// The simple protocol answers in text, of whatever type a value is.
	rows, err := tx.Query(ctx, fmt.Sprintf("SELECT * FROM (\n%s\n) AS found LIMIT %d", query, limit), pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return engine.Table{}, err
	}
	defer rows.Close()
	table := engine.Table{Rows: [][]*string{}}
	for _, f := range rows.FieldDescriptions() {
		table.Columns = append(table.Columns, f.Name)
	}
	for rows.Next() {
		table.Rows = append(table.Rows, texts(rows.RawValues()))
	}
	return table, rows.Err()
}

func texts(raw [][]byte) []*string {
	row := make([]*string, len(raw))
	for i, v := range raw {
		if v != nil {
			text := string(v)
			row[i] = &text
		}
	}
	return row
}

// readFailingRows adds to each test that found rows the first of them: out of the table in which the project stores them, else by the test's
// own query once more. What cannot be read is told in the log and changes no verdict.
func (r *Runner) readFailingRows(ctx context.Context, s *scope, t *tracker) {
	if r.opts.Rows == nil || ctx.Err() != nil {
		return
	}
	for _, n := range t.nodes {
		if n.Kind != KindTest || n.Failures == 0 || n.State != Failed && n.State != Warned {
			continue
		}
		query := "SELECT * FROM " + n.Relation
		if n.Relation == "" {
			query = compiledSQL(n.CompiledPath)
		}
		if query == "" {
			continue
		}
		table, err := r.firstRows(ctx, query)
		if err != nil {
			if s.inv.Log != nil {
				s.inv.Log("warn", n.UniqueID, s.redact("the rows that the test has found cannot be shown: "+err.Error()))
			}
			continue
		}
		table.Found = n.Failures
		table = maskPersonal(table)
		n.FailingRows = &table
		s.observe(n)
	}
}

func (r *Runner) firstRows(ctx context.Context, query string) (engine.Table, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, rowsTimeout, fmt.Errorf("not within %s", rowsTimeout))
	defer cancel()
	table, err := r.opts.Rows.FirstRows(ctx, query, failingRows)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	return table, err
}
