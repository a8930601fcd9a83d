package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// A process is one of the programs that share the store. It is alive, frozen or dead; dead ones are replaced by new ones.
type process struct {
	w      *world
	id     int
	r      *engine.Stepped
	ctx    context.Context
	kill   context.CancelFunc
	skew   time.Duration // of its clock
	frozen time.Time     // until
	dead   bool
	leaves bool // it drains
	joined bool
	worker bool // schedules nothing
	nextAt time.Time
	doing  map[string]bool // kinds of turns in flight
}

// launch makes a process and lets it join.
func (w *world) launch() *process {
	p := &process{w: w, id: len(w.procs), doing: map[string]bool{}, worker: len(w.procs) > 0 && w.chance(0.2), nextAt: w.now}
	if w.chance(0.5) {
		p.skew = w.upTo(48*time.Hour) - 24*time.Hour
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.ctx, p.kill = ctx, func() { cancel(); p.r.Cut() }
	slots := 1 + w.rnd.IntN(6)
	r, err := engine.NewStepped(engine.Config{
		Store: w.store, Catalog: w.dags.catalog, Clock: simClock{w, p}, Log: slog.New(slog.DiscardHandler), Name: fmt.Sprint("p", p.id), Build: "sim",
		Slots: slots, WorkerOnly: p.worker, Deliver: map[string]engine.DeliverFunc{receiver: func(_ context.Context, m engine.Message) error { return w.deliver(m) }},
	}, func(l engine.Lease, run func()) { w.attempt(p, l, run) })
	if err != nil {
		panic(err)
	}
	p.r = r
	w.procs = append(w.procs, p)
	w.say("p%d starts with %d slots, skew %s", p.id, slots, p.skew)
	w.start(p, "join", func() {
		for !p.joined && !p.dead {
			if err := r.Join(p.ctx); err == nil {
				p.joined = true
			} else if !w.sleep(p.ctx, time.Second) {
				return
			}
		}
	})
	return p
}

// attempt runs an attempt that a process has begun.
func (w *world) attempt(p *process, l engine.Lease, run func()) {
	w.eyes.begun(p, l)
	w.start(p, "attempt", run).lease = l
}

// deliver takes a message, or does not.
func (w *world) deliver(engine.Message) error {
	if !w.calm && w.chance(0.1) {
		return errFault
	}
	return nil
}

// alive are the processes that can be asked something.
func (w *world) alive() []*process {
	var out []*process
	for _, p := range w.procs {
		if !p.dead && p.joined && !w.now.Before(p.frozen) {
			out = append(out, p)
		}
	}
	return out
}

// once starts a turn of a process unless one of its kind is in flight.
func (w *world) once(p *process, what string, f func() error) {
	if p.doing[what] {
		return
	}
	w.start(p, what, func() {
		if err := f(); err != nil && !expected(err) {
			w.violated("p%d %s: %v", p.id, what, err)
		}
	})
}

// expected tells whether an error is one of the faults.
func expected(err error) bool {
	return errors.Is(err, errFault) || errors.Is(err, errDead) || errors.Is(err, context.Canceled)
}

// turnsOf are the kinds of turns that a process takes.
var turnsOf = append([]string{"claim", "beat", "reap", "look", "deliver", "complete0", "complete1"}, engine.ScheduleTurns...)

func (w *world) take(p *process, what string) {
	if p.leaves && what != "beat" && !strings.HasPrefix(what, "complete") {
		return
	}
	schedules := what != "claim" && what != "beat" && what != "look" && !strings.HasPrefix(what, "complete")
	if p.worker && schedules {
		return
	}
	switch what {
	case "claim":
		w.once(p, what, func() error {
			if w.chance(0.2) {
				if err := p.r.Refresh(p.ctx); err != nil {
					return err
				}
			}
			for {
				if more, err := p.r.ClaimOnce(p.ctx); err != nil || !more {
					return err
				}
			}
		})
	case "beat":
		w.once(p, what, func() error { p.r.BeatOnce(p.ctx); return nil })
	case "reap":
		w.once(p, what, func() error { p.r.ReapOnce(p.ctx); return nil })
	case "look":
		w.once(p, what, func() error { return p.r.Look(p.ctx) })
	case "deliver":
		w.once(p, what, func() error { return p.r.DeliverOnce(p.ctx, []string{receiver}) })
	case "complete0", "complete1":
		if n := int(what[len(what)-1] - '0'); p.r.Ended(n) {
			w.once(p, what, func() error { p.r.CompleteOnce(p.ctx, n); return nil })
		}
	default:
		// The loop of the scheduler takes one step after the other.
		if !p.doing["schedule"] {
			p.doing["schedule"] = true
			w.once(p, what, func() error {
				defer delete(p.doing, "schedule")
				return p.r.Schedule(p.ctx, what)
			})
		}
	}
}
