package lake

import (
	"context"
	"errors"
	"fmt"
)

// Retry says which dead letters of a day are tried again, and how.
type Retry[R any] struct {
	// Transform is what makes rows of records, as the stream's.
	Transform Transform[R]
	// Of says which to try; nil: all.
	Of func(DeadLetter) bool
	// DryRun changes nothing, and says what would become of them.
	DryRun bool
}

// Retried is what a retry of a day's dead letters did.
type Retried struct {
	Day       Day   `json:"day"`
	Entry     int64 `json:"entry"`      // of the log; 0: nothing has changed
	Tried     int64 `json:"tried"`      // dead letters
	ToRows    int64 `json:"to_rows"`    // of those, that are rows of the day now
	NewReason int64 `json:"new_reason"` // of those that stay, that stay for another reason
	TookMS    int64 `json:"took_ms"`

	// Still are those of the tried ones that stay, with what is wrong with them now.
	Still []DeadLetter `json:"-"`
}

// RetryDeadLetters asks a transform about dead letters of a day again. Those
// that it makes rows of become rows of the day, at their old offsets, in a file
// of its own: to whoever loads the lake they are new. The others stay, for the
// reason that it gives. Readers and the stream go on meanwhile. It does nothing
// if nothing changes.
//
// A dead letter whose bytes were erased, or whose timestamp is of no day, stays
// as it is.
//
// It errs as Replay does; then nothing has changed.
func (w *Writer[R]) RetryDeadLetters(ctx context.Context, day Day, retry Retry[R]) (Retried, error) {
	if err := w.lake.Agree(ctx, w.contract); err != nil {
		return Retried{}, fmt.Errorf("retry dead letters of %s: %w", day, err)
	}
	for try := 1; ; try++ {
		done, err := w.retryOnce(ctx, day, retry)
		if errors.Is(err, ErrStale) && try < maxPlans {
			continue
		}
		if err != nil {
			return Retried{}, fmt.Errorf("retry dead letters of %s: %w", day, err)
		}
		return done, nil
	}
}

func (w *Writer[R]) retryOnce(ctx context.Context, day Day, retry Retry[R]) (Retried, error) {
	began := w.lake.now()
	m, err := w.remake(ctx, day, ReasonRetry)
	if err != nil {
		return Retried{}, err
	}
	of := retry.Of
	if of == nil {
		of = func(DeadLetter) bool { return true }
	}
	r, err := m.redrive(ctx, retry.Transform, of)
	if err != nil {
		return Retried{}, staleIfGone(err)
	}
	done := Retried{Day: day, Tried: r.tried, ToRows: r.toRows, NewReason: r.newReason, Still: r.still}
	if retry.DryRun || len(r.out) == 0 {
		done.TookMS = w.lake.now().Sub(began).Milliseconds()
		return done, nil
	}
	if err := m.stage(ctx, func(context.Context) error { return m.addRedriven(r) }); err != nil {
		return Retried{}, err
	}
	e, err := w.replace(ctx, m.sealed)
	if err != nil {
		return Retried{}, err
	}
	done.Entry, done.TookMS = e.N, w.lake.now().Sub(began).Milliseconds()
	return done, nil
}
