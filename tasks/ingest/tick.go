package ingest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/coder/quartz"

	"github.com/tidemill/tidemill/storage/lake"
)

// idleTicks is how many ticks without a record make it worth asking why the
// offsets up to the partition's end do not come.
const idleTicks = 2

// tick looks after what no record brings about: age, gaps at a partition's end,
// a topic that changed, watermarks of an idle topic, commits of the dead. It
// returns when the session ends.
func (s *session[R]) tick() {
	ctx := s.ctx
	ticker := s.in.cfg.Clock.NewTicker(s.in.cfg.Tick, "ingest", "tick")
	defer ticker.Stop()
	aged := s.in.cfg.Clock.NewTimer(s.in.cfg.FlushAge, "ingest", "age") // a tick may come nearly one too late
	defer aged.Stop()
	finished := s.in.now()
	for {
		if err := s.look(ctx); err != nil {
			s.failed(ctx, err)
			return
		}
		if now := s.in.now(); now.Sub(finished) >= s.in.cfg.FinishEvery {
			if err := s.in.cfg.Lake.Finish(ctx); err != nil && ctx.Err() == nil {
				s.in.log.Warn("finishing others' commits failed: it is tried again", "error", err)
			}
			finished = now
		}
		if err := s.await(ctx, ticker, aged); err != nil {
			s.failed(ctx, err)
			return
		}
	}
}

// await waits for the next tick, and meanwhile commits batches that are old
// enough. It errs when ctx ends.
func (s *session[R]) await(ctx context.Context, ticker *quartz.Ticker, aged *quartz.Timer) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			return nil
		case <-s.began:
		case <-aged.C:
			if err := s.flushAged(ctx, false); err != nil {
				return err
			}
		}
		if first := s.first.Load(); first != 0 {
			aged.Reset(max(time.Unix(0, first).Add(s.in.cfg.FlushAge).Sub(s.in.now()), 0), "ingest", "age")
		}
	}
}

// failed ends the session with what went wrong, unless it has ended.
func (s *session[R]) failed(ctx context.Context, err error) {
	if ctx.Err() == nil {
		s.end(err)
	}
}

// look is one tick.
func (s *session[R]) look(ctx context.Context) error {
	topic, err := s.ask(ctx)
	if errors.Is(err, errBroker) {
		s.in.report(func(p *Progress) { p.Error = err.Error() })
		return nil // if it lasts, the group's session will end
	}
	if err != nil {
		return err
	}
	if topic.Partitions > s.all && len(s.ids) > 0 {
		s.in.log.Info("the topic has more partitions: joining again", "partitions", topic.Partitions, "before", s.all)
		s.end(nil) // whoever leads the group then shares them out
		return nil
	}
	atEnd := true
	progress := make([]PartitionProgress, 0, len(s.ids))
	for _, p := range slices.Sorted(slices.Values(s.ids)) {
		idle, next := s.claims[p].idle()
		if idle >= idleTicks && next < topic.Ends[p] {
			if err := s.claims[p].trailingGap(ctx, topic.Ends[p]); err != nil {
				return err
			}
			_, next = s.claims[p].idle()
		}
		atEnd = atEnd && next >= topic.Ends[p]
		progress = append(progress, PartitionProgress{Partition: p, End: topic.Ends[p]})
	}
	if err := s.flushAged(ctx, atEnd); err != nil {
		return err
	}
	s.reportLag(progress)
	return nil
}

// flushAged commits a batch that is old enough, or, when the topic is idle and
// read to its end, one that only moves the watermark.
func (s *session[R]) flushAged(ctx context.Context, atEnd bool) error {
	s.gate.RLock()
	b, now := s.batch, s.in.now()
	first := s.first.Load()
	due := first != 0 && now.UnixNano()-first >= int64(s.in.cfg.FlushAge) ||
		first == 0 && atEnd && s.oldWatermark(now)
	s.gate.RUnlock()
	if !due {
		return nil
	}
	return s.flush(ctx, b)
}

// oldWatermark says whether a partition's watermark is due to be moved.
func (s *session[R]) oldWatermark(now time.Time) bool {
	return slices.ContainsFunc(s.ids, func(p int32) bool {
		w := s.state.Partitions[lake.PartitionKey{TopicID: s.topicID, Partition: p}].Watermark
		return now.Sub(w) >= s.in.cfg.WatermarkAge
	})
}

func (s *session[R]) reportLag(progress []PartitionProgress) {
	s.gate.RLock()
	state := s.state
	pending, _ := s.batch.Size()
	s.gate.RUnlock()
	s.in.report(func(p *Progress) {
		p.Pending = pending
		p.TopicID, p.Partitions, p.Lag, p.Watermark, p.Error = s.topicID, progress, 0, state.Watermark(), ""
		for i := range progress {
			progress[i].Next = state.Next(s.topicID, progress[i].Partition)
			progress[i].Lag = max(progress[i].End-progress[i].Next, 0)
			p.Lag += progress[i].Lag
		}
	})
}
