package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/storage/payment/goldref"
)

const topic = "transactions"

// patience bounds every wait in these tests.
const patience = time.Minute

// world is a broker with the topic, and a folder for the lake.
type world struct {
	t       *testing.T
	brokers []string
	admin   *kadm.Client
	client  *kgo.Client
	root    string
}

func newWorld(t *testing.T, partitions int32) *world {
	t.Helper()
	return newWorldOn(t, testkit.Broker(t), partitions)
}

func newWorldOn(t *testing.T, brokers []string, partitions int32) *world {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(kgo.Lz4Compression()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	w := &world{t: t, brokers: brokers, client: client, admin: kadm.NewClient(client), root: t.TempDir()}
	if partitions > 0 {
		w.create(partitions)
	}
	return w
}

func (w *world) create(partitions int32) {
	w.t.Helper()
	if _, err := w.admin.CreateTopic(w.t.Context(), partitions, 1, nil, topic); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) produce(recs ...*kgo.Record) {
	w.t.Helper()
	if err := w.client.ProduceSync(w.t.Context(), recs...).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
}

// produceEvents puts a model's events on the topic.
func (w *world) produceEvents(events []goldref.Event) {
	w.t.Helper()
	recs := make([]*kgo.Record, len(events))
	for i, e := range events {
		recs[i] = &kgo.Record{Key: e.Key, Value: e.Value, Partition: e.Partition, Timestamp: e.Time}
	}
	w.produce(recs...)
}

// payments makes n plain payment records, from number from on, a minute apart.
func payments(partitions int32, from, n int) []*kgo.Record {
	start := time.Date(2024, 1, 5, 0, 0, 0, 0, time.UTC)
	recs := make([]*kgo.Record, n)
	for i := range recs {
		recs[i] = paymentRecord(from+i, int32(i)%partitions, start.Add(time.Duration(from+i)*time.Minute))
	}
	return recs
}

func paymentRecord(i int, partition int32, at time.Time) *kgo.Record {
	id := fmt.Sprintf("%08x-0000-4000-8000-%012x", i, i)
	stamp := at.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	value := fmt.Sprintf(`{"transaction_id":%q,"status":"PENDING","event_time":%q,"initiated_at":%q,"amount":"%d.25",`+
		`"currency":"INR","customer_id":"c%05d","merchant_id":"m%04d","merchant_category":"travel","payment_method":"CARD",`+
		`"customer_email":"user%05d@example.com","device_type":"web","ip_address":"10.1.%d.%d","city":"Mumbai","country":"IN",`+
		`"is_fraud":false,"fraud_score":0.%04d}`, id, stamp, stamp, i%9999, i%50000, i%500, i%50000, i/256%256, i%256, i%9999)
	return &kgo.Record{Key: []byte(id), Value: []byte(value), Partition: partition, Timestamp: at}
}

func (w *world) lake(opts ...lake.Option) *lake.Lake {
	w.t.Helper()
	l, err := lake.Open(w.root, topic, opts...)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func (w *world) config(l *lake.Lake) Config[payment.Row] {
	return Config[payment.Row]{
		Brokers: w.brokers, Topic: topic, Group: "test", Lake: l, Transform: Payments,
		FlushAge: 200 * time.Millisecond, Tick: 50 * time.Millisecond, MaxRetryDelay: 100 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo})),
	}
}

// running is an Ingester in the background.
type running struct {
	t      *testing.T
	cancel context.CancelFunc
	done   chan error

	mu   sync.Mutex
	last Progress
}

// run starts an Ingester; it is stopped at the test's end if not before.
func (w *world) run(cfg Config[payment.Row]) *running {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: w.t, cancel: cancel, done: make(chan error, 1)}
	cfg.Progress = func(p Progress) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.last = p
	}
	in, err := New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	go func() { r.done <- in.Run(ctx) }()
	w.t.Cleanup(func() { r.stop() })
	return r
}

func (r *running) progress() Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// stop ends it and waits.
func (r *running) stop() {
	r.t.Helper()
	r.cancel()
	select {
	case err, first := <-r.done:
		if first {
			close(r.done)
			if err != nil {
				r.t.Errorf("Run: %v", err)
			}
		}
	case <-time.After(patience):
		r.t.Fatal("Run does not end")
	}
}

// fails waits for Run to end by itself and returns its error.
func (r *running) fails() error {
	r.t.Helper()
	select {
	case err := <-r.done:
		close(r.done)
		return err
	case <-time.After(patience):
		r.t.Fatal("Run does not end")
		return nil
	}
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("still not so: %s", what)
		}
	}
}

func (w *world) caughtUp(l *lake.Lake) {
	w.t.Helper()
	eventually(w.t, "the lake has caught up", func() bool {
		d, err := Lag(w.t.Context(), w.brokers, topic, nil, l)
		if err != nil {
			w.t.Fatal(err)
		}
		return d.CaughtUp()
	})
}

func (w *world) auditClean(l *lake.Lake) lake.AuditReport {
	w.t.Helper()
	report, err := l.Audit(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range report.Problems {
		w.t.Errorf("audit: %s", p)
	}
	return report
}

// place is where a record lies.
type place struct {
	partition int32
	offset    int64
}

// plainRows reads the files by their glob, as any other program would.
func (w *world) plainRows() map[place][]payment.Row {
	w.t.Helper()
	rows, err := readGlob(w.root)
	if err != nil {
		w.t.Fatal(err)
	}
	return rows
}

func readGlob(root string) (map[place][]payment.Row, error) {
	names, err := filepath.Glob(filepath.Join(root, "bronze", topic, "year=*", "month=*", "day=*", "*.parquet"))
	if err != nil {
		return nil, err
	}
	rows := map[place][]payment.Row{}
	for _, name := range names {
		ofFile, err := readPlain(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, r := range ofFile {
			at := place{r.KafkaPartition, r.KafkaOffset}
			rows[at] = append(rows[at], r)
		}
	}
	return rows, nil
}

func readPlain(name string) (rows []payment.Row, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	file, err := parquet.OpenFile(f, info.Size())
	if err != nil {
		return nil, err
	}
	r := parquet.NewGenericReader[payment.Row](file)
	rows = make([]payment.Row, file.NumRows())
	if n, err := r.Read(rows); n < len(rows) {
		return nil, fmt.Errorf("%d of %d rows: %w", n, len(rows), err)
	}
	return rows, nil
}

// wantOnce checks that a plain reader sees n records, each once.
func (w *world) wantOnce(n int) {
	w.t.Helper()
	rows := w.plainRows()
	if len(rows) != n {
		w.t.Errorf("a plain reader sees %d records, want %d", len(rows), n)
	}
	for at, copies := range rows {
		if len(copies) != 1 {
			w.t.Errorf("a plain reader sees %v %d times", at, len(copies))
		}
	}
}
