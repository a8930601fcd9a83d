package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
)

// groups says which files of a day a compaction merges, in order: runs of
// neighbours that are small, less than half of the target, up to the target.
// Files of different topic ids or generations stay apart. A run of one is left
// as it is.
func groups(files []File, target int64) [][]File {
	var all [][]File
	var run []File
	var size int64
	end := func() {
		if len(run) > 1 {
			all = append(all, run)
		}
		run, size = nil, 0
	}
	for _, f := range files {
		small := f.Bytes < target/2
		if len(run) > 0 && (!small || size+f.Bytes > target || f.TopicID != run[0].TopicID || f.Generation != run[0].Generation) {
			end()
		}
		if small {
			run, size = append(run, f), size+f.Bytes
		}
	}
	end()
	return all
}

// merged is the file that a run of files becomes, but for its bytes.
func merged(run []File) File {
	f := File{Day: run[0].Day, TopicID: run[0].TopicID, Generation: run[0].Generation}
	parts := map[int32]FilePart{}
	for _, r := range run {
		f.Rows += r.Rows
		f.LateRows += r.LateRows
		f.MinTimestamp, f.MaxTimestamp = minTime(f.MinTimestamp, r.MinTimestamp), maxTime(f.MaxTimestamp, r.MaxTimestamp)
		f.MinEventTime, f.MaxEventTime = minTime(f.MinEventTime, r.MinEventTime), maxTime(f.MaxEventTime, r.MaxEventTime)
		f.Sources = append(f.Sources, r.sources()...)
		for _, p := range r.Parts {
			sum, ok := parts[p.Partition]
			if !ok {
				sum = p
			} else {
				sum.Start, sum.End, sum.Rows = min(sum.Start, p.Start), max(sum.End, p.End), sum.Rows+p.Rows
			}
			parts[p.Partition] = sum
		}
	}
	f.Parts = sortedParts(parts)
	return f
}

// merge writes the files of a replacement that merges runs of files of one day,
// where no reader looks, durably. What it wrote is read again, and each column
// of it has the values of those that it was merged from, in their order.
func (w *Writer[R]) merge(ctx context.Context, day Day, runs [][]File) (_ *Sealed, err error) {
	s := w.newReplacement(day, ReasonCompact)
	defer func() {
		if err != nil {
			err = errors.Join(err, w.discard(s))
		}
	}()
	if err := w.lake.dirs.ensure(s.folder); err != nil {
		return nil, err
	}
	for i, run := range runs {
		f, err := w.mergeRun(ctx, s, i, run)
		if err != nil {
			return nil, fmt.Errorf("merge %d files of %s: %w", len(run), day, err)
		}
		s.entry.Files = append(s.entry.Files, f)
		for _, r := range run {
			s.entry.Replaces.Files = append(s.entry.Replaces.Files, r.Path)
		}
	}
	if err := w.lake.disk.SyncDir(s.folder); err != nil {
		return nil, fmt.Errorf("sync %s: %w", s.folder, err)
	}
	return s, nil
}

// newReplacement is an empty replacement of a day.
func (w *Writer[R]) newReplacement(day Day, why Reason) *Sealed {
	s := &Sealed{opened: w.lake.now(), staged: true, entry: Entry{
		Kind: KindReplace, CommitID: w.newID(), Writer: w.id, Topic: w.lake.topic, SchemaVersion: why.version(),
		Replaces: &Replaces{Day: day, Reason: why},
	}}
	s.folder = stagedFolder(w.id, day, s.entry.CommitID)
	return s
}

func (w *Writer[R]) mergeRun(ctx context.Context, s *Sealed, i int, run []File) (File, error) {
	f := merged(run)
	var size int64
	for _, r := range run {
		size += r.Bytes
	}
	enc := newEncoder[R](w.parquet) // not one of the stream's: its buffer is as large as the file
	enc.out.Grow(int(size))
	was := newFingerprint(w.contract.Columns)
	for _, r := range run {
		found, err := w.lake.contractIn(ctx, r)
		if err != nil {
			return File{}, err
		}
		if diff := w.contract.Differences(found); len(diff) > 0 { // a younger program's: it would lose what this one does not know
			return File{}, &ContractError{r.Path, diff}
		}
		err = Rows(ctx, w.lake, r, func(rows []R) error {
			_, err := enc.parquet.Write(rows)
			return err
		})
		if err == nil {
			err = w.lake.fingerprint(ctx, r, was)
		}
		if err != nil {
			return File{}, err
		}
	}
	if err := enc.close(metadata(&s.entry, f.TopicID)); err != nil {
		return File{}, err
	}
	data := enc.out.Bytes()
	is := newFingerprint(w.contract.Columns)
	if err := is.add(bytes.NewReader(data), int64(len(data))); err != nil {
		return File{}, fmt.Errorf("read what was written: %w", err)
	}
	if err := was.differs(is); err != nil {
		return File{}, err
	}
	base := fmt.Sprintf("%s-%d", s.entry.CommitID, i+1)
	if err := w.lake.disk.WriteFile(path.Join(s.folder, base+extension), data); err != nil {
		return File{}, err
	}
	f.Path, f.Bytes, f.Checksum = fileName{string(f.Day), base}.final(w.lake.topic), int64(len(data)), checksumOf(data)
	return f, nil
}

// Compacted is what a compaction of a day did.
type Compacted struct {
	Day    Day   `json:"day"`
	Entry  int64 `json:"entry"`  // of the log; 0: there was nothing to merge
	Before int   `json:"before"` // files that were merged
	After  int   `json:"after"`  // files that they became
	Rows   int64 `json:"rows"`
	Bytes  int64 `json:"bytes"` // of the files that they became
	TookMS int64 `json:"took_ms"`
}

// Compact merges a day's small files into files of about target bytes, with the
// same rows in the same order, and the day's other files as they are. Readers,
// and the stream, go on meanwhile. It does nothing if there is nothing to merge.
//
// It errs with ErrBusy if another process swaps that day, with ErrFenced if
// this writer was taken for dead, and with an error that wraps
// errors.ErrUnsupported on a disk that cannot swap folders.
func (w *Writer[R]) Compact(ctx context.Context, day Day, target int64) (Compacted, error) {
	for try := 1; ; try++ {
		done, err := w.compact(ctx, day, target)
		if errors.Is(err, ErrStale) && try < maxPlans { // another replaced files of the day: look again what there is to merge
			continue
		}
		if err != nil {
			return Compacted{}, fmt.Errorf("compact %s: %w", day, err)
		}
		return done, nil
	}
}

// maxPlans bounds how often a compaction is planned anew: only another
// replacement of the same day spoils a plan.
const maxPlans = 5

func (w *Writer[R]) compact(ctx context.Context, day Day, target int64) (Compacted, error) {
	began := w.lake.now()
	if err := w.lake.Finish(ctx); err != nil { // so that all of the day's files are where they belong
		return Compacted{}, err
	}
	var files []File
	if err := w.lake.view(ctx, func(s *State) (err error) {
		files, err = s.day(day)
		return err
	}); err != nil {
		return Compacted{}, err
	}
	runs := groups(files, target)
	if len(runs) == 0 {
		return Compacted{Day: day}, nil
	}
	if err := w.canExchange(); err != nil {
		return Compacted{}, err
	}
	s, err := w.merge(ctx, day, runs)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", ErrStale, err)
	}
	if err != nil {
		return Compacted{}, err
	}
	e, err := w.replace(ctx, s)
	if err != nil {
		return Compacted{}, err
	}
	done := Compacted{Day: day, Entry: e.N, Before: len(e.Replaces.Files), After: len(e.Files), Rows: e.Rows(), TookMS: w.lake.now().Sub(began).Milliseconds()}
	for _, f := range e.Files {
		done.Bytes += f.Bytes
	}
	return done, nil
}
