package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// patience bounds every wait for what takes seconds on a quiet machine.
const patience = 3 * time.Minute

// world is a topic of the test's own, and a folder for its lake.
type world struct {
	t      *testing.T
	addrs  []string
	topic  string
	root   string
	client *kgo.Client // produces, idempotently and to all replicas, for as long as it takes
	admin  *kadm.Client
}

// newWorld makes the topic, with as many replicas as there are brokers, unless partitions is 0. Settings are those of the topic, beside a
// retention without end and timestamps as the producer gives them.
func newWorld(t *testing.T, addrs []string, partitions int32, settings ...string) *world {
	t.Helper()
	name := strings.ToLower(strings.NewReplacer("/", "-").Replace(t.Name()))
	client, err := kgo.NewClient(kgo.SeedBrokers(addrs...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(name),
		kgo.MetadataMinAge(100*time.Millisecond), kgo.ProducerBatchMaxBytes(16<<20))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	w := &world{t: t, addrs: addrs, topic: name, root: t.TempDir(), client: client, admin: kadm.NewClient(client)}
	if partitions > 0 {
		w.create(partitions, settings...)
	}
	return w
}

func (w *world) create(partitions int32, settings ...string) {
	w.t.Helper()
	all := map[string]*string{"retention.ms": kadm.StringPtr("-1"), "message.timestamp.after.max.ms": kadm.StringPtr("9223372036854775807")}
	for i := 0; i < len(settings); i += 2 {
		all[settings[i]] = &settings[i+1]
	}
	if _, err := w.admin.CreateTopic(w.t.Context(), partitions, int16(len(w.addrs)), all, w.topic); err != nil { //nolint:gosec // 1 or 3
		w.t.Fatal(err)
	}
}

// produce sends records, so few at once that no batch of them is larger than the broker takes: the client is let to make larger ones.
func (w *world) produce(recs ...*kgo.Record) {
	w.t.Helper()
	for some := range slices.Chunk(recs, 1000) {
		if err := w.client.ProduceSync(w.t.Context(), some...).FirstErr(); err != nil {
			w.t.Fatal(err)
		}
	}
}

// payments makes n plain payment records, from number from on, a minute apart.
func payments(partitions int32, from, n int) []*kgo.Record {
	start := time.Date(2024, 1, 5, 0, 0, 0, 0, time.UTC)
	recs := make([]*kgo.Record, n)
	for i := range recs {
		recs[i] = paymentRecord(from+i, int32(i)%partitions, start.Add(time.Duration(from+i)*time.Second)) //nolint:gosec // small
	}
	return recs
}

func paymentRecord(i int, partition int32, at time.Time) *kgo.Record {
	id := fmt.Sprintf("%08x-0000-4000-8000-%012x", i, i)
	stamp := at.UTC().Format("2006-01-02T15:04:05.000Z07:00")
	value := fmt.Sprintf(`{"transaction_id":%q,"status":"PENDING","event_time":%q,"initiated_at":%q,"amount":"%d.25",`+
		`"currency":"INR","customer_id":"c%05d","merchant_id":"m%04d","payment_method":"CARD","is_fraud":false}`,
		id, stamp, stamp, i%9999, i%50000, i%500)
	return &kgo.Record{Key: []byte(id), Value: []byte(value), Partition: partition, Timestamp: at}
}

// producing is a producer that goes on through whatever happens to the brokers.
type producing struct {
	stop context.CancelFunc
	done chan error
	sent int
}

// producePayments sends payments until stopped, some hundred a second.
func (w *world) producePayments(partitions int32) *producing {
	ctx, cancel := context.WithCancel(w.t.Context())
	p := &producing{stop: cancel, done: make(chan error, 1)}
	go func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			batch := payments(partitions, p.sent, 20)
			if err := w.client.ProduceSync(w.t.Context(), batch...).FirstErr(); err != nil {
				p.done <- err
				return
			}
			p.sent += len(batch)
			select {
			case <-ctx.Done():
				p.done <- nil
				return
			case <-tick.C:
			}
		}
	}()
	return p
}

// end stops it and returns how many records the brokers have acknowledged.
func (p *producing) end(t *testing.T) int {
	t.Helper()
	p.stop()
	if err := <-p.done; err != nil {
		t.Fatalf("produce: %v", err)
	}
	return p.sent
}

func (w *world) lake() *lake.Lake {
	w.t.Helper()
	l, err := lake.Open(w.root, w.topic)
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

func (w *world) config(l *lake.Lake) ingest.Config[payment.Row] {
	return ingest.Config[payment.Row]{
		Brokers: w.addrs, Topic: w.topic, Group: w.topic, Lake: l, Transform: ingest.Payments,
		FlushAge: 300 * time.Millisecond, Tick: 100 * time.Millisecond, MaxRetryDelay: time.Second,
		Log: slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo})),
	}
}

// running is an Ingester in the background.
type running struct {
	t      *testing.T
	cancel context.CancelFunc
	done   chan struct{}
	err    error // read after done

	mu   sync.Mutex
	last ingest.Progress
}

// run starts an Ingester; it is stopped at the test's end if not before.
func (w *world) run(cfg ingest.Config[payment.Row]) *running {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: w.t, cancel: cancel, done: make(chan struct{})}
	cfg.Progress = func(p ingest.Progress) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.last = p
	}
	in, err := ingest.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(r.done)
		r.err = in.Run(ctx)
	}()
	w.t.Cleanup(r.stop)
	return r
}

func (r *running) progress() ingest.Progress {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

func (r *running) stop() {
	r.t.Helper()
	r.cancel()
	if err := r.ends(); err != nil {
		r.t.Errorf("Run: %v", err)
	}
}

// ends waits for Run to return, and returns its error.
func (r *running) ends() error {
	r.t.Helper()
	select {
	case <-r.done:
		return r.err
	case <-time.After(patience):
		r.t.Fatal("Run does not end")
		return nil
	}
}

// eventually waits for a condition. An Ingester that has ended meanwhile is found at its stop.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("still not so: %s", what)
		}
	}
}

func (w *world) caughtUp(l *lake.Lake) {
	w.t.Helper()
	eventually(w.t, "the lake has caught up", func() bool {
		d, err := ingest.Lag(w.t.Context(), w.addrs, w.topic, nil, l)
		return err == nil && d.CaughtUp()
	})
}
