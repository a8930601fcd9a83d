package postgres

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

const (
	messageColumns = `o.id, o.event_id, o.kind, o.receiver, o.hook, o.dag_id, o.run_id, o.task_id, o.map_index, o.type, o.data, o.tries, o.at`

	claimOutbox = `WITH due AS (
			SELECT id FROM tidemill.outbox
			WHERE state = 'pending' AND next_at <= now() AND (kind = 'webhook' AND receiver = ANY($2) OR kind = 'callback' AND dag_id = ANY($1))
			ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED),
		o AS (
			UPDATE tidemill.outbox o SET claim = $4, worker = nullif($6::bigint, 0), next_at = clock_timestamp() + $5::interval
			FROM due WHERE o.id = due.id RETURNING o.*)
		SELECT ` + messageColumns + ` FROM o ORDER BY o.id`

	finishOutbox = `UPDATE tidemill.outbox SET claim = NULL, worker = NULL, tries = tries + 1, error = $3, state = $4, next_at = $5,
			ended_at = CASE WHEN $4 = 'pending' THEN NULL ELSE now() END
		WHERE id = $1 AND claim = $2 AND state = 'pending'`
)

// unclaimOutbox makes due what workers have claimed and not finished.
const unclaimOutbox = `UPDATE tidemill.outbox SET claim = NULL, worker = NULL, next_at = now() WHERE worker = ANY($1)`

// The states of a message.
const (
	messagePending   = "pending"
	messageDelivered = "delivered"
	messageFailed    = "failed"
)

func messageTargets(m *engine.Message) []any {
	return []any{&m.ID, (*[16]byte)(&m.EventID), &m.Kind, &m.Receiver, &m.Hook, &m.DAG, &m.Key.Run, &m.Key.Task, &m.Key.MapIndex, &m.Type, &m.Data, &m.Tries, &m.At}
}

// RegisterReceiver implements engine.Outbox.
func (s *Store) RegisterReceiver(ctx context.Context, name, url string) error {
	_, err := s.look.Exec(ctx, `INSERT INTO tidemill.receivers (name, url, registered_at) VALUES ($1, $2, now())
		ON CONFLICT (name) DO UPDATE SET url = excluded.url`, name, url)
	if err != nil {
		return fmt.Errorf("register receiver %q: %w", name, err)
	}
	return nil
}

// ClaimOutbox implements engine.Outbox: the oldest messages first.
func (s *Store) ClaimOutbox(ctx context.Context, c engine.OutboxClaim) ([]engine.Message, error) {
	var out []engine.Message
	err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) (err error) {
		out = nil
		if c.Worker != 0 {
			if alive, err := lockWorker(ctx, tx, c.Worker); err != nil || !alive {
				return err
			}
			if _, err := tx.Exec(ctx, unclaimOutbox, []int64{c.Worker}); err != nil {
				return err
			}
		}
		out, err = query(ctx, tx, func(row pgx.CollectableRow) (m engine.Message, err error) {
			return m, row.Scan(messageTargets(&m)...)
		}, claimOutbox, c.DAGs, c.Receivers, c.Limit, nullable(c.Claim), c.Hide, c.Worker)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("claim messages: %w", err)
	}
	return out, nil
}

// FinishOutbox implements engine.Outbox. Tries counts the deliveries that were finished.
func (s *Store) FinishOutbox(ctx context.Context, id int64, claim uuid.UUID, r engine.Delivery) error {
	state, retry := messagePending, &r.RetryAt
	switch {
	case r.Done:
		state, retry = messageDelivered, nil
	case r.GaveUp:
		state, retry = messageFailed, nil
	}
	if _, err := s.look.Exec(ctx, finishOutbox, id, nullable(claim), clean(r.Error), state, retry); err != nil {
		return fmt.Errorf("finish message %d: %w", id, err)
	}
	return nil
}

// Emit implements engine.Outbox.
func (s *Store) Emit(ctx context.Context, events []engine.Event) error {
	if len(events) == 0 {
		return nil
	}
	var cols eventColumns
	for i := range events {
		cols.add(&events[i])
	}
	if _, err := s.look.Exec(ctx, insertEvents, cols.args()...); err != nil {
		return fmt.Errorf("emit %d events: %w", len(events), err)
	}
	return nil
}

// Messages implements engine.Reader: the newest first.
func (s *Store) Messages(ctx context.Context, limit int) ([]engine.MessageRow, error) {
	out, err := query(ctx, s.look, func(row pgx.CollectableRow) (m engine.MessageRow, err error) {
		return m, row.Scan(append(messageTargets(&m.Message), &m.State, &m.Error, &m.NextAt, &m.EndedAt)...)
	}, `SELECT `+messageColumns+`, o.state, o.error, o.next_at, o.ended_at FROM tidemill.outbox o ORDER BY o.id DESC LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("read messages: %w", err)
	}
	return out, nil
}
