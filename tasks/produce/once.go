package produce

import (
	"context"
	"fmt"
)

// sourceHeader names the header by which a record says where it came from: "<source> <line> <partitions>".
const sourceHeader = "tidemill-source"

// Once is [Produce] for a source, of which each event comes onto the topic once however often Once is called, also when
// a call was cut off: it reads the topic first, and sends what is missing. Records of others on the topic do not matter.
//
// An event that the brokers refused for good, or did not answer for in more than a minute, ends a call with an error. If
// later events of its partition were on their way by then, the next call puts it after them.
//
// Each record carries its source and line in a header. One call at a time may produce a source to a topic. Events that
// the topic's retention has deleted count as produced while a later one of their partition is still there.
func Once(ctx context.Context, c Config, source Source, progress func(Progress)) (Result, error) {
	p, err := open(ctx, c)
	if err != nil {
		return Result{}, err
	}
	there, err := readPresent(ctx, p.client, p.topic, source.ID)
	if err != nil {
		p.cancel()
		_ = p.close() // nothing was sent, and the reading's error says more
		return Result{Topic: p.topic}, fmt.Errorf("find out what of the source is on topic %s: %w", p.topic.Name, err)
	}
	return run(ctx, p, source.Events, there, progress)
}
