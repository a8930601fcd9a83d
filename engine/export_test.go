package engine

import (
	"context"
	"time"
)

// A Stepped is a runtime whose loops are driven from outside, one turn at a time and without a goroutine of its own: the simulation does
// so. Each turn is the engine's own code; only when it comes is not.
type Stepped struct {
	*Runtime
	observer *observer
	unknown  map[leaseKey]time.Time
	turn     int
}

// NewStepped makes one. spawn gets each attempt's lease and the function that runs it to its end.
func NewStepped(cfg Config, spawn func(Lease, func())) (*Stepped, error) {
	r, err := NewRuntime(cfg)
	if err != nil {
		return nil, err
	}
	r.spawn = func(a *attempt, run func()) { spawn(a.Lease, run) }
	return &Stepped{Runtime: r, observer: newObserver(r.cfg.DeadAfter, 2*r.cfg.Heartbeat+time.Second), unknown: map[leaseKey]time.Time{}}, nil
}

// Join registers the DAGs and joins.
func (s *Stepped) Join(ctx context.Context) error {
	if err := s.register(ctx); err != nil {
		return err
	}
	return s.join(ctx)
}

// ScheduleTurns are the steps of the scheduler's loop, in its order; the last is the sweep.
var ScheduleTurns = []string{"scheduled", "triggered", "held", "queued", "timers", "waits", "backfills", "sweep"}

// Schedule does one of ScheduleTurns.
func (s *Stepped) Schedule(ctx context.Context, turn string) error {
	var err error
	switch turn {
	case "scheduled":
		_, err = s.makeScheduled(ctx)
	case "triggered":
		_, err = s.makeTriggered(ctx)
	case "held":
		_, err = s.releaseHeld(ctx)
	case "queued":
		_, err = s.startQueued(ctx)
	case "timers":
		_, err = s.fireTimers(ctx)
	case "waits":
		_, err = s.endWaits(ctx)
	case "backfills":
		_, err = s.finishBackfills(ctx)
	case "sweep":
		err = s.sweep(ctx)
	default:
		panic("engine: no such turn: " + turn)
	}
	return err
}

// ClaimOnce is one claim of the dispatcher's loop; more tells that it would claim again at once.
func (s *Stepped) ClaimOnce(ctx context.Context) (more bool, err error) {
	n, asked, err := s.claim(ctx, ctx, s.turn)
	s.turn++
	return err == nil && n == asked && asked > 0, err
}

// Refresh and Look are the other things that the dispatcher's loop does.
func (s *Stepped) Refresh(ctx context.Context) error { return s.refresh(ctx) }

// Look sees who waits for slots.
func (s *Stepped) Look(ctx context.Context) error { return s.lookAround(ctx) }

// BeatOnce is one heartbeat, and ReapOnce one round of the reaper.
func (s *Stepped) BeatOnce(ctx context.Context) { s.beat(ctx, s.unknown) }

// ReapOnce buries who is dead and ends what they left.
func (s *Stepped) ReapOnce(ctx context.Context) { s.reapOnce(ctx, s.observer) }

// Completers is how many completers there are, and CompleteOnce lets one of them store what has ended; false when there is nothing.
func (s *Stepped) Completers() int { return len(s.ends) }

// Ended tells whether attempts have ended that a completer has not stored yet.
func (s *Stepped) Ended(completer int) bool { return len(s.ends[completer]) > 0 }

// CompleteOnce stores what has ended by now.
func (s *Stepped) CompleteOnce(ctx context.Context, completer int) {
	select {
	case a := <-s.ends[completer]:
		s.completeOnce(ctx, a, s.ends[completer])
	default:
	}
}

// DeliverOnce delivers what is due in the outbox, one after the other.
func (s *Stepped) DeliverOnce(ctx context.Context, receivers []string) error {
	messages, batch, err := s.claimOutbox(ctx, receivers)
	for _, m := range messages {
		s.deliverOne(ctx, batch, m)
	}
	return err
}

// Drain begins the drain: nothing more is claimed; with stop, the running attempts are cancelled and given back.
func (s *Stepped) Drain(stop bool) {
	s.drain.Store(true)
	if !stop {
		return
	}
	for _, a := range s.held.all() {
		s.stop(a, errDrained)
	}
}

// Cut ends the contexts of all bodies, as if the process were no more.
func (s *Stepped) Cut() {
	for _, a := range s.held.all() {
		s.stop(a, context.Canceled)
	}
}

// Busy is how many attempts the process runs or has not stored yet, and Slots how many slots they take.
func (s *Stepped) Busy() int { return len(s.held.all()) }

// SlotsTaken is how many slots are taken.
func (s *Stepped) SlotsTaken() int { return s.slots.total - s.slots.free() }

// Leave leaves.
func (s *Stepped) Leave(ctx context.Context) error { return s.store.Leave(ctx, s.worker.Load()) }

// WorkerID is the id of the process's row.
func (s *Stepped) WorkerID() int64 { return s.worker.Load() }

// Break breaks a rule in a definition, for the check that the simulation notices: false when the definition has no such rule.
func (d *Definition) Break(rule string) bool {
	done := false
	for i, t := range d.tasks {
		switch rule {
		case "setup":
			done = done || len(t.setups) > 0 && !t.spec.Teardown
			if !t.spec.Teardown {
				t.setups = nil
			}
		case "teardown":
			if t.spec.Teardown && len(t.up) > 1 {
				t.up, done = t.up[:1], true
			}
		case "rule":
			if !t.spec.Teardown && t.spec.Rule == AllDone {
				t.spec.Rule, done = OneDone, true
			}
		case "past":
			done = done || t.spec.DependsOnPast
			t.spec.DependsOnPast = false
		case "leaf":
			if i == len(d.tasks)-1 && !d.leaves[i].Teardown {
				d.leaves[i].Teardown, done = true, true
			}
		case "element":
			if t.over != nil && t.over.over != nil && !t.overAll {
				t.overAll, done = true, true
			}
		case "retry":
			if t.retry != nil && t.retry.Max > 0 {
				more := *t.retry
				more.Max++
				t.retry, done = &more, true
			}
		}
	}
	return done
}
