package kafka

import (
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/tidemill/tidemill/storage/blob"
	"github.com/tidemill/tidemill/storage/blob/blobtest"
	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// TestDeletedUnderTheReader: a stream that is held up by its disk falls behind what the broker keeps. When the disk takes files again, the
// stream goes on by itself; what it had read is in the lake, what was deleted is a gap of which it tells, and nothing lies between.
func TestDeletedUnderTheReader(t *testing.T) {
	if !wanted(t) {
		return
	}
	t.Parallel()
	const sent = 40_000 // more than a reader keeps in memory
	w := newWorld(t, sharedBroker(t), 2)
	var full atomic.Bool
	disk := &blobtest.Intercept{FS: blob.Dir(w.root), Before: func(op, _ string) error {
		if full.Load() && (op == "create" || op == "write" || op == "mkdir") {
			return syscall.ENOSPC
		}
		return nil
	}}
	l, err := lake.Open(w.root, w.topic, lake.WithFS(disk))
	if err != nil {
		t.Fatal(err)
	}
	cfg := w.config(l)
	cfg.FlushRows = 1000
	var lost int64 // of the goroutine that commits, which has ended when it is read
	cfg.Lost = func(l ingest.Loss) { lost += l.End - l.Start }
	r := w.run(cfg)
	w.produce(payments(2, 0, 100)...)
	w.caughtUp(l)
	full.Store(true)
	w.produce(payments(2, 100, sent)...)
	eventually(t, "the disk is found to be full", func() bool { return r.progress().Error != "" })
	keep := kadm.Offsets{}
	for p := range int32(2) {
		keep.AddOffset(w.topic, p, 50+sent/2-100, -1) // all but the last hundred of each
	}
	deleted, err := w.admin.DeleteRecords(t.Context(), keep)
	if err == nil {
		err = deleted.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	full.Store(false)
	w.caughtUp(l)
	r.stop()
	got := w.check(l)
	if got.gaps[lake.CauseDeleted] == 0 || got.gaps[lake.CauseDeleted] != lost {
		t.Errorf("%d offsets are gaps for being deleted, %d were told of; want the same, above 0", got.gaps[lake.CauseDeleted], lost)
	}
	if n := got.report.Rows + lost; n != 100+sent {
		t.Errorf("%d rows and %d lost offsets, want %d together", got.report.Rows, lost, 100+sent)
	}
}
