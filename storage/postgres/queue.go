package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

func scanLease(row pgx.CollectableRow) (l engine.Lease, err error) {
	return l, row.Scan(&l.Run, &l.Task, &l.MapIndex, (*[16]byte)(&l.ID))
}

func scanTimer(row pgx.CollectableRow) (t engine.Timer, err error) {
	return t, row.Scan(&t.Run, &t.Task, &t.MapIndex, (*string)(&t.Kind), &t.DueAt)
}

// Orphans implements engine.Dispatcher: the oldest first.
func (s *Store) Orphans(ctx context.Context, limit int) ([]engine.Lease, error) {
	out, err := query(ctx, s.work, scanLease, orphans, limit)
	if err != nil {
		return nil, fmt.Errorf("find orphaned leases: %w", err)
	}
	return out, nil
}

// DueTimers implements engine.Dispatcher: the longest due first.
func (s *Store) DueTimers(ctx context.Context, dags []string, limit int) ([]engine.Timer, error) {
	out, err := query(ctx, s.look, scanTimer, `SELECT t.run_id, t.task_id, t.map_index, t.kind, t.due_at FROM tidemill.timers t
		WHERE t.due_at <= now() AND t.dag_id = ANY($1) ORDER BY t.due_at, t.run_id, t.task_id, t.map_index LIMIT $2`, dags, limit)
	if err != nil {
		return nil, fmt.Errorf("find due timers: %w", err)
	}
	return out, nil
}

// NextTimer implements engine.Dispatcher.
func (s *Store) NextTimer(ctx context.Context, dags []string) (time.Time, error) {
	var next *time.Time
	err := s.look.QueryRow(ctx, `SELECT min(due_at) FROM tidemill.timers WHERE dag_id = ANY($1)`, dags).Scan(&next)
	if err != nil {
		return time.Time{}, fmt.Errorf("find the next timer: %w", err)
	}
	if next == nil {
		return time.Time{}, nil
	}
	return *next, nil
}

// Idle implements engine.Dispatcher. A run's own timer (its deadline) does not keep it from being idle: it moves nothing.
func (s *Store) Idle(ctx context.Context, dags []string, limit int) ([]int64, error) {
	out, err := query(ctx, s.look, pgx.RowTo[int64], `SELECT r.id FROM tidemill.runs r
		WHERE r.state = 'running' AND r.dag_id = ANY($1)
			AND NOT EXISTS (SELECT FROM tidemill.task_queue q WHERE q.run_id = r.id)
			AND NOT EXISTS (SELECT FROM tidemill.timers t WHERE t.run_id = r.id AND t.task_id <> '')
			AND NOT EXISTS (SELECT FROM tidemill.waits w WHERE w.run_id = r.id)
			AND NOT EXISTS (SELECT FROM tidemill.questions q WHERE q.run_id = r.id AND q.closed_at IS NULL)
		ORDER BY r.id LIMIT $2`, dags, limit)
	if err != nil {
		return nil, fmt.Errorf("find idle runs: %w", err)
	}
	return out, nil
}

// Timers implements engine.Reader.
func (s *Store) Timers(ctx context.Context, runs []int64) ([]engine.Timer, error) {
	out, err := query(ctx, s.look, scanTimer, `SELECT t.run_id, t.task_id, t.map_index, t.kind, t.due_at FROM tidemill.timers t
		WHERE t.run_id = ANY($1) ORDER BY t.run_id, t.due_at, t.task_id, t.map_index`, runs)
	if err != nil {
		return nil, fmt.Errorf("read timers: %w", err)
	}
	return out, nil
}

// queueRowColumns are those of the queue that people see, where w is the worker; queueTargets are where they are scanned to.
const queueRowColumns = `q.run_id, q.task_id, q.map_index, q.dag_id, q.try, q.priority, split_part(q.queue, '@', 1), q.queued_at, q.lease IS NOT NULL,
	coalesce(w.name, ''), coalesce(q.worker, 0), q.leased_at, q.cancelled, coalesce(q.pool, ''), coalesce(q.slots, 0)`

func queueTargets(q *engine.QueueRow) []any {
	return []any{&q.Run, &q.Task, &q.MapIndex, &q.DAG, &q.Try, &q.Priority, &q.Queue, &q.QueuedAt, &q.Leased, &q.Worker, &q.WorkerID, &q.LeasedAt, &q.Cancelled,
		&q.Pool, &q.Slots}
}

// Queue implements engine.Reader.
func (s *Store) Queue(ctx context.Context, runs []int64) ([]engine.QueueRow, error) {
	out, err := query(ctx, s.look, func(row pgx.CollectableRow) (q engine.QueueRow, err error) {
		return q, row.Scan(queueTargets(&q)...)
	}, `SELECT `+queueRowColumns+` FROM tidemill.task_queue q LEFT JOIN tidemill.workers w ON w.id = q.worker
		WHERE q.run_id = ANY($1) ORDER BY q.run_id, q.seq`, runs)
	if err != nil {
		return nil, fmt.Errorf("read the queue: %w", err)
	}
	return out, nil
}
