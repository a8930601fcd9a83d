package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemill/tidemill/migrations"
	"github.com/tidemill/tidemill/storage/blob"
	"github.com/tidemill/tidemill/storage/lake"
	row "github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/storage/warehouse"
)

// oneDay loads the first day of a lake of years, and that day out of a lake that has no other. The files of most other days are listed,
// with their rows, and are not there: whoever opens one of them fails.
func oneDay(ctx context.Context, l *lab) (_ []figure, err error) {
	root, err := os.MkdirTemp(l.dir, "oneday-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
	days := 365 * l.sizes.years
	alone, among := filepath.Join(root, "alone"), filepath.Join(root, "among")
	if err := lakeOfYears(ctx, alone, 1, 1, l.sizes.dayRows); err != nil {
		return nil, fmt.Errorf("make a lake of a day: %w", err)
	}
	if err := lakeOfYears(ctx, among, days, min(days, l.sizes.realDays), l.sizes.dayRows); err != nil {
		return nil, fmt.Errorf("make a lake of %d days: %w", days, err)
	}
	one, err := l.loadFirstDay(ctx, alone)
	if err != nil {
		return nil, err
	}
	all, err := l.loadFirstDay(ctx, among)
	if err != nil {
		return nil, err
	}
	peak, err := peakMemory()
	return []figure{
		{key: "times", unit: "x the time of the day alone", value: all.took.Seconds() / one.took.Seconds()},
		{key: "times_cpu", unit: "x its CPU time", value: all.cpu.Seconds() / one.cpu.Seconds()},
		{key: "s", unit: "s", value: all.took.Seconds()},
		{key: "cpu_s", unit: "CPU s", value: all.cpu.Seconds(), note: "of both sides"},
		{key: "files", unit: "files of rows opened", value: float64(all.files)},
		{key: "million_rows", unit: "million rows", value: float64(days*l.sizes.dayRows) / 1e6, note: fmt.Sprintf("listed in %d days", days)},
		{key: "peak_mb", unit: "MB at most", value: peak / 1e6},
	}, err
}

// A dayLoad is what the load of a day took.
type dayLoad struct {
	took, cpu time.Duration
	files     int64 // of rows that were opened
}

// loadFirstDay loads the first day of a lake into a new database, from opening the lake on.
func (l *lab) loadFirstDay(ctx context.Context, root string) (dayLoad, error) {
	address, drop, err := l.database(ctx, migrations.Warehouse)
	if err != nil {
		return dayLoad{}, err
	}
	defer drop()
	pool, err := pgxpool.New(ctx, address)
	if err != nil {
		return dayLoad{}, err
	}
	defer pool.Close()
	if err := l.settle(ctx, address); err != nil {
		return dayLoad{}, err
	}
	disk := &fileCounter{FS: blob.Dir(root)}
	theirs, known := serverCPU(ctx, address)
	ours, began := cpuTime(), time.Now()
	source, err := lake.Open(root, topic, lake.WithFS(disk))
	if err != nil {
		return dayLoad{}, err
	}
	w := warehouse.New(pool, warehouse.FromLake(source), warehouse.WithLogger(l.log))
	day := lake.DayOf(firstDay)
	result, err := w.Load(ctx, warehouse.Request{DAGID: "bench", RunID: "bench", TaskID: "load", Try: 1, LogicalDate: day.Start(), Day: day})
	if err != nil {
		return dayLoad{}, err
	}
	d := dayLoad{took: time.Since(began), cpu: cpuTime() - ours, files: disk.rows}
	if used, ok := serverCPU(ctx, address); ok && known {
		d.cpu += used - theirs
	}
	if a := result.Attempt; a.Read != int64(l.sizes.dayRows) || a.Loaded != a.Read || d.files == 0 {
		return dayLoad{}, fmt.Errorf("of a day of %d rows %d were read and %d loaded, from %d files", l.sizes.dayRows, a.Read, a.Loaded, d.files)
	}
	return d, nil
}

// firstDay is the day of the made-up payments.
var firstDay = time.Date(2024, 1, 5, 0, 0, 0, 0, time.UTC)

// A fileCounter counts the files of rows that are opened, by one goroutine at a time: a load of one file.
type fileCounter struct {
	blob.FS
	rows int64
}

func (c *fileCounter) Open(name string) (blob.File, error) {
	if strings.HasSuffix(name, ".parquet") {
		c.rows++
	}
	return c.FS.Open(name)
}

// lakeOfYears makes a lake of so many days of so many rows, a file each, of which the first few are there; the log lists the others.
func lakeOfYears(ctx context.Context, root string, days, there, rows int) error {
	l, err := lake.Open(root, topic)
	if err != nil {
		return err
	}
	w := lake.NewWriter[row.Row](l)
	all := make([]payment, 0, rows)
	for _, p := range payments(rows, false) {
		all = append(all, p)
	}
	for range there {
		if err := commitTo(ctx, l, w, all); err != nil {
			return err
		}
		for i := range all {
			all[i].at = all[i].at.AddDate(0, 0, 1)
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	for n := there + 1; n <= days; n++ {
		if err := listDay(root, n, rows); err != nil {
			return err
		}
	}
	if days > there { // so that the log is read as that of a stream that ran for long
		_, err = l.Checkpoint(ctx)
	}
	return err
}

// listDay writes entry n, which lists a file of its day that is not there.
func listDay(root string, n, rows int) error {
	at := firstDay.AddDate(0, 0, n-1)
	day, id := string(lake.DayOf(at)), uuid.Must(uuid.NewV7()).String()
	e := lake.Entry{
		Kind: lake.KindAppend, CommitID: id, Writer: topic + "~bench", Topic: topic, TopicID: "bench", SchemaVersion: 1, CommittedAt: at, PartitionsNow: partitions,
	}
	f := lake.File{
		Path: fmt.Sprintf("bronze/%s/year=%s/month=%s/day=%s/%s.parquet", topic, day[:4], day[5:7], day[8:], id), Day: lake.Day(day), Bytes: int64(90 * rows),
		Checksum: "sha256:" + strings.Repeat("0", 64), MinTimestamp: at, MaxTimestamp: at, MinEventTime: at, MaxEventTime: at,
	}
	for p := range partitions {
		each := rows / partitions
		if p < rows%partitions { // as commitTo deals them out
			each++
		}
		start, end := int64((n-1)*each), int64(n*each)
		f.Parts = append(f.Parts, lake.FilePart{Partition: int32(p), Start: start, End: end, Rows: end - start})
		f.Rows += end - start
		e.Partitions = append(e.Partitions, lake.Range{Partition: int32(p), Start: start, End: end, Rows: end - start, MaxTimestamp: at, Watermark: at})
	}
	e.Files = []lake.File{f}
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, "_log", topic, fmt.Sprintf("%d.json", n)), text, 0o644)
}
