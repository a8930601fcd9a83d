package engine_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coder/quartz"
	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

// calls notes the ids of the events that a callback or receiver was told, and errs as long as it is asked to.
type calls struct {
	mu  sync.Mutex
	ids []uuid.UUID
	bad int // how many of the first ones err; −1: all
}

func (c *calls) take(id uuid.UUID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids = append(c.ids, id)
	if c.bad < 0 || len(c.ids) <= c.bad {
		return errors.New("cannot take it")
	}
	return nil
}

func (c *calls) call(_ context.Context, e engine.CallbackEvent) error { return c.take(e.ID) }
func (c *calls) deliver(_ context.Context, m engine.Message) error    { return c.take(m.EventID) }
func (c *calls) seen() []uuid.UUID                                    { c.mu.Lock(); defer c.mu.Unlock(); return slices.Clone(c.ids) }

// message is the only item of the outbox.
func message(t *testing.T, store engine.Store) engine.MessageRow {
	t.Helper()
	all, err := store.Messages(t.Context(), 10)
	if err != nil || len(all) != 1 {
		t.Fatalf("the outbox holds %+v (%v), want one message", all, err)
	}
	return all[0]
}

// redelivered sets the clock to when a message that failed is due, and waits until it has been tried n times.
func redelivered(t *testing.T, store *enginetest.Store, clock *quartz.Mock, c *calls, n int) {
	t.Helper()
	eventually(t, "it is tried again", func() bool {
		if m := message(t, store); m.NextAt != nil && m.NextAt.After(clock.Now()) && m.Tries == len(c.seen()) {
			clock.Set(*m.NextAt)
		}
		return len(c.seen()) == n && message(t, store).Tries == n
	})
}

func TestCallbackThatErrs(t *testing.T) {
	c := &calls{bad: -1}
	d := engine.New[engine.NoParams]("d")
	engine.Sink(d.Run(), "task", func(context.Context, run) error { return nil }, engine.OnSuccess(c.call))
	store, clock := dated(t, "2024-01-01")
	r := running(t, store, nil, d)
	v := settled(t, r, "d")
	redelivered(t, store, clock, c, 5)
	if m := message(t, store); m.State != "failed" || m.Error != "cannot take it" {
		t.Errorf("the callback is %s: %s", m.State, m.Error)
	}
	if ids := c.seen(); len(slices.Compact(ids)) != 1 {
		t.Errorf("it was told events %v, want one and the same", ids)
	}
	if v = seen(t, store, v.Run); v.Run.State != engine.RunSuccess {
		t.Errorf("the callback made the run %s", v.Run.State)
	}
}

func TestWebhookUntilDelivered(t *testing.T) {
	c := &calls{bad: 9}
	d := engine.New[engine.NoParams]("d")
	engine.Sink(d.Run(), "task", func(context.Context, run) error { return nil })
	store, clock := dated(t, "2024-01-01")
	if err := store.RegisterReceiver(t.Context(), "pager", ""); err != nil {
		t.Fatal(err)
	}
	r := running(t, store, func(cfg *engine.Config) { cfg.Deliver = map[string]engine.DeliverFunc{"pager": c.deliver} }, d)
	settled(t, r, "d")
	redelivered(t, store, clock, c, 10)
	if m := message(t, store); m.State != "delivered" || m.Type != engine.EventRunSucceeded {
		t.Errorf("the webhook %s is %s", m.Type, m.State)
	}
	if ids := c.seen(); len(slices.Compact(ids)) != 1 {
		t.Errorf("it carried ids %v, want one and the same", ids)
	}
}

// That it was delivered cannot be noted for a moment: it is noted later, and not told twice.
func TestDeliveryWhoseNoteFailsIsToldOnce(t *testing.T) {
	c := &calls{}
	d := engine.New[engine.NoParams]("d")
	engine.Sink(d.Run(), "task", func(context.Context, run) error { return engine.Permanent(errors.New("x")) }, engine.OnFailure(c.call))
	store, _ := dated(t, "2024-01-01")
	var failed atomic.Int32
	store.Fail = func(op string) error {
		if op == "FinishOutbox" && failed.Add(1) <= 3 {
			return errors.New("away")
		}
		return nil
	}
	r := running(t, store, nil, d)
	settled(t, r, "d")
	eventually(t, "the delivery is noted", func() bool { return message(t, store).State == "delivered" })
	if ids := c.seen(); len(ids) != 1 || failed.Load() != 4 {
		t.Errorf("it was told %d times and noted at try %d, want once and at the 4th", len(ids), failed.Load())
	}
}

// The process dies between the delivery and its note: as soon as that is noticed it is delivered again, with the same id.
func TestDeliveryWithoutANote(t *testing.T) {
	c := &calls{}
	stuck := make(chan struct{})
	d := engine.New[engine.NoParams]("d")
	engine.Sink(d.Run(), "task", func(context.Context, run) error { return engine.Permanent(errors.New("x")) },
		engine.OnFailure(func(ctx context.Context, e engine.CallbackEvent) error {
			err := c.call(ctx, e)
			if len(c.seen()) == 1 {
				<-stuck
			}
			return err
		}))
	store := memory()
	first := &link{Store: store}
	r := running(t, first, nil, d)
	settled(t, r, "d")
	eventually(t, "it is delivered once", func() bool { return len(c.seen()) == 1 })
	first.cut.Store(true)
	running(t, store, nil, d)
	eventually(t, "it is delivered again", func() bool { return message(t, store).State == "delivered" })
	if ids := c.seen(); len(ids) != 2 || ids[0] != ids[1] {
		t.Errorf("it was told %v, want the same event twice", ids)
	}
	first.cut.Store(false)
	close(stuck)
}
