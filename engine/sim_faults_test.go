package engine_test

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

// halt is where a thread asks the store: here others get their turn, and things go wrong. The store calls it before an operation and, with
// ".commit", after it.
func (w *world) halt(op string) error {
	t := w.on
	if t == nil || w.store.quiet > 0 {
		return nil
	}
	before := !strings.HasSuffix(op, ".commit")
	if err := w.strike(t, op, before); err != nil {
		return err
	}
	for w.chance(0.3) {
		t.yield(struct{}{})
		if err := w.gone(t, before); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) gone(t *thread, before bool) error {
	if !t.p.dead {
		return nil
	}
	if t.ghost && before {
		t.ghost = false
		return nil // it was on its way already
	}
	return errDead
}

// strike lets a fault happen where a thread asks the store.
func (w *world) strike(t *thread, op string, before bool) error {
	if err := w.gone(t, before); err != nil {
		return err
	}
	if w.calm {
		return nil
	}
	if before && t.what == w.slow && w.chance(0.15) {
		w.say("p%d %s: %s takes very long", t.p.id, t.what, op)
		w.sleep(t.p.ctx, w.upTo(4*time.Minute))
		return w.gone(t, before)
	}
	switch x := w.rnd.Float64(); {
	case x < 0.002:
		w.say("p%d crashes at %s", t.p.id, op)
		w.crash(t.p)
		return errDead
	case x < 0.004:
		t.p.frozen = w.now.Add(w.upTo(60 * time.Second))
		w.say("p%d freezes at %s until %s", t.p.id, op, t.p.frozen.Format(time.TimeOnly))
		for w.now.Before(t.p.frozen) && !t.p.dead {
			t.yield(struct{}{})
		}
		return w.gone(t, before)
	case x < 0.018:
		w.say("p%d %s: fault at %s", t.p.id, t.what, op)
		return errFault
	case x < 0.03 && t.lease.ID == uuid.Nil: // on its way for long, while the process lives on
		w.say("p%d %s: %s takes its time", t.p.id, t.what, op)
		w.sleep(t.p.ctx, w.upTo(90*time.Second))
		return w.gone(t, before)
	}
	return nil
}

// crash kills a process. Of what its threads have sent to the store some arrives all the same, later.
func (w *world) crash(p *process) {
	p.dead = true
	p.kill()
	for _, t := range w.threads {
		if t.p == p && t != w.on {
			t.ghost = w.chance(0.5)
		}
	}
}

// fault lets something happen to a process.
func (w *world) fault(ps []*process) {
	live := 0
	for _, p := range w.procs {
		if !p.dead {
			live++
		}
	}
	if live < 3 && w.chance(0.6) {
		w.launch()
		return
	}
	if len(ps) == 0 {
		return
	}
	p := ps[w.rnd.IntN(len(ps))]
	switch x := w.rnd.Float64(); {
	case x < 0.2:
		w.say("p%d is killed", p.id)
		w.crash(p)
	case x < 0.5:
		p.frozen = w.now.Add(w.upTo(2 * time.Minute))
		w.say("p%d freezes until %s", p.id, p.frozen.Format(time.TimeOnly))
	case x < 0.7 && !p.leaves && live > 1:
		p.leaves = true
		w.say("p%d drains", p.id)
		p.r.Drain(w.chance(0.5))
		w.once(p, "leave", func() error {
			if !w.sleep(p.ctx, 10*time.Second) {
				return nil
			}
			p.r.Drain(true)
			for range 60 {
				if p.r.Busy() == 0 || !w.sleep(p.ctx, time.Second) {
					break
				}
			}
			err := p.r.Leave(p.ctx)
			p.dead = true
			p.kill()
			return err
		})
	}
}
