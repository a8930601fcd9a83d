package lake

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The versions of checkpoints that this code reads: any other is passed over,
// the log tells as much. It writes the first, which older programs read too,
// unless there is what they would lose: retries, erasures.
const (
	checkpointVersion      = 1
	newestCheckpointFormat = 2
)

// checkpoint is the state at an entry of the log, as it is kept.
type checkpoint struct {
	SchemaVersion int                   `json:"schema_version"`
	Topic         string                `json:"topic"`
	Head          int64                 `json:"head"`
	TopicID       string                `json:"topic_id"`
	PartitionsNow int32                 `json:"partitions_now"`
	LastFileAt    time.Time             `json:"last_file_at"`
	LastFile      *File                 `json:"last_file,omitempty"`
	Partitions    []checkpointPartition `json:"partitions"`
	Days          []DayStat             `json:"days"`
	Writers       []checkpointWriter    `json:"writers"`
	Replaced      []checkpointSwap      `json:"replaced"`
	Problems      []string              `json:"problems"`
	Lists         map[string][]segment  `json:"lists"`

	// Since version 2.
	EraseEntries int                 `json:"erase_entries,omitempty"`
	Erasures     []checkpointErasure `json:"erasures,omitempty"`
}

type checkpointErasure struct {
	Erases
	Before []checkpointOffset `json:"before"`
}

type checkpointOffset struct {
	TopicID   string `json:"topic_id"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

type checkpointPartition struct {
	TopicID string `json:"topic_id"`
	Number  int32  `json:"partition"`
	Partition
}

type checkpointWriter struct {
	ID         string `json:"id"`
	LastCommit string `json:"last_commit,omitempty"`
	LastEntry  int64  `json:"last_entry"`
	Fenced     bool   `json:"fenced,omitempty"`
}

type checkpointSwap struct {
	Day      Day       `json:"day"`
	Entry    int64     `json:"entry"`
	CommitID string    `json:"commit_id"`
	Writer   string    `json:"writer"`
	At       time.Time `json:"at"`
}

func checkpointName(topic string, n int64) string {
	return path.Join(checkpointFolder(topic), fmt.Sprintf("%d.json", n))
}

// parseCheckpoint reads the name of a checkpoint: the entry at which it ends.
func parseCheckpoint(base string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimSuffix(base, ".json"), 10, 64)
	return n, err == nil && n > 0 && base == fmt.Sprintf("%d.json", n)
}

// checkpoint is the state as it is kept, with the lists that lie beside it.
func (s *State) checkpoint(lists map[string][]segment) checkpoint {
	c := checkpoint{
		SchemaVersion: checkpointVersion, Topic: s.Topic, Head: s.Head, TopicID: s.TopicID, PartitionsNow: s.PartitionsNow,
		LastFileAt: s.LastFileAt, LastFile: s.lastFile, Days: s.sortedDays(), Problems: s.Problems, Lists: lists,
	}
	for _, k := range slices.SortedFunc(maps.Keys(s.Partitions), comparePartitions) {
		c.Partitions = append(c.Partitions, checkpointPartition{k.TopicID, k.Partition, s.Partitions[k]})
	}
	for _, id := range slices.Sorted(maps.Keys(s.writers)) {
		w := s.writers[id]
		c.Writers = append(c.Writers, checkpointWriter{id, w.lastCommit, w.lastEntry, w.fenced})
	}
	for _, day := range slices.Sorted(maps.Keys(s.replaced)) {
		r := s.replaced[day]
		c.Replaced = append(c.Replaced, checkpointSwap{day, r.entry, r.commitID, r.writer, r.at})
	}
	c.EraseEntries = s.eraseEntries
	for _, e := range s.erasures {
		kept := checkpointErasure{Erases: e.Erases}
		for _, k := range slices.SortedFunc(maps.Keys(e.before), comparePartitions) {
			kept.Before = append(kept.Before, checkpointOffset{k.TopicID, k.Partition, e.before[k]})
		}
		c.Erasures = append(c.Erasures, kept)
	}
	if s.eraseEntries > 0 || slices.ContainsFunc(c.Days, func(d DayStat) bool { return d.Retried > 0 }) {
		c.SchemaVersion = newestCheckpointFormat
	}
	return c
}

// state is the state that was kept.
func (c *checkpoint) state() *State {
	s := newState(c.Topic)
	s.Head, s.TopicID, s.PartitionsNow, s.LastFileAt, s.Problems = c.Head, c.TopicID, c.PartitionsNow, c.LastFileAt, c.Problems
	s.lastFile = c.LastFile
	for _, p := range c.Partitions {
		s.Partitions[PartitionKey{p.TopicID, p.Number}] = p.Partition
	}
	for _, d := range c.Days {
		s.Days[d.Day] = d
	}
	for _, w := range c.Writers {
		s.writers[w.ID] = writerState{w.LastCommit, w.LastEntry, w.Fenced}
	}
	for _, r := range c.Replaced {
		s.replaced[r.Day] = replacement{r.Day, r.Entry, r.CommitID, r.Writer, r.At}
	}
	s.eraseEntries = c.EraseEntries
	for _, e := range c.Erasures {
		before := make(map[PartitionKey]int64, len(e.Before))
		for _, b := range e.Before {
			before[PartitionKey{b.TopicID, b.Partition}] = b.Offset
		}
		s.erasures = append(s.erasures, erasure{e.Erases, before})
	}
	s.kept, s.keptAt = maps.Clone(c.Lists), c.Head
	return s
}

func (c *checkpoint) encode() ([]byte, error) {
	text, err := json.MarshalIndent(c, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encode checkpoint %d: %w", c.Head, err)
	}
	return withChecksum(append(text, '\n')), nil
}

// decodeCheckpoint reads the text of the checkpoint at entry n.
func decodeCheckpoint(topic string, n int64, text []byte) (*checkpoint, error) {
	body, sum := withoutChecksum(text)
	if sum == "" || checksumOf(body) != sum {
		return nil, fmt.Errorf("%w: checkpoint %d of %s is not what was written", ErrCorrupt, n, topic)
	}
	var c checkpoint
	if err := json.Unmarshal(body, &c); err != nil {
		return nil, fmt.Errorf("%w: checkpoint %d of %s: %w", ErrCorrupt, n, topic, err)
	}
	if c.SchemaVersion < checkpointVersion || c.SchemaVersion > newestCheckpointFormat || c.Topic != topic || c.Head != n {
		return nil, fmt.Errorf("%w: checkpoint %d of %s is one of %s at entry %d, version %d", ErrCorrupt, n, topic, c.Topic, c.Head, c.SchemaVersion)
	}
	return &c, nil
}

// mergeRanges joins what follows on from each other, by topic id and partition.
func mergeRanges(ranges []keptRange) []keptRange {
	slices.SortStableFunc(ranges, func(a, b keptRange) int {
		return cmp.Or(cmp.Compare(a.TopicID, b.TopicID), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Start, b.Start))
	})
	var all []keptRange
	for _, r := range ranges {
		last := len(all) - 1
		if last < 0 || all[last].TopicID != r.TopicID || all[last].Partition != r.Partition || all[last].End != r.Start {
			r.Tombstones, r.Gaps = slices.Clone(r.Tombstones), slices.Clone(r.Gaps)
			all = append(all, r)
			continue
		}
		sum := &all[last]
		sum.End = r.End
		sum.Rows += r.Rows
		sum.DeadLetters += r.DeadLetters
		sum.Tombstones = append(sum.Tombstones, r.Tombstones...)
		sum.Gaps = append(sum.Gaps, r.Gaps...)
		sum.MaxTimestamp, sum.Watermark = maxTime(sum.MaxTimestamp, r.MaxTimestamp), maxTime(sum.Watermark, r.Watermark)
	}
	return all
}
