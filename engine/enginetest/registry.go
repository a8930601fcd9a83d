package enginetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// A dag is a registered DAG with the indexes over its runs and queue.
type dag struct {
	status   engine.DAGStatus // Spec is empty: it is in specs
	specs    map[string]engine.Spec
	versions []engine.DAGVersion
	byID     map[string]*run
	byDate   map[int64]*run // by the logical date in Unix nanoseconds
	all      []*run         // by key
	running  map[*run]struct{}
	groups   map[int64]*group        // queued runs: of each backfill, and at 0 of none
	ready    map[string]*pile[*item] // not leased, by queue
	waiting  int                     // how many these are
	leased   int
	leasedOf map[string]int    // by task
	held     map[*run]struct{} // queued runs that are held
	scope    *scope            // timers and waits of its runs that are pinned to no version
	updated  map[string]bool   // assets that schedule it
	pending  map[int64]bool    // their events that it has not been run for
}

// Register implements engine.Registry.
func (s *Store) Register(ctx context.Context, dags []engine.DAGRecord) ([]engine.DAGStatus, error) {
	return query(ctx, s, "Register", func(now time.Time) ([]engine.DAGStatus, error) {
		out := make([]engine.DAGStatus, 0, len(dags))
		for _, rec := range dags {
			out = append(out, s.register(rec, now))
		}
		return out, nil
	})
}

func (s *Store) register(rec engine.DAGRecord, now time.Time) engine.DAGStatus {
	d := s.dags[rec.ID]
	if d == nil {
		d = &dag{
			status:   engine.DAGStatus{ID: rec.ID, RegisteredAt: now},
			specs:    map[string]engine.Spec{},
			byID:     map[string]*run{},
			byDate:   map[int64]*run{},
			running:  map[*run]struct{}{},
			held:     map[*run]struct{}{},
			pending:  map[int64]bool{},
			groups:   map[int64]*group{},
			ready:    map[string]*pile[*item]{},
			leasedOf: map[string]int{},
			scope:    s.scope(rec.ID),
		}
		s.dags[rec.ID] = d
	}
	if _, known := d.specs[rec.Version]; !known {
		d.specs[rec.Version] = copySpec(rec.Spec)
		d.versions = append(d.versions, engine.DAGVersion{Version: rec.Version, At: now})
	}
	s.schedule(d, rec.Spec.Assets)
	d.status.Version = rec.Version
	d.status.MaxActiveRuns = rec.MaxActiveRuns
	d.status.SeenAt = now
	return d.now()
}

// head is now without the spec.
func (d *dag) head() engine.DAGStatus {
	st := d.status
	st.LastScheduled = copyOf(st.LastScheduled)
	return st
}

// now returns a copy of how the DAG stands.
func (d *dag) now() engine.DAGStatus {
	st := d.head()
	st.Spec = copySpec(d.specs[st.Version])
	return st
}

// SetPaused implements engine.Registry.
func (s *Store) SetPaused(ctx context.Context, id string, paused bool, acts ...engine.AuditEntry) error {
	return exec(ctx, s, "SetPaused", func(now time.Time) error {
		d, err := s.dag(id)
		if err != nil {
			return err
		}
		if d.status.Paused == paused {
			return nil
		}
		d.status.Paused = paused
		if !paused {
			d.status.UnpausedAt = &now
		}
		s.note(acts, now)
		return nil
	})
}

// CreateRuns implements engine.Registry. A DAG that was never registered is engine.ErrNotFound.
func (s *Store) CreateRuns(ctx context.Context, runs []engine.NewRun) ([]engine.Created, error) {
	return query(ctx, s, "CreateRuns", func(now time.Time) ([]engine.Created, error) {
		return s.createRuns(runs, now)
	})
}

func (s *Store) createRuns(runs []engine.NewRun, now time.Time) ([]engine.Created, error) {
	for _, n := range runs {
		if _, err := s.dag(n.DAG); err != nil {
			return nil, fmt.Errorf("run %q: %w", n.RunID, err)
		}
	}
	out := make([]engine.Created, 0, len(runs))
	for _, n := range runs {
		out = append(out, s.createRun(n, now))
	}
	return out, nil
}

func (s *Store) createRun(n engine.NewRun, now time.Time) engine.Created {
	d := s.dags[n.DAG]
	if n.Logical != nil {
		if r := d.byDate[n.Logical.UnixNano()]; r != nil {
			return engine.Created{Key: r.row.Key, Exists: true}
		}
	}
	if r := d.byID[n.RunID]; r != nil {
		return engine.Created{Key: r.row.Key, Exists: true}
	}
	s.lastRun++
	r := newRun(d, engine.RunRow{
		Key: s.lastRun, DAG: n.DAG, RunID: n.RunID, Type: n.Type, State: engine.RunQueued,
		Logical: copyOf(n.Logical), Start: copyOf(n.Start), End: copyOf(n.End),
		Params: bytes.Clone(n.Params), Version: n.Version, Backfill: n.Backfill, Order: n.Order,
		TriggeredBy: n.TriggeredBy, Note: n.Note, Priority: n.Priority, OnlyTasks: slices.Clone(n.OnlyTasks),
		QueuedAt: now, Deadline: n.Deadline, IgnorePast: n.IgnorePast, Hold: copyHold(n.Hold),
	})
	s.runs[r.row.Key] = r
	d.all = append(d.all, r)
	d.byID[n.RunID] = r
	if n.Logical != nil {
		d.byDate[n.Logical.UnixNano()] = r
		if last := d.status.LastScheduled; n.Type == engine.ScheduledRun && (last == nil || n.Logical.After(*last)) {
			d.status.LastScheduled = copyOf(n.Logical)
		}
	}
	if n.Deadline > 0 {
		s.setTimer(r, engine.Timer{
			TaskKey: engine.TaskKey{Run: r.row.Key, MapIndex: -1}, Kind: engine.TimerDeadline, DueAt: now.Add(n.Deadline),
		})
	}
	s.note(n.Acts, now)
	return engine.Created{Key: r.row.Key}
}

func (s *Store) dag(id string) (*dag, error) {
	if d := s.dags[id]; d != nil {
		return d, nil
	}
	return nil, fmt.Errorf("DAG %q: %w", id, engine.ErrNotFound)
}

// known returns those of the DAGs that are registered, each once.
func (s *Store) known(ids []string) []*dag {
	seen := make(map[string]bool, len(ids))
	out := make([]*dag, 0, len(ids))
	for _, id := range ids {
		if d := s.dags[id]; d != nil && !seen[id] {
			seen[id] = true
			out = append(out, d)
		}
	}
	return out
}
