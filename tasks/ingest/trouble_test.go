package ingest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/tidemill/tidemill/storage/blob"
	"github.com/tidemill/tidemill/storage/blob/blobtest"
	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
)

type paymentRow = payment.Row

func kadmOffsets(partition int32, offset int64) kadm.Offsets {
	o := kadm.Offsets{}
	o.AddOffset(topic, partition, offset, -1)
	return o
}

// TestDiskFull: while the disk takes nothing, no offset moves and the reader
// waits; when it does again, everything is there once.
func TestDiskFull(t *testing.T) {
	w := newWorld(t, 3)
	var full atomic.Bool
	disk := &blobtest.Intercept{FS: blob.Dir(w.root), Before: func(op, _ string) error {
		if full.Load() && (op == "create" || op == "write" || op == "mkdir") {
			return syscall.ENOSPC
		}
		return nil
	}}
	l := w.lake(lake.WithFS(disk))
	cfg := w.config(l)
	cfg.FlushRows = 50
	r := w.run(cfg)
	w.produce(payments(3, 0, 300)...)
	w.caughtUp(l)
	full.Store(true)
	before, err := l.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.produce(payments(3, 300, 900)...)
	eventually(t, "the full disk is reported", func() bool { return strings.Contains(r.progress().Error, "no space left") })
	during, err := l.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for p := range int32(3) {
		id := before.TopicID
		if got, want := during.Next(id, p), before.Next(id, p); got != want {
			t.Errorf("partition %d moved from %d to %d on a full disk", p, want, got)
		}
	}
	full.Store(false)
	w.caughtUp(l)
	eventually(t, "the error is gone", func() bool { return r.progress().Error == "" })
	r.stop()
	w.wantOnce(1200)
	w.auditClean(l)
}

// TestTopicMadeAnew: a topic that is deleted and made anew is read from its
// beginning, beside the rows of its predecessor.
func TestTopicMadeAnew(t *testing.T) {
	w := newWorld(t, 2)
	w.produce(payments(2, 0, 40)...)
	l := w.lake()
	cfg := w.config(l)
	cfg.WaitForTopic = true
	r := w.run(cfg)
	w.caughtUp(l)
	if _, err := w.admin.DeleteTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	w.client.PurgeTopicsFromClient(topic)
	w.create(2)
	w.produce(payments(2, 100, 60)...)
	w.caughtUp(l)
	r.stop()
	report := w.auditClean(l)
	if report.Rows != 100 || len(report.Partitions) != 4 {
		t.Errorf("%d rows of %d partitions, want 100 of 4", report.Rows, len(report.Partitions))
	}
}

// TestNewPartitions are taken up while it runs.
func TestNewPartitions(t *testing.T) {
	w := newWorld(t, 2)
	l := w.lake()
	r := w.run(w.config(l))
	w.produce(payments(2, 0, 10)...)
	w.caughtUp(l)
	if _, err := w.admin.CreatePartitions(t.Context(), 3, topic); err != nil {
		t.Fatal(err)
	}
	newWorldOn(t, w.brokers, 0).produce(payments(5, 100, 5)...) // a producer that knows them
	w.caughtUp(l)
	r.stop()
	w.auditClean(l)
	state, err := l.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := state.Next(state.TopicID, 4); n != 1 || state.PartitionsNow != 5 {
		t.Errorf("partition 4 is at %d of %d partitions, want 1 of 5", n, state.PartitionsNow)
	}
}

// TestMissingTopic is an error, or waited for.
func TestMissingTopic(t *testing.T) {
	w := newWorld(t, 0)
	l := w.lake()
	if err := w.run(w.config(l)).fails(); !errors.Is(err, ErrNoTopic) {
		t.Errorf("Run without the topic: %v, want ErrNoTopic", err)
	}
	cfg := w.config(l)
	cfg.WaitForTopic = true
	r := w.run(cfg)
	w.create(2)
	w.produce(payments(2, 0, 10)...)
	w.caughtUp(l)
	r.stop()
	w.wantOnce(10)
}

// TestNoBroker is an error at the start.
func TestNoBroker(t *testing.T) {
	w := newWorld(t, 1)
	cfg := w.config(w.lake())
	cfg.Brokers = []string{"127.0.0.1:1"}
	if err := w.run(cfg).fails(); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("Run without a broker: %v, want an error that names it", err)
	}
}

// TestMirror gets every entry in order, those that it missed on the next start.
func TestMirror(t *testing.T) {
	w := newWorld(t, 2)
	l := w.lake()
	var mu sync.Mutex
	var got []int64
	failing := true
	cfg := w.config(l)
	cfg.Mirror = &Mirror{
		Last: func(context.Context) (int64, error) {
			mu.Lock()
			defer mu.Unlock()
			return int64(len(got)), nil
		},
		Put: func(_ context.Context, e lake.Entry) error {
			mu.Lock()
			defer mu.Unlock()
			if failing && e.N > 1 {
				return errors.New("mirror is down")
			}
			got = append(got, e.N)
			return nil
		},
	}
	r := w.run(cfg)
	w.produce(payments(2, 0, 10)...)
	w.caughtUp(l)
	w.produce(payments(2, 10, 10)...)
	w.caughtUp(l)
	r.stop()
	mu.Lock()
	failing = false
	mu.Unlock()
	r = w.run(cfg)
	w.produce(payments(2, 20, 10)...)
	w.caughtUp(l)
	r.stop()
	state, err := l.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range got {
		if n != int64(i+1) {
			t.Fatalf("the mirror got %v, want each entry once, in order", got)
		}
	}
	if int64(len(got)) != state.Head {
		t.Errorf("the mirror has %d entries, the log %d", len(got), state.Head)
	}
}

// TestGroupOffsetsDoNotMatter: where to start is the lake's to say, whether the
// group's offsets are ahead of it or behind.
func TestGroupOffsetsDoNotMatter(t *testing.T) {
	w := newWorld(t, 2)
	w.produce(payments(2, 0, 50)...)
	for name, offset := range map[string]int64{"ahead": 25, "behind": 3} {
		t.Run(name, func(t *testing.T) {
			here := *w
			here.t, here.root = t, t.TempDir()
			l := here.lake()
			if name == "behind" { // the lake has all of it already
				r := here.run(here.config(l))
				here.caughtUp(l)
				r.stop()
			}
			offsets := kadmOffsets(0, offset)
			offsets.AddOffset(topic, 1, offset, -1)
			if err := w.admin.CommitAllOffsets(t.Context(), "test", offsets); err != nil {
				t.Fatal(err)
			}
			w.produce(payments(2, 1000, 2)...)
			r := here.run(here.config(l))
			here.caughtUp(l)
			r.stop()
			report := here.auditClean(l)
			for _, p := range report.Partitions {
				if p.Rows != p.End {
					t.Errorf("partition %d has %d rows of %d offsets", p.Partition, p.Rows, p.End)
				}
			}
			here.wantOnce(int(report.Rows))
		})
	}
}
