package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

const (
	outboxBatch = 32
	// outboxHide is how long what is claimed is hidden from others while its worker lives: more than a whole batch takes as a rule. What a
	// dead worker has claimed is due as soon as it is buried.
	outboxHide      = 3 * time.Minute
	deliveryTimeout = 30 * time.Second
	finishTimeout   = 5 * time.Second
	// lastStart is how long after its claim a delivery may begin: one that would not end before others get the message does not.
	lastStart       = outboxHide - deliveryTimeout - 3*finishTimeout
	deliveriesAtOne = 8
	// maxCallbackTries is how often a callback is called before it is shown as failed.
	maxCallbackTries = 5
	// maxWebhookTries, with the backoff below, keeps a webhook going for about two days.
	maxWebhookTries = 16
)

// deliver calls callbacks and sends webhooks from the outbox, until ctx ends.
func (r *Runtime) deliver(ctx context.Context) {
	receivers := make([]string, 0, len(r.cfg.Deliver))
	for name := range r.cfg.Deliver {
		receivers = append(receivers, name)
	}
	for {
		messages, batch, err := r.claimOutbox(ctx, receivers)
		if err != nil {
			r.warn(ctx, "read outbox", err)
		}
		var g errgroup.Group
		g.SetLimit(deliveriesAtOne)
		for _, m := range messages {
			g.Go(func() error {
				r.deliverOne(ctx, batch, m)
				return nil
			})
		}
		_ = g.Wait() // its functions return no error
		if len(messages) == outboxBatch {
			continue
		}
		if !r.pause(ctx, r.cfg.Poll) {
			return
		}
	}
}

// An outboxBatchOf is messages that were claimed together.
type outboxBatchOf struct {
	claim uuid.UUID
	at    time.Time // of the claim, or a little before, by this process's clock
}

func (r *Runtime) claimOutbox(ctx context.Context, receivers []string) ([]Message, outboxBatchOf, error) {
	b := outboxBatchOf{claim: uuid.New(), at: r.clock.Now()}
	messages, err := r.store.ClaimOutbox(ctx, OutboxClaim{
		Claim: b.claim, Worker: r.worker.Load(), DAGs: r.catalog.ids, Receivers: receivers, Limit: outboxBatch, Hide: outboxHide,
	})
	return messages, b, err
}

func (r *Runtime) deliverOne(ctx context.Context, b outboxBatchOf, m Message) {
	if r.clock.Now().Sub(b.at) > lastStart {
		return // it is claimed anew
	}
	dctx, cancel := context.WithTimeout(ctx, deliveryTimeout)
	defer cancel()
	err := r.tell(dctx, m)
	if err != nil && ctx.Err() != nil {
		return // shutting down: it is delivered again when it shows up
	}
	result := Delivery{Done: err == nil}
	if err != nil {
		result.Error = r.cfg.Secrets.Mask(printable(err.Error()))
		limit := maxWebhookTries
		if m.Kind == MessageCallback {
			limit = maxCallbackTries
		}
		result.GaveUp = m.Tries+1 >= limit
		r.log.Warn("delivery failed", "kind", m.Kind, "type", m.Type, "event", m.EventID, "dag", m.DAG, "try", m.Tries+1, "gave_up", result.GaveUp, "error", result.Error)
	}
	// What cannot be noted would be told again: it is tried as long as nobody else can have claimed it, or until the shutdown.
	for delay := 50 * time.Millisecond; ; delay = min(2*delay, finishTimeout) {
		err := r.finish(ctx, b.claim, m, result)
		if err == nil {
			return
		}
		r.warn(ctx, "finish delivery", err)
		if r.clock.Now().Sub(b.at) > outboxHide || !r.pause(ctx, delay) {
			return
		}
	}
}

// finish notes what became of a message, also while the process shuts down.
func (r *Runtime) finish(ctx context.Context, claim uuid.UUID, m Message, result Delivery) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer stop()
	if !result.Done && !result.GaveUp {
		now, err := r.store.Now(ctx)
		if err != nil {
			return err
		}
		result.RetryAt = now.Add(deliveryDelay(m.Tries + 1))
	}
	return r.store.FinishOutbox(ctx, m.ID, claim, result)
}

// tell hands a message to its callback or receiver. A panic is an error, and so is one that does not return when its time is over: it
// is left behind, so that it does not hold up the others.
func (r *Runtime) tell(ctx context.Context, m Message) error {
	hand, err := r.recipient(m)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("panic: %v", p)
			}
		}()
		done <- hand(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	timer := r.clock.NewTimer(finishTimeout, "deliver")
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("no answer: %w", ctx.Err())
	}
}

// recipient finds what a message goes to.
func (r *Runtime) recipient(m Message) (func(context.Context) error, error) {
	if m.Kind == MessageWebhook {
		f, ok := r.cfg.Deliver[m.Receiver]
		if !ok {
			return nil, fmt.Errorf("receiver %q is not configured in this process", m.Receiver)
		}
		return func(ctx context.Context) error { return f(ctx, m) }, nil
	}
	d, ok := r.catalog.DAG(m.DAG)
	if !ok {
		return nil, fmt.Errorf("DAG %q: %w", m.DAG, ErrNotFound)
	}
	f, err := d.callbackFor(m.Key.Task, m.Hook)
	if err != nil {
		return nil, err
	}
	var e CallbackEvent
	if err := json.Unmarshal(m.Data, &e); err != nil {
		return nil, fmt.Errorf("decode event: %w", err)
	}
	return func(ctx context.Context) error { return f(ctx, e) }, nil
}

// deliveryDelay is the wait before the next delivery after n that failed: 2 s, then twice as long each time, at most 6 hours.
func deliveryDelay(n int) time.Duration {
	b := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(2*time.Second), backoff.WithMultiplier(2), backoff.WithMaxInterval(6*time.Hour),
		backoff.WithMaxElapsedTime(0), backoff.WithRandomizationFactor(0))
	d := b.NextBackOff()
	for range n - 1 {
		d = b.NextBackOff()
	}
	return d
}
