package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

// RegisterStreams implements engine.StreamStore. Replicas beyond a lowered number are not claimed any more.
func (s *Store) RegisterStreams(ctx context.Context, recs []engine.StreamRecord) error {
	var names, docs []string
	var replicas []int32
	for _, r := range recs {
		names = append(names, r.Name)
		docs = append(docs, clean(r.Doc))
		replicas = append(replicas, int32(r.Replicas)) //nolint:gosec // checked at registration
	}
	err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO tidemill.streams (name, replicas, doc)
			SELECT c.name, c.replicas, c.doc FROM unnest($1::text[], $2::int[], $3::text[]) AS c(name, replicas, doc) ORDER BY c.name
			ON CONFLICT (name) DO UPDATE SET replicas = excluded.replicas, doc = excluded.doc`, names, replicas, docs)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO tidemill.stream_replicas (name, replica)
			SELECT st.name, n FROM tidemill.streams st, generate_series(0, st.replicas - 1) AS n WHERE st.name = ANY($1) ORDER BY 1, 2
			ON CONFLICT DO NOTHING`, names)
		return err
	})
	if err != nil {
		return fmt.Errorf("register %d streams: %w", len(recs), err)
	}
	return nil
}

const claimReplica = `UPDATE tidemill.stream_replicas r SET lease = $2, worker = $3, started_at = now(), next_start = NULL
	FROM (
		SELECT r.name, r.replica FROM tidemill.stream_replicas r JOIN tidemill.streams st ON st.name = r.name
		WHERE r.name = $1 AND NOT st.paused AND r.replica < st.replicas AND (r.next_start IS NULL OR r.next_start <= now())
			AND (r.lease IS NULL OR NOT EXISTS (SELECT FROM tidemill.workers w WHERE w.id = r.worker))
		ORDER BY r.replica LIMIT 1 FOR UPDATE OF r SKIP LOCKED) c
	WHERE r.name = c.name AND r.replica = c.replica
	RETURNING r.replica, r.restarts`

// ClaimStream implements engine.StreamStore. A worker without a row gets none.
func (s *Store) ClaimStream(ctx context.Context, name string, worker int64, lease uuid.UUID) (engine.StreamLease, bool, error) {
	l := engine.StreamLease{Name: name, ID: lease, Worker: worker}
	ok := false
	err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		ok = false
		if alive, err := lockWorker(ctx, tx, worker); err != nil || !alive {
			return err
		}
		err := tx.QueryRow(ctx, claimReplica, name, nullable(lease), worker).Scan(&l.Replica, &l.Restarts)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		ok = err == nil
		return err
	})
	if err != nil {
		return engine.StreamLease{}, false, fmt.Errorf("claim stream %q: %w", name, err)
	}
	if !ok {
		return engine.StreamLease{}, false, nil
	}
	return l, true, nil
}

// BeatStream implements engine.StreamStore. Progress that is nil leaves what there is.
func (s *Store) BeatStream(ctx context.Context, l engine.StreamLease, progress []byte) (held, paused bool, err error) {
	err = s.look.QueryRow(ctx, `WITH beaten AS (
			UPDATE tidemill.stream_replicas SET progress = coalesce($4, progress), progress_at = CASE WHEN $4::bytea IS NULL THEN progress_at ELSE now() END
			WHERE name = $1 AND replica = $2 AND lease = $3 RETURNING 1)
		SELECT EXISTS (SELECT FROM beaten), coalesce((SELECT paused FROM tidemill.streams WHERE name = $1), false)`,
		l.Name, l.Replica, nullable(l.ID), progress).Scan(&held, &paused)
	if err != nil {
		return false, false, fmt.Errorf("beat of stream %q, replica %d: %w", l.Name, l.Replica, err)
	}
	return held, paused, nil
}

// EndStream implements engine.StreamStore. A lease that is not held any more ends nothing.
func (s *Store) EndStream(ctx context.Context, l engine.StreamLease, cause string, next time.Time, events []engine.Event) error {
	var due *time.Time
	if cause != "" {
		due = &next
	}
	err := s.write(ctx, func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE tidemill.stream_replicas SET lease = NULL, worker = NULL, started_at = NULL, error = $4,
				next_start = $5, restarts = restarts + CASE WHEN $4 = '' THEN 0 ELSE 1 END
			WHERE name = $1 AND replica = $2 AND lease = $3`, l.Name, l.Replica, nullable(l.ID), clean(cause), due)
		if err != nil || tag.RowsAffected() == 0 || cause == "" || len(events) == 0 {
			return err
		}
		var cols eventColumns
		for i := range events {
			cols.add(&events[i])
		}
		_, err = tx.Exec(ctx, insertEvents, cols.args()...)
		return err
	})
	if err != nil {
		return fmt.Errorf("end stream %q, replica %d: %w", l.Name, l.Replica, err)
	}
	return nil
}

// ResetRestarts implements engine.StreamStore. A lease that is not held any more resets nothing.
func (s *Store) ResetRestarts(ctx context.Context, l engine.StreamLease) error {
	_, err := s.look.Exec(ctx, `UPDATE tidemill.stream_replicas SET restarts = 0 WHERE name = $1 AND replica = $2 AND lease = $3`,
		l.Name, l.Replica, nullable(l.ID))
	if err != nil {
		return fmt.Errorf("reset restarts of stream %q, replica %d: %w", l.Name, l.Replica, err)
	}
	return nil
}

// SetStreamPaused implements engine.StreamStore. engine.ErrNotFound when there is no stream of that name.
func (s *Store) SetStreamPaused(ctx context.Context, name string, paused bool, acts ...engine.AuditEntry) error {
	return s.changeBy(ctx, acts, personal{
		what: fmt.Sprintf("pause stream %q (%t)", name, paused),
		sql:  `UPDATE tidemill.streams SET paused = $2 WHERE name = $1 AND paused <> $2`, args: []any{name, paused},
		asked: `SELECT true FROM tidemill.streams WHERE name = $1`,
	})
}

// Streams implements engine.StreamStore: by name.
func (s *Store) Streams(ctx context.Context) ([]engine.StreamStatus, error) {
	var out []engine.StreamStatus
	rows, err := s.look.Query(ctx, `SELECT st.name, st.doc, st.paused, r.replica,
			CASE WHEN w.id IS NOT NULL THEN 'running' WHEN st.paused THEN 'paused' WHEN r.next_start IS NOT NULL THEN 'restarting' ELSE 'stopped' END,
			coalesce(w.name, ''), r.started_at, r.progress, r.progress_at, coalesce(r.restarts, 0), coalesce(r.error, ''), r.next_start
		FROM tidemill.streams st
			LEFT JOIN tidemill.stream_replicas r ON r.name = st.name AND r.replica < st.replicas
			LEFT JOIN tidemill.workers w ON w.id = r.worker AND r.lease IS NOT NULL
		ORDER BY st.name, r.replica`)
	if err == nil {
		var st engine.StreamStatus
		var r engine.ReplicaStatus
		var replica *int
		_, err = pgx.ForEachRow(rows, []any{&st.Name, &st.Doc, &st.Paused, &replica, &r.State, &r.Worker, &r.StartedAt, &r.Progress, &r.ProgressAt,
			&r.Restarts, &r.Error, &r.NextStart}, func() error {
			if len(out) == 0 || out[len(out)-1].Name != st.Name {
				out = append(out, st)
			}
			if replica != nil {
				one := r
				one.Replica = *replica
				last := &out[len(out)-1]
				last.Replicas = append(last.Replicas, one)
			}
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read streams: %w", err)
	}
	return out, nil
}
