package produce

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

// Partitions is how many partitions a topic gets when it is made here.
const Partitions = 6

// Topic is a topic as the broker has it.
type Topic struct {
	Name       string
	Partitions int32
	// Created says that the topic was missing and has been made.
	Created bool
	// Settings are the topic's effective settings by name, as far as the broker tells them.
	Settings map[string]string
}

// EnsureTopic makes the topic if it is missing: with [Partitions] partitions, no end to its retention, and the producer's
// timestamps, however old or new. An existing topic is left as it is; [Topic.Retention] and [Topic.Warnings] say what it
// would do to the records.
func EnsureTopic(ctx context.Context, c Config) (Topic, error) {
	if err := c.check(); err != nil {
		return Topic{}, err
	}
	client, err := sarama.NewClient(c.Brokers, c.sarama(ctx))
	if err != nil {
		return Topic{}, fmt.Errorf("connect to brokers %s: %w", strings.Join(c.Brokers, ","), err)
	}
	defer func() { _ = client.Close() }() // nothing is written through it
	return ensureTopic(ctx, c.Topic, client)
}

func ensureTopic(ctx context.Context, name string, client sarama.Client) (Topic, error) {
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		return Topic{}, fmt.Errorf("ask for topic %s: %w", name, err)
	}
	topic := Topic{Name: name}
	partitions, err := partitionsOf(admin, name)
	if errors.Is(err, sarama.ErrUnknownTopicOrPartition) {
		if err := createTopic(admin, name); err != nil {
			return Topic{}, err
		}
		topic.Created = true
		partitions, err = awaitTopic(ctx, admin, name)
	}
	if err != nil {
		return Topic{}, fmt.Errorf("ask for topic %s: %w", name, err)
	}
	topic.Partitions = partitions
	entries, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: name}) //nolint:staticcheck // one resource is what is asked for
	if err != nil && !errors.Is(err, sarama.ErrTopicAuthorizationFailed) {
		return Topic{}, fmt.Errorf("ask for the settings of topic %s: %w", name, err)
	}
	topic.Settings = make(map[string]string, len(entries))
	for _, e := range entries {
		topic.Settings[e.Name] = e.Value
	}
	if err := client.RefreshMetadata(name); err != nil {
		return Topic{}, fmt.Errorf("ask for topic %s: %w", name, err)
	}
	return topic, nil
}

func partitionsOf(admin sarama.ClusterAdmin, name string) (int32, error) {
	described, err := admin.DescribeTopics([]string{name})
	if err != nil {
		return 0, err
	}
	if len(described) != 1 {
		return 0, fmt.Errorf("the broker described %d topics", len(described))
	}
	if described[0].Err != sarama.ErrNoError {
		return 0, described[0].Err
	}
	for _, p := range described[0].Partitions {
		if p.Err != sarama.ErrNoError && p.Err != sarama.ErrReplicaNotAvailable {
			return 0, fmt.Errorf("partition %d: %w", p.ID, p.Err)
		}
	}
	return int32(len(described[0].Partitions)), nil
}

// createTopic makes the topic. Another process that was quicker is fine.
func createTopic(admin sarama.ClusterAdmin, name string) error {
	settings := map[string]string{
		"retention.ms":           "-1",
		"cleanup.policy":         "delete",
		"message.timestamp.type": "CreateTime",
		// Kafka 4 refuses records an hour ahead of its clock; brokers before 3.6 do not know this setting.
		"message.timestamp.after.max.ms": strconv.FormatInt(1<<63-1, 10),
	}
	err := admin.CreateTopic(name, topicDetail(settings), false)
	if errors.Is(err, sarama.ErrInvalidConfig) {
		delete(settings, "message.timestamp.after.max.ms")
		err = admin.CreateTopic(name, topicDetail(settings), false)
	}
	if err != nil && !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return fmt.Errorf("create topic %s: %w", name, err)
	}
	return nil
}

func topicDetail(settings map[string]string) *sarama.TopicDetail {
	// The replication factor is the cluster's own.
	detail := &sarama.TopicDetail{NumPartitions: Partitions, ReplicationFactor: -1, ConfigEntries: map[string]*string{}}
	for name, value := range settings {
		detail.ConfigEntries[name] = &value
	}
	return detail
}

// awaitTopic waits until every partition of a new topic has a leader: brokers learn of it one after the other.
func awaitTopic(ctx context.Context, admin sarama.ClusterAdmin, name string) (int32, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		partitions, err := partitionsOf(admin, name)
		if err == nil {
			return partitions, nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("made, but not ready: %w (%w)", err, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Retention returns for how long the topic keeps records; ok is false when it keeps them for ever.
func (t Topic) Retention() (d time.Duration, ok bool) {
	if policy := t.Settings["cleanup.policy"]; policy != "" && !strings.Contains(policy, "delete") {
		return 0, false
	}
	ms, err := strconv.ParseInt(t.Settings["retention.ms"], 10, 64)
	if err != nil || ms < 0 || ms > int64(time.Duration(1<<63-1)/time.Millisecond) {
		return 0, false
	}
	return time.Duration(ms) * time.Millisecond, true
}

// Warnings says, a sentence each with the mend, what of the topic's settings would change or lose records, whose oldest
// has the timestamp oldest (zero: not known).
func (t Topic) Warnings(oldest, now time.Time) []string {
	var all []string
	alter := func(setting string) string {
		return fmt.Sprintf("; mend it with: kafka-configs.sh --alter --entity-type topics --entity-name %s --add-config %s", t.Name, setting)
	}
	if t.Settings["message.timestamp.type"] == "LogAppendTime" {
		all = append(all, "topic "+t.Name+" gives records the broker's time in place of their own (message.timestamp.type=LogAppendTime), "+
			"so that they land in the wrong days of the lake"+alter("message.timestamp.type=CreateTime"))
	}
	if strings.Contains(t.Settings["cleanup.policy"], "compact") {
		all = append(all, "topic "+t.Name+" keeps only the last record of each key (cleanup.policy=compact), "+
			"so that a payment's earlier states are lost"+alter("cleanup.policy=delete"))
	}
	if keeps, ok := t.Retention(); ok && !oldest.IsZero() && now.Sub(oldest) > keeps {
		all = append(all, fmt.Sprintf("topic %s deletes records older than %s (retention.ms=%d) and would lose records of %s minutes after they are produced",
			t.Name, keeps, keeps.Milliseconds(), oldest.UTC().Format(time.DateOnly))+alter("retention.ms=-1"))
	}
	return all
}
