package engine_test

import (
	"context"
	"errors"
	"time"

	"github.com/tidemill/tidemill/engine"
)

var (
	errBoom = errors.New("boom")
	errGood = errors.New("boom, for good")
)

// work is what every body does: it takes its time, and ends as the world will have it.
func (w *world) work(ctx context.Context) error {
	t := w.on
	took := time.Duration(0)
	switch x := w.rnd.Float64(); {
	case x < 0.5:
	case x < 0.9:
		took = w.upTo(10 * time.Second)
	default:
		took = w.upTo(2 * time.Minute)
	}
	heeds := w.chance(0.9)
	for over := w.now.Add(took); w.now.Before(over); {
		wait := ctx
		if !heeds {
			wait = t.p.ctx
		}
		if !w.sleep(wait, over.Sub(w.now)) {
			return ctx.Err()
		}
	}
	bad := 0.25
	if w.calm {
		bad = 0.1
	}
	if !w.chance(bad) {
		return nil
	}
	switch w.rnd.IntN(8) {
	case 0:
		return engine.Permanent(errGood)
	case 1:
		return engine.RetryAfter(errBoom, w.upTo(30*time.Second))
	case 2, 3:
		return engine.Skip("so")
	case 4:
		panic("boom")
	}
	return errBoom
}

// number is a body that yields a number which no other attempt yields.
func (w *world) number(ctx context.Context) (int, error) {
	t := w.on
	if err := w.work(ctx); err != nil {
		return 0, err
	}
	return w.take1(t.lease, 0), nil
}

func (w *world) take1(l engine.Lease, pos int) int {
	w.serial++
	w.made[w.serial] = made{l, pos}
	return w.serial
}

// numbers is a body that yields a list of such.
func (w *world) numbers(ctx context.Context) ([]int, error) {
	t := w.on
	if err := w.work(ctx); err != nil {
		return nil, err
	}
	out := make([]int, []int{0, 1, 2, 2, 3, 4}[w.rnd.IntN(6)])
	for i := range out {
		out[i] = w.take1(t.lease, i)
	}
	return out, nil
}

// element checks that a mapped instance reads its own element.
func (w *world) element(ctx context.Context, n int) {
	info, _ := engine.Info(ctx)
	m, ok := w.made[n]
	if !ok {
		return // a person's word
	}
	at := m.pos
	if m.lease.MapIndex >= 0 {
		at = m.lease.MapIndex
	}
	if at != info.MapIndex {
		w.violated("%s[%d] reads element %d", info.Task, info.MapIndex, at)
	}
}
