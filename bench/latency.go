package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tidemill/tidemill/storage/lake"
)

const (
	latencyEvery  = 5 * time.Millisecond // a record
	latencyWarmUp = 2 * time.Second      // the joining of the group and the first commits
)

// latency produces a record every few milliseconds and measures how long each takes until a reader of the lake sees it: until the log
// lists its file and the file lies in its day's folder. The ingestion, at a flush age of one second, and the broker have processes of their own.
func latency(ctx context.Context, l *lab) (_ []figure, err error) {
	dir, err := os.MkdirTemp(l.dir, "latency-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b, err := startBroker(ctx, dir, 0, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.stop()) }()
	root := filepath.Join(dir, "lake")
	in, err := spawn(ctx, memberRole, b.address, root, "0")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, in.stop()) }()
	before := processCPU(in.cmd.Process.Pid)
	watching, stop := context.WithCancel(ctx)
	defer stop()
	w := watcher{root: root, seen: map[place]time.Time{}, enough: make(chan struct{})}
	watched := make(chan error, 1)
	records := int((latencyWarmUp + l.sizes.latencyFor) / latencyEvery)
	go func() { watched <- w.watch(watching, records) }()
	sent, err := sendSteadily(ctx, b.address, records)
	if err != nil {
		return nil, errors.Join(err, w.end(stop, watched))
	}
	select {
	case <-w.enough:
	case <-time.After(time.Minute):
		err = fmt.Errorf("of %d records not all can be seen a minute after the last", records)
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err = errors.Join(err, w.end(stop, watched)); err != nil {
		return nil, err
	}
	var waits []float64
	began := sent[0].at
	for _, s := range sent {
		if s.at.Sub(began) >= latencyWarmUp {
			waits = append(waits, w.seen[s.place].Sub(s.at).Seconds())
		}
	}
	used := processCPU(in.cmd.Process.Pid) - before
	return []figure{
		{key: "p50_s", unit: "s (p50)", value: percentile(waits, 0.5)},
		{key: "p99_s", unit: "s (p99)", value: percentile(waits, 0.99)},
		{key: "max_s", unit: "s at most", value: slices.Max(waits)},
		{key: "records", unit: "records", value: float64(len(waits))},
		{key: "cpu", unit: "% of a core", value: 100 * used.Seconds() / (latencyWarmUp + l.sizes.latencyFor).Seconds()},
	}, nil
}

// A place is where a record lies in the topic.
type place struct {
	partition int32
	offset    int64
}

// A sent record is where it lies and when it was handed to the producer.
type sentRecord struct {
	place
	at time.Time
}

// sendSteadily produces records one after the other, latencyEvery apart, as a service does that waits for none.
func sendSteadily(ctx context.Context, address string, records int) ([]sentRecord, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(0))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	type answer struct {
		sentRecord
		err error
	}
	answers := make(chan answer, records)
	tick := time.NewTicker(latencyEvery)
	defer tick.Stop()
	for i, p := range payments(records, false) {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
		at := time.Now()
		client.Produce(ctx, &kgo.Record{Key: p.key, Value: p.value, Timestamp: at, Partition: int32(i % partitions)}, func(r *kgo.Record, err error) {
			answers <- answer{sentRecord{place{r.Partition, r.Offset}, at}, err}
		})
	}
	var all []sentRecord
	for range records {
		a := <-answers
		if a.err != nil {
			return nil, fmt.Errorf("produce: %w", a.err)
		}
		all = append(all, a.sentRecord)
	}
	slices.SortFunc(all, func(x, y sentRecord) int { return x.at.Compare(y.at) })
	return all, nil
}

// A watcher looks at a lake as a reader does and notes when it can see which record.
type watcher struct {
	root   string
	seen   map[place]time.Time
	enough chan struct{} // closed once all can be seen
}

// watch looks until ctx ends.
func (w *watcher) watch(ctx context.Context, records int) error {
	l, err := lake.Open(w.root, topic)
	if err != nil {
		return err
	}
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for next := int64(1); ; {
		e, err := l.Entry(ctx, next)
		if err == nil && w.visible(e) {
			now := time.Now()
			next++
			for _, r := range e.Partitions {
				for at := r.Start; at < r.End; at++ {
					w.seen[place{r.Partition, at}] = now
				}
			}
			if len(w.seen) == records {
				close(w.enough)
			}
			continue
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
	}
}

// visible says whether the files of an entry lie where readers look.
func (w *watcher) visible(e lake.Entry) bool {
	for _, f := range e.Files {
		if _, err := os.Stat(filepath.Join(w.root, filepath.FromSlash(f.Path))); err != nil {
			return false
		}
	}
	return true
}

// end ends the watching and returns what it ended with.
func (w *watcher) end(stop context.CancelFunc, watched <-chan error) error {
	stop()
	return <-watched
}
