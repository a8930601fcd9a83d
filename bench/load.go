package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemill/tidemill/migrations"
	"github.com/tidemill/tidemill/storage/lake"
	row "github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/storage/warehouse"
	"github.com/tidemill/tidemill/tasks/ingest"
)

const bronze = "bronze.transactions"

// columns are those of bronze that can be copied.
const columns = `transaction_id, status, event_time, initiated_at, amount, currency, customer_id, merchant_id, payment_method,
	customer_email, merchant_category, device_type, ip_address, city, country, is_fraud, fraud_score, extra,
	payload_hash, topic_id, kafka_partition, kafka_offset, kafka_timestamp, ingestion_timestamp, load_id`

// load brings a day of the lake, a hundredth of it duplicates, into bronze over one connection. It leaves the rows, as COPY takes
// them, with the lab.
func load(ctx context.Context, l *lab) ([]figure, error) { return loadWith(ctx, l, 1) }

// load4 is load over four connections, as the daily DAG does, from four files.
func load4(ctx context.Context, l *lab) ([]figure, error) {
	return loadWith(ctx, l, 4, warehouse.WithConnections(4))
}

// load10k is load in transactions of 10,000 rows.
func load10k(ctx context.Context, l *lab) ([]figure, error) {
	return loadWith(ctx, l, 1, warehouse.WithBatch(10_000))
}

func loadWith(ctx context.Context, l *lab, files int, options ...warehouse.Option) (figures []figure, err error) {
	records := l.sizes.loaded
	err = loaded(ctx, l, records, files, options, func(address string, took time.Duration, used []figure) error {
		figures = append([]figure{{key: "per_s", unit: "rows/s", value: float64(records) / took.Seconds()}}, used...)
		return on(ctx, address, func(conn *pgx.Conn) error {
			if err := expect(ctx, conn, `SELECT count(*) FROM `+bronze, records/100*99, "rows are in bronze"); err != nil {
				return err
			}
			l.bronze.Reset()
			// In the order of the topic, as the load reads them.
			if _, err := conn.PgConn().CopyTo(ctx, &l.bronze, `COPY (SELECT `+columns+` FROM `+bronze+` ORDER BY kafka_offset, kafka_partition) TO STDOUT (FORMAT binary)`); err != nil {
				return fmt.Errorf("take the rows: %w", err)
			}
			return nil
		})
	})
	return figures, err
}

// rawCopy copies what a load has brought into the same, empty table by one COPY in binary form, ready in memory.
func rawCopy(ctx context.Context, l *lab) (figures []figure, err error) {
	if l.bronze.Len() == 0 {
		if _, err := load(ctx, l); err != nil {
			return nil, err
		}
	}
	err = loaded(ctx, l, 100, 1, nil, func(address string, _ time.Duration, _ []figure) error { // makes the month's table
		return on(ctx, address, func(conn *pgx.Conn) error {
			if _, err := conn.Exec(ctx, `TRUNCATE `+bronze); err != nil {
				return err
			}
			if err := l.settle(ctx, address); err != nil {
				return err
			}
			cpu, began := startCPU(ctx, address), time.Now()
			tag, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(l.bronze.Bytes()), `COPY `+bronze+` (`+columns+`) FROM STDIN (FORMAT binary)`)
			if err != nil {
				return fmt.Errorf("copy: %w", err)
			}
			took, rows := time.Since(began), int(tag.RowsAffected())
			figures = append([]figure{{key: "per_s", unit: "rows/s", value: float64(rows) / took.Seconds()}}, cpu.figures(ctx, rows, "row")...)
			return nil
		})
	})
	return figures, err
}

// loaded loads a new lake into a new database, checks what that did, and calls then with the database and what it took.
func loaded(ctx context.Context, l *lab, records, files int, options []warehouse.Option, then func(address string, took time.Duration, used []figure) error) (err error) {
	dir, err := os.MkdirTemp(l.dir, "lake-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	source, day, err := makeLake(ctx, dir, records, files)
	if err != nil {
		return fmt.Errorf("make a lake: %w", err)
	}
	address, drop, err := l.database(ctx, migrations.Warehouse)
	if err != nil {
		return err
	}
	defer drop()
	pool, err := pgxpool.New(ctx, address)
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := l.settle(ctx, address); err != nil {
		return err
	}
	w := warehouse.New(pool, warehouse.FromLake(source), append(options, warehouse.WithLogger(l.log))...)
	cpu, began := startCPU(ctx, address), time.Now()
	result, err := w.Load(ctx, warehouse.Request{DAGID: "bench", RunID: "bench", TaskID: "load", Try: 1, LogicalDate: day.Start(), Day: day})
	took := time.Since(began)
	if err != nil {
		return err
	}
	used := cpu.figures(ctx, records, "row")
	if a := result.Attempt; a.Read != int64(records) || a.Loaded != int64(records/100*99) || a.Duplicate != int64(records/100) {
		return fmt.Errorf("of %d rows %d were read, %d loaded and %d duplicates", records, a.Read, a.Loaded, a.Duplicate)
	}
	return then(address, took, used)
}

// makeLake commits a day of made-up payments, of which a hundredth is there twice, as so many files.
func makeLake(ctx context.Context, dir string, records, files int) (*lake.Lake, lake.Day, error) {
	l, err := lake.Open(dir, topic)
	if err != nil {
		return nil, "", err
	}
	w := lake.NewWriter[row.Row](l)
	all := make([]payment, 0, records)
	for _, p := range payments(records, true) {
		all = append(all, p)
	}
	for some := range slices.Chunk(all, (records+files-1)/files) {
		if err := commitTo(ctx, l, w, some); err != nil {
			return nil, "", err
		}
	}
	return l, lake.DayOf(all[len(all)-1].at), w.Close()
}

// commitTo commits payments as one file, at the offsets that come next.
func commitTo(ctx context.Context, l *lake.Lake, w *lake.Writer[row.Row], some []payment) error {
	const topicID = "bench"
	state, err := l.State(ctx)
	if err != nil {
		return err
	}
	batch := w.Begin(topicID, state)
	var chunks [partitions]lake.Chunk[row.Row]
	now := time.Now()
	flush := func(partition int32) error {
		c := &chunks[partition]
		if err := batch.Add(c); err != nil {
			return err
		}
		c.Reset(topic, topicID, partition, c.End())
		return nil
	}
	for p := range int32(partitions) {
		chunks[p].Reset(topic, topicID, p, state.Next(topicID, p))
	}
	for i, p := range some {
		partition := int32(i % partitions)
		c := &chunks[partition]
		rec := lake.Record{Key: p.key, Value: p.value, Partition: partition, Offset: c.End(), Timestamp: p.at, IngestedAt: now}
		if _, err := c.Take(&rec, ingest.Payments); err != nil {
			return err
		}
		if c.Len() == 1024 {
			if err := flush(partition); err != nil {
				return err
			}
		}
	}
	topicNow := lake.Topic{AskedAt: now, Partitions: partitions, Ends: map[int32]int64{}}
	for p := range int32(partitions) {
		topicNow.Ends[p] = chunks[p].End()
		if chunks[p].Len() > 0 {
			if err := flush(p); err != nil {
				return err
			}
		}
	}
	sealed, err := batch.Seal(topicNow)
	if err != nil {
		return err
	}
	_, err = w.Commit(ctx, sealed)
	return err
}
