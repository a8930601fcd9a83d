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

// ForgetEntries removes entries of the log that were committed longer than age
// ago and are in each checkpoint that is kept. It returns how many. The lake as
// it was at those entries is then not kept any more, and Kafka cannot be
// compared with them one by one; nothing else is lost. The entry 1 that stays
// says so to older programs.
func (l *Lake) ForgetEntries(ctx context.Context, age time.Duration) (removed int64, err error) {
	all, err := l.checkpoints()
	if err != nil || len(all) < keepCheckpoints {
		return 0, err
	}
	newest, err := l.readCheckpoint(all[0])
	if err != nil {
		return 0, err
	}
	for key, list := range newest.Lists { // all that the entries said is there to be read
		if _, err := readSegments[any](l.segments, list); err != nil {
			return 0, fmt.Errorf("checkpoint %d, list %s: %w", newest.Head, key, err)
		}
	}
	first, err := l.firstEntry(all[keepCheckpoints-1])
	if err != nil {
		return 0, err
	}
	for n := first; n < all[keepCheckpoints-1] && ctx.Err() == nil; n++ {
		e, err := l.readEntry(n)
		if err != nil {
			return removed, err
		}
		if l.now().Sub(e.CommittedAt) < age {
			break
		}
		if err := l.disk.Remove(entryName(l.topic, n)); err != nil {
			return removed, fmt.Errorf("remove entry %d: %w", n, err)
		}
		removed++
		if n == 1 {
			if err := l.markForgotten(); err != nil {
				return removed, err
			}
		}
	}
	return removed, errors.Join(ctx.Err(), l.syncLog())
}

// firstEntry is the first entry from which on all are there up to one that is.
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

func (l *Lake) markForgotten() error {
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
