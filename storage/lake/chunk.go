package lake

import (
	"fmt"
	"slices"
	"time"
)

// MaxOpenDays is how many days a batch, and so a chunk, may hold: each is a file
// and its buffers.
const MaxOpenDays = 32

// Chunk is a run of consecutive offsets of one partition, transformed and ready
// for a Batch. It is used by one goroutine at a time and again after Reset.
type Chunk[R any] struct {
	partition  int32
	start, end int64
	rows       []R
	runs       []dayRun // of rows, in order
	days       []Day    // distinct, of runs
	dead       []DeadLetter
	tombstones []Span
	gaps       []Gap
	counts     map[Day]*DayCounts
	maxTime    time.Time
	bytes      int64

	topic, topicID string
	lastDay        dayCache
}

// dayRun is rows [from, to) of a chunk, all of one day.
type dayRun struct {
	day                Day
	from, to           int
	minTime, maxTime   time.Time
	minEvent, maxEvent time.Time
}

// Reset empties the chunk, to begin at an offset of a partition.
func (c *Chunk[R]) Reset(topic, topicID string, partition int32, start int64) {
	clear(c.rows) // let go of what the rows point to
	*c = Chunk[R]{
		topic: topic, topicID: topicID, partition: partition, start: start, end: start,
		rows: c.rows[:0], runs: c.runs[:0], days: c.days[:0], lastDay: c.lastDay,
	}
}

// Len is the number of offsets that the chunk covers.
func (c *Chunk[R]) Len() int64 { return c.end - c.start }

// End is the offset after the last one that the chunk covers.
func (c *Chunk[R]) End() int64 { return c.end }

// Gap takes in offsets that hold nothing, from the chunk's end on. It errs on
// a cause that is not Proved.
func (c *Chunk[R]) Gap(g Gap) error {
	if !g.Cause.Proved() {
		return fmt.Errorf("gap [%d, %d) of partition %d: the cause %q proves nothing", g.Start, g.End, c.partition, g.Cause)
	}
	if g.Start != c.end || g.End <= g.Start {
		return fmt.Errorf("gap [%d, %d) of partition %d does not follow on from offset %d", g.Start, g.End, c.partition, c.end)
	}
	if last := len(c.gaps) - 1; last >= 0 && c.gaps[last].End == g.Start && c.gaps[last].Cause == g.Cause {
		c.gaps[last].End = g.End
	} else {
		c.gaps = append(c.gaps, g)
	}
	c.end = g.End
	return nil
}

// Take takes in the record at the chunk's end. It returns false, and takes
// nothing, if the record's day would be one more than MaxOpenDays. The record's
// bytes must stay as they are until Reset: a row may refer to them.
func (c *Chunk[R]) Take(rec *Record, transform Transform[R]) (bool, error) {
	if rec.Offset != c.end || rec.Partition != c.partition {
		return false, fmt.Errorf("record at offset %d of partition %d does not follow on from offset %d of partition %d",
			rec.Offset, rec.Partition, c.end, c.partition)
	}
	if rec.Value == nil {
		c.tombstones = appendOffset(c.tombstones, rec.Offset)
		c.count(rec).Tombstones++
		c.took(rec)
		return true, nil
	}
	if !hasDay(rec.Timestamp) {
		c.kill(rec, Verdict{Broken: true, Field: FieldTimestamp, Reason: "is of no day between 1970 and 9999"})
		return true, nil
	}
	day := c.lastDay.of(rec.Timestamp)
	if !slices.Contains(c.days, day) && len(c.days) == MaxOpenDays {
		return false, nil
	}
	n := len(c.rows)
	var zero R
	c.rows = append(c.rows, zero)
	v := transform(rec, &c.rows[n])
	if v.Broken {
		c.rows[n] = zero
		c.rows = c.rows[:n]
		c.kill(rec, v)
		return true, nil
	}
	c.accept(rec, day, n, v)
	return true, nil
}

func (c *Chunk[R]) accept(rec *Record, day Day, n int, v Verdict) {
	if v.KeyMismatch {
		c.count(rec).KeyMismatches++
	}
	if last := len(c.runs) - 1; last < 0 || c.runs[last].day != day {
		c.runs = append(c.runs, dayRun{day: day, from: n, minTime: rec.Timestamp, maxTime: rec.Timestamp, minEvent: v.EventTime, maxEvent: v.EventTime})
		if !slices.Contains(c.days, day) {
			c.days = append(c.days, day)
		}
	}
	run := &c.runs[len(c.runs)-1]
	run.to = n + 1
	run.minTime, run.maxTime = minTime(run.minTime, rec.Timestamp), maxTime(run.maxTime, rec.Timestamp)
	run.minEvent, run.maxEvent = minTime(run.minEvent, v.EventTime), maxTime(run.maxEvent, v.EventTime)
	c.took(rec)
}

func (c *Chunk[R]) kill(rec *Record, v Verdict) {
	c.dead = append(c.dead, deadLetter(c.topic, c.topicID, rec, v))
	counts := c.count(rec)
	if counts.DeadLetters == nil {
		counts.DeadLetters = map[string]int64{}
	}
	counts.DeadLetters[c.dead[len(c.dead)-1].Field]++
	c.took(rec)
}

// took moves the chunk's end past a record.
func (c *Chunk[R]) took(rec *Record) {
	c.end++
	c.bytes += int64(len(rec.Key) + len(rec.Value))
	if hasDay(rec.Timestamp) {
		c.maxTime = maxTime(c.maxTime, rec.Timestamp)
	}
}

func (c *Chunk[R]) count(rec *Record) *DayCounts {
	day := countingDay(rec)
	if c.counts == nil {
		c.counts = map[Day]*DayCounts{}
	}
	if c.counts[day] == nil {
		c.counts[day] = &DayCounts{Day: day}
	}
	return c.counts[day]
}

// dayCache spares formatting a day for each record.
type dayCache struct {
	number int64
	day    Day
}

func (c *dayCache) of(t time.Time) Day {
	const secondsPerDay = 24 * 60 * 60
	if n := t.Unix() / secondsPerDay; c.day == "" || n != c.number { // t is not before 1970
		c.number, c.day = n, DayOf(t)
	}
	return c.day
}

func appendOffset(spans []Span, offset int64) []Span {
	if last := len(spans) - 1; last >= 0 && spans[last].End == offset {
		spans[last].End++
		return spans
	}
	return append(spans, Span{offset, offset + 1})
}

// minTime is the earlier of two times; the zero time is none.
func minTime(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// maxTime is the later of two times.
func maxTime(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
