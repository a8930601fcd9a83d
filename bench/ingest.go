package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemill/tidemill/internal/embedded/broker"
	"github.com/tidemill/tidemill/storage/lake"
	row "github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// ingested is what the ingesting process says of itself.
type ingested struct {
	Seconds    float64
	CPUSeconds float64
	PeakBytes  float64
	DiskBytes  int64
}

// ingestion carries records from a broker in a process of its own to committed Parquet, in another process of its own, on one core.
func ingestion(ctx context.Context, l *lab) ([]figure, error) { return ingestDays(ctx, l, 0) }

// ingestion30 is ingestion of records that are each of another day than the one before, of thirty: every batch has thirty days open.
func ingestion30(ctx context.Context, l *lab) ([]figure, error) { return ingestDays(ctx, l, 30) }

func ingestDays(ctx context.Context, l *lab, days int) (_ []figure, err error) {
	dir, err := os.MkdirTemp(l.dir, "ingest-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b, err := startBroker(ctx, dir, l.sizes.ingested, days)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.stop()) }()
	got, err := ingestAll(ctx, b, filepath.Join(dir, "lake"))
	if err != nil {
		return nil, err
	}
	n := float64(b.records)
	return []figure{
		{key: "per_s", unit: "records/s", value: n / got.Seconds},
		{key: "per_cpu_s", unit: "records/CPU s", value: n / got.CPUSeconds},
		{key: "cpu_s", unit: "CPU s", value: got.CPUSeconds},
		{key: "peak_mb", unit: "MB at most", value: got.PeakBytes / 1e6},
		{unit: "bytes", value: b.bytes / n, note: "a record"},
		{key: "disk_bytes", unit: "bytes", value: float64(got.DiskBytes) / n, note: "a row on disk"},
	}, nil
}

// brokerProcess is a broker with a topic, in a process of its own. Whoever started it stops it.
type brokerProcess struct {
	*process
	address string
	records int
	bytes   float64 // of all values
}

// startBroker starts a broker and fills its topic with so many records. With days above 0 each is of another day than the one before it.
func startBroker(ctx context.Context, dir string, records, days int) (*brokerProcess, error) {
	p, err := spawn(ctx, brokerRole, filepath.Join(dir, "broker"), strconv.Itoa(records), strconv.Itoa(days))
	if err != nil {
		return nil, err
	}
	b := &brokerProcess{process: p, records: records}
	ready, err := b.line()
	if err != nil {
		return nil, errors.Join(err, b.stop())
	}
	var size string
	b.address, size, _ = strings.Cut(ready, " ")
	if b.bytes, err = strconv.ParseFloat(size, 64); err != nil {
		return nil, errors.Join(fmt.Errorf("the broker said %q", ready), b.stop())
	}
	return b, nil
}

// ingestAll ingests all that a broker has in a process of its own.
func ingestAll(ctx context.Context, b *brokerProcess, dir string) (got ingested, err error) {
	in, err := spawn(ctx, ingestRole, b.address, dir, strconv.Itoa(b.records))
	if err != nil {
		return got, err
	}
	text, err := in.line()
	if err = errors.Join(err, in.stop()); err != nil {
		return got, err
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		return got, fmt.Errorf("the ingestion said %q: %w", text, err)
	}
	return got, nil
}

// brokerChild runs a broker with a topic of made-up payments: args are its folder, how many, and over how many days they go round (0:
// they are of one). It says its address and the size of all values once they are there.
func brokerChild(args []string) (err error) {
	ctx, cancel := untilParentEnds()
	defer cancel()
	records, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	days, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	if err := os.MkdirAll(args[0], 0o700); err != nil {
		return err
	}
	server, err := broker.Start(ctx, broker.Options{Dir: args[0], Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	bytes, err := fill(ctx, server.Brokers(), records, days)
	if err != nil {
		return fmt.Errorf("fill the topic: %w", err)
	}
	fmt.Println(server.Brokers()[0], bytes)
	<-ctx.Done()
	return nil
}

// fill makes the topic and produces records in turn to its partitions.
func fill(ctx context.Context, brokers []string, records, days int) (bytes int, err error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(topic),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.MaxBufferedRecords(100_000))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, partitions, 1, nil, topic); err != nil {
		return 0, err
	}
	failed := make(chan error, 1)
	for i, p := range payments(records, false) {
		bytes += len(p.value)
		if days > 0 {
			p.at = p.at.AddDate(0, 0, i/partitions%days)
		}
		r := &kgo.Record{Key: p.key, Value: p.value, Timestamp: p.at, Partition: int32(i % partitions)}
		client.Produce(ctx, r, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default:
				}
			}
		})
	}
	if err := client.Flush(ctx); err != nil {
		return 0, err
	}
	select {
	case err := <-failed:
		return 0, err
	default:
		return bytes, nil
	}
}

// ingestChild ingests so many records: args are the broker's address, the lake's folder and the number of records. It says what it
// took once all are committed.
func ingestChild(args []string) error {
	ctx, cancel := untilParentEnds()
	defer cancel()
	records, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return err
	}
	if err := pin(1); err != nil {
		return err
	}
	l, err := lake.Open(args[1], topic)
	if err != nil {
		return err
	}
	all := make(chan struct{})
	in, err := ingest.New(ingest.Config[row.Row]{
		Brokers: []string{args[0]}, Topic: topic, Group: "bench", Lake: l, Transform: ingest.Payments, FlushAge: time.Second,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Progress: func(p ingest.Progress) { // one call at a time
			select {
			case <-all:
			default:
				if p.Rows >= records {
					close(all)
				}
			}
		},
	})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	cpu, began := cpuTime(), time.Now()
	go func() { ended <- in.Run(running) }()
	select {
	case <-all:
	case err := <-ended:
		return errors.Join(errors.New("the ingestion ended before all was there"), err)
	}
	got := ingested{Seconds: time.Since(began).Seconds(), CPUSeconds: (cpuTime() - cpu).Seconds()}
	stop()
	if err := <-ended; err != nil {
		return err
	}
	status, err := l.Status(ctx)
	if err != nil {
		return err
	}
	if status.Rows != records {
		return fmt.Errorf("%d rows are in the lake, not %d", status.Rows, records)
	}
	got.DiskBytes = status.Bytes
	if got.PeakBytes, err = peakMemory(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(got)
}
