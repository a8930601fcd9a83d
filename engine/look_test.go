package engine

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/coder/quartz"
	"github.com/google/uuid"
)

func TestLookIsArmedWhileWantedOnly(t *testing.T) {
	clock := quartz.NewMock(t)
	l := newLookTimer(clock)
	defer l.stop()
	l.arm(false)
	if d, any := clock.Peek(); any {
		t.Fatalf("slots are free, and it fires in %s", d)
	}
	l.arm(true)
	clock.Advance(lookEvery / 2).MustWait(t.Context())
	l.arm(true) // a busy process asks often
	if d, any := clock.Peek(); !any || d != lookEvery/2 {
		t.Fatalf("being asked again puts it off: it fires in %s", d)
	}
	clock.Advance(lookEvery / 2).MustWait(t.Context())
	select {
	case <-l.timer.C:
	case <-time.After(20 * time.Second):
		t.Fatal("it has not fired")
	}
}

func TestScarceSlots(t *testing.T) {
	two := []string{"a", "b"}
	r := &Runtime{slots: newSlotPool(1)}
	r.current.Store(&two)
	if r.scarce() {
		t.Error("a slot is free")
	}
	r.slots.take("a")
	if !r.scarce() {
		t.Error("no slot is free, and there are two DAGs")
	}
	one := two[:1]
	r.current.Store(&one)
	if r.scarce() {
		t.Error("there is one DAG: nobody waits for another")
	}
}

// A lease that is gone because the attempt's end was stored is no loss.
func TestBeatLosesNoEndedAttempt(t *testing.T) {
	var said bytes.Buffer
	r := &Runtime{log: slog.New(slog.NewTextHandler(&said, nil)), held: newLeaseSet(), clock: quartz.NewMock(t)}
	stopped := func(ended bool) error {
		ctx, cancel := context.WithCancelCause(t.Context())
		a := &attempt{Leased: Leased{Lease: Lease{TaskKey{Run: 1, Task: "t", MapIndex: -1}, uuid.New()}}, cancel: cancel}
		a.ended.Store(ended)
		r.lose(a)
		r.lose(a)
		return context.Cause(ctx)
	}
	if cause := stopped(true); cause != nil || said.Len() > 0 {
		t.Errorf("an attempt that has ended is stopped (%v), and the log says %q", cause, said.String())
	}
	if cause := stopped(false); cause != ErrLostLease || bytes.Count(said.Bytes(), []byte("lease lost")) != 1 {
		t.Errorf("one that runs is stopped with %v, and the log says %q; want that its lease is lost, once", cause, said.String())
	}
}
