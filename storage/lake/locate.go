package lake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/tidemill/tidemill/storage/blob"
)

// Originals lists the live rows of days up to and including upTo ("" for all)
// by the files in which they were committed first, or which a replay made, by
// day, then path: what a compaction merged is listed as it
// was before, so that whoever remembers which files it has taken in never takes
// rows in again. Rows reads such a file wherever its rows are now.
func (l *Lake) Originals(ctx context.Context, upTo Day) ([]File, error) {
	files, err := l.Files(ctx, upTo)
	if err != nil {
		return nil, err
	}
	var all []File
	for _, f := range files {
		all = append(all, f.originals()...)
	}
	slices.SortFunc(all, func(a, b File) int { return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Path, b.Path)) })
	return all, nil
}

// originals are the files that were merged into f; f itself if there are none.
func (f File) originals() []File {
	if len(f.Sources) == 0 {
		return []File{f}
	}
	all := make([]File, len(f.Sources))
	var first int64
	for i, s := range f.Sources {
		all[i] = File{
			Path: s.Path, Day: f.Day, Rows: s.Rows, LateRows: s.LateRows, Bytes: s.Bytes, Checksum: s.Checksum,
			Generation: f.Generation, TopicID: f.TopicID, Entry: s.Entry, CommittedAt: f.CommittedAt, Retried: s.Retried,
			merged: &f, first: first,
		}
		first += s.Rows
	}
	return all
}

// holder finds where the rows of a file are that was live once: the live file,
// and the row of it with which they begin.
func (s *State) holder(f File) (in File, first int64, ok bool, err error) {
	files, err := s.day(f.Day)
	if err != nil {
		return File{}, 0, false, err
	}
	begins := f.sources()[0].Path // a merged file's rows stay together when it is merged again
	for _, in := range files {
		first = 0
		for _, src := range in.sources() {
			if src.Path == begins {
				return in, first, true, nil
			}
			first += src.Rows
		}
	}
	return File{}, 0, false, nil
}

// open opens the file on disk that has f's rows. It says which that is, and at
// which row of it they begin.
func (l *Lake) open(ctx context.Context, f File) (h blob.File, in File, first int64, err error) {
	listed := f
	if f.merged != nil {
		f, first = *f.merged, f.first
	}
	h, err = l.openCommitted(ctx, f.Path)
	if !errors.Is(err, fs.ErrNotExist) {
		return h, f, first, err
	}
	if h, kept := l.openKept(f); kept == nil { // as it was when it was listed
		return h, f, first, nil
	}
	ok := false
	if err := l.view(ctx, func(s *State) (err error) {
		in, first, ok, err = s.holder(listed)
		return err
	}); err != nil {
		return nil, File{}, 0, err
	}
	if !ok || in.Path == f.Path {
		return nil, File{}, 0, err
	}
	h, err = l.openCommitted(ctx, in.Path)
	return h, in, first, err
}

// openKept opens a file that was taken out, or is to be put in, in one of the
// folders below _swap.
func (l *Lake) openKept(f File) (blob.File, error) {
	name, err := l.keptAt(f)
	if err != nil {
		return nil, err
	}
	return l.disk.Open(name)
}

// keptAt is the path of such a file.
func (l *Lake) keptAt(f File) (string, error) {
	all, err := l.swaps()
	if err != nil {
		return "", err
	}
	for _, n := range all {
		if n.day != f.Day {
			continue
		}
		name := path.Join(n.path(l.topic), path.Base(f.Path))
		if _, err := l.disk.Stat(name); !errors.Is(err, fs.ErrNotExist) {
			return name, err
		}
	}
	return "", fmt.Errorf("%s: %w", f.Path, fs.ErrNotExist)
}

// openKeptDead opens a file of dead letters that was taken out, in one of the
// folders below _swap.
func (l *Lake) openKeptDead(f DeadFile) (blob.File, error) {
	all, err := l.swaps()
	if err != nil {
		return nil, err
	}
	for _, n := range all {
		h, err := l.disk.Open(path.Join(n.path(l.topic), keptDeadName(f.Path)))
		if !errors.Is(err, fs.ErrNotExist) {
			return h, err
		}
	}
	return nil, fmt.Errorf("%s: %w", f.Path, fs.ErrNotExist)
}

// openCommitted opens a file that the log lists. If its writer died before it
// moved the file into its folder, that is done now.
func (l *Lake) openCommitted(ctx context.Context, name string) (blob.File, error) {
	f, err := l.disk.Open(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if err := l.Finish(ctx); err != nil {
		return nil, err
	}
	return l.disk.Open(name)
}
