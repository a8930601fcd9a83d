package produce

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coder/quartz"

	"github.com/tidemill/tidemill/storage/payment/events"
)

// LiveOptions say what stream to make.
type LiveOptions struct {
	// Rate is how many records to produce a second, > 0.
	Rate float64
	// For is how long to go on; 0: until the context ends.
	For time.Duration
	// Seed makes the payments. Give another one each time: the same seed makes the same transaction ids.
	Seed uint64
}

const (
	liveTick = 100 * time.Millisecond
	// liveLatency is how old a payment is when its first record is produced, so that no record is ahead of the clock.
	liveLatency = 2 * time.Second
	// liveAhead bounds what is kept for later: a payment that would change after longer stays as it is.
	liveAhead = 30 * time.Minute
)

// Live produces new payments, and what becomes of them, at a steady rate with the clock's time, until o.For has passed or
// ctx ends; neither is an error. It returns when the brokers have acknowledged what was sent. progress, which may be nil,
// is called about twice a second and at the end, from this goroutine.
func Live(ctx context.Context, c Config, o LiveOptions, clock quartz.Clock, progress func(Progress)) (Result, error) {
	if !(o.Rate > 0) {
		return Result{}, fmt.Errorf("produce: the rate %g is not above 0", o.Rate)
	}
	if progress == nil {
		progress = func(Progress) {}
	}
	p, err := open(ctx, c)
	if err != nil {
		return Result{}, err
	}
	l := &live{producer: p, maker: newMaker(o.Seed, usual), options: o}
	err = l.run(ctx, clock, progress)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = nil
	}
	if closing := p.close(); closing != nil && !errors.Is(err, closing) {
		err = errors.Join(err, closing)
	}
	l.sent.Acknowledged = p.acked.Load()
	progress(l.sent)
	return Result{Progress: l.sent, Topic: p.topic}, err
}

// live is a stream that runs.
type live struct {
	producer *producer
	maker    *maker
	options  LiveOptions
	waiting  queue
	number   int
	sent     Progress
}

func (l *live) run(ctx context.Context, clock quartz.Clock, progress func(Progress)) error {
	start := clock.Now()
	ticker := clock.NewTicker(liveTick, "live")
	defer ticker.Stop()
	for tick := 1; ; tick++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.producer.failed:
			return l.producer.failure
		case <-ticker.C:
		}
		now := clock.Now("live", "tick")
		elapsed := now.Sub(start)
		if l.options.For > 0 {
			elapsed = min(elapsed, l.options.For)
		}
		due := int64(elapsed.Seconds() * l.options.Rate)
		for l.sent.Sent < due {
			if err := l.send(ctx, l.next(now)); err != nil {
				return err
			}
		}
		if tick%5 == 0 {
			l.sent.Acknowledged = l.producer.acked.Load()
			progress(l.sent)
		}
		if l.options.For > 0 && elapsed == l.options.For {
			return nil
		}
	}
}

// next returns a change that is due, or else the beginning of a new payment.
func (l *live) next(now time.Time) change {
	if len(l.waiting) > 0 && !l.waiting[0].arrives.After(now) {
		return heap.Pop(&l.waiting).(queued).change
	}
	changes := l.maker.payment(now.Add(-liveLatency))
	for _, c := range changes[1:] {
		if c.arrives.Sub(now) <= liveAhead {
			heap.Push(&l.waiting, queued{c, l.number})
			l.number++
		}
	}
	return changes[0]
}

func (l *live) send(ctx context.Context, c change) error {
	event := events.Event{Key: c.key, Time: c.at, Value: c.value}
	line := int(l.sent.Sent) + 1
	if err := l.producer.send(ctx, record{event: event, line: line, partition: partitionOf(event, line, l.producer.topic.Partitions)}); err != nil {
		return err
	}
	l.sent.Sent++
	return nil
}
