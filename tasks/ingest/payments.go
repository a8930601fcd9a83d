package ingest

import (
	"errors"
	"time"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
)

// Payments transforms records of the transactions topic by their contract.
func Payments(rec *lake.Record, into *payment.Row) lake.Verdict {
	err := payment.CheckTimestamp(rec.Timestamp, rec.IngestedAt)
	if err == nil {
		err = payment.Decode(rec.Value, into)
	}
	if err != nil {
		v := &payment.Violation{Field: payment.FieldValue, Reason: err.Error()}
		errors.As(err, &v)
		return lake.Verdict{Broken: true, Field: v.Field, Reason: v.Reason}
	}
	into.KafkaPartition, into.KafkaOffset = rec.Partition, rec.Offset
	into.KafkaTimestamp, into.IngestionTimestamp = rec.Timestamp.UnixMicro(), rec.IngestedAt.UnixMicro()
	return lake.Verdict{
		EventTime:   time.UnixMicro(into.EventTime),
		KeyMismatch: !payment.KeyMatches(rec.Key, into),
	}
}
