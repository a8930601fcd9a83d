package lake

import (
	"math"
	"time"
)

// Record is one Kafka record. Its bytes belong to the caller.
type Record struct {
	Key        []byte // nil: none
	Value      []byte // nil: a tombstone; of zero length: a value of no bytes
	Partition  int32
	Offset     int64
	Timestamp  time.Time // the record's own
	IngestedAt time.Time // when it was read
}

// Transform turns a record that has a value into a row. It fills into, which is
// zero, and may keep references to the record's bytes there: they stay as they
// are until the chunk that took the row is Reset. It gives one verdict per
// record, so that it can lose none.
type Transform[R any] func(rec *Record, into *R) Verdict

// Verdict is what became of a record. The zero Verdict is an accepted row.
type Verdict struct {
	Broken bool   // the record breaks the contract: a dead letter; into is ignored
	Field  string // Broken only: the field that breaks it; of few distinct values
	Reason string // Broken only: how

	EventTime   time.Time // accepted only: the row's own time, for the file's min and max; may be zero
	KeyMismatch bool      // accepted only: counted
}

// FieldTimestamp is the field of dead letters whose record timestamp is of no
// day between 1970 and 9999.
const FieldTimestamp = "kafka_timestamp"

var (
	firstTimestamp = time.Unix(0, 0)
	endTimestamp   = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
)

// hasDay says whether a timestamp is of a day that the lake can name.
func hasDay(t time.Time) bool { return !t.Before(firstTimestamp) && t.Before(endTimestamp) }

// countingDay is the day under which a record without a row is counted: that of
// its timestamp, or of its ingestion if that is absurd.
func countingDay(rec *Record) Day {
	if hasDay(rec.Timestamp) {
		return DayOf(rec.Timestamp)
	}
	return DayOf(rec.IngestedAt)
}

// timeMicros is microseconds since 1970, at the ends of the range if beyond it.
func timeMicros(t time.Time) int64 {
	switch ms := t.UnixMilli(); {
	case t.IsZero() || ms < math.MinInt64/1000:
		return math.MinInt64
	case ms > math.MaxInt64/1000:
		return math.MaxInt64
	}
	return t.UnixMicro()
}
