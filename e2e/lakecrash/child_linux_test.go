package lakecrash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidemill/tidemill/storage/blob"
	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// childVar, when set, makes this test binary a process that ingests; it holds an assignment.
const childVar = "TIDEMILL_LAKECRASH_CHILD"

func TestMain(m *testing.M) {
	text := os.Getenv(childVar)
	if text == "" {
		os.Exit(m.Run())
	}
	if err := child(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// assignment is what a process is told.
type assignment struct {
	Brokers      []string
	Topic        string
	Group        string
	Root         string // of the lake
	Mirror       string // its folder
	FlushRows    int64
	FlushAge     time.Duration
	CollectAfter time.Duration // 0: the default
	FinishEvery  time.Duration // 0: the default
	At           point
	Blow         blow
	Record       bool // say each point
	Forever      bool // until SIGTERM; else until the lake has caught up
	Strict       bool // the transform refuses good records

	Rewrite string        // not a stream: it does this to the day
	Insist  bool          // Rewrite only: it waits for others to be out of the way
	Ahead   time.Duration // by how much its clock is
}

func child(text string) error {
	var a assignment
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	s := &steps{at: a.At, blow: a.Blow, record: a.Record}
	now := func() time.Time { return time.Now().Add(a.Ahead) }
	l, err := lake.Open(a.Root, a.Topic, lake.WithFS(disk{blob.Dir(a.Root), s}), lake.WithClock(now))
	if err != nil {
		return err
	}
	if a.Rewrite != "" {
		return rewrite(ctx, a, l)
	}
	transform := ingest.Payments
	if a.Strict {
		transform = strictly
	}
	var done progress
	in, err := ingest.New(ingest.Config[payment.Row]{
		Brokers: a.Brokers, Topic: a.Topic, Group: a.Group, Lake: l, Transform: transform,
		FlushRows: a.FlushRows, FlushAge: a.FlushAge, CollectAfter: a.CollectAfter,
		Tick: 50 * time.Millisecond, MaxRetryDelay: 200 * time.Millisecond, FinishEvery: a.FinishEvery,
		Mirror: mirror{a.Mirror, s}.config(), Sarama: throughWire(s),
		Progress: done.report, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	if a.Forever {
		return in.Run(ctx)
	}
	return untilCaughtUp(ctx, a, in, l, &done)
}

// progress is what the ingestion last told.
type progress struct {
	mu   sync.Mutex
	last ingest.Progress
}

func (p *progress) report(now ingest.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = now
}

// quiet says whether the ingestion has nothing in hand: what follows a commit is done too.
func (p *progress) quiet() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.last.Partitions) > 0 && p.last.Lag == 0
}

// untilCaughtUp runs the ingestion until the lake has all of the topic.
func untilCaughtUp(ctx context.Context, a assignment, in *ingest.Ingester[payment.Row], l *lake.Lake, p *progress) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx) }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		d, err := ingest.Lag(ctx, a.Brokers, a.Topic, nil, l)
		if err != nil || d.CaughtUp() && p.quiet() {
			cancel()
			return errors.Join(err, <-done)
		}
		select {
		case err := <-done:
			return fmt.Errorf("ended before it had caught up: %w", err)
		case <-tick.C:
		}
	}
}
