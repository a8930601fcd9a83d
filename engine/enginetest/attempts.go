package enginetest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/tidemill/tidemill/engine"
)

type attempt struct {
	engine.Attempt
	order int64 // when it was written, last
}

// record stores an attempt in place of one of the same try.
func (r *run) record(a engine.Attempt, order int64) {
	elems := r.attempts[a.Task]
	if elems == nil {
		elems = map[int][]*attempt{}
		r.attempts[a.Task] = elems
	}
	elems[a.MapIndex] = slices.DeleteFunc(elems[a.MapIndex], func(o *attempt) bool { return o.Try == a.Try })
	elems[a.MapIndex] = append(elems[a.MapIndex], &attempt{copyAttempt(a), order})
}

// older orders attempts by their end; of one moment, by when they were written.
func older(a, b *attempt) int {
	return cmp.Or(a.EndedAt.Compare(b.EndedAt), cmp.Compare(a.order, b.order))
}

// latest returns the newest attempt that fits, or nil.
func latest(as []*attempt, fits func(*attempt) bool) *attempt {
	var best *attempt
	for _, a := range as {
		if fits(a) && (best == nil || older(best, a) < 0) {
			best = a
		}
	}
	return best
}

// Inputs implements engine.Dispatcher.
func (s *Store) Inputs(ctx context.Context, keys []engine.InputKey) ([]engine.Input, error) {
	return query(ctx, s, "Inputs", func(time.Time) ([]engine.Input, error) {
		out := make([]engine.Input, len(keys))
		for i, k := range keys {
			if r := s.runs[k.Run]; r != nil {
				out[i] = r.input(k)
			}
		}
		return out, nil
	})
}

func (r *run) input(k engine.InputKey) engine.Input {
	fits := func(a *attempt) bool { return k.Settled || a.State == engine.Success }
	elems := r.attempts[k.Task]
	indexes := []int{k.MapIndex}
	if k.MapIndex == engine.AllElements {
		indexes = slices.DeleteFunc(slices.Sorted(maps.Keys(elems)), func(i int) bool { return i < 0 })
	}
	var in engine.Input
	for _, i := range indexes {
		a := latest(elems[i], fits)
		switch {
		case a == nil:
		case i == k.MapIndex && a.Try == k.Seen.Try && a.EndedAt.Equal(k.Seen.EndedAt):
			in.Same = true
		default:
			in.Attempts = append(in.Attempts, copyAttempt(a.Attempt))
		}
	}
	return in
}
