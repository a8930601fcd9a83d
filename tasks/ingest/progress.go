package ingest

import (
	"maps"
	"slices"
	"time"
)

// Progress is where an Ingester stands.
type Progress struct {
	At            time.Time           `json:"at"`
	TopicID       string              `json:"topic_id"`
	Partitions    []PartitionProgress `json:"partitions"` // those that this process reads, ascending
	Lag           int64               `json:"lag"`        // their sum
	Pending       int64               `json:"pending"`    // offsets read and not committed yet
	Entry         int64               `json:"entry"`      // of the last commit; 0: none yet
	BatchOffsets  int64               `json:"batch_offsets"`
	BatchDuration time.Duration       `json:"batch_duration"` // of the last commit, from its first record
	Rows          int64               `json:"rows"`           // committed by this process since it started
	DeadLetters   map[string]int64    `json:"dead_letters"`   // likewise, by field
	Lost          int64               `json:"lost"`           // likewise, offsets that the broker deleted before they were read
	Watermark     time.Time           `json:"watermark,omitzero"`
	Error         string              `json:"error,omitempty"` // why the last try of a commit failed; empty: it did not
}

// PartitionProgress is where an Ingester stands in one partition.
type PartitionProgress struct {
	Partition int32 `json:"partition"`
	Next      int64 `json:"next_offset"` // committed up to here
	End       int64 `json:"end_offset"`  // as the broker said; -1: not known
	Lag       int64 `json:"lag"`         // 0 if the end is not known
}

func (p Progress) clone() Progress {
	p.Partitions = slices.Clone(p.Partitions)
	p.DeadLetters = maps.Clone(p.DeadLetters)
	return p
}
