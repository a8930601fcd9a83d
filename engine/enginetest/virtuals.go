package enginetest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidemill/tidemill/engine"
)

type virtual struct {
	runner engine.TaskKey
	state  engine.VirtualState
}

// ReportVirtual implements engine.Dispatcher.
func (s *Store) ReportVirtual(ctx context.Context, lease engine.Lease, nodes []engine.VirtualState) error {
	return exec(ctx, s, "ReportVirtual", func(time.Time) error {
		it := s.holder(lease)
		if it == nil {
			return fmt.Errorf("task %q of run %d: %w", lease.Task, lease.Run, engine.ErrLostLease)
		}
		for _, n := range nodes {
			it.run.report(lease.TaskKey, n)
		}
		return nil
	})
}

func (r *run) report(runner engine.TaskKey, n engine.VirtualState) {
	for _, v := range r.virtuals {
		if v.runner == runner && v.state.ID == n.ID {
			v.state = copyVirtual(n)
			return
		}
	}
	r.virtuals = append(r.virtuals, &virtual{runner, copyVirtual(n)})
}

// closeVirtuals ends those nodes of a runner that have not ended, or forgets all of them, or makes some wait for their next try.
func (s *Store) closeVirtuals(c engine.VirtualClose, now time.Time) {
	r := s.runs[c.Task.Run]
	if r == nil {
		return
	}
	if c.Forget {
		r.virtuals = slices.DeleteFunc(r.virtuals, func(v *virtual) bool { return v.runner == c.Task })
		return
	}
	if c.Again != nil {
		for _, v := range r.virtuals {
			if n := &v.state; v.runner == c.Task && slices.Contains(c.Again, n.ID) {
				n.State, n.Message, n.StartedAt, n.EndedAt, n.Try = engine.None, "", nil, nil, c.Try
			}
		}
		return
	}
	for _, v := range r.virtuals {
		if v.runner == c.Task && !v.state.State.Terminal() {
			v.state.State, v.state.Message, v.state.EndedAt = c.State, c.Why, copyOf(&now)
		}
	}
}
