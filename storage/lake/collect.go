package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"time"
)

// Collect removes the folders of writers that have written nothing for longer
// than age. It first commits an entry that fences them, so that one that was
// only frozen can never commit what is removed here; such a writer gets
// ErrFenced. It returns how many it collected. An age well above the flush
// interval keeps living writers out of it; a wrong guess costs them a restart
// and nothing else.
func (w *Writer[R]) Collect(ctx context.Context, age time.Duration) (int, error) {
	writers, err := w.lake.writers()
	if err != nil {
		return 0, err
	}
	var silent []string
	for _, id := range writers {
		if id == w.id {
			continue
		}
		last, err := w.lake.lastWrite(id)
		if err != nil {
			return 0, err
		}
		if w.lake.now().Sub(last) > age {
			silent = append(silent, id)
		}
	}
	if len(silent) == 0 {
		return 0, nil
	}
	fence := &Sealed{opened: w.lake.now(), entry: Entry{
		Kind: KindFence, CommitID: w.newID(), Writer: w.id, Topic: w.lake.topic, SchemaVersion: appendVersion, Fences: silent,
	}}
	if _, err := w.Commit(ctx, fence); err != nil {
		return 0, fmt.Errorf("fence silent writers: %w", err)
	}
	if err := w.lake.Finish(ctx); err != nil { // they may have committed just before the fence
		return 0, err
	}
	for i, id := range silent {
		if err := w.lake.removeFolder(writerFolder(id)); err != nil {
			return i, err
		}
	}
	return len(silent), nil
}

// CollectReplaced removes the files that were taken out of the lake longer than
// age ago, which is to be KeepReplaced or more. It returns how many it removed.
func (l *Lake) CollectReplaced(ctx context.Context, age time.Duration) (files int, err error) {
	all, err := l.swaps()
	if err != nil {
		return 0, err
	}
	for _, n := range all {
		if !n.isDone() || n.age(l.now()) < max(age, KeepReplaced) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return files, err
		}
		names, err := l.disk.ReadDir(n.path(l.topic))
		if err != nil {
			return files, ignoreNotExist(err) // another collects it
		}
		if err := l.removeFolder(n.path(l.topic)); err != nil {
			return files, err
		}
		files += len(names)
	}
	return files, nil
}

// EmptyReplaced removes the files that were taken out of days without waiting
// for their age: what was erased is then nowhere on the disk. Whoever reads by a
// list from before finds them gone and has to list anew. It errs with ErrBusy if
// one of the days is being swapped. It returns how many files it removed.
func (l *Lake) EmptyReplaced(ctx context.Context, days []Day) (files int, err error) {
	if err := l.Finish(ctx); err != nil {
		return 0, err
	}
	all, err := l.swaps()
	if err != nil {
		return 0, err
	}
	for _, n := range all {
		if !slices.Contains(days, n.day) {
			continue
		}
		if !n.isDone() {
			return files, fmt.Errorf("remove the files that were taken out of %s: %w", n.day, ErrBusy)
		}
		names, err := l.disk.ReadDir(n.path(l.topic))
		if err != nil {
			return files, ignoreNotExist(err)
		}
		for _, e := range names { // the folder stays: it tells that the swap is complete
			if err := l.removeIfThere(path.Join(n.path(l.topic), e.Name())); err != nil {
				return files, err
			}
			files++
		}
		if err := l.disk.SyncDir(n.path(l.topic)); err != nil {
			return files, err
		}
	}
	return files, nil
}

// lastWrite is when a writer's folder, or a file in it, last changed; the
// distant future if it is gone.
func (l *Lake) lastWrite(writer string) (time.Time, error) {
	folder := writerFolder(writer)
	info, err := l.disk.Stat(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return endTimestamp, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("look at writer %s: %w", writer, err)
	}
	entries, err := l.disk.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, fmt.Errorf("look at writer %s: %w", writer, err)
	}
	last := info.ModTime()
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			last = maxTime(last, info.ModTime())
		}
	}
	return last, nil
}

func (l *Lake) removeFolder(folder string) error {
	entries, err := l.disk.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("collect %s: %w", folder, err)
	}
	for _, e := range entries {
		name := path.Join(folder, e.Name())
		remove := l.removeIfThere
		if e.IsDir() {
			remove = l.removeFolder
		}
		if err := remove(name); err != nil {
			return err
		}
	}
	if err := l.removeIfThere(folder); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil // its writer lives, and has put in something more: it is collected the next time
}
