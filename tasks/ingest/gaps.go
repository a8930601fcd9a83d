package ingest

import (
	"context"
	"errors"
	"fmt"

	"github.com/IBM/sarama"

	"github.com/tidemill/tidemill/storage/lake"
)

// errSkipped: the consumer left out a record that the broker shows.
var errSkipped = errors.New("ingest: the consumer skipped a record")

const (
	proofBytes    = 64 << 10  // of the first raw fetch: a marker is 78 bytes, its neighbours may prove more gaps
	maxProofBytes = 256 << 20 // a batch cannot be larger than the broker's message.max.bytes
)

// prove finds out by raw fetches why offsets from start up to end hold no
// record for us. It returns gaps that follow on from start. They reach end, or
// the first record that can be read, or as far as the broker shows anything.
func (b *broker) prove(ctx context.Context, partition int32, start, end int64) (gaps []lake.Gap, visible bool, err error) {
	at, size := start, int32(proofBytes)
	for at < end {
		block, err := b.fetch(ctx, partition, at, size)
		if err != nil {
			return nil, false, err
		}
		if errors.Is(block.Err, sarama.ErrOffsetOutOfRange) || errors.Is(block.Err, sarama.ErrNoError) && block.LogStartOffset > at {
			oldest, err := b.offsets(ctx, []int32{partition}, sarama.OffsetOldest)
			if err != nil {
				return nil, false, err
			}
			if oldest[partition] <= at {
				return gaps, false, fmt.Errorf("offset %d of partition %d is out of the broker's range", at, partition)
			}
			to := min(oldest[partition], end)
			gaps, at = append(gaps, lake.Gap{Start: at, End: to, Cause: lake.CauseDeleted}), to
			continue
		}
		if !errors.Is(block.Err, sarama.ErrNoError) {
			_ = b.client.RefreshMetadata(b.topic) // the leader may have moved
			return nil, false, fmt.Errorf("fetch partition %d, offset %d: %w", partition, at, block.Err)
		}
		w := walk{at: at, end: end, gaps: gaps}
		if err := w.block(block); err != nil {
			return nil, false, fmt.Errorf("partition %d: %w", partition, err)
		}
		gaps = w.gaps
		switch {
		case w.visible:
			return gaps, true, nil
		case w.at > at:
			at = w.at
		case w.partial && size < maxProofBytes:
			size *= 2
		default:
			return gaps, false, nil // nothing more is shown, for now
		}
	}
	return gaps, false, nil
}

// walk goes through what a raw fetch returned, from offset at up to end.
type walk struct {
	at, end int64
	gaps    []lake.Gap
	visible bool // there is a record at offset at
	partial bool // the answer ended within a batch
}

func (w *walk) gap(to int64, cause lake.Cause) {
	if to = min(to, w.end); to > w.at {
		w.gaps = append(w.gaps, lake.Gap{Start: w.at, End: to, Cause: cause})
		w.at = to
	}
}

func (w *walk) block(block *sarama.FetchResponseBlock) error {
	w.partial = block.Partial
	aborted := abortedIndex{todo: block.AbortedTransactions, open: map[int64]bool{}}
	for _, records := range block.RecordsSet {
		batch := records.RecordBatch
		if batch == nil {
			return errors.New("messages of a format older than Kafka 0.11: a gap among them cannot be proved")
		}
		if batch.PartialTrailingRecord {
			w.partial = true
			return nil
		}
		isAborted := aborted.next(batch)
		last := batch.LastOffset()
		if last < w.at {
			continue
		}
		if w.gap(batch.FirstOffset, lake.CauseCompacted); w.at >= w.end {
			return nil
		}
		switch {
		case batch.Control:
			w.gap(last+1, lake.CauseControl)
		case isAborted:
			w.gap(last+1, lake.CauseAborted)
		default:
			w.records(batch)
		}
		if w.visible || w.at >= w.end {
			return nil
		}
	}
	return nil
}

// records goes through a batch whose records can be read: what is missing in it
// was compacted away.
func (w *walk) records(batch *sarama.RecordBatch) {
	for _, r := range batch.Records {
		offset := batch.FirstOffset + r.OffsetDelta
		if offset < w.at {
			continue
		}
		w.gap(offset, lake.CauseCompacted)
		w.visible = w.at < w.end
		return
	}
	w.gap(batch.LastOffset()+1, lake.CauseCompacted)
}

// abortedIndex tells which batches belong to aborted transactions, going
// through them in order as a consumer must.
type abortedIndex struct {
	todo []*sarama.AbortedTransaction
	open map[int64]bool // producers within an aborted transaction
}

func (a *abortedIndex) next(batch *sarama.RecordBatch) bool {
	rest := a.todo[:0:0]
	for _, t := range a.todo {
		if t.FirstOffset <= batch.LastOffset() {
			a.open[t.ProducerID] = true
		} else {
			rest = append(rest, t)
		}
	}
	a.todo = rest
	if batch.Control {
		delete(a.open, batch.ProducerID) // the marker ends the producer's transaction
		return false
	}
	return batch.IsTransactional && a.open[batch.ProducerID]
}
