package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
)

// replace commits a sealed replacement and swaps its day's folder. On ErrStale,
// ErrBusy, ErrConflict and ErrFenced it is void and nothing is left of it;
// after another error it may be in the log, and Finish then completes it.
func (w *Writer[R]) replace(ctx context.Context, s *Sealed) (Entry, error) {
	e, err := w.publish(ctx, s)
	if errors.Is(err, ErrStale) || errors.Is(err, ErrBusy) || errors.Is(err, ErrConflict) || errors.Is(err, ErrFenced) {
		err = errors.Join(err, w.discard(s))
	}
	if err != nil {
		return Entry{}, fmt.Errorf("replace files of %s: %w", s.entry.Replaces.Day, err)
	}
	r := replacement{day: e.Replaces.Day, entry: e.N, commitID: e.CommitID, writer: e.Writer, at: e.CommittedAt}
	if err := w.lake.finishSwap(ctx, r); err != nil && !errors.Is(err, ErrBusy) { // busy: another finishes it for us
		return Entry{}, fmt.Errorf("entry %d is in the log: %w", e.N, err)
	}
	if e.DeadLetters != nil {
		if err := w.lake.settle(ctx, w.id, []fileName{{deadLabel, e.CommitID}}); err != nil {
			return Entry{}, fmt.Errorf("entry %d is in the log: %w", e.N, err)
		}
	}
	w.checkpointAfter(ctx, e.N)
	return e, w.removeTexts(s)
}

// plan makes a replacement one that may follow the log as it is: all files of
// its day are moved into its folder first, those that it takes out are there,
// and no other swap of the day is under way.
func (w *Writer[R]) plan(ctx context.Context, state *State, s *Sealed) error {
	l, r := w.lake, s.entry.Replaces
	r.Head = state.Head
	if err := state.admits(&s.entry, state.Head); err != nil {
		return err
	}
	if err := l.Finish(ctx); err != nil {
		return err
	}
	swapped, err := l.isSwapped(state, r.Day)
	if err != nil {
		return err
	}
	if !swapped {
		return ErrBusy
	}
	for _, name := range slices.Concat(r.Files, r.DeadFiles) {
		if _, err := l.disk.Stat(name); errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %s is not there", ErrCorrupt, name)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// canExchange errs if the disk cannot swap folders, before anything depends on
// it: it swaps two of its own. It errs with ErrStale if they are taken away.
func (w *Writer[R]) canExchange() error {
	l := w.lake
	a, b := path.Join(writerFolder(w.id), "a"), path.Join(writerFolder(w.id), "b")
	err := l.dirs.ensure(a)
	if err == nil {
		err = l.dirs.ensure(b)
	}
	if err == nil {
		err = l.disk.Exchange(a, b)
	}
	for _, dir := range []string{a, b} {
		l.dirs.forget(dir)
		err = errors.Join(err, l.removeIfThere(dir))
	}
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return fmt.Errorf("the disk cannot swap two folders in one step, as a replacement needs (Linux and macOS can, on a local disk): %w", err)
	case errors.Is(err, fs.ErrNotExist): // our folder was collected: we were taken for dead, as the log will tell
		return fmt.Errorf("%w: %w", ErrStale, err)
	}
	return err
}
