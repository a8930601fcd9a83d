package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/google/uuid"
)

const (
	// KeepReplaced is for how long files that were taken out are kept at least:
	// a reader that listed them before may still be at work.
	KeepReplaced = time.Hour
	// claimFor is for how long nobody takes a claimed swap over: it takes some
	// milliseconds.
	claimFor = 10 * time.Second
)

// finishSwap completes a replacement that is in the log: it brings the day's
// folder to what the log says, in one step for any reader. It returns nil when
// that is done, whoever did it, and ErrBusy while another process is at it.
func (l *Lake) finishSwap(ctx context.Context, r replacement) error {
	claimed, err := l.claimSwap(r)
	if err != nil || claimed == "" {
		return err
	}
	if err := l.swap(ctx, r, claimed); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			if _, there := l.disk.Stat(claimed); errors.Is(there, fs.ErrNotExist) { // taken over: we stood still for too long
				err = errors.Join(ErrBusy, err)
			}
		}
		return fmt.Errorf("swap the folder of %s for entry %d: %w", r.day, r.entry, err)
	}
	l.log.Debug("swapped a day's folder", "topic", l.topic, "day", r.day, "entry", r.entry)
	return nil
}

// claimSwap takes the folder of a replacement for this process alone; "" if
// there is nothing left to do.
func (l *Lake) claimSwap(r replacement) (string, error) {
	if err := l.dirs.ensure(swapFolder(l.topic)); err != nil {
		return "", err
	}
	mine := swapName{r.day, r.commitID, l.now().UnixMilli(), uuid.NewString()}.path(l.topic)
	err := l.disk.Rename(stagedFolder(r.writer, r.day, r.commitID), mine)
	if !errors.Is(err, fs.ErrNotExist) {
		return mine, err
	}
	n, found, err := l.swapOf(r)
	switch {
	case err != nil:
		return "", err
	case !found && l.now().Sub(r.at) < KeepReplaced: // it got another name while we looked
		return "", ErrBusy
	case !found || n.isDone():
		return "", nil
	case n.age(l.now()) < claimFor:
		return "", ErrBusy
	}
	err = l.disk.Rename(n.path(l.topic), mine)
	if errors.Is(err, fs.ErrNotExist) {
		return "", ErrBusy
	}
	return mine, err
}

// swapOf finds the folder of a replacement below _swap.
func (l *Lake) swapOf(r replacement) (n swapName, found bool, err error) {
	all, err := l.swaps()
	for _, s := range all {
		if s.commitID == r.commitID && (!found || s.isDone()) {
			n, found = s, true
		}
	}
	return n, found, err
}

// swaps lists the folders below _swap of this topic.
func (l *Lake) swaps() ([]swapName, error) {
	entries, err := l.disk.ReadDir(swapFolder(l.topic))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list swapped folders: %w", err)
	}
	var all []swapName
	for _, e := range entries {
		if n, ok := parseSwap(e.Name()); ok {
			all = append(all, n)
		}
	}
	return all, nil
}

// isSwapped says whether the newest replacement of a day is complete; true if
// there never was one.
func (l *Lake) isSwapped(s *State, day Day) (bool, error) {
	r, ok := s.replaced[day]
	if !ok {
		return true, nil
	}
	// In the order in which the folder moves, so that it is not missed.
	if _, err := l.disk.Stat(stagedFolder(r.writer, r.day, r.commitID)); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	n, found, err := l.swapOf(r)
	if err != nil {
		return false, err
	}
	return found && n.isDone() || !found && l.now().Sub(r.at) >= KeepReplaced, nil
}

// swap completes a replacement whose folder this process has claimed. What has
// been committed to the day since, and may lie in the folder that goes, is in
// the folder that stays before the claim is given up.
func (l *Lake) swap(ctx context.Context, r replacement, claimed string) error {
	e, err := l.Entry(ctx, r.entry)
	if err != nil {
		return err
	}
	day := dayFolder(l.topic, r.day)
	if err := l.dirs.ensure(day); err != nil { // of a day that had no rows
		return err
	}
	pending, err := l.isPending(&e, day)
	if err != nil {
		return err
	}
	if pending {
		if err := l.adopt(ctx, r.day, day, claimed); err != nil {
			return err
		}
		if err := l.disk.Exchange(day, claimed); err != nil {
			return err
		}
	}
	for _, folder := range []string{path.Dir(day), path.Dir(claimed)} {
		if err := l.disk.SyncDir(folder); err != nil {
			return fmt.Errorf("sync %s: %w", folder, err)
		}
	}
	// What the stream has put there meanwhile keeps its temporary name until the
	// claim is given up.
	if err := l.adopt(ctx, r.day, claimed, day); err != nil {
		return err
	}
	if err := l.retire(&e, claimed); err != nil {
		return err
	}
	done := swapName{r.day, r.commitID, l.now().UnixMilli(), swapDone}.path(l.topic)
	if err := l.disk.Rename(claimed, done); err != nil {
		return err
	}
	return l.disk.SyncDir(path.Dir(done))
}

// retire moves files of dead letters that were taken out to what is kept, after
// the one that takes their place is there.
func (l *Lake) retire(e *Entry, claimed string) error {
	if len(e.Replaces.DeadFiles) == 0 {
		return nil
	}
	if e.DeadLetters != nil {
		f := fileName{deadLabel, e.CommitID}
		if err := l.dirs.ensure(deadFolder(l.topic)); err != nil {
			return err
		}
		err := l.disk.Link(f.tmp(e.Writer), f.final(l.topic))
		if err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) { // it was moved before
			return err
		}
		if err := l.disk.SyncDir(deadFolder(l.topic)); err != nil {
			return err
		}
	}
	for _, name := range e.Replaces.DeadFiles {
		if err := l.disk.Link(name, path.Join(claimed, keptDeadName(name))); err != nil && !errors.Is(err, fs.ErrExist) {
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return err
		}
		if err := l.removeIfThere(name); err != nil {
			return err
		}
	}
	return ignoreNotExist(l.disk.SyncDir(deadFolder(l.topic)))
}

// keptDeadName is the name of a file of dead letters among what was taken out,
// where the rows of the same commit have its own.
func keptDeadName(name string) string { return deadLabel + writerSeparator + path.Base(name) }

// isPending says whether the day's folder is still the one from before the
// replacement.
func (l *Lake) isPending(e *Entry, day string) (bool, error) {
	for _, name := range e.Replaces.Files {
		_, err := l.disk.Stat(path.Join(day, path.Base(name)))
		if !errors.Is(err, fs.ErrNotExist) {
			return err == nil, err
		}
	}
	if len(e.Replaces.Files) > 0 {
		return false, nil
	}
	for _, f := range e.Files { // nothing to take out: what is put in tells
		_, err := l.disk.Stat(path.Join(day, path.Base(f.Path)))
		if err != nil {
			return errors.Is(err, fs.ErrNotExist), ignoreNotExist(err)
		}
	}
	return false, nil
}

func ignoreNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// adopt gives the day's live files that lie in one folder a durable name in the
// other too. One that is in neither is on its way, in its writer's folder.
func (l *Lake) adopt(ctx context.Context, day Day, from, to string) error {
	var live []File
	if err := l.view(ctx, func(s *State) (err error) {
		live, err = s.day(day)
		return err
	}); err != nil {
		return err
	}
	there, err := l.names(from)
	if err != nil {
		return err
	}
	for _, f := range live {
		base := path.Base(f.Path)
		if !there[base] {
			continue
		}
		err := l.disk.Link(path.Join(from, base), path.Join(to, base))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("adopt %s: %w", base, err)
		}
	}
	if err := l.disk.SyncDir(to); err != nil {
		return fmt.Errorf("sync %s: %w", to, err)
	}
	return nil
}

func (l *Lake) names(folder string) (map[string]bool, error) {
	entries, err := l.disk.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", folder, err)
	}
	names := make(map[string]bool, len(entries))
	for _, e := range entries {
		names[e.Name()] = true
	}
	return names, nil
}
