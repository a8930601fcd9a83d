package dags

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// TestLostRecordsFailTheStreamOnce: what the broker deleted unread is declared, and the stream fails with it, so that its webhook is sent;
// the next start goes on behind it.
func TestLostRecordsFailTheStreamOnce(t *testing.T) {
	t.Parallel()
	brokers, topic := testkit.Broker(t), "transactions"
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	if _, err := admin.CreateTopic(t.Context(), 1, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if err := client.ProduceSync(t.Context(), &kgo.Record{Value: fmt.Appendf(nil, "dead letter %d", i)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	offsets := kadm.Offsets{}
	offsets.AddOffset(topic, 0, 4, -1)
	if _, err := admin.DeleteRecords(t.Context(), offsets); err != nil {
		t.Fatal(err)
	}
	l, err := lake.Open(t.TempDir(), topic)
	if err != nil {
		t.Fatal(err)
	}
	config := ingest.Config[payment.Row]{
		Brokers: brokers, Topic: topic, Group: "g", Lake: l, Transform: ingest.Payments, FlushAge: 50 * time.Millisecond, Tick: 20 * time.Millisecond,
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = ingestUntilLoss(ctx, config)
	if !errors.Is(err, errLost) || !strings.Contains(err.Error(), "partition 0, offsets 0 to 3 (entry 1 of the log)") {
		t.Fatalf("it ended with %v, want the loss of offsets 0 to 3", err)
	}
	config.Progress = func(p ingest.Progress) {
		if len(p.Partitions) == 1 && p.Lag == 0 {
			cancel()
		}
	}
	if err := ingestUntilLoss(ctx, config); err != nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Errorf("the next start: %v, %v", err, ctx.Err())
	}
	report, err := l.Audit(t.Context())
	if err != nil || !report.Clean() || report.GapOffsets != 4 || report.DeadLetters != 6 {
		t.Errorf("the lake: %+v, %v", report, err)
	}
}
