package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/tidemill/tidemill/storage/blob"
	"github.com/tidemill/tidemill/storage/blob/blobtest"
	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
)

// TestTransient: what a broker or its network may be over a moment later does not end a stream; anything else does.
func TestTransient(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for err, want := range map[error]bool{
		io.EOF:  true, // a broker that was killed while it was asked to let us join
		refused: true,
		&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}: true, // one that stands still
		sarama.ErrNotCoordinatorForConsumer:                   true,
		sarama.ErrOutOfBrokers:                                true,
		fmt.Errorf("%w: gone", errBroker):                     true,
		errSkipped:                                            false,
		errEncode:                                             false,
		context.Canceled:                                      false,
		errors.New("no idea"):                                 false,
	} {
		if got := isTransient(fmt.Errorf("join: %w", err)); got != want {
			t.Errorf("isTransient(%v) = %v, want %v", err, got, want)
		}
	}
}

// restless is a consumer group that shares the partitions out anew while the first session begins.
type restless struct {
	sarama.ConsumerGroup
	sessions int
	stop     context.CancelFunc // called in the second session
}

func (g *restless) Consume(_ context.Context, _ []string, h sarama.ConsumerGroupHandler) error {
	g.sessions++
	if g.sessions > 1 {
		g.stop()
		return nil
	}
	return h.Setup(over{})
}

// over is a session that has ended.
type over struct{ sarama.ConsumerGroupSession }

func (over) Context() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func (over) Claims() map[string][]int32 { return nil }

// TestSharedOutAnewWhileItBegins: a session that ends before it has begun is followed by the next, and is no failure of the stream.
func TestSharedOutAnewWhileItBegins(t *testing.T) {
	l, err := lake.Open(t.TempDir(), topic)
	if err != nil {
		t.Fatal(err)
	}
	in, err := New(Config[paymentRow]{Brokers: []string{"unused"}, Topic: topic, Group: "g", Lake: l, Transform: Payments, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	in.asks = &broker{topic: topic}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	group := &restless{stop: cancel}
	if err := in.sessions(ctx, group); err != nil || group.sessions != 2 {
		t.Errorf("it ended after %d sessions: %v; want 2 and no error", group.sessions, err)
	}
}

// TestEndedBeforeItBegan: asked to end while it still finishes what a dead process left, it has not failed.
func TestEndedBeforeItBegan(t *testing.T) {
	w := world{t: t, root: t.TempDir(), brokers: []string{"unused"}}
	left := filepath.Join(w.root, "_tmp", topic+"~dead")
	if err := os.MkdirAll(left, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(left, "2024-01-05~0190a3c8-0000-7000-8000-000000000000.parquet"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := New(w.config(w.lake()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := in.Run(ctx); err != nil {
		t.Errorf("Run: %v, want none", err)
	}
}

// TestTakenForDeadAsItBegins: another process fences it while it clears away what a dead one left. It goes on as another writer.
func TestTakenForDeadAsItBegins(t *testing.T) {
	w := world{t: t, root: t.TempDir(), brokers: []string{"unused"}}
	left := filepath.Join(w.root, "_tmp", topic+"~dead")
	if err := os.MkdirAll(left, 0o750); err != nil {
		t.Fatal(err)
	}
	struck := false
	disk := &blobtest.Intercept{FS: blob.Dir(w.root), Before: func(op, name string) error {
		if op != "link" || struck {
			return nil
		}
		struck = true // frozen: its own fence is written and not in the log
		_, err := lake.NewWriter[payment.Row](w.lake()).Collect(t.Context(), time.Nanosecond)
		return err
	}}
	l, err := lake.Open(w.root, topic, lake.WithFS(disk))
	if err != nil {
		t.Fatal(err)
	}
	cfg := w.config(l)
	cfg.CollectAfter = time.Nanosecond
	in, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	in.writer = in.newWriter()
	first := in.writer.ID()
	if err := in.collect(t.Context()); err != nil {
		t.Error(err)
	}
	if !struck || in.writer.ID() == first {
		t.Errorf("it goes on as the writer that was fenced (%t)", struck)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("what the dead one left is there: %v", err)
	}
}
