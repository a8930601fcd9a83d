package produce

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"github.com/tidemill/tidemill/storage/payment/events"
)

// earliest and latest are the timestamps that the client can carry.
var earliest, latest = time.Unix(0, 0), time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)

// producer sends records in order. It is used by one goroutine.
type producer struct {
	config  Config
	topic   Topic
	client  sarama.Client
	async   sarama.AsyncProducer
	cancel  context.CancelFunc
	acked   atomic.Int64
	open    sync.WaitGroup // the records that are neither acknowledged nor failed
	oldest  time.Time
	expires time.Duration // 0: the topic keeps records for ever
	failed  chan struct{} // closed at the first failure, after failure is set
	failure error
	done    chan struct{} // closed when every record is acknowledged or failed
}

// record is an event on its way to its partition.
type record struct {
	event     events.Event
	line      int
	partition int32
	header    string // of sourceHeader; "": none
}

// open connects, makes the topic if it is missing, and warns of what its settings would do.
func open(ctx context.Context, c Config) (*producer, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	running, cancel := context.WithCancel(ctx)
	p := &producer{config: c, cancel: cancel, failed: make(chan struct{}), done: make(chan struct{})}
	if err := p.connect(running); err != nil {
		cancel()
		return nil, err
	}
	go p.collect()
	return p, nil
}

func (p *producer) connect(ctx context.Context) (err error) {
	p.client, err = sarama.NewClient(p.config.Brokers, p.config.sarama(ctx))
	if err != nil {
		return fmt.Errorf("connect to brokers %s: %w", strings.Join(p.config.Brokers, ","), err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.client.Close())
		}
	}()
	if p.topic, err = ensureTopic(ctx, p.config.Topic, p.client); err != nil {
		return err
	}
	for _, warning := range p.topic.Warnings(time.Time{}, p.config.now()) {
		p.config.log().Warn(warning)
	}
	p.expires, _ = p.topic.Retention()
	if p.async, err = sarama.NewAsyncProducerFromClient(p.client); err != nil {
		return fmt.Errorf("start the producer: %w", err)
	}
	return nil
}

// collect takes the broker's answers until the producer is closed.
func (p *producer) collect() {
	defer close(p.done)
	successes, failures := p.async.Successes(), p.async.Errors()
	for successes != nil || failures != nil {
		select {
		case _, ok := <-successes:
			if !ok {
				successes = nil
				continue
			}
			p.acked.Add(1)
			p.open.Done()
		case f, ok := <-failures:
			if !ok {
				failures = nil
				continue
			}
			if p.failure == nil {
				p.failure = fmt.Errorf("produce line %d to %s, partition %d: %w", f.Msg.Metadata, f.Msg.Topic, f.Msg.Partition, f.Err)
				close(p.failed)
			}
			p.open.Done()
		}
	}
}

// send hands a record over. It errs when ctx ends, when an earlier record has failed, and for a timestamp that Kafka
// cannot hold.
func (p *producer) send(ctx context.Context, r record) error {
	at := r.event.Time
	if at.Before(earliest) || !at.Before(latest) {
		return fmt.Errorf("produce line %d: the timestamp %s lies outside of 1970 to 2261, which is all that the client can send",
			r.line, at.UTC().Format(time.RFC3339))
	}
	if r.partition < 0 || r.partition >= p.topic.Partitions {
		return fmt.Errorf("produce line %d: topic %s has no partition %d, only %d", r.line, p.topic.Name, r.partition, p.topic.Partitions)
	}
	p.warnOfRetention(at)
	message := &sarama.ProducerMessage{Topic: p.topic.Name, Partition: r.partition, Timestamp: at, Metadata: r.line}
	if r.event.Key != nil {
		message.Key = sarama.ByteEncoder(r.event.Key)
	}
	if r.event.Value != nil {
		message.Value = sarama.ByteEncoder(r.event.Value)
	}
	if r.header != "" {
		message.Headers = []sarama.RecordHeader{{Key: []byte(sourceHeader), Value: []byte(r.header)}}
	}
	p.open.Add(1)
	select {
	case p.async.Input() <- message:
		return nil
	case <-p.failed:
		p.open.Done()
		return p.failure
	case <-ctx.Done():
		p.open.Done()
		return ctx.Err()
	}
}

// warnOfRetention warns once of records that the topic would soon delete.
func (p *producer) warnOfRetention(at time.Time) {
	if p.expires == 0 || !p.oldest.IsZero() || p.config.now().Sub(at) <= p.expires {
		return
	}
	p.oldest = at
	for _, warning := range p.topic.Warnings(at, p.config.now()) {
		if strings.Contains(warning, "retention.ms") {
			p.config.log().Warn(warning)
		}
	}
}

// close waits until every record is acknowledged or has failed, and returns the first failure. Once the context that
// the producer was opened with has ended it does not wait for brokers that do not answer.
func (p *producer) close() error {
	p.open.Wait() // sarama, told to close, gives up what it is about to send again
	p.async.AsyncClose()
	<-p.done
	p.cancel()
	return errors.Join(p.failure, p.client.Close())
}

// partitionOf chooses an event's partition among n: its own, else by its key, else by its line, in turn.
func partitionOf(event events.Event, line int, n int32) int32 {
	switch {
	case event.Partition != nil:
		return *event.Partition
	case event.Key == nil:
		return int32(int64(line) % int64(n))
	}
	hash := fnv.New32a()
	hash.Write(event.Key)
	return int32(hash.Sum32() % uint32(n))
}
