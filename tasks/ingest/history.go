package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
)

// ErrNeedsKafka: a row of the lake breaks the contract now, and the lake does
// not have its record as it came.
var ErrNeedsKafka = errors.New("ingest: only Kafka has the record as it came")

// PaymentsOfLake makes rows anew of the rows that there are, by the transform
// that the stream has: for days that Kafka no longer holds. What a transform
// adds, checks or changes comes out as it would of the records; the fields that
// a row was made of are taken as they are, and a row that the transform now
// refuses ends the replay with ErrNeedsKafka, since a dead letter has the
// record's own bytes. PayloadHash stays that of the record.
func PaymentsOfLake(transform lake.Transform[payment.Row]) lake.Decoder[payment.Row] {
	return lake.Decoder[payment.Row]{Transform: transform, NoKeys: true, Rows: func(ctx context.Context, _ string, was []payment.Row, places []lake.Place,
		take func(*lake.Record, *payment.Row, lake.Verdict) error) error {
		for i := range was {
			if err := ctx.Err(); err != nil {
				return err
			}
			value, err := payment.Encode(&was[i])
			if err != nil {
				return err
			}
			rec := lake.Record{
				Value: value, Partition: places[i].Partition, Offset: places[i].Offset,
				Timestamp: time.UnixMicro(was[i].KafkaTimestamp).UTC(), IngestedAt: time.UnixMicro(places[i].IngestedAt).UTC(),
			}
			var row payment.Row
			v := transform(&rec, &row)
			if v.Broken {
				return fmt.Errorf("%w: offset %d of partition %d breaks the contract: %s %s", ErrNeedsKafka, rec.Offset, rec.Partition, v.Field, v.Reason)
			}
			row.PayloadHash = was[i].PayloadHash
			if err := take(&rec, &row, v); err != nil {
				return err
			}
		}
		return nil
	}}
}
