package lake

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"
)

// Status is a lake at a glance.
type Status struct {
	Root        string            `json:"root"`
	Topic       string            `json:"topic"`
	TopicID     string            `json:"topic_id"`
	Entries     int64             `json:"entries"`
	Days        int               `json:"days"`
	Files       int               `json:"files"`
	Bytes       int64             `json:"bytes"`
	Rows        int64             `json:"rows"`
	DeadLetters int64             `json:"dead_letters"`
	Tombstones  int64             `json:"tombstones"`
	GapOffsets  int64             `json:"gap_offsets"`
	Watermark   time.Time         `json:"watermark,omitzero"`
	LastCommit  time.Time         `json:"last_commit,omitzero"`
	Partitions  []PartitionStatus `json:"partitions"` // by topic id, then partition
}

// PartitionStatus is one partition at a glance.
type PartitionStatus struct {
	TopicID     string    `json:"topic_id"`
	Partition   int32     `json:"partition"`
	Next        int64     `json:"next_offset"`
	Rows        int64     `json:"rows"`
	DeadLetters int64     `json:"dead_letters"`
	Tombstones  int64     `json:"tombstones"`
	GapOffsets  int64     `json:"gap_offsets"`
	Watermark   time.Time `json:"watermark,omitzero"`
}

// Status reads the log and sums it up.
func (l *Lake) Status(ctx context.Context) (Status, error) {
	s, err := l.State(ctx)
	if err != nil {
		return Status{}, err
	}
	st := Status{
		Root: l.root, Topic: l.topic, TopicID: s.TopicID, Entries: s.Head,
		Watermark: s.Watermark(), LastCommit: s.LastFileAt,
		Partitions: []PartitionStatus{},
	}
	for _, d := range s.Days {
		if d.Files > 0 {
			st.Days++
		}
		st.Files += d.Files
		st.Bytes += d.Bytes
	}
	keys := slices.SortedFunc(maps.Keys(s.Partitions), comparePartitions)
	for _, k := range keys {
		p := s.Partitions[k]
		st.Rows += p.Rows
		st.DeadLetters += p.DeadLetters
		st.Tombstones += p.Tombstones
		st.GapOffsets += p.GapOffsets
		st.Partitions = append(st.Partitions, PartitionStatus{
			TopicID: k.TopicID, Partition: k.Partition, Next: p.Next, Rows: p.Rows, DeadLetters: p.DeadLetters,
			Tombstones: p.Tombstones, GapOffsets: p.GapOffsets, Watermark: p.Watermark,
		})
	}
	return st, nil
}

func comparePartitions(a, b PartitionKey) int {
	return cmp.Or(cmp.Compare(a.TopicID, b.TopicID), cmp.Compare(a.Partition, b.Partition))
}
