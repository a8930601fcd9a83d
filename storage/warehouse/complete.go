package warehouse

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
)

var (
	//go:embed sql/complete.sql
	completeText string
	completeSQL  = withColumns(completeText)
)

// anyDay lies after every day that a lake may have.
const anyDay lake.Day = "9999-12-31"

// complete sees to it that every record of a loaded file is in bronze.transactions, bronze.superseded or bronze.rejected. Files
// that were loaded before there was a bronze.superseded are read once more for it, when the first day is repaired.
func (w *Warehouse) complete(ctx context.Context, out *writer) error {
	rows, err := out.conn.Query(ctx, `SELECT path, id, rows_done FROM metadata.lake_files
		WHERE lake = $1 AND retired_at IS NULL AND NOT keeps_superseded AND rows_done > 0`, w.source.ID())
	if err != nil {
		return fmt.Errorf("look for files without their superseded records: %w", err)
	}
	type done struct{ id, rows int64 }
	without := map[string]done{}
	var path string
	var d done
	if _, err := pgx.ForEachRow(rows, []any{&path, &d.id, &d.rows}, func() error {
		without[path] = d
		return nil
	}); err != nil {
		return fmt.Errorf("look for files without their superseded records: %w", err)
	}
	if len(without) == 0 {
		return nil
	}
	files, err := w.source.Files(ctx, anyDay)
	if err != nil {
		return fmt.Errorf("list the files of the lake: %w", err)
	}
	for _, f := range files {
		d, ok := without[f.Path]
		if !ok {
			continue
		}
		if err := pgx.BeginFunc(ctx, out.conn, func(tx pgx.Tx) error { return w.completeFile(ctx, tx, out, f, d.id, d.rows) }); err != nil {
			return fmt.Errorf("keep the superseded records of %s: %w", f.Path, err)
		}
	}
	return nil
}

// completeFile keeps the superseded ones of the first rows of f, which are loaded.
func (w *Warehouse) completeFile(ctx context.Context, tx pgx.Tx, out *writer, f lake.File, id, loaded int64) error {
	found, err := tx.Query(ctx, `SELECT file_row FROM bronze.rejected WHERE file_id = $1`, id)
	if err != nil {
		return err
	}
	rejected := map[int64]bool{}
	var at int64
	if _, err := pgx.ForEachRow(found, []any{&at}, func() error {
		rejected[at] = true
		return nil
	}); err != nil {
		return err
	}
	err = inBatches(ctx, w.source, f, 0, w.batch, func(first int64, rows []payment.Row) error {
		if first >= loaded {
			return nil
		}
		rows = rows[:min(int64(len(rows)), loaded-first)]
		kept := make([]*payment.Row, 0, len(rows))
		places := make([]int64, 0, len(rows))
		for i := range rows {
			if !rejected[first+int64(i)] {
				kept, places = append(kept, &rows[i]), append(places, first+int64(i))
			}
		}
		if _, err := tx.Exec(ctx, `TRUNCATE staged`); err != nil {
			return err
		}
		if err := out.stage(ctx, tx, &batch{file: progress{File: f}}, kept, nil); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, completeSQL, id, f.TopicID, places)
		return err
	})
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `UPDATE metadata.lake_files SET keeps_superseded = true WHERE id = $1`, id)
	return err
}
