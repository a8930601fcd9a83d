package ingest

import (
	"errors"
	"time"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
)

// Payments transforms records of the transactions topic by their contract. The row's texts are parts of the record's value.
func Payments(rec *lake.Record, into *payment.Row) lake.Verdict {
	err := payment.CheckTimestamp(rec.Timestamp, rec.IngestedAt)
	if err == nil {
		err = payment.DecodeShared(rec.Value, into)
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

// UnframedPayments is Payments for a topic whose producers frame values for a schema registry: the framing is left out of what is decoded
// and of the payload's hash, a value without one is taken as it is. A dead letter keeps the record's bytes, framing included.
func UnframedPayments(rec *lake.Record, into *payment.Row) lake.Verdict {
	_, body, framed := payment.Framing(rec.Value)
	if !framed {
		return Payments(rec, into)
	}
	inner := *rec
	inner.Value = body
	return Payments(&inner, into)
}
