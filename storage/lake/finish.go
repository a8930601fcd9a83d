package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Finish does what writers that died could not: it moves committed files into
// their folders, and swaps the folders of days that were replaced. "Already
// there" is success: any number of processes may do it at once. Call it on
// start, on rebalance and every few seconds.
func (l *Lake) Finish(ctx context.Context) error {
	left, err := l.leftBehind()
	if err != nil || len(left.files) == 0 && len(left.swaps) == 0 {
		return err
	}
	var state *State
	if err := l.view(ctx, func(s *State) error {
		state = s
		return left.keepCommitted(s)
	}); err != nil {
		return err
	}
	if len(left.swaps) == 0 && len(left.files) == 0 {
		return nil
	}
	// An entry that a power cut could still take must not lead to files that it cannot.
	if err := l.syncLog(); err != nil {
		return err
	}
	for _, s := range left.swaps {
		if err := l.finishSwap(ctx, state.replaced[s.day]); err != nil && !errors.Is(err, ErrBusy) {
			return err
		}
	}
	for writer, names := range left.files {
		if err := l.settle(ctx, writer, names); err != nil {
			return fmt.Errorf("finish for writer %s: %w", writer, err)
		}
		l.log.Info("moved committed files for another writer", "topic", l.topic, "writer", writer, "files", len(names))
	}
	return nil
}

// keepCommitted leaves out what the log does not list.
func (b *leftBehind) keepCommitted(s *State) error {
	b.swaps = slices.DeleteFunc(b.swaps, func(n swapName) bool { return s.replaced[n.day].commitID != n.commitID })
	for writer, names := range b.files {
		var listed []fileName
		for _, f := range names {
			live, err := s.isLive(f.day(), f.final(s.Topic))
			if err != nil {
				return err
			}
			if live {
				listed = append(listed, f)
			}
		}
		if b.files[writer] = listed; len(listed) == 0 {
			delete(b.files, writer)
		}
	}
	return nil
}

// settle moves the files of one entry, or several, from their writer's folder
// to where they belong. A name is added, made durable, and only then is the old
// one removed: at no instant could a power cut leave neither. While the file's
// day is being swapped the old name stays, since the new one may be in the
// folder that goes; who finishes later removes it.
func (l *Lake) settle(ctx context.Context, writer string, files []fileName) error {
	folders := map[string]bool{}
	for _, f := range files {
		if err := l.place(ctx, f, writer); err != nil {
			return err
		}
		folders[path.Dir(f.final(l.topic))] = true
	}
	for folder := range folders {
		if err := l.disk.SyncDir(folder); err != nil {
			return fmt.Errorf("sync %s: %w", folder, err)
		}
	}
	state, err := l.State(ctx) // after the sync: a swap that is not in it comes after the sync too
	if err != nil {
		return err
	}
	for _, f := range files {
		settled, err := l.isSettled(state, f)
		if err != nil {
			return err
		}
		if !settled {
			continue
		}
		if err := l.removeIfThere(f.tmp(writer)); err != nil {
			return err
		}
	}
	return nil
}

// isSettled says whether a file that was placed, and whose folder was synced,
// is where it belongs for good.
func (l *Lake) isSettled(state *State, f fileName) (bool, error) {
	day, final := Day(f.label), f.final(l.topic)
	if _, replaced := state.replaced[day]; !replaced {
		return true, nil
	}
	if swapped, err := l.isSwapped(state, day); !swapped || err != nil {
		return false, err
	}
	live, err := state.isLive(day, final)
	if err != nil {
		return false, err
	}
	if !live { // replaced since: it must not be there again
		if err := l.removeIfThere(final); err != nil {
			return false, err
		}
		return true, l.disk.SyncDir(path.Dir(final))
	}
	_, err = l.disk.Stat(final)
	return err == nil, ignoreNotExist(err) // not there: its name came into the folder that went
}

// place gives a file its final name.
func (l *Lake) place(ctx context.Context, f fileName, writer string) error {
	tmp, final := f.tmp(writer), f.final(l.topic)
	if err := l.dirs.ensure(path.Dir(final)); err != nil {
		return err
	}
	err := l.disk.Link(tmp, final)
	if errors.Is(err, fs.ErrExist) {
		return nil // somebody finished it for us
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := l.disk.Stat(final); err == nil {
		return nil // and removed the old name too
	}
	if _, err := l.disk.Stat(tmp); err == nil { // so the folder is gone
		l.dirs.forget(path.Dir(final))
		if err := l.dirs.ensure(path.Dir(final)); err != nil {
			return err
		}
		return l.disk.Link(tmp, final)
	}
	state, err := l.State(ctx)
	if err != nil {
		return err
	}
	if day := Day(f.label); f.label != deadLabel {
		swapped, err := l.isSwapped(state, day)
		if err != nil || !swapped {
			return err // in the folder that goes
		}
		if live, err := state.isLive(day, final); err != nil || !live {
			return err // finished by another and replaced since
		}
	}
	if _, err := l.disk.Stat(final); err == nil {
		return nil
	}
	return fmt.Errorf("%w: committed file %s is neither there nor at %s", ErrCorrupt, final, tmp)
}

// leftBehind is what may be left to do for writers of this topic.
type leftBehind struct {
	files map[string][]fileName // by writer
	swaps []swapName            // staged, or claimed
}

func (l *Lake) leftBehind() (leftBehind, error) {
	found := leftBehind{files: map[string][]fileName{}}
	writers, err := l.writers()
	if err != nil {
		return leftBehind{}, err
	}
	for _, w := range writers {
		entries, err := l.disk.ReadDir(writerFolder(w))
		if errors.Is(err, fs.ErrNotExist) {
			continue // closed meanwhile
		}
		if err != nil {
			return leftBehind{}, fmt.Errorf("list files of writer %s: %w", w, err)
		}
		for _, e := range entries {
			if f, ok := parseTmp(e.Name()); ok {
				found.files[w] = append(found.files[w], f)
			} else if day, id, ok := parseStaged(e.Name()); ok && e.IsDir() {
				found.swaps = append(found.swaps, swapName{day: day, commitID: id})
			}
		}
	}
	claimed, err := l.swaps()
	for _, s := range claimed {
		if !s.isDone() {
			found.swaps = append(found.swaps, s)
		}
	}
	return found, err
}

// writers lists this topic's writers that have a folder.
func (l *Lake) writers() ([]string, error) {
	entries, err := l.disk.ReadDir(tmpRoot)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list writers: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), l.topic+writerSeparator) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// listed are the names of all live files.
func (s *State) listed() (map[string]bool, error) {
	names := map[string]bool{}
	files, err := s.sortedFiles("")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		names[f.Path] = true
	}
	dead, err := s.DeadFiles()
	for _, f := range dead {
		names[f.Path] = true
	}
	return names, err
}

func (l *Lake) syncLog() error {
	if err := l.disk.SyncDir(logFolder(l.topic)); err != nil {
		return fmt.Errorf("sync the log of %s: %w", l.topic, err)
	}
	return nil
}

func (l *Lake) removeIfThere(name string) error {
	if err := l.disk.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}

// forget makes the next State read the log from its beginning.
func (l *Lake) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = nil
}
