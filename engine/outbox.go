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
	outboxHide      = 90 * time.Second
	deliveryTimeout = 30 * time.Second
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
	if ctx.Err() != nil {
		return // shutting down: it is delivered again when it shows up
	}
	result := Delivery{Done: err == nil}
	if err != nil {
		result.Error = printable(err.Error())
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
	if err := r.store.FinishOutbox(context.WithoutCancel(ctx), m.ID, claim, result); err != nil {
		r.warn(ctx, "finish delivery", err)
	}
}

// tell hands a message to its callback or receiver. A panic of a callback is an error.
func (r *Runtime) tell(ctx context.Context, m Message) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if m.Kind == MessageWebhook {
		f, ok := r.cfg.Deliver[m.Receiver]
		if !ok {
			return fmt.Errorf("receiver %q is not configured in this process", m.Receiver)
		}
		return f(ctx, m)
	}
	d, ok := r.catalog.DAG(m.DAG)
	if !ok {
		return fmt.Errorf("DAG %q: %w", m.DAG, ErrNotFound)
	}
	f, err := d.callbackFor(m.Key.Task, m.Hook)
	if err != nil {
		return err
	}
	var e CallbackEvent
	if err := json.Unmarshal(m.Data, &e); err != nil {
		return fmt.Errorf("decode event: %w", err)
	}
	return f(ctx, e)
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
