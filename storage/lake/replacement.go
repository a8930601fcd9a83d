package lake

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// What a replacement may do, and what it makes of the state. A replacement is
// of one day; it names the files that it takes out and those that it puts in.

// replacement is the newest replacement of a day.
type replacement struct {
	day      Day
	entry    int64
	commitID string
	writer   string
	at       time.Time // of the commit
}

// admits says whether the replacement e may be the entry after entry head. The
// error wraps ErrStale if it could have been one before.
func (s *State) admits(e *Entry, head int64) error {
	r := e.Replaces
	if r.Head != head {
		return fmt.Errorf("%w: it was planned on entry %d, the log is at entry %d", ErrStale, r.Head, head)
	}
	files, err := s.day(r.Day)
	if err != nil {
		return err
	}
	taken, err := pick(files, r.Files)
	if err != nil {
		return err
	}
	for _, f := range e.Files {
		if f.Day != r.Day {
			return fmt.Errorf("%w: the replacement is of %s, it puts in %s of %s", ErrCorrupt, r.Day, f.Path, f.Day)
		}
	}
	switch r.Reason {
	case ReasonCompact:
		return sameRows(taken, e.Files)
	case ReasonReplay, ReasonRetry, ReasonErase:
		if r.Erasures != s.eraseEntries {
			return fmt.Errorf("%w: it heeds %d erasures of %d", ErrStale, r.Erasures, s.eraseEntries)
		}
		dead, err := s.DeadFiles()
		if err != nil {
			return err
		}
		if r.Reason != ReasonReplay {
			if err := r.modest(taken, e); err != nil {
				return err
			}
		}
		return sameRecords(taken, dead, e, generationAfter(r.Reason, s.Days[r.Day].Generation))
	}
	return fmt.Errorf("%w: a replacement for no reason that is known: %q", ErrCorrupt, r.Reason)
}

// version is the version of entries that do it.
func (r Reason) version() int {
	if r == ReasonCompact || r == ReasonReplay {
		return replaceVersion
	}
	return SchemaVersion
}

// modest says whether a retry or an erasure does no more than it may: a retry
// leaves rows alone and makes none a dead letter; an erasure moves nothing, and
// makes each file anew for itself.
func (r *Replaces) modest(taken []File, e *Entry) error {
	switch r.Reason {
	case ReasonRetry:
		if len(taken) > 0 || slices.ContainsFunc(r.Moves, func(m Move) bool { return m.ToRows < 0 }) {
			return fmt.Errorf("%w: a retry of dead letters takes rows out", ErrCorrupt)
		}
	case ReasonErase:
		same := len(taken) == len(e.Files) && len(r.Moves) == 0
		for i := 0; same && i < len(taken); i++ {
			same = taken[i].Rows == e.Files[i].Rows && taken[i].TopicID == e.Files[i].TopicID
		}
		if !same {
			return fmt.Errorf("%w: an erasure changes which records there are", ErrCorrupt)
		}
	}
	return nil
}

// pick finds files by their paths, in the order of those.
func pick(live []File, paths []string) ([]File, error) {
	byName := make(map[string]File, len(live))
	for _, f := range live {
		byName[f.Path] = f
	}
	files := make([]File, 0, len(paths))
	for _, p := range paths {
		f, ok := byName[p]
		if !ok {
			return nil, fmt.Errorf("%w: %s", ErrStale, p)
		}
		delete(byName, p) // none twice
		files = append(files, f)
	}
	return files, nil
}

// sameRows says whether files that are put in have the rows of those that are
// taken out, in the same order, by what is said of both.
func sameRows(taken, put []File) error {
	var was, is []Source
	of := map[string]File{} // by source: the topic's id and the generation of its rows
	for _, f := range taken {
		was = append(was, f.sources()...)
		for _, s := range f.sources() {
			of[s.Path] = f
		}
	}
	for _, f := range put {
		var rows, late int64
		for _, s := range f.Sources {
			rows, late = rows+s.Rows, late+s.LateRows
			if t := of[s.Path]; t.TopicID != f.TopicID || t.Generation != f.Generation {
				return fmt.Errorf("%w: %s is of topic id %s and generation %d, rows of %s go into it", ErrCorrupt, f.Path, f.TopicID, f.Generation, s.Path)
			}
		}
		if rows != f.Rows || late != f.LateRows {
			return fmt.Errorf("%w: %s has %d rows, %d of them late, its sources %d and %d", ErrCorrupt, f.Path, f.Rows, f.LateRows, rows, late)
		}
		is = append(is, f.Sources...)
	}
	if !slices.Equal(was, is) {
		return fmt.Errorf("%w: what is put in does not come from what is taken out", ErrCorrupt)
	}
	return nil
}

// sameRecords says whether what a replay, or the like, puts in accounts for as many records as
// what it takes out, and is of the next generation.
func sameRecords(taken []File, dead []DeadFile, e *Entry, generation int) error {
	var rows, letters, moved int64
	for _, f := range e.Files {
		rows += f.Rows
		if f.Generation != generation {
			return fmt.Errorf("%w: %s is of generation %d, the day's next is %d", ErrStale, f.Path, f.Generation, generation)
		}
	}
	for _, f := range taken {
		rows -= f.Rows
	}
	for _, name := range e.Replaces.DeadFiles {
		i := slices.IndexFunc(dead, func(d DeadFile) bool { return d.Path == name })
		if i < 0 {
			return fmt.Errorf("%w: %s", ErrStale, name)
		}
		letters -= dead[i].Rows
	}
	if e.DeadLetters != nil {
		letters += e.DeadLetters.Rows
	}
	for _, m := range e.Replaces.Moves {
		moved += m.ToRows
	}
	if rows != moved || letters != -moved {
		return fmt.Errorf("%w: the %s makes %d rows and %d dead letters more, and says that %d dead letters became rows", ErrCorrupt, e.Replaces.Reason, rows, letters, moved)
	}
	return nil
}

// sources are the files as they were committed first whose rows the file has.
func (f *File) sources() []Source {
	if len(f.Sources) > 0 {
		return f.Sources
	}
	return []Source{{Path: f.Path, Rows: f.Rows, LateRows: f.LateRows, Bytes: f.Bytes, Checksum: f.Checksum, Entry: f.Entry, Retried: f.Retried}}
}

// order is the entry that brought the file's first row.
func (f *File) order() int64 {
	if len(f.Sources) > 0 {
		return f.Sources[0].Entry
	}
	return f.Entry
}

// foldReplacement takes a replacement in. One that may not be is noted, and
// counts for nothing.
func (s *State) foldReplacement(e Entry) {
	r := e.Replaces
	if err := s.admits(&e, e.N-1); err != nil {
		s.Problems = append(s.Problems, fmt.Sprintf("entry %d: %v", e.N, err))
		return
	}
	taken := make(map[string]bool, len(r.Files))
	for _, p := range r.Files {
		taken[p] = true
	}
	day := make([]File, 0, len(s.files[r.Day])-len(r.Files)+len(e.Files))
	for _, f := range s.files[r.Day] {
		if taken[f.Path] {
			s.countFile(f, -1)
		} else {
			day = append(day, f)
		}
	}
	for _, f := range e.Files {
		s.countFile(f, 1)
		day = append(day, f)
	}
	if r.Reason != ReasonCompact {
		s.foldRemake(&e)
	}
	slices.SortStableFunc(day, func(a, b File) int { return cmp.Compare(a.order(), b.order()) })
	s.files[r.Day] = day
	s.replaced[r.Day] = replacement{day: r.Day, entry: e.N, commitID: e.CommitID, writer: e.Writer, at: e.CommittedAt}
}

// foldRemake takes in what a replay, a retry or an erasure changes beside files
// of rows.
func (s *State) foldRemake(e *Entry) {
	r := e.Replaces
	d := s.Days[r.Day]
	d.Day = r.Day
	switch r.Reason {
	case ReasonReplay:
		d.Generation, d.Replayed = d.Generation+1, e.N
	case ReasonErase:
		if len(r.Files) > 0 {
			d.Generation, d.Replayed = d.Generation+1, e.N
		}
	case ReasonRetry:
		d.Retried += len(e.Files)
	}
	s.Days[r.Day] = d
	for _, c := range e.Days {
		s.foldDay(c)
	}
	for _, m := range r.Moves {
		p := s.Partitions[PartitionKey{m.TopicID, m.Partition}]
		p.Rows, p.DeadLetters = p.Rows+m.ToRows, p.DeadLetters-m.ToRows
		s.Partitions[PartitionKey{m.TopicID, m.Partition}] = p
	}
	if n := len(e.Files); s.lastFile != nil && slices.Contains(r.Files, s.lastFile.Path) && n > 0 { // it will be collected, and was the one to ask
		s.lastFile = &e.Files[n-1]
	}
	if len(r.DeadFiles) > 0 {
		s.dead = slices.DeleteFunc(slices.Clone(s.dead), func(f DeadFile) bool { return slices.Contains(r.DeadFiles, f.Path) })
	}
	if e.DeadLetters != nil {
		s.dead = append(slices.Clip(s.dead), *e.DeadLetters)
	}
}
