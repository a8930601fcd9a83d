package ingest

import (
	"context"
	"errors"

	"github.com/IBM/sarama"

	"github.com/tidemill/tidemill/storage/lake"
)

// Distance is how far the lake's log is behind the topic.
type Distance struct {
	TopicID    string              `json:"topic_id"`
	Partitions []PartitionProgress `json:"partitions"` // all of the topic's, ascending
	Lag        int64               `json:"lag"`        // their sum; counts transaction markers
}

// CaughtUp says that every offset that the broker had is in the log, the
// transaction markers at the end among them.
func (d Distance) CaughtUp() bool { return d.Lag == 0 }

// Lag asks the broker for the topic's end offsets and compares them with the
// log. config is as in Config and may be nil. ErrNoTopic if there is no topic.
func Lag(ctx context.Context, brokers []string, topic string, config *sarama.Config, l *lake.Lake) (d Distance, err error) {
	b, err := newBroker(brokers, topic, saramaConfig(config))
	if err != nil {
		return Distance{}, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	now, err := b.describe(ctx)
	if err != nil {
		return Distance{}, err
	}
	all := make([]int32, now.partitions)
	for p := range now.partitions {
		all[p] = p
	}
	ends, err := b.ends(ctx, all)
	if err != nil {
		return Distance{}, err
	}
	state, err := l.State(ctx)
	if err != nil {
		return Distance{}, err
	}
	d = Distance{TopicID: now.id}
	for _, p := range all {
		next := state.Next(now.id, p)
		pp := PartitionProgress{Partition: p, Next: next, End: ends[p], Lag: max(ends[p]-next, 0)}
		d.Partitions = append(d.Partitions, pp)
		d.Lag += pp.Lag
	}
	return d, nil
}
