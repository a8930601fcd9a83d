package lake

import (
	"context"
	"slices"
)

// Contents are the files that now have the rows and the dead letters of the
// offsets of entry e, an append: those that it put in, or what replacements have
// made of them. Files that a replay or a retry made have those of other entries too.
func (l *Lake) Contents(ctx context.Context, e Entry) (files []File, dead []DeadFile, err error) {
	err = l.view(ctx, func(s *State) error {
		files, dead = nil, nil
		for _, f := range e.Files {
			in, first, ok, err := s.holder(f)
			if err != nil {
				return err
			}
			if ok && in.Path != f.Path {
				f.merged, f.first = &in, first
			}
			if ok {
				files = append(files, f)
			}
		}
		for _, d := range s.DayStats() {
			if d.Generation == 0 && d.Retried == 0 {
				continue
			}
			day, err := s.day(d.Day)
			if err != nil {
				return err
			}
			if d.Generation == 0 {
				files = append(files, retriedOf(day)...)
				continue
			}
			for _, f := range day {
				known := slices.ContainsFunc(files, func(x File) bool { return x.Path == f.Path || x.merged != nil && x.merged.Path == f.Path })
				if !known && f.overlaps(&e) {
					files = append(files, f)
				}
			}
		}
		all, err := s.DeadFiles()
		if err != nil {
			return err
		}
		for _, d := range all {
			if d.Remade || e.DeadLetters != nil && d.Path == e.DeadLetters.Path {
				dead = append(dead, d)
			}
		}
		return nil
	})
	return files, dead, err
}

// retriedOf are the rows of a day that were dead letters, of whatever commit.
func retriedOf(day []File) (retried []File) {
	for _, f := range day {
		for _, o := range f.originals() {
			if o.Retried {
				retried = append(retried, o)
			}
		}
	}
	return retried
}

// overlaps says whether a file may have rows of an entry's offsets.
func (f *File) overlaps(e *Entry) bool {
	return f.TopicID == e.TopicID && slices.ContainsFunc(f.Parts, func(p FilePart) bool {
		return slices.ContainsFunc(e.Partitions, func(r Range) bool {
			return r.Partition == p.Partition && p.Start < r.End && r.Start < p.End
		})
	})
}
