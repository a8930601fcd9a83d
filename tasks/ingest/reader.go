package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/IBM/sarama"
)

// shown is what the broker shows at one offset.
type shown struct {
	offset     int64
	hidden     string // why a consumer sees no record: "control" or "aborted"; "" if it sees one
	key, value []byte
	timestamp  time.Time
}

// reader reads a partition by raw fetches, without the consumer that the
// ingestion trusts. Reading on from where the last call ended asks the broker
// only for what is new.
type reader struct {
	asks      *broker
	partition int32

	from, to int64   // the last answer tells of these offsets
	answer   []shown // ascending; an offset without one holds nothing any more
}

// each gives every offset from start up to end to visit, in order; with nil
// for one of which the broker no longer holds anything.
func (r *reader) each(ctx context.Context, start, end int64, visit func(offset int64, s *shown) error) error {
	for at := start; at < end; {
		if at < r.from || at >= r.to {
			if err := r.fetch(ctx, at); err != nil {
				return err
			}
		}
		i := 0
		for i < len(r.answer) && r.answer[i].offset < at {
			i++
		}
		for ; at < min(r.to, end); at++ {
			var s *shown
			if i < len(r.answer) && r.answer[i].offset == at {
				s, i = &r.answer[i], i+1
			}
			if err := visit(at, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// fetch makes the answer tell of offset at.
func (r *reader) fetch(ctx context.Context, at int64) error {
	for size := int32(1 << 20); ; size *= 2 {
		block, err := r.asks.fetch(ctx, r.partition, at, size)
		if err != nil {
			return err
		}
		if errors.Is(block.Err, sarama.ErrOffsetOutOfRange) || errors.Is(block.Err, sarama.ErrNoError) && block.LogStartOffset > at {
			return r.deleted(ctx, at)
		}
		if !errors.Is(block.Err, sarama.ErrNoError) {
			_ = r.asks.client.RefreshMetadata(r.asks.topic) // the leader may have moved
			return fmt.Errorf("fetch partition %d, offset %d: %w", r.partition, at, block.Err)
		}
		if err := r.take(block, at); err != nil {
			return fmt.Errorf("partition %d: %w", r.partition, err)
		}
		if r.to > at {
			return nil
		}
		if size >= maxProofBytes {
			break
		}
	}
	return fmt.Errorf("%w: it shows nothing at offset %d of partition %d", errBroker, at, r.partition)
}

// deleted makes the answer say that offsets from at on are gone: the broker
// deleted them since it was asked where its log starts.
func (r *reader) deleted(ctx context.Context, at int64) error {
	oldest, err := r.asks.offsets(ctx, []int32{r.partition}, sarama.OffsetOldest)
	if err != nil {
		return err
	}
	if oldest[r.partition] <= at {
		return fmt.Errorf("offset %d of partition %d is out of the broker's range", at, r.partition)
	}
	r.from, r.to, r.answer = at, oldest[r.partition], r.answer[:0]
	return nil
}

// take goes through what a raw fetch at an offset returned.
func (r *reader) take(block *sarama.FetchResponseBlock, at int64) error {
	r.from, r.to, r.answer = at, at, r.answer[:0]
	aborted := abortedIndex{todo: block.AbortedTransactions, open: map[int64]bool{}}
	for _, records := range block.RecordsSet {
		batch := records.RecordBatch
		if batch == nil {
			return errors.New("messages of a format older than Kafka 0.11 cannot be compared")
		}
		if batch.PartialTrailingRecord {
			return nil
		}
		isAborted := aborted.next(batch)
		if batch.LastOffset() < at {
			continue
		}
		for _, rec := range batch.Records {
			s := shown{offset: batch.FirstOffset + rec.OffsetDelta, key: rec.Key, value: rec.Value, timestamp: batch.FirstTimestamp.Add(rec.TimestampDelta)}
			if batch.LogAppendTime {
				s.timestamp = batch.MaxTimestamp
			}
			switch {
			case batch.Control:
				s.hidden = "control"
			case isAborted:
				s.hidden = "aborted"
			}
			if s.offset >= at {
				r.answer = append(r.answer, s)
			}
		}
		r.to = batch.LastOffset() + 1
	}
	return nil
}
