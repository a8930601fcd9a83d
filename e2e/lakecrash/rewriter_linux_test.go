package lakecrash

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// rewritten is the day that is compacted and replayed.
const rewritten = lake.Day("2024-01-05")

// What a process does to that day.
const (
	compacts = "compact"
	replays  = "replay"
	both     = "compact and replay"
	tidies   = "compact all days, again and again"
)

// rewrite does what the assignment says to the day, as the tasks of the product do.
func rewrite(ctx context.Context, a assignment, l *lake.Lake) (err error) {
	source, err := ingest.NewReplay(ctx, a.Brokers, nil, a.Topic, ingest.Payments)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	if a.Rewrite == tidies {
		return tidy(ctx, a, l)
	}
	var steps []func(*lake.Writer[payment.Row]) error
	if a.Rewrite != replays {
		steps = append(steps, func(w *lake.Writer[payment.Row]) error {
			_, err := w.Compact(ctx, rewritten, lake.DefaultTarget)
			return err
		})
	}
	if a.Rewrite != compacts {
		steps = append(steps, func(w *lake.Writer[payment.Row]) error {
			_, err := w.Replay(ctx, rewritten, source.Decoder())
			return err
		})
	}
	for _, step := range steps {
		if err := insist(ctx, a, l, step); err != nil {
			return err
		}
	}
	return nil
}

// tidyTarget is small, so that what was merged is soon left alone.
const tidyTarget = 256 << 10

// tidy compacts all days of the lake until the context ends.
func tidy(ctx context.Context, a assignment, l *lake.Lake) error {
	for pause(ctx, 500*time.Millisecond) == nil {
		state, err := l.State(ctx)
		if err != nil {
			return unlessEnded(ctx, err)
		}
		for _, d := range state.DayStats() {
			err := insist(ctx, a, l, func(w *lake.Writer[payment.Row]) error {
				_, err := w.Compact(ctx, d.Day, tidyTarget)
				return err
			})
			if err != nil {
				return unlessEnded(ctx, err)
			}
		}
	}
	return nil
}

func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// insist repeats a step that another process is in the way of, if the assignment says so; else it leaves it to that one.
func insist(ctx context.Context, a assignment, l *lake.Lake, step func(*lake.Writer[payment.Row]) error) error {
	for {
		w := lake.NewWriter[payment.Row](l)
		err := step(w)
		err = errors.Join(err, w.Close())
		inTheWay := errors.Is(err, lake.ErrBusy) || errors.Is(err, lake.ErrStale) || errors.Is(err, lake.ErrFenced)
		switch {
		case !inTheWay:
			return err
		case !a.Insist:
			return nil
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// strictly is a transform with a bug: it refuses some good records of the day that is replayed.
func strictly(rec *lake.Record, into *payment.Row) lake.Verdict {
	v := ingest.Payments(rec, into)
	if !v.Broken && refused(rec.Key, rec.Timestamp) {
		return lake.Verdict{Broken: true, Field: "amount", Reason: "is taken for too large"}
	}
	return v
}

// refused says whether strictly refuses a record that keeps the contract.
func refused(key []byte, at time.Time) bool {
	h := fnv.New64()
	_, _ = h.Write(key) // never errs
	return lake.DayOf(at) == rewritten && binary.BigEndian.Uint64(h.Sum(nil))%4 == 0
}

// rewriter is the assignment of a process that rewrites the lake of another one. Its clock is ahead, so that what a dead or frozen process has
// claimed is free at once, not in ten seconds.
func (a assignment) rewriter(what string) assignment {
	return assignment{Brokers: a.Brokers, Topic: a.Topic, Root: a.Root, Rewrite: what, Insist: true, Ahead: time.Minute}
}

// rewriteOf lets another process rewrite the day.
func (w *world) rewriteOf(a assignment, what string) error {
	if err := finish(a.rewriter(what)); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
