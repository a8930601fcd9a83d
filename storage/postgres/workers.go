package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

// Join implements engine.Dispatcher.
func (s *Store) Join(ctx context.Context, w engine.WorkerInfo) (int64, error) {
	var id int64
	err := s.look.QueryRow(ctx, `INSERT INTO tidemill.workers (name, build, kind, slots, queues, dags, streams, versions, application_name, joined_at, beat_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now(), now()) RETURNING id`,
		clean(w.Name), w.Build, w.Kind, w.Slots, notNil(w.Queues), notNil(w.DAGs), notNil(w.Streams), w.Versions, s.app).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("join as worker %q: %w", w.Name, err)
	}
	return id, nil
}

func notNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

const (
	beatWorker = `UPDATE tidemill.workers SET beats = beats + 1, beat_at = now() WHERE id = $1`

	// toldLeases tells of each lease that the worker believes to hold whether it does, and whether it is to be cancelled.
	toldLeases = `SELECT c.n, q.run_id IS NOT NULL, coalesce(q.cancelled, false)
		FROM unnest($1::bigint[], $2::text[], $3::int[], $4::uuid[]) WITH ORDINALITY AS c(run_id, task_id, map_index, lease, n)
			LEFT JOIN LATERAL (SELECT q.run_id, q.cancelled FROM tidemill.task_queue q
				WHERE q.run_id = c.run_id AND q.task_id = c.task_id AND q.map_index = c.map_index AND q.lease = c.lease OFFSET 0) q ON true
		ORDER BY c.n`

	// leases are all that somebody holds. They are of runs that run, and found through these: there is no index on the worker, which would make
	// each claim dearer, and reading the whole queue would pass all that is done and not cleaned away yet.
	leases = ` FROM tidemill.runs r CROSS JOIN LATERAL (SELECT q.* FROM tidemill.task_queue q WHERE q.run_id = r.id AND q.lease IS NOT NULL OFFSET 0) q
		WHERE r.state = 'running' AND `

	// heldLeases are all that the worker holds.
	heldLeases = `SELECT q.run_id, q.task_id, q.map_index, q.lease` + leases + `q.worker = $1 ORDER BY q.seq`

	orphans = `SELECT q.run_id, q.task_id, q.map_index, q.lease` + leases + `NOT EXISTS (SELECT FROM tidemill.workers w WHERE w.id = q.worker)
		ORDER BY q.seq LIMIT $1`
)

// Beat implements engine.Dispatcher. To a worker without a row it says only that.
func (s *Store) Beat(ctx context.Context, b engine.Beat) (engine.BeatAnswer, error) {
	var answer engine.BeatAnswer
	tag, err := s.work.Exec(ctx, beatWorker, b.Worker)
	if err != nil {
		return answer, fmt.Errorf("beat of worker %d: %w", b.Worker, err)
	}
	if tag.RowsAffected() == 0 {
		return answer, nil
	}
	answer.Alive = true
	if err := s.told(ctx, b, &answer); err != nil {
		return engine.BeatAnswer{}, fmt.Errorf("beat of worker %d: look up its leases: %w", b.Worker, err)
	}
	held, err := query(ctx, s.work, scanLease, heldLeases, b.Worker)
	if err != nil {
		return engine.BeatAnswer{}, fmt.Errorf("beat of worker %d: find its leases: %w", b.Worker, err)
	}
	told := make(map[engine.Lease]bool, len(b.Leases))
	for _, l := range b.Leases {
		told[l] = true
	}
	for _, l := range held {
		if !told[l] {
			answer.Unknown = append(answer.Unknown, l)
		}
	}
	return answer, nil
}

func (s *Store) told(ctx context.Context, b engine.Beat, answer *engine.BeatAnswer) error {
	if len(b.Leases) == 0 {
		return nil
	}
	var keys keyColumns
	var leases uuids
	for _, l := range b.Leases {
		keys.add(l.TaskKey)
		leases = append(leases, l.ID)
	}
	rows, err := s.work.Query(ctx, toldLeases, keys.runs, keys.tasks, keys.indexes, leases)
	if err != nil {
		return err
	}
	var n int
	var held, cancel bool
	_, err = pgx.ForEachRow(rows, []any{&n, &held, &cancel}, func() error {
		switch l := b.Leases[n-1]; {
		case !held:
			answer.Lost = append(answer.Lost, l)
		case cancel:
			answer.Cancel = append(answer.Cancel, l)
		}
		return nil
	})
	return err
}

// lockWorker keeps a worker's row in place until the transaction ends and tells whether there is one.
func lockWorker(ctx context.Context, tx pgx.Tx, id int64) (bool, error) {
	tag, err := tx.Exec(ctx, `SELECT FROM tidemill.workers WHERE id = $1 FOR KEY SHARE`, id)
	return tag.RowsAffected() > 0, err
}

// Leave implements engine.Dispatcher.
func (s *Store) Leave(ctx context.Context, worker int64) error {
	if err := s.dismiss(ctx, []int64{worker}); err != nil {
		return fmt.Errorf("leave as worker %d: %w", worker, err)
	}
	return nil
}

// dismiss deletes workers' rows. Who claims waits for that or is waited for; so what they had claimed to deliver is due then.
func (s *Store) dismiss(ctx context.Context, workers []int64) error {
	return s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM tidemill.workers w USING
			(SELECT id FROM tidemill.workers WHERE id = ANY($1) ORDER BY id FOR UPDATE) d WHERE w.id = d.id`, workers)
		if err == nil {
			_, err = tx.Exec(ctx, unclaimOutbox, workers)
		}
		return err
	})
}

// endSessions ends the sessions of dead workers' processes, but never those of a process that has a living worker. A pooler has
// sessions of its own and gives them the name of whom they work for: those that idle ($3) are nobody's.
const endSessions = `SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity a
	WHERE a.datname = current_database() AND a.usename = current_user AND a.application_name <> $2 AND ($3 OR a.state <> 'idle')
		AND a.application_name IN (SELECT application_name FROM tidemill.workers WHERE id = ANY($1))
		AND a.application_name NOT IN (SELECT application_name FROM tidemill.workers WHERE id <> ALL($1))`

// Bury implements engine.Dispatcher. A frozen process may hold locks, its worker's row among them: its sessions are ended
// first.
func (s *Store) Bury(ctx context.Context, workers []int64) error {
	if len(workers) == 0 {
		return nil
	}
	var ended int
	if err := s.look.QueryRow(ctx, endSessions, workers, s.app, !s.at.pooled).Scan(&ended); err != nil {
		return fmt.Errorf("bury workers %v: end their sessions: %w", workers, err)
	}
	if err := s.dismiss(ctx, workers); err != nil {
		return fmt.Errorf("bury workers %v: %w", workers, err)
	}
	s.log.Info("dead workers buried", "workers", workers, "sessions", ended)
	return nil
}

// Workers implements engine.Reader.
func (s *Store) Workers(ctx context.Context) ([]engine.WorkerRow, error) {
	out, err := query(ctx, s.work, func(row pgx.CollectableRow) (w engine.WorkerRow, err error) {
		return w, row.Scan(&w.ID, &w.Name, &w.Build, &w.Kind, &w.Slots, &w.Queues, &w.DAGs, &w.Streams, &w.Versions, &w.Beats, &w.JoinedAt, &w.BeatAt, &w.Leases)
	}, `SELECT w.id, w.name, w.build, w.kind, w.slots, w.queues, w.dags, w.streams, w.versions, w.beats, w.joined_at, w.beat_at, coalesce(q.leases, 0)
		FROM tidemill.workers w
			LEFT JOIN (SELECT q.worker, count(*) AS leases`+leases+`true GROUP BY 1) q ON q.worker = w.id
		ORDER BY w.id`)
	if err != nil {
		return nil, fmt.Errorf("read workers: %w", err)
	}
	return out, nil
}
