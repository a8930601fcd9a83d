package engine

import (
	"context"
	"time"
)

// giveBackAfter is how long the store may list a lease of this process that the process does not know before it is given back: the
// answer to its claim was lost.
const giveBackAfter = 10 * time.Second

// heartbeats tells the store that this process lives, and does what the answers ask for, until ctx ends.
func (r *Runtime) heartbeats(ctx context.Context) {
	unknown := map[leaseKey]time.Time{}
	tick := r.clock.NewTicker(r.cfg.Heartbeat, "heartbeat")
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r.beat(ctx, unknown)
	}
}

func (r *Runtime) beat(ctx context.Context, unknown map[leaseKey]time.Time) {
	leases := r.held.all()
	b := Beat{Worker: r.worker.Load()}
	for _, a := range leases {
		b.Leases = append(b.Leases, a.Lease)
	}
	wait := r.cfg.Heartbeat + 2*time.Second
	if left := CutOff - r.sinceBeat(); left > 0 {
		wait = min(wait, left) // so that a beat without an answer does not hold up the cut
	}
	bctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	sent := r.clock.Now()
	answer, err := r.store.Beat(bctx, b)
	if err != nil {
		if ctx.Err() == nil {
			r.log.Warn("heartbeat", "error", err)
			r.cutOff()
		}
		return
	}
	if !answer.Alive {
		r.log.Warn("this process was declared dead: its attempts are stopped and it joins anew", "worker", b.Worker)
		for _, a := range leases {
			r.lose(a)
		}
		if err := r.join(ctx); err != nil && ctx.Err() == nil {
			r.log.Warn("join", "error", err)
		}
		return
	}
	r.lastOK.Store(&sent)
	for _, l := range answer.Lost {
		if a, ok := r.held.get(l); ok {
			r.lose(a)
		}
	}
	for _, l := range answer.Cancel {
		if a, ok := r.held.get(l); ok {
			r.stop(a, errCancelled)
		}
	}
	r.giveBackUnknown(ctx, answer.Unknown, unknown)
}

// lose stops an attempt that may not change anything any more. One that has ended has no lease because its end was stored while the
// heartbeat was on its way, or else will be told so when it is to be stored.
func (r *Runtime) lose(a *attempt) {
	if !a.ended.Load() && !a.lost.Swap(true) {
		r.log.Warn("lease lost; the attempt is stopped", "dag", a.DAG, "run", a.Leased.Run.RunID, "task", a.Lease.Task, "try", a.Try)
		r.stop(a, ErrLostLease)
	}
}

// giveBackUnknown ends leases that the store has listed for this process for a while and that it knows nothing of.
func (r *Runtime) giveBackUnknown(ctx context.Context, listed []Lease, since map[leaseKey]time.Time) {
	now := r.clock.Now()
	still := make(map[leaseKey]bool, len(listed))
	for _, l := range listed {
		k := keyOf(l)
		if _, ok := r.held.get(l); ok {
			continue // claimed while the beat was on its way
		}
		still[k] = true
		first, ok := since[k]
		if !ok {
			since[k] = now
			continue
		}
		if now.Sub(first) < giveBackAfter {
			continue
		}
		r.log.Warn("giving back a lease whose claim was never answered", "task", l.Task, "run", l.Run)
		if err := r.endElsewhere(ctx, []Lease{l}, AttemptEnd{Ending: EndCancelled, GivenBack: true, Error: "its claim was never answered"}, nil); err != nil {
			r.log.Warn("give back", "error", err)
		}
	}
	for k := range since {
		if !still[k] {
			delete(since, k)
		}
	}
}

// sinceBeat is how long ago the last heartbeat that succeeded was sent.
func (r *Runtime) sinceBeat() time.Duration { return r.clock.Now().Sub(*r.lastOK.Load()) }

// cutOff stops what must not run beside its replacement when this process could not beat for a while. Streams look at sinceBeat
// themselves.
func (r *Runtime) cutOff() {
	if r.sinceBeat() < CutOff {
		return
	}
	for _, a := range r.held.all() {
		if a.task != nil && a.task.exclusive {
			r.stop(a, ErrLostLease)
		}
	}
}
