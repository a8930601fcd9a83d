package dags

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// BronzeIngest carries the topic of payments into the bronze lake, each offset once. When the broker has deleted records before they were
// read, the stream fails once and says so, for somebody must be told: the lake has declared them a gap by then, and the next start goes on
// behind it.
func BronzeIngest(p Platform) *engine.Stream {
	return engine.NewStream("bronze_ingest", func(ctx context.Context, report func(ingest.Progress)) error {
		config := p.Ingest
		config.Progress = report
		return ingestUntilLoss(ctx, config)
	}, engine.StreamDoc("Kafka topic → Parquet bronze lake, through the commit log"))
}

// errLost: the broker deleted records before they were read.
var errLost = errors.New("the broker deleted records before they were read: they are missing from the lake; raise the topic's retention.ms, or find out what kept the stream")

// ingestUntilLoss ingests until ctx ends, and returns nil then; or until records were lost, and returns errLost with what they were.
func ingestUntilLoss(ctx context.Context, config ingest.Config[payment.Row]) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	var (
		mu   sync.Mutex
		lost []string
	)
	config.Lost = func(l ingest.Loss) {
		mu.Lock()
		defer mu.Unlock()
		lost = append(lost, fmt.Sprintf("partition %d, offsets %d to %d (entry %d of the log)", l.Partition, l.Start, l.End-1, l.Entry))
		end()
	}
	stream, err := ingest.New(config)
	if err == nil {
		err = stream.Run(ctx)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(lost) > 0 {
		return errors.Join(fmt.Errorf("%w: %s", errLost, strings.Join(lost, "; ")), err)
	}
	return err
}
