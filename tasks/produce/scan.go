package produce

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
)

const (
	fetchVersion  = 4       // the oldest that Kafka 4 still speaks, and all that is needed here
	fetchBytes    = 4 << 20 // a batch that is larger comes whole all the same
	fetchAttempts = 20      // while a partition changes its leader
)

// scan gives each record of a partition, from offset start to the partition's present end, to take. It asks for batches
// and counts by what they say of themselves, so that it reaches the end also where the last offsets hold no record: those
// of transactions' markers and those that compaction took out.
func scan(ctx context.Context, client sarama.Client, topic string, partition int32, start int64, take func(*sarama.Record) error) error {
	end, err := offset(ctx, client, topic, partition, sarama.OffsetNewest)
	if err != nil {
		return err
	}
	failures := 0
	for next := start; next < end; {
		if err := ctx.Err(); err != nil {
			return err
		}
		block, err := fetch(client, topic, partition, next)
		if err != nil {
			if failures++; failures == fetchAttempts {
				return fmt.Errorf("fetch from offset %d: %w", next, err)
			}
			if err := pauseAndRefresh(ctx, client, topic); err != nil {
				return err
			}
			continue
		}
		failures = 0
		before := next
		for _, records := range block.RecordsSet {
			batch := records.RecordBatch
			if batch == nil {
				return errors.New("the partition holds messages of Kafka before 0.11, which cannot be read here")
			}
			if !batch.Control {
				for _, r := range batch.Records {
					if err := take(r); err != nil {
						return fmt.Errorf("offset %d: %w", batch.FirstOffset+r.OffsetDelta, err)
					}
				}
			}
			next = max(next, batch.FirstOffset+int64(batch.LastOffsetDelta)+1)
		}
		if next == before { // a broker that has something answers with it at once
			return nil
		}
	}
	return nil
}

// offset asks for a partition's first or next offset. A new partition's leader is named before it knows that it is one.
func offset(ctx context.Context, client sarama.Client, topic string, partition int32, which int64) (int64, error) {
	for failures := 1; ; failures++ {
		at, err := client.GetOffset(topic, partition, which)
		if err == nil || failures == fetchAttempts || !leaderMoves(err) {
			return at, err
		}
		if err := pauseAndRefresh(ctx, client, topic); err != nil {
			return 0, err
		}
	}
}

// leaderMoves says whether a partition is being taken over, or was only just made.
func leaderMoves(err error) bool {
	return errors.Is(err, sarama.ErrNotLeaderForPartition) || errors.Is(err, sarama.ErrLeaderNotAvailable) || errors.Is(err, sarama.ErrFencedLeaderEpoch) ||
		errors.Is(err, sarama.ErrUnknownLeaderEpoch) || errors.Is(err, sarama.ErrUnknownTopicOrPartition) || errors.Is(err, sarama.ErrOffsetNotAvailable)
}

func fetch(client sarama.Client, topic string, partition int32, offset int64) (*sarama.FetchResponseBlock, error) {
	leader, err := client.Leader(topic, partition)
	if err != nil {
		return nil, err
	}
	request := &sarama.FetchRequest{Version: fetchVersion, MinBytes: 1, MaxBytes: fetchBytes, MaxWaitTime: 500, Isolation: sarama.ReadUncommitted}
	request.AddBlock(topic, partition, offset, fetchBytes, -1)
	response, err := leader.Fetch(request)
	if err != nil {
		return nil, err
	}
	block := response.GetBlock(topic, partition)
	if block == nil {
		return nil, sarama.ErrIncompleteResponse
	}
	if block.Err != sarama.ErrNoError {
		return nil, block.Err
	}
	return block, nil
}

func pauseAndRefresh(ctx context.Context, client sarama.Client, topic string) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(250 * time.Millisecond):
	}
	if err := client.RefreshMetadata(topic); err != nil {
		return fmt.Errorf("find the leaders of topic %s: %w", topic, err)
	}
	return nil
}
