package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/IBM/sarama"

	"github.com/tidemill/tidemill/storage/lake"
)

// errTopicChanged: the topic's id is another than at the session's start.
var errTopicChanged = errors.New("ingest: the topic's id changed")

// session is one generation of the consumer group: a fixed set of partitions
// and the batch that gathers what they bring. It is sarama's handler.
//
// Claims add to the batch while they hold the gate for reading; whoever commits
// holds it for writing, which is also what makes the claims wait while a commit
// is tried again and again.
type session[R any] struct {
	in      *Ingester[R]
	group   sarama.ConsumerGroupSession
	topicID string
	all     int32 // how many partitions the topic had at the start
	claims  map[int32]*claim[R]
	ids     []int32 // of claims, as sarama gave them

	gate   sync.RWMutex
	batch  *lake.Batch[R]
	sealed *lake.Sealed // of batch, once its commit was tried
	state  *lake.State  // the log that batch goes on from

	first atomic.Int64  // when the batch got its first record, Unix nanoseconds; 0: it is empty
	began chan struct{} // a batch got its first record; holds one

	ctx     context.Context // ends with the group's session, or by end
	cancel  context.CancelFunc
	ticking sync.WaitGroup
	ending  sync.Once
	err     error // why the session ended itself; read after Consume has returned
}

// Setup implements sarama.ConsumerGroupHandler: it finds out where to start.
func (s *session[R]) Setup(group sarama.ConsumerGroupSession) error {
	s.ctx, s.cancel = context.WithCancel(group.Context())
	s.group, s.ids = group, group.Claims()[s.in.cfg.Topic]
	if err := s.start(s.ctx); err != nil {
		s.end(err)
		return err
	}
	s.ticking.Go(s.tick)
	return nil
}

func (s *session[R]) start(ctx context.Context) error {
	topic, err := s.in.asks.describe(ctx)
	if err != nil {
		return asBroker(err)
	}
	s.topicID, s.all = topic.id, topic.partitions
	if err := s.in.cfg.Lake.Finish(ctx); err != nil {
		return err
	}
	if s.state, err = s.in.cfg.Lake.State(ctx); err != nil {
		return err
	}
	s.claims = map[int32]*claim[R]{}
	for _, p := range s.ids {
		next := s.state.Next(s.topicID, p)
		s.claims[p] = &claim[R]{session: s, partition: p, next: next}
		s.group.MarkOffset(s.in.cfg.Topic, p, next, "")  // goes forward only
		s.group.ResetOffset(s.in.cfg.Topic, p, next, "") // goes back only
	}
	s.newBatch()
	s.reflect(ctx)
	s.in.log.Info("reading", "partitions", s.ids, "topic_id", s.topicID, "entry", s.state.Head)
	return nil
}

// newBatch begins the next batch from s.state.
func (s *session[R]) newBatch() {
	s.first.Store(0)
	s.batch, s.sealed = s.in.writer.Begin(s.topicID, s.state), nil
	for _, p := range s.ids {
		s.batch.Cover(p)
	}
}

// ConsumeClaim implements sarama.ConsumerGroupHandler.
func (s *session[R]) ConsumeClaim(_ sarama.ConsumerGroupSession, c sarama.ConsumerGroupClaim) error {
	if err := s.claims[c.Partition()].consume(s.ctx, c.Messages()); err != nil {
		s.end(fmt.Errorf("partition %d: %w", c.Partition(), err))
	}
	return nil // sarama would only log it
}

// Cleanup implements sarama.ConsumerGroupHandler: the claims have returned;
// what they brought is committed before another process gets the partitions.
func (s *session[R]) Cleanup(sarama.ConsumerGroupSession) error {
	s.end(nil)
	s.ticking.Wait()
	if s.err != nil || s.batch == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.group.Context()), s.in.cfg.DrainTimeout)
	defer cancel()
	s.gate.Lock()
	defer s.gate.Unlock()
	if offsets, _ := s.batch.Size(); offsets > 0 {
		if err := s.commit(ctx); err != nil {
			s.err = fmt.Errorf("commit at the end of the session: %w", err)
		}
	}
	s.reflect(ctx)
	return nil
}

// end ends the session, with its cause if it is its own doing.
func (s *session[R]) end(cause error) {
	s.ending.Do(func() {
		s.err = cause
		s.cancel()
	})
}

// lost is what the last session must not keep to itself when Run ends.
func (s *session[R]) lost() error {
	if s.err == nil || errors.Is(s.err, context.Canceled) || errors.Is(s.err, lake.ErrConflict) || errors.Is(s.err, lake.ErrFenced) {
		return nil
	}
	return s.err
}

func asBroker(err error) error {
	if errors.Is(err, ErrNoTopic) || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%w: %w", errBroker, err)
}
