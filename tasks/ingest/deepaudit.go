package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/IBM/sarama"

	"github.com/tidemill/tidemill/storage/lake"
)

// KafkaAudit is what the comparison of a lake with its topic found.
type KafkaAudit struct {
	TopicID    string           `json:"topic_id"`
	Compared   int64            `json:"compared"` // offsets of the lake that Kafka still shows
	Gone       int64            `json:"gone"`     // offsets of the lake that Kafka no longer has: nothing to compare with
	Behind     int64            `json:"behind"`   // offsets of Kafka that the lake does not have yet
	Wrong      int64            `json:"wrong"`    // how many problems there are
	Partitions []KafkaPartition `json:"partitions"`
	Problems   []string         `json:"problems"` // by partition and offset, the first 1,000 of them; never a record's content
}

// KafkaPartition is where Kafka's log of a partition starts and ends.
type KafkaPartition struct {
	Partition int32 `json:"partition"`
	Start     int64 `json:"start"`
	End       int64 `json:"end"`
	Behind    int64 `json:"behind"`
}

// Clean says that lake and topic agree on everything that Kafka still has.
func (k KafkaAudit) Clean() bool { return k.Wrong == 0 }

// maxProblems bounds how many problems are told.
const maxProblems = 1000

// CompareWithKafka reads the topic again by raw fetches and compares each
// offset that both Kafka and the lake have: a record with a value must be the
// row that transform makes of it now, column by column, or its dead letter with
// the same bytes; one without a value a tombstone; a transaction marker or an
// aborted record in a declared gap. Offsets that the topic no longer holds are
// counted. transform is the stream's own; R has the columns kafka_partition,
// kafka_offset and ingestion_timestamp (microseconds), and nothing in a row but
// the latter may depend on when it was read. config is as in Config and may be
// nil.
//
// What disagrees is a problem in the result; the error is for a comparison that
// could not be done (ErrNoTopic; lake.ErrCorrupt for a file that cannot be read).
func CompareWithKafka[R any](ctx context.Context, brokers []string, config *sarama.Config, l *lake.Lake, transform lake.Transform[R]) (KafkaAudit, error) {
	return compare(ctx, brokers, config, l, transform, "", func(lake.Entry) bool { return true })
}

// CompareDayWithKafka is CompareWithKafka for the commits that have put in a
// record of the day: whole commits, so that no offset of theirs is left out.
func CompareDayWithKafka[R any](ctx context.Context, brokers []string, config *sarama.Config, l *lake.Lake, transform lake.Transform[R], day lake.Day) (KafkaAudit, error) {
	return compare(ctx, brokers, config, l, transform, day, func(e lake.Entry) bool {
		return slices.ContainsFunc(e.Files, func(f lake.File) bool { return f.Day == day }) ||
			slices.ContainsFunc(e.Days, func(d lake.DayCounts) bool { return d.Day == day })
	})
}

func compare[R any](ctx context.Context, brokers []string, config *sarama.Config, l *lake.Lake, transform lake.Transform[R], day lake.Day, of func(lake.Entry) bool) (k KafkaAudit, err error) {
	asks, err := newBroker(brokers, l.Topic(), saramaConfig(config))
	if err != nil {
		return KafkaAudit{}, err
	}
	defer func() { err = errors.Join(err, asks.Close()) }()
	c := comparison[R]{lake: l, asks: asks, transform: transform, of: of, day: day, readers: map[int32]*reader{}, starts: map[int32]int64{}, ends: map[int32]int64{}}
	if err := c.run(ctx); err != nil {
		return KafkaAudit{}, fmt.Errorf("compare the lake with topic %s: %w", l.Topic(), err)
	}
	return c.found, nil
}

type comparison[R any] struct {
	lake         *lake.Lake
	asks         *broker
	transform    lake.Transform[R]
	of           func(lake.Entry) bool // the commits to compare
	day          lake.Day              // those that have put in a record of the day; "": all
	readers      map[int32]*reader
	starts, ends map[int32]int64
	found        KafkaAudit
}

func (c *comparison[R]) run(ctx context.Context) error {
	state, err := c.lake.State(ctx) // before the broker is asked: Kafka's ends are not behind it
	if err != nil {
		return err
	}
	topic, err := c.asks.describe(ctx)
	if err != nil {
		return err
	}
	if err := c.bounds(ctx, state, topic); err != nil {
		return err
	}
	old, err := c.lake.Oldest(ctx)
	if err != nil {
		return err
	}
	if err := c.forgotten(ctx, state, old); err != nil {
		return err
	}
	for n := old.Head + 1; n <= state.Head; n++ {
		e, err := c.lake.Entry(ctx, n)
		if err != nil {
			return err
		}
		if !state.Live(e) || !c.of(e) {
			continue
		}
		if err := c.entry(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// bounds asks for the ends of Kafka's log and compares them with the lake's.
func (c *comparison[R]) bounds(ctx context.Context, state *lake.State, topic topicNow) error {
	all := make([]int32, topic.partitions)
	for p := range topic.partitions {
		all[p] = p
	}
	starts, err := c.asks.offsets(ctx, all, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	ends, err := c.asks.ends(ctx, all)
	if err != nil {
		return err
	}
	c.found = KafkaAudit{TopicID: topic.id, Partitions: []KafkaPartition{}, Problems: []string{}}
	c.starts, c.ends = starts, ends
	for _, p := range all {
		next := state.Next(topic.id, p)
		if next > ends[p] {
			c.problem(p, ends[p], fmt.Sprintf("Kafka's log ends here, the lake goes on to %d", next))
		}
		behind := max(ends[p]-next, 0)
		c.found.Behind += behind
		c.found.Partitions = append(c.found.Partitions, KafkaPartition{Partition: p, Start: starts[p], End: ends[p], Behind: behind})
		c.readers[p] = &reader{asks: c.asks, partition: p}
	}
	return nil
}

func (c *comparison[R]) problem(partition int32, offset int64, what string) {
	c.found.Wrong++
	if c.found.Wrong <= maxProblems {
		c.found.Problems = append(c.found.Problems, fmt.Sprintf("partition %d, offset %d: %s", partition, offset, what))
	}
}

// entry compares the offsets of one commit.
func (c *comparison[R]) entry(ctx context.Context, e lake.Entry) error {
	if e.TopicID != c.found.TopicID { // of the topic's predecessor, or a fence
		c.found.Gone += e.Offsets()
		return nil
	}
	var held *held[R]
	for _, r := range e.Partitions {
		start, end := max(r.Start, min(c.starts[r.Partition], r.End)), min(r.End, c.ends[r.Partition])
		c.found.Gone += start - r.Start
		if start >= end {
			continue
		}
		if held == nil { // only now is it worth reading the files
			var err error
			if held, err = readHeld[R](ctx, c.lake, e); err != nil {
				return err
			}
		}
		if err := c.offsets(ctx, held, r, start, end); err != nil {
			return err
		}
	}
	return nil
}

// offsets compares those from start up to end, of a range, with what the lake
// holds of them.
func (c *comparison[R]) offsets(ctx context.Context, held *held[R], r lake.Range, start, end int64) error {
	return c.readers[r.Partition].each(ctx, start, end, func(offset int64, s *shown) error {
		if s == nil {
			c.found.Gone++
			return nil
		}
		c.found.Compared++
		if what := held.disagrees(r, s, c.transform); what != "" {
			c.problem(r.Partition, offset, what)
		}
		return nil
	})
}
