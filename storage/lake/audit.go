package lake

import "context"

// AuditReport is what Audit found.
type AuditReport struct {
	Topic       string           `json:"topic"`
	Entries     int64            `json:"entries"`
	Files       int              `json:"files"`
	Rows        int64            `json:"rows"`
	DeadLetters int64            `json:"dead_letters"`
	Tombstones  int64            `json:"tombstones"`
	GapOffsets  int64            `json:"gap_offsets"`
	Partitions  []PartitionAudit `json:"partitions"`
	Problems    []string         `json:"problems"` // what is wrong, by name; empty: the lake is sound
}

// PartitionAudit is the sum of one partition: Rows + DeadLetters + Tombstones +
// GapOffsets = End − Start, each offset found once.
type PartitionAudit struct {
	TopicID     string `json:"topic_id"`
	Partition   int32  `json:"partition"`
	Start       int64  `json:"start"`
	End         int64  `json:"end"`
	Rows        int64  `json:"rows"`
	DeadLetters int64  `json:"dead_letters"`
	Tombstones  int64  `json:"tombstones"`
	GapOffsets  int64  `json:"gap_offsets"`
}

// Clean says that nothing is wrong.
func (r AuditReport) Clean() bool { return len(r.Problems) == 0 }

// Audit proves that the lake holds what its log says: that each offset of each
// partition is exactly one of row, dead letter, tombstone and declared gap, by
// reading the offsets in the files; that each file has the log's checksum and
// number of rows; and that no file lies in the lake that the log does not list.
// What is wrong is a problem in the report; the error is for an audit that
// could not be done.
func (l *Lake) Audit(ctx context.Context) (AuditReport, error) {
	a := auditor{lake: l, offsets: map[PartitionKey]*offsetSet{}}
	return a.run(ctx)
}
