package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// AfterWatermark holds scheduled runs until the stream's watermark has passed the end of the logical date's day in the DAG's zone. When
// that has not come within limit after a run fell due, the run fails with that reason; 0 waits for ever. A stream's watermark is the time
// in the field "watermark" of the progress that it reports: all that is older has been taken in.
func AfterWatermark(stream string, limit time.Duration) DAGOption {
	return dagOption(func(g *graph) {
		if err := checkID("stream name", stream); err != nil {
			g.fail(g.where, "AfterWatermark: %v", err)
		}
		if limit < 0 {
			g.fail(g.where, "AfterWatermark: limit %s: may not be below 0", limit)
		}
		g.spec.Watermark = &WatermarkSpec{Stream: stream, Limit: Duration(limit)}
	})
}

// hold is what keeps a scheduled run of an interval from starting; nil: nothing does.
func (d *Definition) hold(iv Interval) *Hold {
	w := d.Spec.Watermark
	if w == nil {
		return nil
	}
	h := &Hold{Stream: w.Stream, Passed: endOfDay(iv.Start, d.zone)}
	if w.Limit > 0 {
		until := iv.End.Add(time.Duration(w.Limit))
		h.Limit = &until
	}
	return h
}

// endOfDay is when the day of t ends in a zone.
func endOfDay(t time.Time, zone *time.Location) time.Time {
	y, m, day := t.In(zone).Date()
	return time.Date(y, m, day+1, 0, 0, 0, 0, zone).UTC()
}

// heldBatch bounds how many held runs are looked at in one round.
const heldBatch = 1000

// releaseHeld lets held runs start whose stream has got far enough, and ends those for which that has not come in time.
func (r *Runtime) releaseHeld(ctx context.Context) (bool, error) {
	held, err := r.store.HeldRuns(ctx, r.dags(), heldBatch)
	if err != nil || len(held) == 0 {
		return false, err
	}
	streams, err := r.store.Streams(ctx)
	if err != nil {
		return false, err
	}
	now, err := r.store.Now(ctx)
	if err != nil {
		return false, err
	}
	marks := Watermarks(streams)
	more := false
	for _, row := range held {
		mark, known := marks[row.Hold.Stream]
		d := r.catalog.defs[row.DAG]
		switch {
		case d != nil && d.Spec.Watermark == nil, known && !mark.Before(row.Hold.Passed):
			if err := r.store.Release(ctx, row.Key); err != nil {
				return false, err
			}
			more = true
		case row.Hold.Limit != nil && !now.Before(*row.Hold.Limit):
			if err := r.failHeld(ctx, row, HoldReason(*row.Hold, marks)+", and its time is over"); err != nil {
				return false, err
			}
			more = true
		}
	}
	return more, nil
}

func (r *Runtime) failHeld(ctx context.Context, held RunRow, why string) error {
	return r.versions.transition(ctx, Transition{Runs: []int64{held.Key}, Decide: r.decision(func(m *machine, row RunRow, _ Found) bool {
		if row.State != RunQueued || row.Hold == nil {
			return false // it was released or ended meanwhile
		}
		m.endUnfinished(RunFailed, why)
		return true
	})})
}

// Watermarks are the watermarks of streams that report one: of each the earliest of its replicas.
func Watermarks(streams []StreamStatus) map[string]time.Time {
	marks := map[string]time.Time{}
	for _, s := range streams {
		for _, p := range s.Replicas {
			var progress struct {
				Watermark time.Time `json:"watermark"`
			}
			if len(p.Progress) == 0 || json.Unmarshal(p.Progress, &progress) != nil || progress.Watermark.IsZero() {
				continue
			}
			if old, ok := marks[s.Name]; !ok || progress.Watermark.Before(old) {
				marks[s.Name] = progress.Watermark
			}
		}
	}
	return marks
}

// HoldReason says what a held run waits for.
func HoldReason(h Hold, marks map[string]time.Time) string {
	at := "which has not told how far it is"
	if mark, ok := marks[h.Stream]; ok {
		at = "which is at " + mark.UTC().Format(time.RFC3339)
	}
	why := fmt.Sprintf("waits until stream %s, %s, has passed %s", h.Stream, at, h.Passed.UTC().Format(time.RFC3339))
	if h.Limit != nil {
		why += ", at most until " + h.Limit.UTC().Format(time.RFC3339)
	}
	return why
}
