package lake

import (
	"fmt"
	"maps"
)

// fold takes the next entry into the state. A void entry (its writer was
// fenced before) counts for nothing but its number. An entry that does not
// follow on from the offsets before it is noted as a problem: the protocol
// never makes one. Of a replacement, the list of the day must be loaded.
func (s *State) fold(e Entry) {
	s.Head = e.N
	w := s.writers[e.Writer]
	if w.fenced {
		return
	}
	w.lastCommit, w.lastEntry = e.CommitID, e.N
	s.writers[e.Writer] = w
	for _, f := range e.Fences {
		dead := s.writers[f]
		dead.fenced = true
		s.writers[f] = dead
	}
	switch e.Kind {
	case KindFence:
		return
	case KindReplace:
		s.foldReplacement(e)
		return
	case KindErase:
		s.foldErase(e)
		return
	}
	s.TopicID, s.PartitionsNow = e.TopicID, max(e.PartitionsNow, s.partitionsOf(e.TopicID))
	for _, r := range e.Partitions {
		s.foldRange(e, r)
	}
	for _, f := range e.Files {
		s.foldFile(f)
		s.lastFile = &f
	}
	if len(e.Files) > 0 && e.CommittedAt.After(s.LastFileAt) {
		s.LastFileAt = e.CommittedAt
	}
	if e.DeadLetters != nil {
		s.dead = append(s.dead, *e.DeadLetters)
	}
	for _, d := range e.Days {
		s.foldDay(d)
	}
}

// partitionsOf is the number of partitions known so far of a topic id: their
// number never shrinks, and a writer's metadata may be older than another's.
func (s *State) partitionsOf(topicID string) int32 {
	if topicID != s.TopicID {
		return 0
	}
	return s.PartitionsNow
}

func (s *State) foldRange(e Entry, r Range) {
	key := PartitionKey{e.TopicID, r.Partition}
	p := s.Partitions[key]
	if r.Start != p.Next || r.End < r.Start {
		s.Problems = append(s.Problems, fmt.Sprintf(
			"entry %d: partition %d of topic id %s has offsets [%d, %d), the log was at %d", e.N, r.Partition, e.TopicID, r.Start, r.End, p.Next))
	}
	if sum := r.accounted(); sum != r.End-r.Start {
		s.Problems = append(s.Problems, fmt.Sprintf(
			"entry %d: partition %d: %d offsets accounted for in [%d, %d)", e.N, r.Partition, sum, r.Start, r.End))
	}
	for _, g := range r.Gaps {
		if !g.Cause.Proved() {
			s.Problems = append(s.Problems, fmt.Sprintf("entry %d: partition %d of topic id %s: the gap [%d, %d) has the cause %q, which proves nothing",
				e.N, r.Partition, e.TopicID, g.Start, g.End, g.Cause))
		}
	}
	if r.isSound() {
		s.ranges = append(s.ranges, keptRange{e.TopicID, r})
	}
	p.Next = max(p.Next, r.End)
	p.Rows += r.Rows
	p.DeadLetters += r.DeadLetters
	p.Tombstones += spanOffsets(r.Tombstones)
	p.GapOffsets += gapOffsets(r.Gaps)
	if r.MaxTimestamp.After(p.MaxTimestamp) {
		p.MaxTimestamp = r.MaxTimestamp
	}
	if r.Watermark.After(p.Watermark) {
		p.Watermark = r.Watermark
	}
	s.Partitions[key] = p
}

// foldFile takes in a file that an append put in: it is of its day's generation.
func (s *State) foldFile(f File) {
	f.Generation = s.Days[f.Day].Generation
	s.files[f.Day] = append(s.files[f.Day], f)
	s.countFile(f, 1)
}

// countFile adds a file to the sums of its day, or with -1 takes it out.
func (s *State) countFile(f File, sign int64) {
	d := s.Days[f.Day]
	d.Day = f.Day
	d.Files += int(sign)
	d.Rows += sign * f.Rows
	d.LateRows += sign * f.LateRows
	d.Bytes += sign * f.Bytes
	s.Days[f.Day] = d
}

func (s *State) foldDay(c DayCounts) {
	d := s.Days[c.Day]
	d.Day = c.Day
	d.Tombstones += c.Tombstones
	d.KeyMismatches += c.KeyMismatches
	if len(c.DeadLetters) > 0 {
		// A snapshot may hold the old map: never add to it in place.
		sum := maps.Clone(d.DeadLetters)
		if sum == nil {
			sum = map[string]int64{}
		}
		for field, n := range c.DeadLetters {
			if sum[field] += n; sum[field] == 0 {
				delete(sum, field)
			}
		}
		d.DeadLetters = sum
	}
	s.Days[c.Day] = d
}

// accounted is how many offsets the range says something of.
func (r Range) accounted() int64 {
	return r.Rows + r.DeadLetters + spanOffsets(r.Tombstones) + gapOffsets(r.Gaps)
}

// isSound says whether what the range says of offsets can be gone through: an
// edited number may say anything.
func (r Range) isSound() bool {
	off := r.End - r.Start - r.accounted()
	return off >= -maxAstray && off <= maxAstray
}

func spanOffsets(spans []Span) int64 {
	var n int64
	for _, s := range spans {
		n += s.End - s.Start
	}
	return n
}

func gapOffsets(gaps []Gap) int64 {
	var n int64
	for _, g := range gaps {
		n += g.End - g.Start
	}
	return n
}

// Live says whether an entry that was folded counts: it does unless its writer
// was fenced before it. Fences only ever name writers whose last entry is older.
func (s *State) Live(e Entry) bool {
	w, ok := s.writers[e.Writer]
	return ok && e.N <= w.lastEntry
}
