package enginetest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/tidemill/tidemill/engine"
)

type worker struct {
	row engine.WorkerRow // Leases is counted when it is read
}

// Join implements engine.Dispatcher.
func (s *Store) Join(ctx context.Context, w engine.WorkerInfo) (int64, error) {
	return query(ctx, s, "Join", func(now time.Time) (int64, error) {
		s.lastWorker++
		s.workers[s.lastWorker] = &worker{row: engine.WorkerRow{
			ID: s.lastWorker, WorkerInfo: copyWorkerInfo(w), JoinedAt: now, BeatAt: now,
		}}
		return s.lastWorker, nil
	})
}

// Beat implements engine.Dispatcher. To a worker without a row it says only that.
func (s *Store) Beat(ctx context.Context, b engine.Beat) (engine.BeatAnswer, error) {
	return query(ctx, s, "Beat", func(now time.Time) (engine.BeatAnswer, error) {
		w := s.workers[b.Worker]
		if w == nil {
			return engine.BeatAnswer{}, nil
		}
		w.row.Beats++
		w.row.BeatAt = now
		answer := engine.BeatAnswer{Alive: true}
		told := map[engine.Lease]bool{}
		for _, l := range b.Leases {
			told[l] = true
			if it := s.holder(l); it == nil {
				answer.Lost = append(answer.Lost, l)
			} else if it.cancelled {
				answer.Cancel = append(answer.Cancel, l)
			}
		}
		for _, it := range s.heldBy(b.Worker) {
			if !told[it.lease()] {
				answer.Unknown = append(answer.Unknown, it.lease())
			}
		}
		return answer, nil
	})
}

// Leave implements engine.Dispatcher.
func (s *Store) Leave(ctx context.Context, worker int64) error {
	return exec(ctx, s, "Leave", func(now time.Time) error {
		delete(s.workers, worker)
		s.unclaim(worker, now)
		return nil
	})
}

// Bury implements engine.Dispatcher. There are no sessions to end.
func (s *Store) Bury(ctx context.Context, workers []int64) error {
	return exec(ctx, s, "Bury", func(now time.Time) error {
		for _, w := range workers {
			delete(s.workers, w)
			s.unclaim(w, now)
		}
		return nil
	})
}

// Orphans implements engine.Dispatcher: the oldest first.
func (s *Store) Orphans(ctx context.Context, limit int) ([]engine.Lease, error) {
	return query(ctx, s, "Orphans", func(time.Time) ([]engine.Lease, error) {
		var orphans []*item
		for w := range s.held {
			if s.workers[w] == nil {
				orphans = append(orphans, s.heldBy(w)...)
			}
		}
		sortItems(orphans)
		var out []engine.Lease
		for _, it := range orphans[:min(len(orphans), limit)] {
			out = append(out, it.lease())
		}
		return out, nil
	})
}

// heldBy returns the items that are leased to a worker, oldest first.
func (s *Store) heldBy(worker int64) []*item {
	var out []*item
	for it := range s.held[worker] {
		out = append(out, it)
	}
	sortItems(out)
	return out
}

func sortItems(items []*item) {
	slices.SortFunc(items, func(a, b *item) int { return cmp.Compare(a.id, b.id) })
}
