package lake

import (
	"errors"
	"io/fs"
	"sync"
	"time"
)

// datedCheckpoint is a checkpoint, when its last entry was committed, and what
// it refers to.
type datedCheckpoint struct {
	n        int64
	at       time.Time
	segments []string
}

// kept says which of the checkpoints, the newest first, are kept: the newest;
// the first of each day that is younger than KeepEntries; and the newest that is
// older, from which on the lake can be read as it was.
func kept(all []datedCheckpoint, now time.Time) []bool {
	keep := make([]bool, len(all))
	for i, c := range all {
		older := now.Sub(c.at) >= KeepEntries
		switch {
		case i < keepCheckpoints:
			keep[i] = true
		case older:
			keep[i] = now.Sub(all[i-1].at) < KeepEntries
		default:
			keep[i] = i == len(all)-1 || DayOf(all[i+1].at) != DayOf(c.at)
		}
	}
	return keep
}

// checkpointDates remembers what was read of checkpoints, which never change.
type checkpointDates struct {
	mu    sync.Mutex
	known map[int64]datedCheckpoint
}

func (d *checkpointDates) forget(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.known, n)
}

// dateOf reads when the last entry of a checkpoint was committed. One whose
// entry is gone is older than all that are kept.
func (l *Lake) dateOf(n int64) (datedCheckpoint, error) {
	l.dates.mu.Lock()
	defer l.dates.mu.Unlock()
	if d, ok := l.dates.known[n]; ok {
		return d, nil
	}
	d := datedCheckpoint{n: n}
	e, err := l.readEntry(n)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrNotKept) {
		return datedCheckpoint{}, err
	}
	d.at = e.CommittedAt
	c, err := l.readCheckpoint(n)
	if err != nil && !errors.Is(err, ErrCorrupt) {
		return datedCheckpoint{}, err
	}
	if err == nil { // a damaged one needs nothing any more
		for _, list := range c.Lists {
			for _, s := range list {
				d.segments = append(d.segments, s.Name)
			}
		}
	}
	if l.dates.known == nil {
		l.dates.known = map[int64]datedCheckpoint{}
	}
	l.dates.known[n] = d
	return d, nil
}
