package lake

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Batch gathers chunks of any partitions for one commit. It keeps everything in
// memory, its rows as encoded Parquet: nothing is on disk before Commit, so a
// full disk can lose nothing.
type Batch[R any] struct {
	writer   *Writer[R]
	commitID string
	topicID  string
	base     *State    // the log when the batch was begun
	opened   time.Time // at the first chunk; zero: none yet

	adding sync.RWMutex // held for reading by Add, for writing by Seal

	mu     sync.Mutex
	sealed bool
	broken error // a row could not be encoded: the batch is of no use
	days   map[Day]*dayFile[R]
	parts  map[int32]*Range
	dead   []DeadLetter
	counts map[Day]*DayCounts
	rows   int64
	bytes  int64
}

// Begin starts a batch that goes on where the log is now.
func (w *Writer[R]) Begin(topicID string, base *State) *Batch[R] {
	return &Batch[R]{
		writer: w, commitID: w.newID(), topicID: topicID, base: base,
		days: map[Day]*dayFile[R]{}, parts: map[int32]*Range{}, counts: map[Day]*DayCounts{},
	}
}

// Cover makes the commit state the watermark of a partition even if no chunk of
// it comes.
func (b *Batch[R]) Cover(partition int32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.part(partition)
}

// Next is the offset at which the next chunk of a partition must start.
func (b *Batch[R]) Next(partition int32) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.parts[partition]; p != nil {
		return p.End
	}
	return b.base.Next(b.topicID, partition)
}

// Size is the number of offsets taken in so far, and the bytes of their keys
// and values.
func (b *Batch[R]) Size() (offsets, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rows, b.bytes
}

// Add takes in a chunk. Chunks of different partitions may be added at the same
// time. It takes nothing, and returns ErrTooManyDays, if the batch would hold
// more than MaxOpenDays days: commit it, and add the chunk to the next.
func (b *Batch[R]) Add(c *Chunk[R]) error {
	b.adding.RLock()
	defer b.adding.RUnlock()
	files, err := b.reserve(c)
	if err != nil {
		return err
	}
	for _, run := range c.runs {
		if err := files[run.day].write(c.partition, c.start, c.end, c.rows[run.from:run.to], run); err != nil {
			b.mu.Lock()
			b.broken = errors.Join(b.broken, err)
			b.mu.Unlock()
			return err
		}
	}
	return nil
}

// reserve takes in all of a chunk but its rows, and finds the files for those.
func (b *Batch[R]) reserve(c *Chunk[R]) (map[Day]*dayFile[R], error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sealed {
		return nil, errSealed
	}
	if b.broken != nil {
		return nil, b.broken
	}
	fresh := 0
	for _, d := range c.days {
		if b.days[d] == nil {
			fresh++
		}
	}
	if len(b.days)+fresh > MaxOpenDays {
		return nil, ErrTooManyDays
	}
	if b.opened.IsZero() {
		b.opened = b.writer.lake.now()
	}
	p := b.part(c.partition)
	if p.End != c.start {
		return nil, fmt.Errorf("lake: chunk of partition %d starts at offset %d, the batch is at %d", c.partition, c.start, p.End)
	}
	p.End = c.end
	p.Rows += int64(len(c.rows))
	p.DeadLetters += int64(len(c.dead))
	p.Tombstones = append(p.Tombstones, c.tombstones...)
	p.Gaps = append(p.Gaps, c.gaps...)
	p.MaxTimestamp = maxTime(p.MaxTimestamp, c.maxTime)
	b.dead = append(b.dead, c.dead...)
	b.rows += c.Len()
	b.bytes += c.bytes
	for day, n := range c.counts {
		b.counts[day] = mergeCounts(b.counts[day], n)
	}
	files := make(map[Day]*dayFile[R], len(c.days))
	late := b.base.Partitions[PartitionKey{b.topicID, c.partition}].MaxTimestamp
	for _, d := range c.days {
		if b.days[d] == nil {
			b.days[d] = b.writer.newDayFile(d)
		}
		files[d] = b.days[d]
	}
	for _, run := range c.runs {
		if !run.day.End().After(late) {
			files[run.day].late.Add(int64(run.to - run.from))
		}
	}
	return files, nil
}

func (b *Batch[R]) part(partition int32) *Range {
	p := b.parts[partition]
	if p == nil {
		next := b.base.Next(b.topicID, partition)
		p = &Range{Partition: partition, Start: next, End: next}
		b.parts[partition] = p
	}
	return p
}

// Topic says how the topic stood just before a commit, as asked of the broker.
type Topic struct {
	AskedAt    time.Time       // before the question
	Partitions int32           // how many the topic has
	Ends       map[int32]int64 // per partition, the offset after the last one that can be read; absent: not known
}

// Seal closes the batch and encodes it. It waits for Adds that are under way;
// later ones fail, and so does a second Seal. A batch that covers nothing is sealed to nil.
func (b *Batch[R]) Seal(topic Topic) (*Sealed, error) {
	b.adding.Lock()
	defer b.adding.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sealed {
		return nil, errSealed
	}
	b.sealed = true
	if b.broken != nil {
		return nil, b.broken
	}
	if len(b.parts) == 0 {
		return nil, nil
	}
	if b.opened.IsZero() {
		b.opened = b.writer.lake.now()
	}
	s := &Sealed{entry: Entry{
		Kind: KindWatermark, CommitID: b.commitID, Writer: b.writer.id, Topic: b.writer.lake.topic, TopicID: b.topicID,
		SchemaVersion: appendVersion, PartitionsNow: topic.Partitions,
	}, opened: b.opened}
	for _, p := range b.sortedParts() {
		p.Watermark = b.watermark(p, topic)
		if p.End > p.Start {
			s.entry.Kind = KindAppend
		}
		s.entry.Partitions = append(s.entry.Partitions, *p)
	}
	for _, day := range slices.Sorted(maps.Keys(b.days)) {
		if err := addRows(s, b.writer, b.days[day]); err != nil {
			return nil, err
		}
	}
	if err := s.addDead(b.dead, b.writer.parquet); err != nil {
		return nil, err
	}
	for _, day := range slices.Sorted(maps.Keys(b.counts)) {
		s.entry.Days = append(s.entry.Days, *b.counts[day])
	}
	return s, nil
}

func (b *Batch[R]) sortedParts() []*Range {
	return slices.SortedFunc(maps.Values(b.parts), func(x, y *Range) int { return cmp.Compare(x.Partition, y.Partition) })
}

// watermark is the largest record timestamp committed of a partition, capped at
// the time of asking; that time itself if the partition was read to its end.
func (b *Batch[R]) watermark(p *Range, topic Topic) time.Time {
	if end, known := topic.Ends[p.Partition]; known && p.End >= end {
		return topic.AskedAt
	}
	largest := maxTime(p.MaxTimestamp, b.base.Partitions[PartitionKey{b.topicID, p.Partition}].MaxTimestamp)
	return minTime(largest, topic.AskedAt)
}

func mergeCounts(sum, n *DayCounts) *DayCounts {
	if sum == nil {
		return n
	}
	sum.Tombstones += n.Tombstones
	sum.KeyMismatches += n.KeyMismatches
	for field, k := range n.DeadLetters {
		if sum.DeadLetters == nil {
			sum.DeadLetters = map[string]int64{}
		}
		sum.DeadLetters[field] += k
	}
	return sum
}
