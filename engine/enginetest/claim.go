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
		from := s.claimants(c)
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
		for _, f := range from.all {
			for _, it := range f.passed {
				f.dag.put(it)
			}
		}
		s.turns.Took(from.wants(), out)
		return out, nil
	})
}

// A claimant is a DAG whose tasks may be claimed.
type claimant struct {
	want   engine.ClaimDAG
	dag    *dag
	due    float64
	order  int // of those that are due at once the one named first goes first
	index  int
	got    int
	passed []*item // out of their piles: what a limit holds back
}

func (f *claimant) room() bool {
	return f.got < f.want.Room && (f.want.MaxActive <= 0 || f.dag.leased < f.want.MaxActive)
}

// claimants are all those of one claim, and in turn those that may get more.
type claimants struct {
	all  []*claimant
	turn *pile[*claimant]
}

// claimants finds the DAGs that have ready tasks and are not paused.
func (s *Store) claimants(c engine.ClaimRequest) *claimants {
	out := &claimants{turn: newPile(func(a, b *claimant) bool {
		return a.due < b.due || a.due == b.due && a.order < b.order
	}, func(f *claimant) *int { return &f.index })}
	var wants []engine.ClaimDAG
	for _, want := range c.DAGs {
		if d := s.dags[want.ID]; d != nil && d.waiting > 0 && !d.status.Paused {
			out.all = append(out.all, &claimant{want: want, dag: d, order: len(wants)})
			wants = append(wants, want)
		}
	}
	for i, due := range s.turns.Due(wants) {
		out.all[i].due = due
		out.turn.put(out.all[i])
	}
	return out
}

// wants are what the claim asks for of each.
func (c *claimants) wants() []engine.ClaimDAG {
	out := make([]engine.ClaimDAG, len(c.all))
	for i, f := range c.all {
		out[i] = f.want
	}
	return out
}

// pick takes the next item to be leased out of its pile; nil when there is none. Pools that a task waits for, since they have
// slots enough for it but not now, are kept for it: what comes after it in this claim gets none of them.
func (s *Store) pick(from *claimants, queues []string, kept map[string]bool) *item {
	for from.turn.Len() > 0 {
		best := from.turn.takeFirst()
		if !best.room() {
			continue
		}
		if it := s.pickOf(best, queues, kept); it != nil {
			best.got++
			best.due += turns.Step(best.want.Weight)
			from.turn.put(best)
			return it
		}
	}
	return nil
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
		d.take(best)
	}
	return best
}
