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
	outboxBatch     = 32
	outboxHide      = 3 * time.Minute // more than a whole batch can take
	deliveryTimeout = 30 * time.Second
	finishTimeout   = 5 * time.Second
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
		claim := OutboxClaim{Claim: uuid.New(), DAGs: r.catalog.ids, Receivers: receivers, Limit: outboxBatch, Hide: outboxHide}
		messages, err := r.store.ClaimOutbox(ctx, claim)
		if err != nil {
			r.warn(ctx, "read outbox", err)
		}
		var g errgroup.Group
		g.SetLimit(deliveriesAtOne)
		for _, m := range messages {
			g.Go(func() error {
				r.deliverOne(ctx, claim.Claim, m)
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

func (r *Runtime) deliverOne(ctx context.Context, claim uuid.UUID, m Message) {
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
		if result.GaveUp = m.Tries+1 >= limit; !result.GaveUp {
			now, nerr := r.store.Now(ctx)
			if nerr != nil {
				r.warn(ctx, "read the store's clock", nerr)
				return
			}
			result.RetryAt = now.Add(deliveryDelay(m.Tries + 1))
		}
		r.log.Warn("delivery failed", "kind", m.Kind, "type", m.Type, "event", m.EventID, "dag", m.DAG, "try", m.Tries+1, "gave_up", result.GaveUp, "error", result.Error)
	}
	fctx, stop := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer stop()
	if err := r.store.FinishOutbox(fctx, m.ID, claim, result); err != nil {
		r.warn(ctx, "finish delivery", err)
	}
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
