package warehouse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Expired is a month of bronze that was dropped.
type Expired struct {
	Month string `json:"month"` // of event_time in UTC, as 2024-01
	Rows  int64  `json:"rows"`
	// Superseded is how many records went that stood behind them.
	Superseded int64 `json:"superseded"`
}

// errInUse says that a month has rows which Gold does not have yet.
var errInUse = errors.New("not all of its rows are in Gold yet")

// Retained is what a Retain did.
type Retained struct {
	DroppedBefore time.Time `json:"dropped_before"` // the beginning of the first month that is kept
	Dropped       []Expired `json:"dropped"`
	// Waiting are the months that were to be dropped and have rows which Gold has not got yet.
	Waiting []string `json:"waiting"`
}

// Retain drops the months of bronze that ended more than keep whole months before the month of now: months of event_time in
// UTC. The lake and Gold keep what they have; a full refresh takes the payments of dropped months from Gold. A month with rows
// that are not built and published yet waits. What lies before 2000 or after 2099 is kept: no clock was right that made it.
//
// Each month is one transaction, which empties its table: readers of other months go on. It errs when keep is less than 1, or
// when the database does, as where a reader holds a month's table for longer than the lock limit; what was dropped stays so.
func (w *Warehouse) Retain(ctx context.Context, keep int, now time.Time) (Retained, error) {
	if keep < 1 {
		return Retained{}, fmt.Errorf("retain bronze: %d months are to be kept: give 1 or more", keep)
	}
	now = now.UTC()
	first := month(now.Year()*12 + int(now.Month()) - 1 - keep)
	done := Retained{DroppedBefore: first.start(), Dropped: []Expired{}, Waiting: []string{}}
	months, err := w.monthsBefore(ctx, first)
	if err != nil {
		return done, fmt.Errorf("retain bronze: list its months: %w", err)
	}
	for _, m := range months {
		expired, err := w.drop(ctx, m)
		switch {
		case errors.Is(err, errInUse):
			done.Waiting = append(done.Waiting, m.name())
		case err != nil:
			return done, fmt.Errorf("retain bronze: drop %s: %w", m.name(), err)
		case expired.Rows > 0:
			done.Dropped = append(done.Dropped, expired)
		}
	}
	return done, nil
}

// name is the month as 2024-01.
func (m month) name() string { return fmt.Sprintf("%04d-%02d", m/12, m%12+1) }

// monthsBefore lists the months that have a table, in order.
func (w *Warehouse) monthsBefore(ctx context.Context, first month) ([]month, error) {
	rows, err := w.pool.Query(ctx, `
		SELECT y::integer * 12 + m::integer - 1 FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
		CROSS JOIN LATERAL substring(relname FROM '^transactions_(\d{4})_\d{2}$') AS y
		CROSS JOIN LATERAL substring(relname FROM '^transactions_\d{4}_(\d{2})$') AS m
		WHERE inhparent = 'bronze.transactions'::regclass AND y::integer * 12 + m::integer - 1 < $1 ORDER BY 1`, int(first))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[month])
}

// drop empties the table of a month.
func (w *Warehouse) drop(ctx context.Context, m month) (Expired, error) {
	expired := Expired{Month: m.name()}
	table := pgx.Identifier{"bronze", m.table()}.Sanitize()
	err := w.account(ctx, w.pool, func(tx pgx.Tx) error {
		var empty bool
		if err := tx.QueryRow(ctx, `SELECT NOT EXISTS (SELECT FROM `+table+`)`).Scan(&empty); err != nil || empty {
			return err
		}
		if _, err := tx.Exec(ctx, `LOCK TABLE `+table+` IN ACCESS EXCLUSIVE MODE`); err != nil {
			return err
		}
		var inUse bool
		if err := tx.QueryRow(ctx, `
			SELECT EXISTS (
				SELECT FROM metadata.loads AS l
				WHERE (l.built_by IS NULL OR l.built_by > (SELECT coalesce(max(build_id), 0) FROM metadata.gold_publications))
					AND EXISTS (SELECT FROM `+table+` AS t WHERE t.load_id = l.id)
			) OR EXISTS (
				SELECT FROM metadata.payment_changes AS c WHERE EXISTS (SELECT FROM `+table+` AS t WHERE t.transaction_id = c.transaction_id)
			)`).Scan(&inUse); err != nil {
			return err
		}
		if inUse {
			return errInUse
		}
		if err := tx.QueryRow(ctx, `
			WITH behind AS (
				DELETE FROM bronze.superseded WHERE event_time >= $1 AND event_time < $2 RETURNING processing_date
			), of_day AS (
				SELECT day, sum(rows)::bigint AS rows, sum(superseded)::bigint AS superseded FROM (
					SELECT processing_date AS day, 1 AS rows, 0 AS superseded FROM `+table+` UNION ALL SELECT processing_date, 0, 1 FROM behind
				) AS record GROUP BY day
			), noted AS (
				INSERT INTO metadata.bronze_expired AS e (day, rows, superseded) SELECT day, rows, superseded FROM of_day
				ON CONFLICT (day) DO UPDATE SET rows = e.rows + excluded.rows, superseded = e.superseded + excluded.superseded
			)
			SELECT coalesce(sum(rows), 0)::bigint, coalesce(sum(superseded), 0)::bigint FROM of_day`, m.start(), (m+1).start()).
			Scan(&expired.Rows, &expired.Superseded); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `
			INSERT INTO metadata.bronze_retention AS r (dropped_before) VALUES ($1)
			ON CONFLICT (singleton) DO UPDATE SET dropped_before = greatest(r.dropped_before, excluded.dropped_before)`, (m + 1).start()); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `TRUNCATE `+table)
		return err
	})
	return expired, err
}
