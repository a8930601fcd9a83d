package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/IBM/sarama"
)

// topicNow is a topic's identity at one moment.
type topicNow struct {
	id         string
	partitions int32
}

// errDisagree: brokers answer differently. One of them is behind, as each is for a moment when it has just started.
var errDisagree = fmt.Errorf("%w with one voice", errBroker)

// describe asks afresh for the topic's id: those brokers that serve its records, since what another one says may be behind what they serve.
// ErrNoTopic if no broker of the cluster knows it.
func (b *broker) describe(ctx context.Context) (topicNow, error) {
	if err := ctx.Err(); err != nil {
		return topicNow{}, err
	}
	if leaders := b.leaders(); len(leaders) > 0 {
		topic, err := agreed(b.topic, b.askAll(leaders))
		if err == nil {
			return topic, nil
		}
		_ = b.client.RefreshMetadata(b.topic) // leaders may be gone; the next try asks the new ones
		if !errors.Is(err, ErrNoTopic) {
			return topicNow{}, err
		}
	}
	all := b.client.Brokers()
	if len(all) == 0 {
		return topicNow{}, fmt.Errorf("ask for topic %s: %w", b.topic, sarama.ErrOutOfBrokers)
	}
	return agreed(b.topic, b.askAll(all))
}

// leaders are the brokers that lead a partition of the topic, each once, as far as the client knows.
func (b *broker) leaders() []*sarama.Broker {
	partitions, err := b.client.Partitions(b.topic)
	if err != nil {
		return nil
	}
	var all []*sarama.Broker
	seen := map[int32]bool{}
	for _, p := range partitions {
		if leader, err := b.client.Leader(b.topic, p); err == nil && !seen[leader.ID()] {
			seen[leader.ID()] = true
			all = append(all, leader)
		}
	}
	return all
}

// said is what one broker says of the topic.
type said struct {
	topic topicNow
	err   error // ErrNoTopic: it knows of none
}

// askAll asks all of the brokers at once.
func (b *broker) askAll(brokers []*sarama.Broker) []said {
	answers := make([]said, len(brokers))
	var asking sync.WaitGroup
	for i, br := range brokers {
		asking.Go(func() { answers[i].topic, answers[i].err = b.askOne(br) })
	}
	asking.Wait()
	return answers
}

func (b *broker) askOne(br *sarama.Broker) (topicNow, error) {
	config := b.client.Config()
	_ = br.Open(config) // "already connected" is fine; another failure shows in the question
	answer, err := br.GetMetadata(sarama.NewMetadataRequest(config.Version, []string{b.topic}))
	if err != nil {
		_ = br.Close() // the next question connects anew
		return topicNow{}, fmt.Errorf("ask %s for topic %s: %w", br.Addr(), b.topic, err)
	}
	for _, t := range answer.Topics {
		switch {
		case t.Name != b.topic:
		case errors.Is(t.Err, sarama.ErrUnknownTopicOrPartition):
			return topicNow{}, fmt.Errorf("%w: %s", ErrNoTopic, b.topic)
		case !errors.Is(t.Err, sarama.ErrNoError) && !errors.Is(t.Err, sarama.ErrLeaderNotAvailable): // of a partition: its id is known
			return topicNow{}, fmt.Errorf("ask %s for topic %s: %w", br.Addr(), b.topic, t.Err)
		case t.Uuid == sarama.Uuid{}:
			return topicNow{}, fmt.Errorf("topic %s has no id: the broker is older than Kafka 2.8", b.topic)
		default:
			return topicNow{id: t.Uuid.String(), partitions: int32(len(t.Partitions))}, nil // #nosec G115: Kafka numbers them by int32
		}
	}
	return topicNow{}, fmt.Errorf("%w: %s", ErrNoTopic, b.topic)
}

// agreed is what the brokers that answer say of the topic, if that is the same: its id, and the most partitions that any of them knows.
// ErrNoTopic if they all know of none; errDisagree if some do or their ids differ; without an answer, why there is none.
func agreed(name string, answers []said) (topicNow, error) {
	var (
		topic    topicNow
		missing  int
		failures error
	)
	for _, a := range answers {
		switch {
		case errors.Is(a.err, ErrNoTopic):
			missing++
		case a.err != nil:
			failures = errors.Join(failures, a.err)
		case topic.id != "" && topic.id != a.topic.id:
			return topicNow{}, fmt.Errorf("%w: topic %s has the id %s for one, %s for another", errDisagree, name, topic.id, a.topic.id)
		default:
			topic = topicNow{id: a.topic.id, partitions: max(topic.partitions, a.topic.partitions)}
		}
	}
	switch {
	case topic.id != "" && missing > 0:
		return topicNow{}, fmt.Errorf("%w: %d of %d know no topic %s", errDisagree, missing, len(answers), name)
	case topic.id != "":
		return topic, nil
	case missing > 0 && failures == nil:
		return topicNow{}, fmt.Errorf("%w: %s", ErrNoTopic, name)
	}
	return topicNow{}, failures
}
