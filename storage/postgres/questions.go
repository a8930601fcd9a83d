package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

const (
	closeQuestions = `UPDATE tidemill.questions q SET closed_at = $4 FROM (
			SELECT q.at FROM unnest($1::bigint[], $2::text[], $3::int[]) AS c(run_id, task_id, map_index)
				CROSS JOIN LATERAL (SELECT q.ctid AS at FROM tidemill.questions q
					WHERE q.run_id = c.run_id AND q.task_id = c.task_id AND q.map_index = c.map_index OFFSET 0) q) c
		WHERE q.ctid = c.at AND q.closed_at IS NULL`

	// setQuestion keeps the question that it replaces.
	setQuestion = `WITH old AS (INSERT INTO tidemill.old_questions (run_id, task_id, map_index, question, answers, default_answer, asked_at, due_at)
			SELECT run_id, task_id, map_index, question, answers, default_answer, asked_at, due_at FROM tidemill.questions
			WHERE run_id = $1 AND task_id = $2 AND map_index = $3 ON CONFLICT DO NOTHING)
		INSERT INTO tidemill.questions (run_id, task_id, map_index, question, answers, default_answer, asked_at, due_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (run_id, task_id, map_index) DO UPDATE SET question = excluded.question, answers = excluded.answers,
			default_answer = excluded.default_answer, asked_at = excluded.asked_at, due_at = excluded.due_at, closed_at = NULL`

	questionColumns = `run_id, task_id, map_index, question, answers, default_answer, asked_at, due_at, closed_at IS NOT NULL`
)

func queueUnask(b *pgx.Batch, keys *keyColumns, now time.Time) {
	if len(keys.runs) > 0 {
		b.Queue(closeQuestions, keys.runs, keys.tasks, keys.indexes, now)
	}
}

func queueAsk(b *pgx.Batch, questions []engine.QuestionRow) {
	for i := range questions {
		q := &questions[i]
		var answers []string
		for _, a := range q.Answers {
			answers = append(answers, clean(a))
		}
		b.Queue(setQuestion, q.Run, q.Task, q.MapIndex, clean(q.Text), answers, clean(q.Default), q.AskedAt, q.DueAt)
	}
}

// Questions implements engine.Reader.
func (s *Store) Questions(ctx context.Context, runs []int64, limit int) ([]engine.QuestionRow, error) {
	which, args := `closed_at IS NULL`, []any{limit}
	if len(runs) > 0 {
		which, args = `run_id = ANY($2)`, []any{limit, runs}
	}
	out, err := query(ctx, s.look, func(row pgx.CollectableRow) (q engine.QuestionRow, err error) {
		return q, row.Scan(&q.Run, &q.Task, &q.MapIndex, &q.Text, &q.Answers, &q.Default, &q.AskedAt, &q.DueAt, &q.Closed)
	}, `SELECT `+questionColumns+` FROM tidemill.questions WHERE `+which+` ORDER BY asked_at, run_id, task_id, map_index LIMIT $1`, args...)
	if err != nil {
		return nil, fmt.Errorf("read questions: %w", err)
	}
	return out, nil
}

// OldQuestions implements engine.Reader.
func (s *Store) OldQuestions(ctx context.Context, key engine.TaskKey) ([]engine.QuestionRow, error) {
	out, err := query(ctx, s.look, func(row pgx.CollectableRow) (q engine.QuestionRow, err error) {
		return q, row.Scan(&q.Run, &q.Task, &q.MapIndex, &q.Text, &q.Answers, &q.Default, &q.AskedAt, &q.DueAt, &q.Closed)
	}, `SELECT run_id, task_id, map_index, question, answers, default_answer, asked_at, due_at, true FROM tidemill.old_questions
		WHERE run_id = $1 AND task_id = $2 AND map_index = $3 ORDER BY asked_at`, key.Run, key.Task, key.MapIndex)
	if err != nil {
		return nil, fmt.Errorf("read old questions of task %q of run %d: %w", key.Task, key.Run, err)
	}
	return out, nil
}
