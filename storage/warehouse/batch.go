package warehouse

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidemill/tidemill/storage/payment"
)

var (
	//go:embed sql/insert.sql
	insertText string
	insertSQL  = withColumns(insertText)
	//go:embed sql/look_up.sql
	lookUpSQL string
	//go:embed sql/settle.sql
	settleText string
	settleSQL  = withColumns(settleText)
	//go:embed sql/keep.sql
	keepText string
	keepSQL  = withColumns(keepText)
)

// errGone says that a load which repairs a day took away a row that this one has just met: to be run again.
var errGone = errors.New("rows are gone from bronze")

// errStale says that another load has brought a newer generation of a day than the one that a load has seen: to be planned anew.
var errStale = errors.New("a newer generation of the day is loaded than the lake lists (was it restored from an older copy?)")

// maxConflicts is how often a transaction that the database gave up is run again: each time another load went on, so
// that it ends; a number far above what two loads can do to each other, so that a fault does not go on for ever.
const maxConflicts = 100

// batch is one transaction of a load: consecutive rows of one file.
type batch struct {
	auditID int64
	file    progress
	first   int64 // the first row's place in the file
	rows    []payment.Row
	loadID  int64
	// generation is that of the file's day when the load looked at the lake.
	generation int
	// replaces says that the day was replayed since it was loaded: rows take the place of what replaced files brought.
	replaces bool
}

// writer writes batches. It belongs to one connection, which has the table staged.
type writer struct {
	conn   *pgx.Conn
	months months
	// What is used again from batch to batch.
	buf           []byte
	both          []*payment.Row
	ids, statuses []string
	times         []time.Time
	// lockLimit is how long the mark of progress waits for a lock: it refers to metadata.load_audit.
	lockLimit string
}

// write brings b into bronze and moves its file's mark of progress, in one transaction, and says what became of its
// rows. A deadlock is retried; rows that the database refuses are set aside.
func (w *writer) write(ctx context.Context, b *batch) (Counts, error) {
	if err := w.months.ensure(ctx, w.conn, b.rows); err != nil {
		return Counts{}, err
	}
	for try := 1; ; try++ {
		counts, err := w.attempt(ctx, b)
		if !isConflict(err) && !errors.Is(err, errGone) || try == maxConflicts {
			return counts, err
		}
	}
}

// attempt is one try at write's transaction, in the way that costs least.
func (w *writer) attempt(ctx context.Context, b *batch) (Counts, error) {
	if b.replaces {
		return w.commit(ctx, b, w.replace)
	}
	counts, err := w.commit(ctx, b, w.copyNew)
	if isDuplicate(err) { // another load brought an event in between
		counts, err = w.commit(ctx, b, w.place)
	}
	if isRefusal(err) {
		counts, err = w.commit(ctx, b, w.sift)
	}
	return counts, err
}

// commit runs the transaction, with place to bring the rows.
func (w *writer) commit(ctx context.Context, b *batch, place func(context.Context, pgx.Tx, *batch, []payment.Row) (Counts, error)) (Counts, error) {
	var counts Counts
	err := pgx.BeginFunc(ctx, w.conn, func(tx pgx.Tx) error {
		var done int64
		var generation int
		begin := &pgx.Batch{}
		begin.Queue(`SELECT pg_advisory_xact_lock_shared(`+dayLock+`)`, b.file.lake, b.file.Day.Start())
		begin.Queue(`SELECT rows_done, nextval(pg_get_serial_sequence('metadata.loads', 'id')),
				coalesce((SELECT generation FROM metadata.lake_days AS d WHERE (d.lake, d.day) = (f.lake, f.day)), 0)
			FROM metadata.lake_files AS f WHERE id = $1 FOR UPDATE`, b.file.id).
			QueryRow(func(row pgx.Row) error { return row.Scan(&done, &b.loadID, &generation) })
		if err := tx.SendBatch(ctx, begin).Close(); err != nil {
			return fmt.Errorf("lock the mark of %s: %w", b.file.Path, err)
		}
		if generation > b.generation {
			return fmt.Errorf("%s of %s: %w: %d, not %d", b.file.Path, b.file.Day, errStale, generation, b.generation)
		}
		if done != b.first {
			return fmt.Errorf("the mark of %s moved from %d to %d under the load that has claimed it", b.file.Path, b.first, done)
		}
		var err error
		if counts, err = place(ctx, tx, b, b.rows); err != nil {
			return err
		}
		counts.Read = int64(len(b.rows))
		mark := &pgx.Batch{}
		mark.Queue(setLockLimit, w.lockLimit)
		mark.Queue(`INSERT INTO metadata.loads (id, audit_id, file_id, first_row, rows_loaded, rows_duplicate, rows_conflicting, rows_replaced, rows_rejected)
			OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			b.loadID, b.auditID, b.file.id, b.first, counts.Loaded, counts.Duplicate, counts.Conflicting, counts.Replaced, counts.Rejected)
		mark.Queue(`UPDATE metadata.lake_files SET rows_done = $2 WHERE id = $1`, b.file.id, b.first+counts.Read)
		if err := tx.SendBatch(ctx, mark).Close(); err != nil {
			return fmt.Errorf("mark the progress of %s: %w", b.file.Path, err)
		}
		return nil
	})
	if err != nil {
		return Counts{}, err
	}
	return counts, nil
}

// copyNew brings rows into bronze as place does, for less: it looks up which of their events are there, settles those, and
// copies the others straight into the table. It errs with a unique violation when another load brings one of them first.
func (w *writer) copyNew(ctx context.Context, tx pgx.Tx, b *batch, rows []payment.Row) (Counts, error) {
	winners, losers, counts := fold(rows)
	table := w.months.table(rows)
	found, err := w.there(ctx, tx, table, winners)
	if err != nil {
		return Counts{}, fmt.Errorf("look up %d rows of %s: %w", len(winners), b.file.Path, err)
	}
	fresh, met := divide(winners, found)
	w.buf = appendBronze(w.buf[:0], fresh, b.file.TopicID, b.loadID)
	if _, err := tx.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(w.buf), fmt.Sprintf(copyBronze, table)); err != nil {
		return Counts{}, fmt.Errorf("copy %d rows of %s: %w", len(fresh), b.file.Path, err)
	}
	counts.Loaded = int64(len(fresh))
	if err := w.stage(ctx, tx, b, met, losers); err != nil {
		return Counts{}, err
	}
	all := make([]int32, len(met))
	for i := range all {
		all[i] = int32(i) //nolint:gosec // a batch is far smaller
	}
	settled, err := w.settle(ctx, tx, b, all)
	counts.add(settled)
	return counts, err
}

// there tells which of rows, by their place, have an event that is in table.
func (w *writer) there(ctx context.Context, tx pgx.Tx, table string, rows []*payment.Row) ([]int64, error) {
	w.ids, w.statuses, w.times = w.ids[:0], w.statuses[:0], w.times[:0]
	for _, r := range rows {
		w.ids, w.statuses, w.times = append(w.ids, r.TransactionID), append(w.statuses, r.Status), append(w.times, time.UnixMicro(r.EventTime))
	}
	found, err := tx.Query(ctx, fmt.Sprintf(lookUpSQL, table), w.ids, w.statuses, w.times)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, pgx.RowTo[int64])
}

// divide parts rows from those at the places found, which ascend.
func divide(rows []*payment.Row, found []int64) (others, at []*payment.Row) {
	if len(found) == 0 {
		return rows, nil
	}
	others = make([]*payment.Row, 0, len(rows)-len(found))
	for i, r := range rows {
		if len(found) > 0 && found[0] == int64(i) {
			at, found = append(at, r), found[1:]
		} else {
			others = append(others, r)
		}
	}
	return others, at
}

// stage copies first into the table staged, numbered as they come, and behind them others, which it keeps as records that
// another one stands for.
func (w *writer) stage(ctx context.Context, tx pgx.Tx, b *batch, first, others []*payment.Row) error {
	if len(first)+len(others) == 0 {
		return nil
	}
	w.both = append(append(w.both[:0], first...), others...)
	w.buf = appendCopy(w.buf[:0], w.both)
	if _, err := tx.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(w.buf), copyStaged); err != nil {
		return fmt.Errorf("copy %d rows of %s: %w", len(w.both), b.file.Path, err)
	}
	if len(others) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, keepSQL, b.loadID, b.file.TopicID, len(first)); err != nil {
		return fmt.Errorf("keep %d rows of %s: %w", len(others), b.file.Path, err)
	}
	return nil
}

// settle settles the staged rows of those numbers, whose events are in bronze.
func (w *writer) settle(ctx context.Context, tx pgx.Tx, b *batch, met []int32) (settled Counts, err error) {
	if len(met) == 0 {
		return Counts{}, nil
	}
	if err := tx.QueryRow(ctx, settleSQL, b.loadID, b.file.TopicID, met).
		Scan(&settled.Duplicate, &settled.Conflicting, &settled.Replaced); err != nil {
		return Counts{}, fmt.Errorf("settle %d rows of %s: %w", len(met), b.file.Path, err)
	}
	if n := settled.Duplicate + settled.Conflicting + settled.Replaced; n != int64(len(met)) {
		return Counts{}, fmt.Errorf("settle %d rows of %s: %d %w", len(met), b.file.Path, int64(len(met))-n, errGone)
	}
	return settled, nil
}

// place brings rows into bronze, whatever other loads do meanwhile.
func (w *writer) place(ctx context.Context, tx pgx.Tx, b *batch, rows []payment.Row) (Counts, error) {
	winners, losers, counts := fold(rows)
	if err := w.stage(ctx, tx, b, winners, losers); err != nil {
		return Counts{}, err
	}
	found, err := tx.Query(ctx, insertSQL, b.loadID, b.file.TopicID, len(winners))
	if err != nil {
		return Counts{}, fmt.Errorf("insert %d rows of %s: %w", len(winners), b.file.Path, err)
	}
	met, err := pgx.CollectRows(found, pgx.RowTo[int32])
	if err != nil {
		return Counts{}, fmt.Errorf("insert %d rows of %s: %w", len(winners), b.file.Path, err)
	}
	counts.Loaded = int64(len(winners) - len(met))
	settled, err := w.settle(ctx, tx, b, met)
	counts.add(settled)
	return counts, err
}

// sift brings rows into bronze but for those that the database refuses, which it finds by halving and sets aside.
func (w *writer) sift(ctx context.Context, tx pgx.Tx, b *batch, rows []payment.Row) (Counts, error) {
	var counts Counts
	err := pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error { // a nested BeginFunc is a savepoint
		if _, err := savepoint.Exec(ctx, `TRUNCATE pg_temp.staged`); err != nil {
			return err
		}
		var err error
		counts, err = w.place(ctx, savepoint, b, rows)
		return err
	})
	var refused *pgconn.PgError
	if !isRefusal(err) || !errors.As(err, &refused) {
		return counts, err
	}
	if len(rows) == 1 {
		return Counts{Rejected: 1}, w.setAside(ctx, tx, b, &rows[0], refused)
	}
	counts = Counts{}
	for _, half := range [][]payment.Row{rows[:len(rows)/2], rows[len(rows)/2:]} {
		c, err := w.sift(ctx, tx, b, half)
		if err != nil {
			return Counts{}, err
		}
		counts.add(c)
	}
	return counts, nil
}

// setAside writes a row that the database refused, and why, to bronze.rejected.
func (w *writer) setAside(ctx context.Context, tx pgx.Tx, b *batch, row *payment.Row, why *pgconn.PgError) error {
	place := b.first
	for i := range b.rows {
		if &b.rows[i] == row {
			place += int64(i)
		}
	}
	masked := *row
	masked.CustomerEmail, masked.IPAddress = mask(row.CustomerEmail), mask(row.IPAddress)
	record, err := json.Marshal(masked) // escapes U+0000 and replaces what is no UTF-8
	if err != nil {
		return fmt.Errorf("set aside row %d of %s: %w", place, b.file.Path, err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO bronze.rejected
		(file_id, file_row, topic_id, kafka_partition, kafka_offset, processing_date, sqlstate, reason, record, load_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		b.file.id, place, b.file.TopicID, row.KafkaPartition, row.KafkaOffset, b.file.Day.Start(), why.Code,
		strings.ToValidUTF8(strings.ReplaceAll(why.Message, "\x00", ""), "\uFFFD"), string(record), b.loadID)
	if err != nil {
		return fmt.Errorf("set aside row %d of %s: %w", place, b.file.Path, err)
	}
	return nil
}

func mask(s *string) *string {
	if s == nil {
		return nil
	}
	hidden := "***"
	return &hidden
}
