package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tidemill/tidemill/storage/lake"
)

// add puts a chunk into the session's batch. It returns the batch if that is to
// be committed now: it is full, or, with ErrTooManyDays, too full for the chunk.
func (s *session[R]) add(ctx context.Context, c *lake.Chunk[R]) (full *lake.Batch[R], err error) {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if err := ctx.Err(); err != nil { // waiting for the gate may have taken long
		return nil, err
	}
	if err := s.batch.Add(c); err != nil {
		return s.batch, err
	}
	if s.first.CompareAndSwap(0, s.in.now().UnixNano()) {
		select {
		case s.began <- struct{}{}:
		default: // whoever hears of it looks at the newest
		}
	}
	if offsets, bytes := s.batch.Size(); offsets >= s.in.cfg.FlushRows || bytes >= s.in.cfg.FlushBytes {
		return s.batch, nil
	}
	return nil, nil
}

// flush commits a batch, unless somebody has since, and begins the next.
func (s *session[R]) flush(ctx context.Context, b *lake.Batch[R]) error {
	s.gate.Lock()
	defer s.gate.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.batch != b {
		return nil
	}
	if err := s.commit(ctx); err != nil {
		if ctx.Err() == nil {
			s.end(err) // before another claim meets the batch, which takes nothing any more
		}
		return err
	}
	s.newBatch()
	return nil
}

// commit commits the session's batch; the gate is held for writing. A disk or a
// broker that fails is tried again until ctx ends: meanwhile nothing is read. A
// batch that was given up may be committed later: it is the same commit still.
func (s *session[R]) commit(ctx context.Context) error {
	wait := s.in.retries()
	for {
		entry, err := s.tryCommit(ctx)
		if err == nil {
			return s.committed(ctx, entry)
		}
		if errors.Is(err, lake.ErrConflict) || errors.Is(err, lake.ErrFenced) || errors.Is(err, errTopicChanged) ||
			errors.Is(err, ErrNoTopic) || errors.Is(err, errEncode) {
			return err
		}
		delay := wait.NextBackOff()
		s.in.log.Error("a commit failed: nothing more is read until it succeeds", "error", err, "retry_in", delay)
		s.in.report(func(p *Progress) { p.Error = err.Error() })
		if s.in.sleep(ctx, delay) != nil {
			return fmt.Errorf("given up: %w", err)
		}
	}
}

// errEncode: the rows cannot be written as Parquet, however often one tries.
var errEncode = errors.New("ingest: rows cannot be encoded")

func (s *session[R]) tryCommit(ctx context.Context) (lake.Entry, error) {
	// The id is asked for after the last record was read and before the commit:
	// if it is still the same, all of the batch is of this incarnation.
	topic, err := s.ask(ctx)
	if err != nil {
		return lake.Entry{}, err
	}
	if s.sealed == nil {
		if s.sealed, err = s.batch.Seal(topic); err != nil {
			return lake.Entry{}, fmt.Errorf("%w: %w", errEncode, err)
		}
	}
	// Once begun it goes to its end: whether it is in the log must be known.
	return s.in.writer.Commit(context.WithoutCancel(ctx), s.sealed)
}

// ask asks the broker how the topic stands, and that it is still the same.
func (s *session[R]) ask(ctx context.Context) (lake.Topic, error) {
	at := s.in.now()
	topic, err := s.in.asks.describe(ctx)
	if err != nil {
		return lake.Topic{}, asBroker(err)
	}
	if topic.id != s.topicID {
		return lake.Topic{}, fmt.Errorf("%w: from %s to %s", errTopicChanged, s.topicID, topic.id)
	}
	ends, err := s.in.asks.ends(ctx, s.ids)
	if err != nil {
		return lake.Topic{}, asBroker(err)
	}
	return lake.Topic{AskedAt: at, Partitions: topic.partitions, Ends: ends}, nil
}

// committed goes on from a commit: it reads the log, and does what may fail
// without harm.
func (s *session[R]) committed(ctx context.Context, e lake.Entry) error {
	state, err := s.in.cfg.Lake.State(ctx)
	if err != nil {
		return err
	}
	s.state = state
	for _, r := range e.Partitions {
		s.group.MarkOffset(s.in.cfg.Topic, r.Partition, r.End, "")
	}
	s.group.Commit()
	s.reflect(ctx)
	if e.Kind == lake.KindAppend {
		s.in.log.Info("committed", "entry", e.N, "offsets", e.Offsets(), "rows", e.Rows(), "files", len(e.Files), "took_ms", e.DurationMS)
	}
	s.tellLosses(e)
	s.in.report(func(p *Progress) { p.committed(e, state) })
	return nil
}

// reflect brings the mirror up to the log; the gate is held for writing, or
// nobody else is there yet.
func (s *session[R]) reflect(ctx context.Context) {
	if err := s.in.mirror.advance(ctx, s.in.cfg.Lake, s.state.Head); err != nil && ctx.Err() == nil {
		s.in.log.Warn("mirroring the log failed: it is tried again after the next commit", "error", err)
	}
}

func (p *Progress) committed(e lake.Entry, state *lake.State) {
	p.TopicID, p.Watermark, p.Pending, p.Error = e.TopicID, state.Watermark(), 0, ""
	if e.Kind == lake.KindAppend {
		p.Entry, p.BatchOffsets, p.BatchDuration = e.N, e.Offsets(), e.Duration()
		p.Rows += e.Rows()
	}
	for _, l := range losses(e) {
		p.Lost += l.End - l.Start
	}
	for _, d := range e.Days {
		for field, n := range d.DeadLetters {
			p.DeadLetters[field] += n
		}
	}
	for _, r := range e.Partitions {
		i := slices.IndexFunc(p.Partitions, func(x PartitionProgress) bool { return x.Partition == r.Partition })
		if i >= 0 {
			p.Partitions[i].Next = r.End
		}
	}
}
