package sensors

import (
	"context"

	"github.com/tidemill/tidemill/tasks/sqltask"
)

// SQL waits until the query that build makes of the task's input yields a row, and yields the first one. The condition is in its WHERE
// (or HAVING); add LIMIT 1 where many rows may fit. It runs in a transaction that reads only, and holds a connection only for as long as that takes. B is as in sqltask.Query.
func SQL[B, A any](db sqltask.DB, build func(A) sqltask.Statement) func(context.Context, A) (B, bool, error) {
	return func(ctx context.Context, a A) (B, bool, error) {
		var none B
		rows, err := sqltask.Look[B](ctx, db, build(a))
		if err != nil || len(rows) == 0 {
			return none, false, err
		}
		return rows[0], true, nil
	}
}
