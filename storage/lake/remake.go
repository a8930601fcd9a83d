package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
)

// remake is a replacement of a day, under way, that makes rows or dead letters
// anew: a replay, a retry of dead letters, an erasure.
type remake[R any] struct {
	w      *Writer[R]
	day    Day
	sealed *Sealed

	files      []File // that there are
	dead       []DeadFile
	stat       DayStat
	generation int // of the rows that are put in
	erasures   *Erasures

	letters       []DeadLetter // of the new file of dead letters
	keyMismatches int64        // change of the day's
	moves         map[PartitionKey]int64
	counts        map[string]int64 // change of the day's dead letters, by field
}

// remake looks at what there is of a day. Nothing is on disk yet.
func (w *Writer[R]) remake(ctx context.Context, day Day, why Reason) (*remake[R], error) {
	if err := w.lake.Finish(ctx); err != nil {
		return nil, err
	}
	m := &remake[R]{w: w, day: day, sealed: w.newReplacement(day, why), moves: map[PartitionKey]int64{}, counts: map[string]int64{}}
	return m, w.lake.view(ctx, func(s *State) (err error) {
		if m.files, err = s.day(day); err != nil {
			return err
		}
		m.dead, err = s.DeadFiles()
		m.stat = s.Days[day]
		m.generation = generationAfter(why, m.stat.Generation)
		m.erasures, m.sealed.entry.Replaces.Erasures = s.Erasures(), s.eraseEntries
		return err
	})
}

// generationAfter is the generation of what a replacement puts into a day: a
// retry adds rows that there were none of, which is no new generation.
func generationAfter(why Reason, generation int) int {
	if why == ReasonRetry {
		return generation
	}
	return generation + 1
}

// stage makes the new files, where no reader looks, durably. Nothing is left of
// them if that fails; the error wraps ErrStale if it failed for a file that
// another has replaced.
func (m *remake[R]) stage(ctx context.Context, fill func(context.Context) error) error {
	if err := m.w.canExchange(); err != nil {
		return err
	}
	err := m.fill(ctx, fill)
	if err == nil {
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", ErrStale, err)
	}
	return errors.Join(err, m.w.discard(m.sealed))
}

func (m *remake[R]) fill(ctx context.Context, fill func(context.Context) error) error {
	l, s := m.w.lake, m.sealed
	if err := l.dirs.ensure(s.folder); err != nil {
		return err
	}
	if err := fill(ctx); err != nil {
		return err
	}
	if err := l.disk.SyncDir(s.folder); err != nil {
		return fmt.Errorf("sync %s: %w", s.folder, err)
	}
	m.account()
	if len(s.entry.Replaces.DeadFiles)+len(m.letters) == 0 {
		return nil
	}
	if err := s.addDead(m.letters, m.w.parquet); err != nil {
		return err
	}
	if s.entry.DeadLetters != nil {
		s.entry.DeadLetters.Remade = true
	}
	s.staged = false // the file of dead letters goes the way of a batch's
	return m.w.stage(s)
}

// account says in the entry what changes of the sums.
func (m *remake[R]) account() {
	e := &m.sealed.entry
	for _, k := range slices.SortedFunc(maps.Keys(m.moves), comparePartitions) {
		if m.moves[k] != 0 {
			e.Replaces.Moves = append(e.Replaces.Moves, Move{k.TopicID, k.Partition, m.moves[k]})
		}
	}
	maps.DeleteFunc(m.counts, func(_ string, n int64) bool { return n == 0 })
	c := DayCounts{Day: m.day, DeadLetters: m.counts, KeyMismatches: m.keyMismatches}
	if len(c.DeadLetters) > 0 || c.KeyMismatches != 0 {
		e.Days = []DayCounts{c}
	}
}
