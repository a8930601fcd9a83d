package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

const attemptColumnsRead = `a.run_id, a.task_id, a.map_index, a.try, a.state, a.ending, a.queued_at, a.started_at, a.ended_at,
	a.worker, a.version, a.build, a.error, a.marked_by`

func attemptTargets(a *engine.Attempt) []any {
	return []any{&a.Run, &a.Task, &a.MapIndex, &a.Try, (*string)(&a.State), (*string)(&a.Ending), &a.QueuedAt, &a.StartedAt, &a.EndedAt,
		&a.Worker, &a.Version, &a.Build, &a.Error, &a.By}
}

func scanAttempt(row pgx.CollectableRow) (a engine.Attempt, err error) {
	return a, row.Scan(attemptTargets(&a)...)
}

func scanFullAttempt(row pgx.CollectableRow) (a engine.Attempt, err error) {
	return a, row.Scan(append(attemptTargets(&a), &a.Output, &a.Inputs)...)
}

// The newest attempt is the one that ended last; of one moment, the one written last.
const (
	// The output of an attempt that the asker has seen is not read.
	latestInputs = `SELECT c.n, i.run_id, i.task_id, i.map_index, i.try, i.state, i.ended_at, i.error, s.same, CASE WHEN NOT s.same THEN i.output END
		FROM unnest($1::bigint[], $2::text[], $3::int[], $4::boolean[], $7::int[], $8::timestamptz[])
			WITH ORDINALITY AS c(run_id, task_id, map_index, settled, seen_try, seen_at, n)
		CROSS JOIN LATERAL (
			SELECT DISTINCT ON (a.map_index) ` + attemptColumnsRead + `, a.output FROM tidemill.attempts a
			WHERE a.run_id = c.run_id AND a.task_id = c.task_id AND (a.map_index = c.map_index OR c.map_index = $5 AND a.map_index >= 0)
				AND (c.settled OR a.state = $6)
			ORDER BY a.map_index, a.ended_at DESC, a.seq DESC) i
		CROSS JOIN LATERAL (SELECT i.try = c.seen_try AND i.ended_at = c.seen_at AND i.map_index = c.map_index AS same) s
		ORDER BY c.n, i.map_index`

	readAttempts = `SELECT ` + attemptColumnsRead + ` FROM tidemill.attempts a
		WHERE a.run_id = ANY($1) AND ($2 = '' OR a.task_id = $2) ORDER BY a.ended_at, a.seq`

	readAttempt = `SELECT ` + attemptColumnsRead + `, a.output, a.inputs FROM tidemill.attempts a
		WHERE a.run_id = $1 AND a.task_id = $2 AND a.map_index = $3 AND ($4 = -1 OR a.try = $4) ORDER BY a.ended_at DESC, a.seq DESC LIMIT 1`
)

// Inputs implements engine.Dispatcher.
func (s *Store) Inputs(ctx context.Context, keys []engine.InputKey) ([]engine.Input, error) {
	out := make([]engine.Input, len(keys))
	if len(keys) == 0 {
		return out, nil
	}
	var cols keyColumns
	var settled []bool
	var tries []int
	var at []time.Time
	for _, k := range keys {
		cols.add(engine.TaskKey{Run: k.Run, Task: k.Task, MapIndex: k.MapIndex})
		settled, tries, at = append(settled, k.Settled), append(tries, k.Seen.Try), append(at, k.Seen.EndedAt)
	}
	rows, err := s.work.Query(ctx, latestInputs, cols.runs, cols.tasks, cols.indexes, settled, engine.AllElements, string(engine.Success), tries, at)
	if err != nil {
		return nil, fmt.Errorf("read inputs: %w", err)
	}
	var n int
	var a engine.Attempt
	var same bool
	_, err = pgx.ForEachRow(rows, []any{&n, &a.Run, &a.Task, &a.MapIndex, &a.Try, (*string)(&a.State), &a.EndedAt, &a.Error, &same, &a.Output}, func() error {
		if out[n-1].Same = same; !same {
			out[n-1].Attempts = append(out[n-1].Attempts, a)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read inputs: %w", err)
	}
	return out, nil
}

// Attempts implements engine.Reader.
func (s *Store) Attempts(ctx context.Context, runs []int64, task string) ([]engine.Attempt, error) {
	out, err := query(ctx, s.look, scanAttempt, readAttempts, runs, task)
	if err != nil {
		return nil, fmt.Errorf("read attempts: %w", err)
	}
	return out, nil
}

// Attempt implements engine.Reader.
func (s *Store) Attempt(ctx context.Context, key engine.TaskKey, try int) (engine.Attempt, error) {
	rows, err := s.look.Query(ctx, readAttempt, key.Run, key.Task, key.MapIndex, try)
	if err == nil {
		var a engine.Attempt
		if a, err = pgx.CollectExactlyOneRow(rows, scanFullAttempt); err == nil {
			return a, nil
		}
	}
	return engine.Attempt{}, fmt.Errorf("attempt %d of task %q of run %d: %w", try, key.Task, key.Run, notFound(err))
}
