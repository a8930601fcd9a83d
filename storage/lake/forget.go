package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"time"

	"github.com/google/uuid"
)

// KeepEntries is for how long entries of the log are kept at least: as long the
// lake can be read as it was.
const KeepEntries = 30 * 24 * time.Hour

// ForgetEntries removes entries of the log that were committed longer than age
// ago, up to a checkpoint that is as old: the lake as it was from there on can
// still be read, and none of the three newest checkpoints needs what is removed.
// It returns how many it removed. What they said is in the checkpoint. The entry
// 1 that stays says so to older programs.
func (l *Lake) ForgetEntries(ctx context.Context, age time.Duration) (removed int64, err error) {
	base, err := l.base(age)
	if err != nil || base == 0 {
		return 0, err
	}
	first, err := l.firstEntry(base)
	if err != nil {
		return 0, err
	}
	if err := l.markForgotten(first); err != nil {
		return 0, err
	}
	for n := first; n < base && ctx.Err() == nil; n++ {
		err := l.disk.Remove(entryName(l.topic, n))
		if errors.Is(err, fs.ErrNotExist) { // a power cut kept one before it
			continue
		}
		if err != nil {
			return removed, fmt.Errorf("remove entry %d: %w", n, err)
		}
		removed++
		if n == 1 {
			if err := l.markForgotten(2); err != nil {
				return removed, err
			}
			if err := l.syncLog(); err != nil { // else a power cut could leave a first entry and no second
				return removed, err
			}
		}
	}
	return removed, errors.Join(ctx.Err(), l.syncLog())
}

// base is the checkpoint up to which entries may be forgotten: the newest that is
// so old, and can be read with all its lists. 0: there is none.
func (l *Lake) base(age time.Duration) (int64, error) {
	all, err := l.checkpoints()
	if err != nil || len(all) < keepCheckpoints {
		return 0, err
	}
	if err := l.isWhole(all[0]); err != nil {
		return 0, err
	}
	for _, n := range all[keepCheckpoints-1:] {
		dated, err := l.dateOf(n)
		if err != nil {
			return 0, err
		}
		if l.now().Sub(dated.at) < age {
			continue
		}
		if err = l.isWhole(n); !errors.Is(err, ErrCorrupt) {
			return n, err
		}
	}
	return 0, nil
}

// isWhole errs if a checkpoint does not tell all that the entries up to it said.
func (l *Lake) isWhole(n int64) error {
	c, err := l.readCheckpoint(n)
	if err != nil {
		return err
	}
	for key, list := range c.Lists {
		for _, s := range list { // its checksum is that of what was written; to decode it would take minutes and a gigabyte of a long log
			if _, err := l.segments.read(s); err != nil {
				return fmt.Errorf("checkpoint %d, list %s: %w", n, key, err)
			}
		}
	}
	return nil
}

// Oldest is the log folded up to the oldest entry as of which the lake can be
// read: before the first entry, as long as that is kept.
func (l *Lake) Oldest(ctx context.Context) (*State, error) {
	if _, err := l.readEntry(1); err == nil || errors.Is(err, ErrCorrupt) {
		return newState(l.topic), nil
	} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrNotKept) {
		return nil, err
	}
	all, err := l.checkpoints()
	if err != nil || len(all) == 0 {
		return newState(l.topic), err
	}
	first, err := l.firstEntry(all[0])
	if err != nil {
		return nil, err
	}
	var damaged error
	for _, n := range slices.Backward(all) {
		if n+1 < first {
			continue
		}
		s, err := l.newest(n-1, n)
		if s != nil {
			return s, nil
		}
		if damaged = errors.Join(damaged, err); err != nil && !errors.Is(err, ErrCorrupt) {
			return nil, err
		}
	}
	return nil, errors.Join(damaged, ctx.Err())
}

// firstEntry is the first entry from which on all are there up to one that is,
// or was until lately.
func (l *Lake) firstEntry(there int64) (int64, error) {
	if _, err := l.readEntry(1); err == nil {
		return 1, nil
	} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrNotKept) {
		return 0, err
	}
	gone, first := int64(1), there
	for first-gone > 1 { // entries were removed in order
		n := gone + (first-gone)/2
		_, err := l.disk.Stat(entryName(l.topic, n))
		switch {
		case err == nil:
			first = n
		case errors.Is(err, fs.ErrNotExist):
			gone = n
		default:
			return 0, err
		}
	}
	return first, nil
}

// markForgotten puts an entry 1 into a log that begins later.
func (l *Lake) markForgotten(first int64) error {
	if first == 1 {
		return nil
	}
	if _, err := l.disk.Stat(entryName(l.topic, 1)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	e := Entry{
		Kind: kindForgotten, CommitID: uuid.NewString(), Writer: l.topic, Topic: l.topic,
		SchemaVersion: replaceVersion, CommittedAt: l.now().UTC(),
	}
	text, err := e.encode()
	if err != nil {
		return err
	}
	tmp := path.Join(checkpointFolder(l.topic), e.CommitID+".tmp")
	if err := l.disk.WriteFile(tmp, text); err != nil {
		return err
	}
	err = l.disk.Link(tmp, entryName(l.topic, 1))
	return errors.Join(err, l.removeIfThere(tmp))
}
