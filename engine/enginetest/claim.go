package enginetest

import (
	"context"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/turns"
)

// Claim implements engine.Dispatcher: slot by slot, each for the DAG whose turn it is.
func (s *Store) Claim(ctx context.Context, c engine.ClaimRequest) ([]engine.Leased, error) {
	return query(ctx, s, "Claim", func(now time.Time) ([]engine.Leased, error) {
		if s.workers[c.Worker] == nil {
			return nil, nil
		}
		due := s.turns.Due(c.DAGs)
		var from []*claimant
		for i, want := range c.DAGs {
			if d := s.dags[want.ID]; d != nil && !d.status.Paused {
				from = append(from, &claimant{want: want, dag: d, due: due[i]})
			}
		}
		kept := map[string]bool{}
		var out []engine.Leased
		for len(out) < c.Slots {
			it := s.pick(from, c.Queues, kept)
			if it == nil {
				break
			}
			s.grant(it, c.Worker, c.Lease, now)
			out = append(out, engine.Leased{Lease: it.lease(), DAG: it.DAG, Try: it.Try, Run: copyRunHead(it.run.row)})
		}
		for _, f := range from {
			for _, it := range f.passed {
				f.dag.ready[it.Queue].put(it)
			}
		}
		s.turns.Took(c.DAGs, out)
		return out, nil
	})
}

// A claimant is a DAG whose tasks may be claimed.
type claimant struct {
	want   engine.ClaimDAG
	dag    *dag
	due    float64
	got    int
	passed []*item // out of their piles: what a limit holds back
}

func (f *claimant) room() bool {
	return f.got < f.want.Room && (f.want.MaxActive <= 0 || f.dag.leased < f.want.MaxActive)
}

// pick takes the next item to be leased out of its pile; nil when there is none. Pools that a task waits for, since they have
// slots enough for it but not now, are kept for it: what comes after it in this claim gets none of them.
func (s *Store) pick(from []*claimant, queues []string, kept map[string]bool) *item {
	done := map[*claimant]bool{}
	for {
		var best *claimant
		for _, f := range from {
			if !done[f] && f.room() && (best == nil || f.due < best.due) {
				best = f
			}
		}
		if best == nil {
			return nil
		}
		if it := s.pickOf(best, queues, kept); it != nil {
			best.got++
			best.due += turns.Step(best.want.Weight)
			return it
		}
		done[best] = true
	}
}

func (s *Store) pickOf(f *claimant, queues []string, kept map[string]bool) *item {
	for {
		it := takeNext(f.dag, queues)
		if it == nil || s.fits(f, it, kept) {
			return it
		}
		f.passed = append(f.passed, it)
	}
}

// fits tells whether the limits of its task and its pool let an item be leased.
func (s *Store) fits(f *claimant, it *item, kept map[string]bool) bool {
	if limit, limited := f.want.TaskLimits[it.Task]; limited && f.dag.leasedOf[it.Task] >= limit {
		return false
	}
	if it.Pool == "" {
		return true
	}
	p := s.pools[it.Pool]
	if p == nil || it.Slots > p.Slots || kept[it.Pool] {
		return false
	}
	if p.used+it.Slots > p.Slots {
		kept[it.Pool] = true
		return false
	}
	return true
}

// takeNext takes the next item in these queues out of its pile; nil when there is none.
func takeNext(d *dag, queues []string) *item {
	var best *item
	for _, q := range queues {
		if p := d.ready[q]; p != nil {
			if it, ok := p.first(); ok && (best == nil || claimedBefore(it, best)) {
				best = it
			}
		}
	}
	if best != nil {
		d.ready[best.Queue].remove(best)
	}
	return best
}
