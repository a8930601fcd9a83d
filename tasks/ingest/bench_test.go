package ingest

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
)

const benchPartitions = 6

// BenchmarkIngest carries a million records of some 430 bytes from a broker in
// another process to committed Parquet, and reports records per second and per
// second of this process's CPU.
func BenchmarkIngest(b *testing.B) { benchmarkIngest(b, 0) }

// BenchmarkIngestOfThirtyDays is BenchmarkIngest with records that are each of
// another day than the last, of thirty: every batch has thirty days open.
func BenchmarkIngestOfThirtyDays(b *testing.B) { benchmarkIngest(b, 30) }

func benchmarkIngest(b *testing.B, days int) {
	const records = 1_000_000
	brokers := brokerProcess(b, records, days)
	b.ReportAllocs()
	for b.Loop() {
		l, err := lake.Open(b.TempDir(), topic)
		if err != nil {
			b.Fatal(err)
		}
		moved := make(chan struct{}, 1)
		in, err := New(Config[payment.Row]{
			Progress: func(Progress) {
				select {
				case moved <- struct{}{}:
				default: // it is known already
				}
			},
			Brokers: brokers, Topic: topic, Group: fmt.Sprintf("bench-%d", time.Now().UnixNano()), Lake: l, Transform: Payments,
			Log: slog.New(slog.DiscardHandler), FlushAge: time.Second,
		})
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan error, 1)
		began, cpu := time.Now(), cpuTime(b)
		go func() { done <- in.Run(ctx) }()
		for rows := int64(0); rows < records; {
			select {
			case <-moved:
			case err := <-done:
				b.Fatalf("it ended: %v", err)
			}
			s, err := l.Status(ctx)
			if err != nil {
				b.Fatal(err)
			}
			rows = s.Rows
		}
		took, used := time.Since(began), cpuTime(b)-cpu
		cancel()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(records/took.Seconds(), "records/s")
		b.ReportMetric(records/used.Seconds(), "records/cpu-s")
		s, _ := l.Status(b.Context())
		b.ReportMetric(float64(s.Bytes)/records, "disk-B/record")
	}
	b.ReportMetric(peakMemory(b), "peak-MB")
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func peakMemory(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Maxrss) / 1024
}

// fillTopic makes the topic and puts payments on it, twelve a second; with days
// above 0 each is a day after the one before it, and after so many days back at
// the first.
func fillTopic(brokers []string, records int, partitions int32, days int) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(topic),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.MaxBufferedRecords(200_000))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx := context.Background()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, partitions, 1, nil, topic); err != nil {
		return err
	}
	start := time.Date(2024, 1, 5, 0, 0, 0, 0, time.UTC)
	for i := range records {
		at := start.Add(time.Duration(i) * 80 * time.Millisecond)
		if days > 0 {
			at = start.AddDate(0, 0, i/int(partitions)%days).Add(time.Duration(i) * time.Millisecond)
		}
		r := paymentRecord(i, int32(i)%partitions, at)
		client.Produce(ctx, r, func(_ *kgo.Record, err error) {
			if err != nil {
				panic(err)
			}
		})
	}
	return client.Flush(ctx)
}

// brokerProcess runs a broker in a process of its own, so that its CPU time is
// not ours.
func brokerProcess(b *testing.B, records, days int) []string {
	b.Helper()
	cmd := child("broker", recordsVar+"="+strconv.Itoa(records), daysVar+"="+strconv.Itoa(days))
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(line), ",")
}
