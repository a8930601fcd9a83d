package warehouse

import (
	"context"
	"fmt"

	"github.com/tidemill/tidemill/storage/lake"
)

// DayCounts is what is there of one lake day, by bronze and by the lake's log. It does not depend on how many attempts
// or runs brought it.
type DayCounts struct {
	Day lake.Day `json:"day"`
	// LakeRows is how many rows the lake's log lists.
	LakeRows int64 `json:"lake_rows"`
	// Rows is how many rows of bronze are of the day.
	Rows int64 `json:"rows"`
	// Expired is how many rows of the day were dropped from bronze with their month.
	Expired int64 `json:"expired"`
	// Duplicates is how many records of the day another record of their event stands for, copies and conflicting ones.
	Duplicates    int64 `json:"duplicates"`
	Rejected      int64 `json:"rejected"`
	DeadLetters   int64 `json:"dead_letters"`
	Tombstones    int64 `json:"tombstones"`
	KeyMismatches int64 `json:"key_mismatches"`
	// LateRows is how many rows came to the lake when their day was over.
	LateRows int64 `json:"late_rows"`
}

// Day counts a day.
func (w *Warehouse) Day(ctx context.Context, day lake.Day) (DayCounts, error) {
	c, _, err := w.count(ctx, day)
	return c, err
}

// count counts a day, and its dead letters by the field that made them.
func (w *Warehouse) count(ctx context.Context, day lake.Day) (c DayCounts, reasons map[string]int64, err error) {
	c.Day = day
	days, err := w.source.Days(ctx)
	if err != nil {
		return DayCounts{}, nil, fmt.Errorf("count %s in the lake: %w", day, err)
	}
	for _, d := range days {
		if d.Day == day {
			c.LakeRows, c.LateRows, c.DeadLetters = d.Rows, d.LateRows, d.DeadLetterCount()
			c.Tombstones, c.KeyMismatches, reasons = d.Tombstones, d.KeyMismatches, d.DeadLetters
		}
	}
	var read int64
	err = w.pool.QueryRow(ctx, `
		SELECT
			(SELECT count(*) FROM bronze.transactions WHERE processing_date = $2),
			(SELECT coalesce(sum(rows_done), 0)::bigint FROM metadata.lake_files WHERE lake = $1 AND day = $2 AND retired_at IS NULL),
			(SELECT count(*) FROM bronze.rejected AS r JOIN metadata.lake_files AS f ON f.id = r.file_id
				WHERE r.processing_date = $2 AND f.lake = $1),
			coalesce((SELECT rows FROM metadata.bronze_expired WHERE day = $2), 0)`,
		w.source.ID(), day.Start()).Scan(&c.Rows, &read, &c.Rejected, &c.Expired)
	if err != nil {
		return DayCounts{}, nil, fmt.Errorf("count %s in bronze: %w", day, err)
	}
	c.Duplicates = max(0, read-c.Rejected-c.Rows-c.Expired)
	return c, reasons, nil
}
