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

// Finish moves committed files into their folders for writers that died before
// they did. "Already there" is success: any number of processes may do it at
// once. Call it on start, on rebalance and every few seconds.
func (l *Lake) Finish(ctx context.Context) error {
	writers, err := l.writersWithFiles()
	if err != nil || len(writers) == 0 {
		return err
	}
	state, err := l.State(ctx)
	if err != nil {
		return err
	}
	listed := state.listed()
	synced := false
	for writer, names := range writers {
		names = slices.DeleteFunc(names, func(f fileName) bool { return !listed[f.final(l.topic)] })
		if len(names) == 0 {
			continue
		}
		if !synced { // an entry that a power cut could still take must not lead to files that it cannot
			if err := l.syncLog(); err != nil {
				return err
			}
			synced = true
		}
		if err := l.settle(writer, names); err != nil {
			return fmt.Errorf("finish for writer %s: %w", writer, err)
		}
		l.log.Info("moved committed files for another writer", "topic", l.topic, "writer", writer, "files", len(names))
	}
	return nil
}

// settle moves the files of one entry, or several, from their writer's folder
// to where they belong. A name is added, made durable, and only then is the old
// one removed: at no instant could a power cut leave neither.
func (l *Lake) settle(writer string, files []fileName) error {
	folders := map[string]bool{}
	for _, f := range files {
		final := f.final(l.topic)
		if err := l.place(f.tmp(writer), final); err != nil {
			return err
		}
		folders[path.Dir(final)] = true
	}
	for folder := range folders {
		if err := l.disk.SyncDir(folder); err != nil {
			return fmt.Errorf("sync %s: %w", folder, err)
		}
	}
	for _, f := range files {
		if err := l.removeIfThere(f.tmp(writer)); err != nil {
			return err
		}
	}
	return nil
}

// place gives a file its final name.
func (l *Lake) place(tmp, final string) error {
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
	return fmt.Errorf("%w: committed file %s is neither there nor at %s", ErrCorrupt, final, tmp)
}

// writersWithFiles lists, per writer of this topic, the files in its folder.
func (l *Lake) writersWithFiles() (map[string][]fileName, error) {
	found := map[string][]fileName{}
	writers, err := l.writers()
	if err != nil {
		return nil, err
	}
	for _, w := range writers {
		entries, err := l.disk.ReadDir(writerFolder(w))
		if errors.Is(err, fs.ErrNotExist) {
			continue // closed meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("list files of writer %s: %w", w, err)
		}
		for _, e := range entries {
			if f, ok := parseTmp(e.Name()); ok {
				found[w] = append(found[w], f)
			}
		}
	}
	return found, nil
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
func (s *State) listed() map[string]bool {
	names := make(map[string]bool, len(s.Files)+len(s.DeadFiles))
	for _, f := range s.Files {
		names[f.Path] = true
	}
	for _, f := range s.DeadFiles {
		names[f.Path] = true
	}
	return names
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
