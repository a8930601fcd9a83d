package warehouse

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/storage/payment"
)

var (
	//go:embed sql/retired_tables.sql
	retiredTablesSQL string
	//go:embed sql/retired_fill.sql
	retiredFillSQL string
	//go:embed sql/take_out.sql
	takeOutSQL string
	//go:embed sql/restore.sql
	restoreText string
	restoreSQL  = withColumns(restoreText)
)

// dayLock is the advisory lock that each transaction of a load shares for the day of its rows, and that the beginning of a
// day's repair has alone: $1 lake, $2 day.
const dayLock = `hashtextextended('tidemill day ' || $1::text || '/' || $2::date, 0)`

// place is where a record lay in its topic.
type place struct {
	partition int32
	offset    int64
}

// repair brings a day that was replayed since it was loaded: rows take the place of those that replaced files brought for the
// same offsets, batch by batch, and what the newer generation no longer has is taken out at the end. Each transaction leaves
// bronze as if the records that it has not come to were as they were; an attempt that dies is followed by one that goes on.
func (w *Warehouse) repair(ctx context.Context, out *writer, a *attempt, r repair) error {
	if err := w.beginRepair(ctx, out.conn, r); err != nil {
		return fmt.Errorf("begin the repair of %s: %w", r.day, err)
	}
	if err := out.find(ctx, r.retired); err != nil {
		return err
	}
	for _, f := range r.files {
		if err := w.loadFile(ctx, out, a, f, true); err != nil {
			return err
		}
	}
	// Every file of the day is loaded now: one that another load has claimed was waited for.
	for _, m := range r.retired {
		if err := w.retire(ctx, out, a, m); err != nil {
			return fmt.Errorf("take out what is left of %s: %w", m.path, err)
		}
	}
	return nil
}

// beginRepair sees to it that no load which knows of no more than an older generation brings rows of the day from now on.
func (w *Warehouse) beginRepair(ctx context.Context, conn *pgx.Conn, r repair) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(`+dayLock+`)`, w.source.ID(), r.day.Start()); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO metadata.lake_days AS d (lake, day, generation) VALUES ($1, $2, $3)
			ON CONFLICT (lake, day) DO UPDATE SET generation = greatest(d.generation, excluded.generation)`,
			w.source.ID(), r.day.Start(), r.generation)
		return err
	})
}

// find fills the table retired with what is there of replaced files.
func (w *writer) find(ctx context.Context, retired []mark) error {
	if _, err := w.conn.Exec(ctx, retiredTablesSQL); err != nil {
		return fmt.Errorf("make the temporary tables: %w", err)
	}
	ids := make([]int64, len(retired))
	for i, m := range retired {
		ids[i] = m.id
	}
	if _, err := w.conn.Exec(ctx, retiredFillSQL, ids); err != nil {
		return fmt.Errorf("find the rows of %d replaced files: %w", len(ids), err)
	}
	if _, err := w.conn.Exec(ctx, `ANALYZE retired`); err != nil {
		return fmt.Errorf("find the rows of %d replaced files: %w", len(ids), err)
	}
	return nil
}

// replace brings rows in place of what replaced files have brought for the same offsets.
func (w *writer) replace(ctx context.Context, tx pgx.Tx, b *batch, rows []payment.Row) (Counts, error) {
	places := make([]place, len(rows))
	for i := range rows {
		places[i] = place{rows[i].KafkaPartition, rows[i].KafkaOffset}
	}
	had, err := w.takeOut(ctx, tx, b.loadID, b.file.TopicID, places)
	if err != nil {
		return Counts{}, fmt.Errorf("take out what was at the offsets of %d rows of %s: %w", len(rows), b.file.Path, err)
	}
	var counts Counts
	for len(rows) > 0 {
		was, n := had[places[0]], 1
		for n < len(rows) && had[places[n]] == was {
			n++
		}
		c, err := w.sift(ctx, tx, b, rows[:n])
		if err != nil {
			return Counts{}, err
		}
		if was {
			c = Counts{Replaced: int64(n) - c.Rejected, Rejected: c.Rejected}
		}
		counts.add(c)
		rows, places = rows[n:], places[n:]
	}
	return counts, w.restore(ctx, tx)
}

// takeOut takes out what replaced files have at places, and tells where there was something.
func (w *writer) takeOut(ctx context.Context, tx pgx.Tx, loadID int64, topicID string, places []place) (map[place]bool, error) {
	partitions, offsets := make([]int32, len(places)), make([]int64, len(places))
	for i, p := range places {
		partitions[i], offsets[i] = p.partition, p.offset
	}
	found, err := tx.Query(ctx, takeOutSQL, loadID, topicID, partitions, offsets)
	if err != nil {
		return nil, err
	}
	had := make(map[place]bool, len(places))
	var p place
	_, err = pgx.ForEachRow(found, []any{&p.partition, &p.offset}, func() error {
		had[p] = true
		return nil
	})
	return had, err
}

// restore gives each event whose row was taken away the last of the records behind it.
func (w *writer) restore(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, restoreSQL); err != nil {
		return fmt.Errorf("restore the records behind those that were taken out: %w", err)
	}
	return nil
}

// retire takes out what is left of a replaced file, and ends its mark.
func (w *Warehouse) retire(ctx context.Context, out *writer, a *attempt, m mark) error {
	if err := out.find(ctx, []mark{m}); err != nil {
		return err
	}
	rows, err := out.conn.Query(ctx, `SELECT DISTINCT kafka_partition, kafka_offset FROM retired ORDER BY 1, 2`)
	if err != nil {
		return err
	}
	left, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p place, err error) {
		return p, row.Scan(&p.partition, &p.offset)
	})
	if err != nil {
		return err
	}
	for len(left) > 0 {
		n := min(len(left), w.batch)
		for try := 1; ; try++ {
			removed, err := out.remove(ctx, a.id, m, left[:n])
			a.add(Counts{Removed: removed})
			if err == nil {
				break
			}
			if !isConflict(err) || try == maxConflicts {
				return err
			}
		}
		left = left[n:]
	}
	_, err = out.conn.Exec(ctx, `UPDATE metadata.lake_files SET retired_at = now() WHERE id = $1 AND retired_at IS NULL`, m.id)
	return err
}

// remove takes out the records of a replaced file at places, in one transaction, and tells how many there were.
func (w *writer) remove(ctx context.Context, auditID int64, m mark, places []place) (removed int64, err error) {
	err = pgx.BeginFunc(ctx, w.conn, func(tx pgx.Tx) error {
		var loadID int64
		if err := tx.QueryRow(ctx, `SELECT nextval(pg_get_serial_sequence('metadata.loads', 'id'))`).Scan(&loadID); err != nil {
			return err
		}
		had, err := w.takeOut(ctx, tx, loadID, m.topicID, places)
		if err != nil {
			return err
		}
		removed = int64(len(had))
		if err := w.restore(ctx, tx); err != nil {
			return err
		}
		end := &pgx.Batch{}
		end.Queue(setLockLimit, w.lockLimit)
		end.Queue(`INSERT INTO metadata.loads (id, audit_id, file_id, first_row, rows_loaded, rows_duplicate, rows_conflicting, rows_replaced, rows_rejected, rows_removed)
			OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, 0, 0, 0, 0, 0, 0, $4)`, loadID, auditID, m.id, removed)
		return tx.SendBatch(ctx, end).Close()
	})
	if err != nil {
		return 0, err
	}
	return removed, nil
}
