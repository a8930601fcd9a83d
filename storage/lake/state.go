package lake

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// State is the log folded up to entry Head. It is a snapshot: it does not
// change, and its slices and maps must not be changed.
type State struct {
	Topic         string
	Head          int64  // number of the last entry; 0: the log is empty
	TopicID       string // of the newest append or watermark entry; "" if there is none
	PartitionsNow int32  // how many partitions the topic had then
	Partitions    map[PartitionKey]Partition
	DeadFiles     []DeadFile // in order of commit
	Days          map[Day]DayStat
	LastFileAt    time.Time // newest commit that put in a file of rows; zero: none
	Problems      []string  // what no sound log holds, for the audit

	files    map[Day][]File // live, in order of commit: that of their first rows
	writers  map[string]writerState
	replaced map[Day]replacement // the newest of each day
}

// PartitionKey names a partition of one incarnation of the topic.
type PartitionKey struct {
	TopicID   string
	Partition int32
}

// Partition is what the log holds of one partition.
type Partition struct {
	Next         int64 // the next offset to commit
	Rows         int64
	DeadLetters  int64
	Tombstones   int64
	GapOffsets   int64
	MaxTimestamp time.Time // largest record timestamp; zero: no record yet
	Watermark    time.Time // zero: not known
}

// DayStat sums up one UTC day of record timestamps.
type DayStat struct {
	Day           Day              `json:"day"`
	Files         int              `json:"files"`
	Rows          int64            `json:"rows"`
	LateRows      int64            `json:"late_rows"`
	Bytes         int64            `json:"bytes"`
	DeadLetters   map[string]int64 `json:"dead_letters,omitempty"` // by field
	Tombstones    int64            `json:"tombstones"`
	KeyMismatches int64            `json:"key_mismatches"`
	Generation    int              `json:"generation"` // raised by each replay
}

// DeadLetterCount is the sum of DeadLetters.
func (d DayStat) DeadLetterCount() int64 {
	var n int64
	for _, c := range d.DeadLetters {
		n += c
	}
	return n
}

type writerState struct {
	lastCommit string
	lastEntry  int64
	fenced     bool
}

func newState(topic string) *State {
	return &State{
		Topic:      topic,
		Partitions: map[PartitionKey]Partition{},
		Days:       map[Day]DayStat{},
		files:      map[Day][]File{},
		writers:    map[string]writerState{},
		replaced:   map[Day]replacement{},
	}
}

// Next is the offset at which a reader of the partition goes on; 0 if the log
// holds nothing of it.
func (s *State) Next(topicID string, partition int32) int64 {
	return s.Partitions[PartitionKey{topicID, partition}].Next
}

// Watermark is the instant up to which the topic is in the lake: the minimum
// over the topic's current partitions. Zero: not known yet.
func (s *State) Watermark() time.Time {
	var least time.Time
	for p := range s.PartitionsNow {
		w := s.Partitions[PartitionKey{s.TopicID, p}].Watermark
		if w.IsZero() {
			return time.Time{}
		}
		if least.IsZero() || w.Before(least) {
			least = w
		}
	}
	return least
}

// clone is a snapshot that later folding leaves alone. Lists of files only ever
// grow, and a replacement makes a new one, so capped slices are enough.
func (s *State) clone() *State {
	c := *s
	c.Partitions = maps.Clone(s.Partitions)
	c.files = make(map[Day][]File, len(s.files))
	for day, files := range s.files {
		c.files[day] = slices.Clip(files)
	}
	c.DeadFiles = slices.Clip(s.DeadFiles)
	c.Problems = slices.Clip(s.Problems)
	c.Days = maps.Clone(s.Days)
	c.writers = maps.Clone(s.writers)
	c.replaced = maps.Clone(s.replaced)
	return &c
}

// FilesOf are the live files of a day, or of all days for "", by day, then path.
func (s *State) FilesOf(day Day) []File {
	if day == "" {
		return s.sortedFiles("")
	}
	return byPath(s.files[day])
}

// sortedFiles are the live files of days up to and including upTo ("" for all),
// by day, then path.
func (s *State) sortedFiles(upTo Day) []File {
	var files []File
	for _, day := range slices.Sorted(maps.Keys(s.files)) {
		if upTo == "" || day <= upTo {
			files = append(files, byPath(s.files[day])...)
		}
	}
	return files
}

func byPath(files []File) []File {
	return slices.SortedFunc(slices.Values(files), func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
}

// isLive says whether the log lists a file of a day.
func (s *State) isLive(day Day, name string) bool {
	return slices.ContainsFunc(s.files[day], func(f File) bool { return f.Path == name })
}

// sortedDays are the days that have rows or counts, ascending.
func (s *State) sortedDays() []DayStat {
	return slices.SortedFunc(maps.Values(s.Days), func(a, b DayStat) int { return cmp.Compare(a.Day, b.Day) })
}
