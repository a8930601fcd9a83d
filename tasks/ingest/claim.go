package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"github.com/tidemill/tidemill/storage/lake"
)

// maxChunk is how many records are transformed before they go into the batch:
// enough to make its locks cheap, few enough that they and their rows, some 800
// bytes each, stay in half a megabyte of a core's own cache meanwhile.
const maxChunk = 256

// claim reads one partition.
type claim[R any] struct {
	session   *session[R]
	partition int32

	mu     sync.Mutex // held while the chunk is filled and added, by the reader or by tick
	next   int64      // the offset after the last one in the batch
	still  int        // how many ticks ago it last moved
	chunk  lake.Chunk[R]
	record lake.Record
}

// consume reads messages until they end or ctx does.
func (c *claim[R]) consume(ctx context.Context, messages <-chan *sarama.ConsumerMessage) error {
	buf := make([]*sarama.ConsumerMessage, 0, maxChunk)
	for {
		select {
		case <-ctx.Done():
			return nil
		case m, ok := <-messages:
			if !ok {
				return nil
			}
			buf = append(buf[:0], m)
		}
		buf = drain(buf, messages)
		if err := c.take(ctx, buf); err != nil {
			if ctx.Err() != nil {
				return nil // the session is over: what was not added is read again
			}
			return err
		}
	}
}

// drain appends what is there without waiting, up to buf's capacity.
func drain(buf []*sarama.ConsumerMessage, messages <-chan *sarama.ConsumerMessage) []*sarama.ConsumerMessage {
	for len(buf) < cap(buf) {
		select {
		case m, ok := <-messages:
			if !ok {
				return buf
			}
			buf = append(buf, m)
		default:
			return buf
		}
	}
	return buf
}

// take puts messages into the batch, in chunks of no more days than it can hold.
func (c *claim[R]) take(ctx context.Context, messages []*sarama.ConsumerMessage) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.session.in.now()
	c.reset()
	for i := 0; i < len(messages); {
		taken, err := c.takeOne(ctx, messages[i], now)
		if err != nil {
			return err
		}
		if taken {
			i++
			continue
		}
		if err := c.add(ctx); err != nil { // one day too many: begin another chunk
			return err
		}
		c.reset()
	}
	return c.add(ctx)
}

func (c *claim[R]) takeOne(ctx context.Context, m *sarama.ConsumerMessage, now time.Time) (bool, error) {
	at := c.chunk.End()
	if m.Offset < at {
		return false, fmt.Errorf("the broker serves offset %d again, the lake is at %d: its log was cut back or replaced", m.Offset, at)
	}
	if m.Offset > at {
		if err := c.fillGap(ctx, at, m.Offset); err != nil {
			return false, err
		}
	}
	c.record = lake.Record{
		Key: m.Key, Value: m.Value, Partition: m.Partition, Offset: m.Offset, Timestamp: m.Timestamp, IngestedAt: now,
	}
	return c.chunk.Take(&c.record, c.session.in.cfg.Transform)
}

// fillGap declares the offsets that the consumer left out, if the broker proves
// that they hold nothing for us.
func (c *claim[R]) fillGap(ctx context.Context, start, end int64) error {
	gaps, visible, err := c.session.in.asks.prove(ctx, c.partition, start, end)
	if err != nil {
		return asBroker(err)
	}
	for _, g := range gaps {
		if err := c.chunk.Gap(g); err != nil {
			return err
		}
	}
	switch at := c.chunk.End(); {
	case visible:
		return fmt.Errorf("%w: offset %d", errSkipped, at)
	case at != end:
		return fmt.Errorf("%w: nothing proves that offsets [%d, %d) hold no record", errBroker, at, end)
	}
	return nil
}

// trailingGap declares what can be proved of the offsets from the claim's end
// up to the partition's. A record there is one that is still on its way.
func (c *claim[R]) trailingGap(ctx context.Context, end int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next >= end {
		return nil
	}
	gaps, _, err := c.session.in.asks.prove(ctx, c.partition, c.next, end)
	if err != nil {
		return asBroker(err)
	}
	c.reset()
	for _, g := range gaps {
		if err := c.chunk.Gap(g); err != nil {
			return err
		}
	}
	return c.add(ctx)
}

func (c *claim[R]) reset() {
	c.chunk.Reset(c.session.in.cfg.Topic, c.session.topicID, c.partition, c.next)
}

// add puts the chunk into the batch, and commits that when it is full.
func (c *claim[R]) add(ctx context.Context) error {
	if c.chunk.Len() == 0 {
		return nil
	}
	for {
		full, err := c.session.add(ctx, &c.chunk)
		if errors.Is(err, lake.ErrTooManyDays) {
			if err := c.session.flush(ctx, full); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		c.next, c.still = c.chunk.End(), 0
		if full != nil {
			return c.session.flush(ctx, full)
		}
		return nil
	}
}

// idle says for how many ticks nothing has come, and where the claim is.
func (c *claim[R]) idle() (ticks int, next int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.still++
	return c.still - 1, c.next
}
