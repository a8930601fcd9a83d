package produce

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/tidemill/tidemill/storage/payment/events"
)

// Progress is how far producing has come.
type Progress struct {
	// Sent counts the events handed over, Acknowledged those that the brokers have taken, Skipped those that were on the
	// topic before ([Once] only).
	Sent, Acknowledged, Skipped int64
}

// progressEvery is how often progress is told.
const progressEvery = 500 * time.Millisecond

// Result is what was produced.
type Result struct {
	Progress
	Topic Topic
}

// Produce puts events on the topic with their keys and timestamps, in their order within each partition, and returns
// when the brokers have acknowledged all of them. A missing topic is made ([EnsureTopic]). An event without a partition
// goes to the one that its key's hash names, one with a null key to each partition in turn.
//
// progress, which may be nil, is called now and then and at the end, from this goroutine. The first error ends it: of the
// events, of a record (it names the line, counted from 1), or the context's; what was acknowledged by then stays on the
// topic, as the result says.
func Produce(ctx context.Context, c Config, all iter.Seq2[events.Event, error], progress func(Progress)) (Result, error) {
	p, err := open(ctx, c)
	if err != nil {
		return Result{}, err
	}
	return run(ctx, p, all, nil, progress)
}

// run sends all events but those that are there already, and closes the producer.
func run(ctx context.Context, p *producer, all iter.Seq2[events.Event, error], there *present, progress func(Progress)) (Result, error) {
	if progress == nil {
		progress = func(Progress) {}
	}
	var now Progress
	err := feed(ctx, p, all, there, &now, progress)
	if closing := p.close(); closing != nil && !errors.Is(err, closing) {
		err = errors.Join(err, closing)
	}
	now.Acknowledged = p.acked.Load()
	progress(now)
	return Result{Progress: now, Topic: p.topic}, err
}

func feed(ctx context.Context, p *producer, all iter.Seq2[events.Event, error], there *present, now *Progress, progress func(Progress)) error {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	line := 0
	for event, err := range all {
		if err != nil {
			return err
		}
		line++
		r := record{event: event, line: line, partition: partitionOf(event, line, p.topic.Partitions)}
		if there != nil {
			r.partition = partitionOf(event, line, there.partitions)
			if there.has(r) {
				now.Skipped++
				continue
			}
			r.header = there.header(line)
		}
		if err := p.send(ctx, r); err != nil {
			return err
		}
		now.Sent++
		select {
		case <-tick.C:
			now.Acknowledged = p.acked.Load()
			progress(*now)
		default:
		}
	}
	return nil
}
