package events

import (
	"time"
)

// Event is one record.
type Event struct {
	// Key is nil for a null key.
	Key []byte
	// Time is the record's timestamp, in whole milliseconds.
	Time time.Time
	// Value is nil for a tombstone; zero bytes that are not nil are a (broken) value.
	Value []byte
	// Partition is nil where the producer chooses the partition by the key.
	Partition *int32
}

// line is an event as it stands in a file.
type line struct {
	Key       *string `json:"k"`
	Time      *int64  `json:"t"`
	Text      *string `json:"v,omitzero"`
	Bytes     *[]byte `json:"vb,omitzero"`
	Partition *int32  `json:"p,omitzero"`
}
