package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"path"
	"slices"
	"time"

	"github.com/google/uuid"
)

const (
	// checkpointEvery is after how many entries a checkpoint is made: a start
	// reads that many entries at most, if the writer of the last one lives.
	checkpointEvery = 100
	// keepCheckpoints is how many of the newest are kept, in case that one is
	// damaged. Of older ones the first of each day is kept, as long as entries are.
	keepCheckpoints = 3
	// keepSegments is for how long a list is kept that no kept checkpoint refers
	// to: one that is being made does not refer to its lists yet.
	keepSegments = time.Hour
)

// checkpoints lists the checkpoints of the topic, the newest first.
func (l *Lake) checkpoints() ([]int64, error) {
	entries, err := l.disk.ReadDir(checkpointFolder(l.topic))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list checkpoints: %w", err)
	}
	var all []int64
	for _, e := range entries {
		if n, ok := parseCheckpoint(e.Name()); ok {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	slices.Reverse(all)
	return all, nil
}

func (l *Lake) readCheckpoint(n int64) (*checkpoint, error) {
	text, err := l.disk.ReadFile(checkpointName(l.topic, n))
	if err != nil {
		return nil, fmt.Errorf("read checkpoint %d: %w", n, err)
	}
	return decodeCheckpoint(l.topic, n, text)
}

// newest is the state at the newest checkpoint of entries (after, upTo] that can
// be read; nil if there is none. It errs with ErrCorrupt if there are some and
// none can be read.
func (l *Lake) newest(after, upTo int64) (*State, error) {
	all, err := l.checkpoints()
	if err != nil {
		return nil, err
	}
	var damaged error
	for _, n := range all {
		if n <= after || n > upTo {
			continue
		}
		c, err := l.readCheckpoint(n)
		switch {
		case errors.Is(err, fs.ErrNotExist): // a newer one took its place
			return l.newest(after, upTo)
		case errors.Is(err, ErrCorrupt):
			l.log.Error("a checkpoint of the lake's log is passed over", "topic", l.topic, "error", err)
			damaged = errors.Join(damaged, err)
			continue
		case err != nil:
			return nil, err
		}
		s := c.state()
		s.segments = l.segments
		return s, nil
	}
	return nil, damaged
}

// anyEntry is an upper bound that is none.
const anyEntry = math.MaxInt64

// Checkpoint writes what the log says up to its end, so that who starts reads
// that and what follows it. It returns the entry at which the checkpoint ends.
// A writer makes one every hundred entries.
func (l *Lake) Checkpoint(ctx context.Context) (int64, error) {
	s, err := l.State(ctx)
	if err != nil || s.Head == s.keptAt {
		return 0, err
	}
	if err := l.writeCheckpoint(s); err != nil {
		return 0, fmt.Errorf("make checkpoint %d: %w", s.Head, err)
	}
	return s.Head, l.collectCheckpoints()
}

func (l *Lake) writeCheckpoint(s *State) error {
	if err := l.dirs.ensure(segmentFolder(l.topic)); err != nil {
		return err
	}
	lists, err := l.extendLists(s)
	if err != nil {
		return err
	}
	if err := l.disk.SyncDir(segmentFolder(l.topic)); err != nil {
		return err
	}
	c := s.checkpoint(lists)
	text, err := c.encode()
	if err != nil {
		return err
	}
	folder := checkpointFolder(l.topic)
	tmp := path.Join(folder, uuid.NewString()+".tmp")
	if err := l.disk.WriteFile(tmp, text); err != nil {
		return err
	}
	err = l.disk.Link(tmp, checkpointName(l.topic, s.Head))
	if errors.Is(err, fs.ErrExist) {
		return l.removeIfThere(tmp) // another made it
	}
	if err == nil {
		err = l.disk.SyncDir(folder)
	}
	if err := errors.Join(err, l.removeIfThere(tmp)); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != nil && l.state.Head == s.Head { // go on from it: what it holds need not be in memory
		l.state = c.state()
		l.state.segments = l.segments
	}
	return nil
}

// extendLists writes what is new in the state's lists.
func (l *Lake) extendLists(s *State) (map[string][]segment, error) {
	id := uuid.Must(uuid.NewV7()).String()
	lists := maps.Clone(s.kept)
	if lists == nil {
		lists = map[string][]segment{}
	}
	var err error
	for day, files := range s.files {
		kept := make([]keptFile, len(files))
		for i, f := range files {
			kept[i] = keptFile{f, f.Entry, f.CommittedAt}
		}
		if lists[string(day)], err = extend(l.segments, string(day), id, lists[string(day)], kept); err != nil {
			return nil, err
		}
	}
	if lists[deadList], err = extend(l.segments, deadList, id, lists[deadList], s.dead); err != nil {
		return nil, err
	}
	lists[rangeList], err = extend(l.segments, rangeList, id, lists[rangeList], mergeRanges(slices.Clone(s.ranges)))
	return lists, err
}

// collectCheckpoints removes what no kept checkpoint needs.
func (l *Lake) collectCheckpoints() error {
	all, err := l.checkpoints()
	if err != nil {
		return err
	}
	dated := make([]datedCheckpoint, len(all))
	for i, n := range all {
		if dated[i], err = l.dateOf(n); err != nil {
			return ignoreNotExist(err)
		}
	}
	keep, needed := kept(dated, l.now()), map[string]bool{}
	for i, c := range dated {
		if keep[i] {
			for _, name := range c.segments {
				needed[name] = true
			}
			continue
		}
		if err := l.removeIfThere(checkpointName(l.topic, c.n)); err != nil {
			return err
		}
		l.dates.forget(c.n)
	}
	entries, err := l.disk.ReadDir(segmentFolder(l.topic))
	if err != nil {
		return ignoreNotExist(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || needed[e.Name()] || l.now().Sub(info.ModTime()) < keepSegments {
			continue
		}
		if err := l.removeIfThere(path.Join(segmentFolder(l.topic), e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// checkpointAfter makes a checkpoint if entry n, which this writer has
// committed, is one after which that is due. What fails is tried again by
// whoever commits the next such entry.
func (w *Writer[R]) checkpointAfter(ctx context.Context, n int64) {
	if n%w.lake.checkpointEvery != 0 {
		return
	}
	if _, err := w.lake.Checkpoint(ctx); err != nil && ctx.Err() == nil {
		w.lake.log.Error("no checkpoint of the lake's log was made: the next start takes longer", "topic", w.lake.topic, "entry", n, "error", err)
	}
}
