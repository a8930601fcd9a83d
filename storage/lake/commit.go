package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// Commit puts a sealed batch into the log and its files into their folders, and
// returns the entry. When it returns nil all of it survives a power cut.
//
// On ErrConflict and ErrFenced the batch is void, its files are removed, and it
// must not be tried again. After any other error the batch may or may not be in
// the log already: call Commit again with it, which finds out.
func (w *Writer[R]) Commit(ctx context.Context, s *Sealed) (Entry, error) {
	err := w.stage(s)
	if errors.Is(err, fs.ErrNotExist) { // the folder was collected: we are fenced, as the log will tell, or were tidied away
		w.lake.dirs.forget(writerFolder(w.id))
		err = w.stage(s)
	}
	var e Entry
	if err == nil {
		e, err = w.publish(ctx, s)
	}
	if errors.Is(err, ErrConflict) || errors.Is(err, ErrFenced) {
		// The log proves that the batch is not in it and never will be.
		err = errors.Join(err, w.discard(s))
	}
	if err != nil {
		return Entry{}, fmt.Errorf("commit %s: %w", s.entry.CommitID, err)
	}
	if err := w.lake.settle(ctx, e.Writer, e.fileNames()); err != nil {
		return Entry{}, fmt.Errorf("commit %s: entry %d is in the log: %w", s.entry.CommitID, e.N, err)
	}
	w.checkpointAfter(ctx, e.N)
	return e, w.removeTexts(s)
}

// stage writes the batch's files where no reader looks, durably.
func (w *Writer[R]) stage(s *Sealed) error {
	if s.staged {
		return nil
	}
	folder := writerFolder(w.id)
	if err := w.lake.dirs.ensure(folder); err != nil {
		return err
	}
	for _, f := range s.files {
		if err := w.lake.disk.WriteFile(f.tmp(w.id), f.data); err != nil {
			return fmt.Errorf("write %s: %w", f.tmp(w.id), err)
		}
	}
	if len(s.files) > 0 {
		if err := w.lake.disk.SyncDir(folder); err != nil {
			return fmt.Errorf("sync %s: %w", folder, err)
		}
	}
	s.staged = true
	return nil
}

// publish creates the log entry: the commit. It goes on to the next number as
// long as what others committed leaves the batch's offsets alone.
func (w *Writer[R]) publish(ctx context.Context, s *Sealed) (Entry, error) {
	l := w.lake
	if err := l.dirs.ensure(logFolder(l.topic)); err != nil {
		return Entry{}, err
	}
	for {
		state, err := l.State(ctx)
		if err != nil {
			return Entry{}, err
		}
		if own := state.writers[w.id]; own.lastCommit == s.entry.CommitID {
			return w.confirm(ctx, own.lastEntry) // committed before; the answer was lost
		}
		if err := w.admissible(ctx, state, s); err != nil {
			return Entry{}, err
		}
		n := state.Head + 1
		err = w.link(s, n)
		switch {
		case errors.Is(err, fs.ErrExist):
			continue // somebody else's, or ours with its answer lost: the fold will tell
		case errors.Is(err, fs.ErrNotExist) && w.isFenced(ctx): // and our folder was collected
			return Entry{}, ErrFenced
		case err != nil:
			return Entry{}, fmt.Errorf("create log entry %d: %w", n, err)
		}
		if err := w.follows(n); err != nil {
			return Entry{}, err
		}
		return w.confirm(ctx, n)
	}
}

// isFenced says whether the log is known to declare the writer dead.
func (w *Writer[R]) isFenced(ctx context.Context) bool {
	state, err := w.lake.State(ctx)
	return err == nil && state.writers[w.id].fenced
}

// admissible says whether the batch may follow what is in the log.
func (w *Writer[R]) admissible(ctx context.Context, state *State, s *Sealed) error {
	if state.writers[w.id].fenced {
		return ErrFenced
	}
	if s.entry.Kind == KindReplace {
		return w.plan(ctx, state, s)
	}
	for _, r := range s.entry.Partitions {
		if next := state.Next(s.entry.TopicID, r.Partition); next != r.Start {
			return fmt.Errorf("%w: partition %d: the batch starts at %d, the log is at %d", ErrConflict, r.Partition, r.Start, next)
		}
	}
	return nil
}

// link writes the entry's text under a name of its own and gives it the name of
// entry n, unless that exists. A text is never written twice: it may be the
// entry already.
func (w *Writer[R]) link(s *Sealed, n int64) error {
	s.attempts++
	now := w.lake.now()
	s.entry.CommittedAt = now.UTC()
	s.entry.DurationMS = now.Sub(s.opened).Milliseconds()
	text, err := s.entry.encode()
	if err != nil {
		return err
	}
	name := w.textName(s)
	if err := w.lake.disk.WriteFile(name, text); err != nil {
		return err
	}
	return w.lake.disk.Link(name, entryName(w.lake.topic, n))
}

// follows checks that the entry before n is there, or that the newest checkpoint
// ends with it. A writer that was frozen for long could else create a number
// anew that is in a checkpoint and was removed; its entry is withdrawn.
func (w *Writer[R]) follows(n int64) error {
	if n == 1 {
		all, err := w.lake.checkpoints()
		if err != nil || len(all) == 0 {
			return err
		}
	} else if _, err := w.lake.disk.Stat(entryName(w.lake.topic, n-1)); !errors.Is(err, fs.ErrNotExist) {
		return err
	} else if all, err := w.lake.checkpoints(); err != nil || len(all) > 0 && all[0] == n-1 {
		return err
	}
	if err := w.lake.disk.Remove(entryName(w.lake.topic, n)); err != nil {
		return fmt.Errorf("withdraw log entry %d: %w", n, err)
	}
	w.lake.forget()
	return fmt.Errorf("%w: log entry %d is gone: entry %d is withdrawn", ErrConflict, n-1, n)
}

// confirm makes the log durable up to entry n and returns that entry.
func (w *Writer[R]) confirm(ctx context.Context, n int64) (Entry, error) {
	if err := w.lake.syncLog(); err != nil {
		return Entry{}, err
	}
	return w.lake.Entry(ctx, n)
}

// discard removes the files of a batch that the log will never list.
func (w *Writer[R]) discard(s *Sealed) error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, w.lake.removeIfThere(f.tmp(w.id)))
	}
	if s.folder != "" {
		errs = append(errs, w.lake.removeFolder(s.folder))
		w.lake.dirs.forget(s.folder)
	}
	return errors.Join(append(errs, w.removeTexts(s))...)
}

func (w *Writer[R]) removeTexts(s *Sealed) error {
	for ; s.attempts > 0; s.attempts-- {
		if err := w.lake.removeIfThere(w.textName(s)); err != nil {
			return err
		}
	}
	return nil
}
