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
	Days          map[Day]DayStat
	LastFileAt    time.Time // newest commit that put in a file of rows; zero: none
	Problems      []string  // what no sound log holds, for the audit

	lastFile *File // a file of rows of the newest commit that put one in; nil: none

	writers  map[string]writerState
	replaced map[Day]replacement // the newest of each day

	erasures     []erasure // one for each person
	eraseEntries int       // entries of KindErase that count

	// Lists, in order of commit (files in that of their first rows): what is kept
	// beside a checkpoint, and after it what has come since.
	kept     map[string][]segment // by day, or deadList, or rangeList
	keptAt   int64                // the entry at which the checkpoint ends; 0: there is none
	segments *segments            // reads them
	files    map[Day][]File
	dead     []DeadFile
	ranges   []keptRange
}

// PartitionKey names a partition of one incarnation of the topic.
type PartitionKey struct {
	TopicID   string
	Partition int32
}

// Partition is what the log holds of one partition.
type Partition struct {
	Next         int64     `json:"next"` // the next offset to commit
	Rows         int64     `json:"rows"`
	DeadLetters  int64     `json:"dead_letters"`
	Tombstones   int64     `json:"tombstones"`
	GapOffsets   int64     `json:"gap_offsets"`
	MaxTimestamp time.Time `json:"max_timestamp,omitzero"` // largest record timestamp; zero: no record yet
	Watermark    time.Time `json:"watermark,omitzero"`     // zero: not known
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
	Generation    int              `json:"generation"`         // raised by each replay, and where rows are erased
	Replayed      int64            `json:"replayed,omitempty"` // the entry that raised it last
	Retried       int              `json:"retried,omitempty"`  // files that retries of dead letters have put in
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
	c.kept = maps.Clone(s.kept)
	c.dead, c.ranges = slices.Clip(s.dead), slices.Clip(s.ranges)
	c.Problems = slices.Clip(s.Problems)
	c.erasures = slices.Clip(s.erasures)
	c.Days = maps.Clone(s.Days)
	c.writers = maps.Clone(s.writers)
	c.replaced = maps.Clone(s.replaced)
	return &c
}

// day are the live files of a day, in order.
func (s *State) day(day Day) ([]File, error) {
	kept := s.kept[string(day)]
	if len(kept) == 0 {
		return s.files[day], nil
	}
	files, err := s.segments.day(kept)
	return append(files, s.files[day]...), err
}

// days are the days that have live files, ascending.
func (s *State) days() []Day {
	var days []Day
	for _, d := range s.sortedDays() {
		if d.Files > 0 {
			days = append(days, d.Day)
		}
	}
	return days
}

// load takes all of a day's list into memory, so that it can be changed.
func (s *State) load(day Day) error {
	files, err := s.day(day)
	if err != nil {
		return err
	}
	s.files[day] = files
	delete(s.kept, string(day))
	return nil
}

// loadDead takes the list of dead letters' files into memory.
func (s *State) loadDead() error {
	dead, err := s.DeadFiles()
	if err != nil {
		return err
	}
	s.dead = dead
	delete(s.kept, deadList)
	return nil
}

// DeadFiles are the files of dead letters, in order of commit. It errs as FilesOf.
func (s *State) DeadFiles() ([]DeadFile, error) {
	if len(s.kept[deadList]) == 0 {
		return s.dead, nil
	}
	kept, err := readSegments[DeadFile](s.segments, s.kept[deadList])
	return append(kept, s.dead...), err
}

// allRanges are what the log says of offsets, as far as it is sound.
func (s *State) allRanges() ([]keptRange, error) {
	if len(s.kept[rangeList]) == 0 {
		return s.ranges, nil
	}
	kept, err := readSegments[keptRange](s.segments, s.kept[rangeList])
	return append(kept, s.ranges...), err
}

// Ranges are what the log says of the offsets of a topic id, by partition and
// offset, as far as it is sound; what follows on from each other is one. It errs
// as FilesOf.
func (s *State) Ranges(topicID string) ([]Range, error) {
	kept, err := s.allRanges()
	if err != nil {
		return nil, err
	}
	var all []Range
	for _, r := range mergeRanges(slices.Clone(kept)) {
		if r.TopicID == topicID {
			all = append(all, r.Range)
		}
	}
	return all, nil
}

// FilesOf are the live files of a day, or of all days for "", by day, then path.
// It errs if they cannot be read: the state of a large log holds them on disk,
// and one that is older than some checkpoints may have lost them: ask the lake
// for its state again.
func (s *State) FilesOf(day Day) ([]File, error) {
	if day == "" {
		return s.sortedFiles("")
	}
	files, err := s.day(day)
	return byPath(files), err
}

// sortedFiles are the live files of days up to and including upTo ("" for all),
// by day, then path.
func (s *State) sortedFiles(upTo Day) (all []File, err error) {
	for _, day := range s.days() {
		if upTo == "" || day <= upTo {
			files, err := s.day(day)
			if err != nil {
				return nil, err
			}
			all = append(all, byPath(files)...)
		}
	}
	return all, nil
}

func byPath(files []File) []File {
	return slices.SortedFunc(slices.Values(files), func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
}

// isLive says whether the log lists a file of a day, or of dead letters for "".
func (s *State) isLive(day Day, name string) (bool, error) {
	if day == "" {
		dead, err := s.DeadFiles()
		return slices.ContainsFunc(dead, func(f DeadFile) bool { return f.Path == name }), err
	}
	if slices.ContainsFunc(s.files[day], func(f File) bool { return f.Path == name }) {
		return true, nil
	}
	if len(s.kept[string(day)]) == 0 {
		return false, nil
	}
	return s.segments.lists(s.kept[string(day)], name)
}

// DayStats sums up each day that has rows, dead letters or tombstones, ascending.
func (s *State) DayStats() []DayStat { return append([]DayStat{}, s.sortedDays()...) }

// sortedDays are the days that have rows or counts, ascending.
func (s *State) sortedDays() []DayStat {
	return slices.SortedFunc(maps.Values(s.Days), func(a, b DayStat) int { return cmp.Compare(a.Day, b.Day) })
}
