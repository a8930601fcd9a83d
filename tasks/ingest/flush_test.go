package ingest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tidemill/tidemill/storage/lake"
)

// TestAConflictEndsTheSessionAtOnce: the claims that wait for a commit learn from its failure, and not from the batch that it leaves behind
// sealed: that would be taken for a fault of our own.
func TestAConflictEndsTheSessionAtOnce(t *testing.T) {
	w := newWorld(t, 1)
	w.produce(payments(1, 0, 10)...)
	l := w.lake()
	cfg := w.config(l)
	in, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if in.asks, err = newBroker(w.brokers, topic, saramaConfig(nil)); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.asks.Close() }()
	now, err := in.asks.describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	in.writer = lake.NewWriter[paymentRow](l)
	s := &session[paymentRow]{in: in, topicID: now.id, ids: []int32{0}}
	s.ctx, s.cancel = context.WithCancel(t.Context())
	defer s.cancel()
	if s.state, err = l.State(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.newBatch()
	var c lake.Chunk[paymentRow]
	c.Reset(topic, now.id, 0, 0)
	rec := lake.Record{Value: []byte("dead"), Timestamp: payments(1, 0, 1)[0].Timestamp, IngestedAt: payments(1, 0, 1)[0].Timestamp}
	if _, err := c.Take(&rec, Payments); err != nil {
		t.Fatal(err)
	}
	if _, err := s.add(s.ctx, &c); err != nil {
		t.Fatal(err)
	}
	r := w.run(cfg) // another process commits those offsets first
	w.caughtUp(l)
	r.stop()

	if err := s.flush(s.ctx, s.batch); !errors.Is(err, lake.ErrConflict) {
		t.Fatalf("flush: %v, want ErrConflict", err)
	}
	if _, err := s.add(s.ctx, &c); !errors.Is(err, context.Canceled) {
		t.Errorf("add after it: %v, want that the session has ended", err)
	}
	if !errors.Is(s.err, lake.ErrConflict) {
		t.Errorf("the session ended by %v, want ErrConflict", s.err)
	}
}

// TestABatchIsCommittedWhenItIsOldEnough, one after the other, also long before a tick looks.
func TestABatchIsCommittedWhenItIsOldEnough(t *testing.T) {
	w := newWorld(t, 2)
	l := w.lake()
	cfg := w.config(l)
	cfg.Tick, cfg.FlushAge = time.Hour, 100*time.Millisecond
	w.run(cfg)
	for n := range 3 {
		w.produce(payments(2, 10*n, 10)...)
		eventually(t, "all is in the lake", func() bool {
			s, err := l.Status(t.Context())
			return err == nil && s.Rows == int64(10*n+10)
		})
	}
}
