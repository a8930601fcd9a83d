package sqltask

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidemill/tidemill/engine"
)

// explain says which statement an error is of and how to mend it, and marks it permanent where a retry would not. It leaves out what
// PostgreSQL tells of the rows themselves.
func explain(ctx context.Context, s Statement, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("statement %s: %w", s.name(), context.Cause(ctx))
	}
	var p *pgconn.PgError
	if !errors.As(err, &p) {
		return fmt.Errorf("statement %s: %w", s.name(), err)
	}
	where := ""
	if text, serr := s.sent(ctx); serr == nil && p.Position > 0 {
		where = " at " + place(text, int(p.Position))
	}
	if p.Hint != "" {
		where += ": " + p.Hint
	}
	if p.Code == queryCanceled && s.Timeout > 0 {
		where += fmt.Sprintf(": its Timeout is %s", s.Timeout)
	}
	err = fmt.Errorf("statement %s: %w%s", s.name(), err, where)
	if permanent(p.Code) {
		return engine.Permanent(err)
	}
	return err
}

const queryCanceled = "57014"

// permanent tells whether the same statement would fail the same way again, by its SQLSTATE.
func permanent(code string) bool {
	switch {
	case code == readOnly:
		return true
	case strings.HasPrefix(code, "0A"), // not supported
		strings.HasPrefix(code, "22"), // data that does not fit
		strings.HasPrefix(code, "42"): // syntax, names, rights
		return true
	}
	return false
}

const readOnly = "25006"

// place is where in a text of several lines its n-th character is; both count from 1.
func place(text string, n int) string {
	before := []rune(text)
	before = before[:min(max(0, n-1), len(before))]
	line, column := 1, 1
	for _, r := range before {
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
	}
	return fmt.Sprintf("line %d, column %d", line, column)
}

// sent is the text as the server gets it: with $1 in place of @name. It errs when a name has no value.
func (s Statement) sent(ctx context.Context) (string, error) {
	if len(s.Args) > 0 {
		if r, ok := s.Args[0].(pgx.QueryRewriter); ok {
			text, _, err := r.RewriteQuery(ctx, nil, s.SQL, s.Args[1:])
			return text, err
		}
	}
	return s.SQL, nil
}
