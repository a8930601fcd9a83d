package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
)

// broker asks a cluster about one topic. Sarama's calls take no context; its
// network timeouts bound them.
type broker struct {
	topic  string
	client sarama.Client
	admin  sarama.ClusterAdmin
}

func newBroker(addrs []string, topic string, config *sarama.Config) (*broker, error) {
	client, err := sarama.NewClient(addrs, config)
	if err != nil {
		return nil, fmt.Errorf("connect to Kafka at %v: %w", addrs, err)
	}
	admin, err := sarama.NewClusterAdminFromClient(client)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect to Kafka at %v: %w", addrs, err), client.Close())
	}
	return &broker{topic: topic, client: client, admin: admin}, nil
}

// Close closes the connections.
func (b *broker) Close() error { return b.admin.Close() } // and with it the client

// ends asks for the offset after the last one that can be read, committed
// transactions only, of each of the partitions.
func (b *broker) ends(ctx context.Context, partitions []int32) (map[int32]int64, error) {
	return b.offsets(ctx, partitions, sarama.OffsetNewest)
}

func (b *broker) offsets(ctx context.Context, partitions []int32, at int64) (map[int32]int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(partitions) == 0 {
		return nil, nil
	}
	ask := map[int32]int64{}
	for _, p := range partitions {
		ask[p] = at
	}
	answer, err := b.admin.ListOffsets(map[string]map[int32]int64{b.topic: ask}, &sarama.ListOffsetsOptions{IsolationLevel: sarama.ReadCommitted})
	if err != nil {
		_ = b.client.RefreshMetadata(b.topic) // a leader may be gone; the next try asks the new one
		return nil, fmt.Errorf("ask for the offsets of %s: %w", b.topic, err)
	}
	found := map[int32]int64{}
	for _, p := range partitions {
		r := answer[b.topic][p]
		if r == nil {
			return nil, fmt.Errorf("ask for the offsets of %s: no answer for partition %d", b.topic, p)
		}
		if r.Err != nil && !errors.Is(r.Err, sarama.ErrNoError) {
			_ = b.client.RefreshMetadata(b.topic) // the leader may have moved; the next try asks the new one
			return nil, fmt.Errorf("ask for the offsets of %s, partition %d: %w", b.topic, p, r.Err)
		}
		found[p] = r.Offset
	}
	return found, nil
}

// fetch asks the partition's leader for what lies at an offset, as it lies there.
func (b *broker) fetch(ctx context.Context, partition int32, offset int64, maxBytes int32) (*sarama.FetchResponseBlock, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	leader, epoch, err := b.client.LeaderAndEpoch(b.topic, partition)
	if err != nil {
		return nil, fmt.Errorf("find the leader of %s, partition %d: %w", b.topic, partition, err)
	}
	const version = 11 // of Kafka 2.3; the newest in which the topic is named, not numbered, that sarama speaks throughout
	req := &sarama.FetchRequest{
		Version: version, MaxWaitTime: int32(500 * time.Millisecond / time.Millisecond), MinBytes: 1, MaxBytes: maxBytes,
		Isolation: sarama.ReadCommitted, SessionEpoch: -1,
	}
	req.AddBlock(b.topic, partition, offset, maxBytes, epoch)
	_ = leader.Open(b.client.Config()) // "already connected" is fine; another failure shows in Fetch
	answer, err := leader.Fetch(req)
	if err != nil {
		_ = leader.Close() // the next fetch connects anew, or goes to the new leader
		_ = b.client.RefreshMetadata(b.topic)
		return nil, fmt.Errorf("fetch %s, partition %d, offset %d: %w", b.topic, partition, offset, err)
	}
	block := answer.GetBlock(b.topic, partition)
	if block == nil {
		return nil, fmt.Errorf("fetch %s, partition %d, offset %d: no answer for it", b.topic, partition, offset)
	}
	return block, nil
}
