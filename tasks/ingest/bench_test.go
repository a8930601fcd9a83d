package ingest

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
)

// BenchmarkIngest carries a million records of some 430 bytes from a broker in
// another process to committed Parquet, and reports records per second and per
// second of this process's CPU.
func BenchmarkIngest(b *testing.B) {
	const records, partitions = 1_000_000, 6
	brokers := brokerProcess(b)
	fillTopic(b, brokers, records, partitions)
	b.ReportAllocs()
	for b.Loop() {
		l, err := lake.Open(b.TempDir(), topic)
		if err != nil {
			b.Fatal(err)
		}
		in, err := New(Config[payment.Row]{
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
			time.Sleep(5 * time.Millisecond)
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

func fillTopic(b *testing.B, brokers []string, records int, partitions int32) {
	b.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(topic),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.MaxBufferedRecords(200_000))
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(b.Context(), partitions, 1, nil, topic); err != nil {
		b.Fatal(err)
	}
	start := time.Date(2024, 1, 5, 0, 0, 0, 0, time.UTC)
	for i := range records {
		r := paymentRecord(i, int32(i)%partitions, start.Add(time.Duration(i)*80*time.Millisecond))
		client.Produce(b.Context(), r, func(_ *kgo.Record, err error) {
			if err != nil {
				b.Error(err)
			}
		})
	}
	if err := client.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// brokerProcess runs a broker in a process of its own, so that its CPU time is
// not ours.
func brokerProcess(b *testing.B) []string {
	b.Helper()
	cmd := exec.Command(os.Args[0]) // #nosec G204: this test binary
	cmd.Env = append(os.Environ(), roleVar+"=broker")
	cmd.Stderr = os.Stderr
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

// roleVar makes the test binary be something else than a test.
const roleVar = "INGEST_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVar) {
	case "broker":
		c, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(strings.Join(c.ListenAddrs(), ","))
		select {}
	default:
		os.Exit(m.Run())
	}
}
