package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tidemill/tidemill/storage/lake"
	row "github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// audit audits a lake of many files twice: with its files in the page cache, and read from the disk, beside what plainly reading
// the same files takes, one after the other.
func audit(ctx context.Context, l *lab) (_ []figure, err error) {
	root, err := os.MkdirTemp(l.dir, "audit-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(root)) }()
	if err := manyFiles(ctx, root, l.sizes.audited, l.sizes.auditedRows); err != nil {
		return nil, fmt.Errorf("make a lake of %d files: %w", l.sizes.audited, err)
	}
	files, bytes, err := filesBelow(root)
	if err != nil {
		return nil, err
	}
	gigabytes := float64(bytes) / 1e9
	cpu, began := cpuTime(), time.Now()
	if err := cleanAudit(ctx, root, l.sizes.audited); err != nil {
		return nil, err
	}
	cached, used := time.Since(began), cpuTime()-cpu
	figures := []figure{
		{key: "gb_s", unit: "GB/s from memory", value: gigabytes / cached.Seconds()},
		{key: "cpu_s", unit: "CPU s", value: used.Seconds()},
		{key: "gb", unit: "GB", value: gigabytes, note: fmt.Sprintf("in %d files", len(files))},
	}
	if cold, err := dropCaches(files); err != nil || !cold {
		return figures, err
	}
	began = time.Now()
	if err := cleanAudit(ctx, root, l.sizes.audited); err != nil {
		return nil, err
	}
	fromDisk := time.Since(began)
	if _, err := dropCaches(files); err != nil {
		return nil, err
	}
	began = time.Now()
	if err := readAll(files); err != nil {
		return nil, err
	}
	plainly := time.Since(began)
	peak, err := peakMemory()
	return append(figures,
		figure{key: "disk_gb_s", unit: "GB/s from the disk", value: gigabytes / fromDisk.Seconds()},
		figure{key: "plain_gb_s", unit: "GB/s plainly read", value: gigabytes / plainly.Seconds()},
		figure{key: "peak_mb", unit: "MB at most", value: peak / 1e6},
	), err
}

// cleanAudit audits a lake, which must be sound.
func cleanAudit(ctx context.Context, root string, files int) error {
	l, err := lake.Open(root, topic)
	if err != nil {
		return err
	}
	report, err := l.Audit(ctx)
	if err != nil {
		return err
	}
	if !report.Clean() || report.Files != files {
		return fmt.Errorf("the audit of %d files saw %d, and said %q", files, report.Files, report.Problems)
	}
	return nil
}

// manyFiles makes a lake of so many files of so many rows: commits of as many days as a batch may hold.
func manyFiles(ctx context.Context, root string, files, rows int) error {
	l, err := lake.Open(root, topic)
	if err != nil {
		return err
	}
	w := lake.NewWriter[row.Row](l)
	records := make([]payment, 0, rows)
	for _, p := range payments(rows, false) {
		records = append(records, p)
	}
	for left := files; left > 0; left -= lake.MaxOpenDays {
		if err := commitDays(ctx, l, w, records, min(left, lake.MaxOpenDays)); err != nil {
			return err
		}
	}
	return w.Close()
}

// commitDays commits the same records on each of so many days, which is a file each.
func commitDays(ctx context.Context, l *lake.Lake, w *lake.Writer[row.Row], records []payment, days int) error {
	state, err := l.State(ctx)
	if err != nil {
		return err
	}
	batch := w.Begin("bench", state)
	var c lake.Chunk[row.Row]
	now := time.Now()
	for day := range days {
		partition := int32(day % partitions)
		c.Reset(topic, "bench", partition, batch.Next(partition))
		for _, p := range records {
			rec := lake.Record{Key: p.key, Value: p.value, Partition: partition, Offset: c.End(), Timestamp: p.at.AddDate(0, 0, day), IngestedAt: now}
			if _, err := c.Take(&rec, ingest.Payments); err != nil {
				return err
			}
		}
		if err := batch.Add(&c); err != nil {
			return err
		}
	}
	sealed, err := batch.Seal(lake.Topic{AskedAt: now, Partitions: partitions})
	if err != nil {
		return err
	}
	_, err = w.Commit(ctx, sealed)
	return err
}

// filesBelow lists the Parquet files of a lake, and adds up their bytes.
func filesBelow(root string) (names []string, bytes int64, err error) {
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".parquet") {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		names, bytes = append(names, name), bytes+info.Size()
		return nil
	})
	return names, bytes, err
}

func readAll(files []string) error {
	buf := make([]byte, 1<<20)
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, buf)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}
