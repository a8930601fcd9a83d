package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/IBM/sarama"

	"github.com/tidemill/tidemill/storage/lake"
)

// ErrNotInKafka: the topic no longer has a record that the lake has.
var ErrNotInKafka = errors.New("ingest: Kafka no longer has the record")

// Replay makes rows of a lake anew of what Kafka still has of their records, by
// raw fetches, as CompareWithKafka reads them.
type Replay[R any] struct {
	asks      *broker
	topicID   string
	transform lake.Transform[R]
	readers   map[int32]*reader
}

// NewReplay connects to Kafka and asks for the topic. config is as in Config
// and may be nil. ErrNoTopic if there is no such topic. The caller closes it.
func NewReplay[R any](ctx context.Context, brokers []string, config *sarama.Config, topic string, transform lake.Transform[R]) (*Replay[R], error) {
	asks, err := newBroker(brokers, topic, saramaConfig(config))
	if err != nil {
		return nil, err
	}
	now, err := asks.describe(ctx)
	if err != nil {
		return nil, errors.Join(err, asks.Close())
	}
	return &Replay[R]{asks: asks, topicID: now.id, transform: transform, readers: map[int32]*reader{}}, nil
}

// Close closes the connections.
func (r *Replay[R]) Close() error { return r.asks.Close() }

// Decoder is what lake.Writer.Replay asks for rows. It errs with ErrNotInKafka
// for a record that retention or compaction has taken, or that is of an earlier
// topic of the name.
func (r *Replay[R]) Decoder() lake.Decoder[R] {
	return lake.Decoder[R]{Rows: r.rows, Transform: r.transform}
}

func (r *Replay[R]) rows(ctx context.Context, topicID string, _ []R, places []lake.Place, take func(*lake.Record, *R, lake.Verdict) error) error {
	if topicID != r.topicID {
		return fmt.Errorf("%w: its topic had the id %s, the topic of that name now has %s", ErrNotInKafka, topicID, r.topicID)
	}
	records, err := r.read(ctx, places)
	if err != nil {
		return err
	}
	for i := range records {
		var row R
		v := r.transform(&records[i], &row)
		if err := take(&records[i], &row, v); err != nil {
			return err
		}
	}
	return nil
}

// read gets the records of places, in their order.
func (r *Replay[R]) read(ctx context.Context, places []lake.Place) ([]lake.Record, error) {
	records := make([]lake.Record, len(places))
	for partition, wanted := range byPartition(places) {
		if r.readers[partition] == nil {
			r.readers[partition] = &reader{asks: r.asks, partition: partition}
		}
		for _, run := range runs(wanted, func(i int) int64 { return places[i].Offset }) {
			first, last, next := places[run[0]].Offset, places[run[len(run)-1]].Offset, 0
			err := r.readers[partition].each(ctx, first, last+1, func(offset int64, s *shown) error {
				if i := run[next]; places[i].Offset == offset {
					if next++; s == nil || s.hidden != "" {
						return fmt.Errorf("%w: offset %d of partition %d", ErrNotInKafka, offset, partition)
					}
					records[i] = *s.record(partition, time.UnixMicro(places[i].IngestedAt).UTC())
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return records, nil
}

// byPartition are the indexes of places by partition, ascending by offset.
func byPartition(places []lake.Place) map[int32][]int {
	all := map[int32][]int{}
	for i, p := range places {
		all[p.Partition] = append(all[p.Partition], i)
	}
	for _, indexes := range all {
		slices.SortFunc(indexes, func(a, b int) int { return int(places[a].Offset - places[b].Offset) })
	}
	return all
}

// worthSkipping is how many offsets between two that are wanted make it cheaper
// to ask for the second by itself.
const worthSkipping = 5000

// runs cuts indexes where the offsets between two are worth skipping.
func runs(indexes []int, offset func(int) int64) (all [][]int) {
	from := 0
	for i := 1; i <= len(indexes); i++ {
		if i == len(indexes) || offset(indexes[i])-offset(indexes[i-1]) > worthSkipping {
			all, from = append(all, indexes[from:i]), i
		}
	}
	return all
}
