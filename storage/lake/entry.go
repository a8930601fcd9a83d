package lake

import "time"

// SchemaVersion is the newest version of entries that this code reads. An entry
// of a newer version is an error, never a guess. Version 1 had no checksum of
// the entry itself; what does more than put in and fence is of version 3, and
// retries and erasures of version 4, so that older programs stop there.
const SchemaVersion = 4

// The versions of entries that older programs read too.
const (
	appendVersion  = 2
	replaceVersion = 3 // of compactions and replays
)

// Kind says what an entry is for.
type Kind string

// The kinds of entry.
const (
	// KindAppend puts a batch of offsets, and the files they led to, in.
	KindAppend Kind = "append"
	// KindWatermark only moves watermarks: nothing arrived.
	KindWatermark Kind = "watermark"
	// KindFence voids every later entry of the writers that it names, so that
	// their temporary files may be collected.
	KindFence Kind = "fence"
	// KindReplace takes files of one day out and puts others in their place.
	KindReplace Kind = "replace"
	// KindErase says that a person's data is to be nowhere in the lake, as far as
	// records from before it tell of it.
	KindErase Kind = "erase"

	// kindForgotten stands in entry 1 when entries were removed that are in a
	// checkpoint, so that older programs do not take the log for an empty one.
	kindForgotten Kind = "forgotten"
)

// Entry is one commit. Its number is its file's name and not in its text.
type Entry struct {
	N             int64       `json:"-"`
	Kind          Kind        `json:"kind"`
	CommitID      string      `json:"commit_id"`
	Writer        string      `json:"writer"`
	Topic         string      `json:"topic"`
	TopicID       string      `json:"topic_id,omitempty"`
	SchemaVersion int         `json:"schema_version"`
	CommittedAt   time.Time   `json:"committed_at"`
	DurationMS    int64       `json:"duration_ms"`              // from the batch's first record to the commit
	PartitionsNow int32       `json:"partitions_now,omitempty"` // how many partitions the topic has, by the broker
	Partitions    []Range     `json:"partitions,omitempty"`     // ascending by partition
	Files         []File      `json:"files,omitempty"`          // rows, one file a day
	DeadLetters   *DeadFile   `json:"dead_letters,omitempty"`   // nil when every record kept the contract
	Days          []DayCounts `json:"days,omitempty"`           // what the files do not tell, per day
	Fences        []string    `json:"fences,omitempty"`         // writers, KindFence only
	Replaces      *Replaces   `json:"replaces,omitempty"`       // KindReplace only
	Erases        *Erases     `json:"erases,omitempty"`         // KindErase only
}

// Replaces is what an entry of KindReplace says beside the files that it puts
// in. It counts only as the entry after Head: what it was planned on.
type Replaces struct {
	Head   int64    `json:"head"`
	Day    Day      `json:"day"`
	Reason Reason   `json:"reason"`
	Files  []string `json:"files"` // paths of the files of rows that it takes out

	// Of all but a compaction. The days of the entry are the changes of its day's counts.
	DeadFiles []string `json:"dead_files,omitempty"` // paths of the files of dead letters that it takes out
	Moves     []Move   `json:"moves,omitempty"`
	Erasures  int      `json:"erasures,omitempty"` // how many entries of KindErase its rows and dead letters heed: all before it, else it is void
}

// Move is how many of a partition's dead letters became rows; fewer than 0: so
// many rows became dead letters.
type Move struct {
	TopicID   string `json:"topic_id"`
	Partition int32  `json:"partition"`
	ToRows    int64  `json:"to_rows"`
}

// Reason is what a replacement is for.
type Reason string

// The reasons of a replacement.
const (
	// ReasonCompact merges files: the same rows in the same order.
	ReasonCompact Reason = "compact"
	// ReasonReplay makes rows anew of the records, and raises the day's generation.
	ReasonReplay Reason = "replay"
	// ReasonRetry makes rows of dead letters that keep the contract by now.
	ReasonRetry Reason = "retry"
	// ReasonErase takes what is personal out of rows and dead letters, and raises
	// the day's generation where it did of rows.
	ReasonErase Reason = "erase"
)

// Range is what a commit says of one partition: every offset in [Start, End) is
// a row, a dead letter, a tombstone or in a declared gap.
type Range struct {
	Partition    int32     `json:"partition"`
	Start        int64     `json:"start"`
	End          int64     `json:"end"`
	Rows         int64     `json:"rows"`
	DeadLetters  int64     `json:"dead_letters,omitempty"`
	Tombstones   []Span    `json:"tombstones,omitempty"`
	Gaps         []Gap     `json:"gaps,omitempty"`
	MaxTimestamp time.Time `json:"max_timestamp,omitzero"` // largest record timestamp; zero if there was no record
	Watermark    time.Time `json:"watermark,omitzero"`     // zero: not known
}

// Span is the offsets from Start up to but not including End.
type Span struct {
	Start int64 `json:"start"`
	End   int64 `json:"end"`
}

// Gap is a span of offsets without a record for us, with its cause.
type Gap struct {
	Start int64 `json:"start"`
	End   int64 `json:"end"`
	Cause Cause `json:"cause"`
}

// Cause says why a gap's offsets hold nothing, as the broker proved it.
type Cause string

// The causes of a gap.
const (
	CauseControl   Cause = "control"         // a transaction marker
	CauseAborted   Cause = "aborted"         // a record of an aborted transaction
	CauseCompacted Cause = "compacted"       // the broker's log goes on without it
	CauseDeleted   Cause = "below_log_start" // deleted by retention before it was read
)

// Proved says whether the cause is one that a broker can prove by what it
// shows at the offsets: no other excuses a gap.
func (c Cause) Proved() bool {
	switch c {
	case CauseControl, CauseAborted, CauseCompacted, CauseDeleted:
		return true
	}
	return false
}

// File is a Parquet file of rows of one day, as the log lists it.
type File struct {
	Path         string     `json:"path"` // relative to the lake's root, slash-separated
	Day          Day        `json:"day"`
	Parts        []FilePart `json:"parts"` // ascending by partition
	Rows         int64      `json:"rows"`
	LateRows     int64      `json:"late_rows,omitempty"` // their day was over, by their partition's earlier commits
	Bytes        int64      `json:"bytes"`
	Checksum     string     `json:"checksum"`                // "sha256:<hex>" of the whole file
	MinTimestamp time.Time  `json:"min_timestamp"`           // of the Kafka records
	MaxTimestamp time.Time  `json:"max_timestamp"`           //
	MinEventTime time.Time  `json:"min_event_time,omitzero"` // as the Transform gave it
	MaxEventTime time.Time  `json:"max_event_time,omitzero"` //
	Generation   int        `json:"generation,omitempty"`    // of the day, from 0; raised by each replay
	Sources      []Source   `json:"sources,omitempty"`       // the files that were merged into it; none: it is as it was committed first
	Retried      bool       `json:"retried,omitempty"`       // of rows that were dead letters of earlier commits
	TopicID      string     `json:"topic_id,omitempty"`      // of the entry, if that names one
	Entry        int64      `json:"-"`                       // number of the entry that put it in
	CommittedAt  time.Time  `json:"-"`                       // of the entry

	merged *File // set for an original that was merged: the file that has its rows now,
	first  int64 // from this row on
}

// Source is a file as it was committed first, whose rows are part of a merged
// file now: in order, from the sum of the rows of those before it on.
type Source struct {
	Path     string `json:"path"`
	Rows     int64  `json:"rows"`
	LateRows int64  `json:"late_rows,omitempty"`
	Bytes    int64  `json:"bytes"`
	Checksum string `json:"checksum"`
	Entry    int64  `json:"entry"` // that put it in
	Retried  bool   `json:"retried,omitempty"`
}

// FilePart is the share of one partition in a file: Rows rows with offsets in
// [Start, End), not all of them necessarily in this file.
type FilePart struct {
	Partition int32 `json:"partition"`
	Start     int64 `json:"start"`
	End       int64 `json:"end"`
	Rows      int64 `json:"rows"`
}

// DeadFile is a Parquet file of dead letters; its rows are DeadLetter.
type DeadFile struct {
	Path     string `json:"path"`
	Rows     int64  `json:"rows"`
	Bytes    int64  `json:"bytes"`
	Checksum string `json:"checksum"`
	Remade   bool   `json:"remade,omitempty"` // by a replay, of those of several commits
}

// DayCounts counts, for one UTC day of record timestamps, what led to no row or
// is worth knowing of those that did.
type DayCounts struct {
	Day           Day              `json:"day"`
	DeadLetters   map[string]int64 `json:"dead_letters,omitempty"` // by field
	Tombstones    int64            `json:"tombstones,omitempty"`
	KeyMismatches int64            `json:"key_mismatches,omitempty"`
}

// Offsets is how many offsets the entry accounts for.
func (e *Entry) Offsets() (n int64) {
	for _, r := range e.Partitions {
		n += r.End - r.Start
	}
	return n
}

// Rows is how many rows the entry puts in.
func (e *Entry) Rows() (n int64) {
	for _, f := range e.Files {
		n += f.Rows
	}
	return n
}

// Duration is from the batch's beginning to its commit.
func (e *Entry) Duration() time.Duration { return time.Duration(e.DurationMS) * time.Millisecond }
