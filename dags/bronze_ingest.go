package dags

import (
	"context"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// BronzeIngest carries the topic of payments into the bronze lake, each offset once.
func BronzeIngest(p Platform) *engine.Stream {
	return engine.NewStream("bronze_ingest", func(ctx context.Context, report func(ingest.Progress)) error {
		config := p.Ingest
		config.Progress = report
		stream, err := ingest.New(config)
		if err != nil {
			return err
		}
		return stream.Run(ctx)
	}, engine.StreamDoc("Kafka topic → Parquet bronze lake, through the commit log"))
}
