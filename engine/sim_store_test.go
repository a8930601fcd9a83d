package engine_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

// A watched store is the store in memory with the world's faults before and after each operation, and with the observer looking on. What is
// not named here has the faults only.
type watched struct {
	*enginetest.Store
	w     *world
	quiet int // who looks on sees no faults
}

// do is one operation: f is its effect, and what the observer has to say of it.
func (s *watched) do(ctx context.Context, op string, f func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if err := s.w.halt(op); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	s.quiet++
	err := f(context.WithoutCancel(ctx))
	s.quiet--
	if err != nil {
		return err
	}
	if err := s.w.halt(op + ".commit"); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// A decision is what a Decide was asked and answered, last.
type decision struct {
	now     time.Time
	found   engine.Found
	changes []engine.RunChange
	asked   int
}

// listen notes what a Decide says, and breaks it where the world is broken.
func (s *watched) listen(decide engine.Decide, d *decision) engine.Decide {
	hit := s.w.broken.hit()
	return func(now time.Time, rows []engine.RunRow, found engine.Found) ([]engine.RunChange, error) {
		told := found
		if hit && s.w.broken.found != nil {
			told = s.w.broken.found(found)
		}
		changes, err := decide(now, rows, told)
		if hit && s.w.broken.change != nil && err == nil {
			for i := range changes {
				s.w.broken.change(s.w, &changes[i])
			}
		}
		if d.asked++; d.asked > 1 && err == nil && !sameChanges(d.changes, changes) {
			s.w.violated("a decision that was made twice came out differently")
		}
		d.now, d.found, d.changes = now, found, changes
		return changes, err
	}
}

func sameChanges(a, b []engine.RunChange) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := &a[i], &b[i]
		if x.Key != y.Key || x.State != y.State || string(x.States) != string(y.States) || len(x.Enqueue) != len(y.Enqueue) || len(x.Callbacks) != len(y.Callbacks) || len(x.Attempts) != len(y.Attempts) {
			return false
		}
	}
	return true
}

func (s *watched) Transition(ctx context.Context, t engine.Transition) error {
	return s.do(ctx, "Transition", func(ctx context.Context) error {
		var d decision
		if s.w.broken != nil && s.w.broken.ends != nil {
			t.Ends = slices.Clone(t.Ends)
			s.w.broken.ends(s.w, t.Ends)
		}
		t.Decide = s.listen(t.Decide, &d)
		err := s.Store.Transition(ctx, t)
		if err == nil {
			s.w.eyes.changed(t.Ends, d)
		}
		return err
	})
}

func (s *watched) StartRuns(ctx context.Context, dags []string, limit int, decide engine.Decide) (n int, err error) {
	err = s.do(ctx, "StartRuns", func(ctx context.Context) error {
		var d decision
		n, err = s.Store.StartRuns(ctx, dags, limit, s.listen(decide, &d))
		if err == nil {
			s.w.eyes.changed(nil, d)
		}
		return err
	})
	return n, err
}

func (s *watched) Claim(ctx context.Context, c engine.ClaimRequest) (out []engine.Leased, err error) {
	err = s.do(ctx, "Claim", func(ctx context.Context) error {
		if s.w.broken != nil && s.w.broken.claim != nil {
			s.w.broken.claim(&c)
		}
		out, err = s.Store.Claim(ctx, c)
		if err == nil {
			s.w.eyes.claimed(c, out)
		}
		return err
	})
	return out, err
}

func (s *watched) Join(ctx context.Context, i engine.WorkerInfo) (id int64, err error) {
	err = s.do(ctx, "Join", func(ctx context.Context) error {
		id, err = s.Store.Join(ctx, i)
		s.w.eyes.workers[id] = true
		return err
	})
	return id, err
}

// Beat goes without the time that a heartbeat has, which is told by a real clock.
func (s *watched) Beat(ctx context.Context, b engine.Beat) (out engine.BeatAnswer, err error) {
	err = s.do(s.w.on.p.ctx, "Beat", func(ctx context.Context) error {
		out, err = s.Store.Beat(ctx, b)
		return err
	})
	return out, err
}

func (s *watched) Leave(ctx context.Context, worker int64) error {
	return s.do(ctx, "Leave", func(ctx context.Context) error {
		delete(s.w.eyes.workers, worker)
		return s.Store.Leave(ctx, worker)
	})
}

func (s *watched) Bury(ctx context.Context, workers []int64) error {
	return s.do(ctx, "Bury", func(ctx context.Context) error {
		s.w.say("buried: %v", workers)
		for _, id := range workers {
			delete(s.w.eyes.workers, id)
		}
		return s.Store.Bury(ctx, workers)
	})
}

func (s *watched) Orphans(ctx context.Context, limit int) (out []engine.Lease, err error) {
	err = s.do(ctx, "Orphans", func(ctx context.Context) error {
		out, err = s.Store.Orphans(ctx, limit)
		if s.w.broken != nil && s.w.broken.orphans != nil {
			out = s.w.broken.orphans(s.w, out)
		}
		return err
	})
	return out, err
}

func (s *watched) SetPaused(ctx context.Context, dag string, paused bool, acts ...engine.AuditEntry) error {
	return s.do(ctx, "SetPaused", func(ctx context.Context) error {
		err := s.Store.SetPaused(ctx, dag, paused, acts...)
		if err == nil {
			s.w.eyes.paused[dag] = paused
		}
		return err
	})
}

func (s *watched) SetPool(ctx context.Context, p engine.Pool, acts ...engine.AuditEntry) error {
	return s.do(ctx, "SetPool", func(ctx context.Context) error {
		err := s.Store.SetPool(ctx, p, acts...)
		if err == nil {
			s.w.eyes.pools[p.Name] = p.Slots
		}
		return err
	})
}

func (s *watched) Release(ctx context.Context, run int64) error {
	return s.do(ctx, "Release", func(ctx context.Context) error {
		s.w.eyes.released(run)
		return s.Store.Release(ctx, run)
	})
}

func (s *watched) HeldRuns(ctx context.Context, dags []string, limit int) (out []engine.RunRow, err error) {
	err = s.do(ctx, "HeldRuns", func(ctx context.Context) error {
		out, err = s.Store.HeldRuns(ctx, dags, limit)
		if s.w.broken != nil && s.w.broken.holds != nil {
			s.w.broken.holds(out)
		}
		return err
	})
	return out, err
}

func (s *watched) CreateAssetRun(ctx context.Context, n engine.NewRun, events []int64) (key int64, err error) {
	err = s.do(ctx, "CreateAssetRun", func(ctx context.Context) error {
		key, err = s.Store.CreateAssetRun(ctx, n, events)
		if err == nil {
			s.w.eyes.triggered(n.DAG, events)
		}
		return err
	})
	return key, err
}

func (s *watched) FinishOutbox(ctx context.Context, id int64, claim uuid.UUID, d engine.Delivery) error {
	return s.do(ctx, "FinishOutbox", func(ctx context.Context) error { return s.Store.FinishOutbox(ctx, id, claim, d) })
}
