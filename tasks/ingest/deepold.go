package ingest

import (
	"context"
	"slices"

	"github.com/tidemill/tidemill/storage/lake"
)

// oldWindow is how many offsets, of all partitions together, are compared at a
// time where no entry tells which files they are in.
const oldWindow = 200_000

// forgotten compares the offsets of entries that are not kept any more, up to
// those of the state old: by what the log's checkpoint says of them, and the
// files that may have them. Kafka keeps records that long only where it is told to.
func (c *comparison[R]) forgotten(ctx context.Context, now, old *lake.State) error {
	if old.Head == 0 {
		return nil
	}
	ranges, err := now.Ranges(c.found.TopicID)
	if err != nil {
		return err
	}
	files, err := now.FilesOf("")
	if err != nil {
		return err
	}
	dead, err := now.DeadFiles()
	if err != nil {
		return err
	}
	todo := c.stillThere(ranges, files, old)
	for size := oldWindow / int64(max(len(todo), 1)); len(todo) > 0; {
		window := lake.Entry{TopicID: c.found.TopicID}
		for i := range todo {
			w := clip(todo[i], todo[i].Start, min(todo[i].Start+size, todo[i].End))
			window.Partitions = append(window.Partitions, w)
			todo[i].Start = w.End
		}
		held, err := readHeldOf[R](ctx, c.lake, window, overlapping(files, window), dead)
		if err != nil {
			return err
		}
		for _, r := range window.Partitions {
			if err := c.offsets(ctx, held, r, r.Start, r.End); err != nil {
				return err
			}
		}
		todo = slices.DeleteFunc(todo, func(r lake.Range) bool { return r.Start >= r.End })
	}
	return nil
}

// stillThere are the ranges up to the old state, as far as Kafka still has them
// and they may have records of the day; the others are counted as gone.
func (c *comparison[R]) stillThere(ranges []lake.Range, files []lake.File, old *lake.State) (there []lake.Range) {
	for _, r := range ranges {
		r.End = min(r.End, old.Next(c.found.TopicID, r.Partition))
		if c.day != "" {
			r = ofDay(r, files, c.found.TopicID, c.day)
		}
		start, end := max(r.Start, c.starts[r.Partition]), min(r.End, c.ends[r.Partition])
		c.found.Gone += max(0, min(start, r.End)-r.Start)
		if start < end {
			there = append(there, clip(r, start, end))
		}
	}
	return there
}

// ofDay narrows a range down to where the rows of a day are.
func ofDay(r lake.Range, files []lake.File, topicID string, day lake.Day) lake.Range {
	start, end := r.End, r.Start
	for _, f := range files {
		for _, p := range f.Parts {
			if f.Day == day && f.TopicID == topicID && p.Partition == r.Partition && p.Start < r.End && r.Start < p.End {
				start, end = min(start, p.Start), max(end, p.End)
			}
		}
	}
	return clip(r, max(start, r.Start), max(start, min(end, r.End)))
}

// clip is a part of a range, with what it says of that part's offsets.
func clip(r lake.Range, start, end int64) lake.Range {
	c := lake.Range{Partition: r.Partition, Start: start, End: end}
	for _, t := range r.Tombstones {
		if t.Start < end && start < t.End {
			c.Tombstones = append(c.Tombstones, t)
		}
	}
	for _, g := range r.Gaps {
		if g.Start < end && start < g.End {
			c.Gaps = append(c.Gaps, g)
		}
	}
	return c
}

// overlapping are the files that may have rows of a window.
func overlapping(files []lake.File, window lake.Entry) (some []lake.File) {
	for _, f := range files {
		if f.TopicID == window.TopicID && slices.ContainsFunc(f.Parts, func(p lake.FilePart) bool {
			return slices.ContainsFunc(window.Partitions, func(r lake.Range) bool { return r.Partition == p.Partition && p.Start < r.End && r.Start < p.End })
		}) {
			some = append(some, f)
		}
	}
	return some
}
