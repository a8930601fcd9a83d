package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/turns"
)

// claimReady leases ready tasks that take slots of no pool. The slots are shared out by weight over those DAGs that have any;
// what a DAG leaves of its share is for the next round. A DAG with many tasks takes no more than its share in a round, so
// that it starves nobody, and rows are locked only as far as they are (nearly) sure to be taken. Of each run's facts only one
// row per run carries them.
//
// $1 worker, $2 lease, $3 slots, $4 queues, $5 DAGs in order, $6 room, $7 weight and $8 turn of each.
const claimReady = `WITH alive AS MATERIALIZED (SELECT id FROM tidemill.workers WHERE id = $1 FOR KEY SHARE),
	wanted AS MATERIALIZED (
		SELECT c.dag_id, c.room, c.weight, c.due, c.n
		FROM unnest($5::text[], $6::int[], $7::int[], $8::float8[]) WITH ORDINALITY AS c(dag_id, room, weight, due, n)
		WHERE c.room > 0 AND EXISTS (SELECT FROM alive)
			AND NOT EXISTS (SELECT FROM tidemill.dags d WHERE d.dag_id = c.dag_id AND d.paused OFFSET 0)
			AND EXISTS (SELECT FROM tidemill.task_queue q WHERE q.dag_id = c.dag_id AND q.pool IS NULL AND NOT q.handed AND q.lease IS NULL AND q.queue = ANY($4) OFFSET 0)),
	share AS MATERIALIZED (SELECT $3::float8 / greatest(sum(weight), 1) AS size FROM wanted),
	picked AS MATERIALIZED (
		SELECT c.n, c.weight, c.due, q.id, q.priority, q.seq
		FROM wanted c CROSS JOIN share CROSS JOIN LATERAL (
			SELECT q.ctid AS id, q.priority, q.seq FROM tidemill.task_queue q
			WHERE q.dag_id = c.dag_id AND q.pool IS NULL AND NOT q.handed AND q.lease IS NULL AND q.queue = ANY($4)
			ORDER BY q.priority DESC, q.seq LIMIT least(c.room, ceil(share.size * c.weight)::int) FOR UPDATE SKIP LOCKED) q),
	chosen AS MATERIALIZED (
		SELECT p.id FROM (SELECT p.*, row_number() OVER (PARTITION BY p.n ORDER BY p.priority DESC, p.seq) AS turn FROM picked p) p
		ORDER BY p.due + (p.turn - 1)::float8 / p.weight, p.n LIMIT $3),
	leased AS (
		UPDATE tidemill.task_queue q SET lease = $2, worker = $1, leased_at = clock_timestamp()
		FROM chosen c WHERE q.ctid = c.id
		RETURNING q.run_id, q.task_id, q.map_index, q.dag_id, q.try, q.priority, q.seq)
	` + selectLeased

// selectLeased tells what was leased.
const selectLeased = `SELECT l.run_id, l.task_id, l.map_index, l.dag_id, l.try, r.*
	FROM (SELECT l.*, row_number() OVER (PARTITION BY l.run_id ORDER BY l.priority DESC, l.seq) AS nth FROM leased l) l
		LEFT JOIN LATERAL (SELECT ` + runColumns + ` FROM tidemill.runs r WHERE r.id = l.run_id AND l.nth = 1 OFFSET 0) r ON true
	ORDER BY l.run_id, l.nth`

// maxRounds bounds how often what DAGs left of their shares is offered to the others.
const maxRounds = 4

// A contender is a DAG whose tasks may be claimed; due says when its turn is (see package turns).
type contender struct {
	engine.ClaimDAG
	due float64
}

// Claim implements engine.Dispatcher. Tasks of paused DAGs are not claimed. The slots are shared out over the DAGs that have
// ready tasks; those with exact limits come first, and are offered once more what the others left.
func (s *Store) Claim(ctx context.Context, c engine.ClaimRequest) ([]engine.Leased, error) {
	var free, exact []contender
	due := s.turns.Due(c.DAGs)
	for i, d := range c.DAGs {
		switch {
		case min(d.Room, c.Slots) <= 0:
		case d.MaxActive > 0 || len(d.TaskLimits) > 0 || d.Pooled:
			exact = append(exact, contender{d, due[i]})
		default:
			free = append(free, contender{d, due[i]})
		}
	}
	out, err := s.claimFrom(ctx, c, free, exact)
	s.turns.Took(c.DAGs, out)
	if err != nil {
		if len(out) == 0 {
			return nil, fmt.Errorf("claim tasks: %w", err)
		}
		s.log.Warn("claim cut short", "error", err) // what is leased already must reach the worker
	}
	return out, nil
}

func (s *Store) claimFrom(ctx context.Context, c engine.ClaimRequest, free, exact []contender) ([]engine.Leased, error) {
	ready, err := s.readyExact(ctx, c, free, exact)
	if err != nil {
		return nil, err
	}
	out, err := s.claimExact(ctx, c, ready.quota, c.Slots)
	if err != nil {
		return nil, err
	}
	got, err := s.claimFree(ctx, c, free, c.Slots-len(out))
	out = append(out, got...)
	if err == nil && len(out) < c.Slots {
		got, err = s.claimExact(ctx, c, ready.rest(out), c.Slots-len(out))
		out = append(out, got...)
	}
	return out, err
}

// claimFree claims tasks that are under no limit but their worker's. Each round is a statement and a transaction of its own;
// with an error comes what earlier rounds leased.
func (s *Store) claimFree(ctx context.Context, c engine.ClaimRequest, dags []contender, slots int) ([]engine.Leased, error) {
	var out []engine.Leased
	for round := 0; round < maxRounds && slots > 0 && len(dags) > 0; round++ {
		var got []engine.Leased
		err := s.repeat(ctx, func(ctx context.Context) (err error) {
			got, err = s.claimRound(ctx, c, dags, slots)
			return err
		})
		if err != nil {
			return out, err
		}
		out = append(out, got...)
		slots -= len(got)
		if len(got) == 0 {
			break
		}
		dags = leftOver(dags, got)
	}
	return out, nil
}

// leftOver returns the DAGs that may have more: those that got something and have room still.
func leftOver(dags []contender, got []engine.Leased) []contender {
	if len(dags) == 1 {
		return nil // its share was all
	}
	n := countByDAG(got)
	var out []contender
	for _, d := range dags {
		if k := n[d.ID]; k > 0 && k < d.Room {
			out = append(out, d.after(k))
		}
	}
	return out
}

// after is how a DAG contends once it has got k slots.
func (d contender) after(k int) contender {
	d.Room -= k
	d.due += float64(k) * turns.Step(d.Weight)
	return d
}

func countByDAG(leased []engine.Leased) map[string]int {
	n := map[string]int{}
	for i := range leased {
		n[leased[i].DAG]++
	}
	return n
}

func (s *Store) claimRound(ctx context.Context, c engine.ClaimRequest, dags []contender, slots int) ([]engine.Leased, error) {
	ids := make([]string, len(dags))
	rooms := make([]int32, len(dags))
	weights := make([]int32, len(dags))
	due := make([]float64, len(dags))
	for i, d := range dags {
		ids[i], rooms[i] = d.ID, int32(min(d.Room, slots))  //nolint:gosec // bounded by the slots
		weights[i], due[i] = int32(max(1, d.Weight)), d.due //nolint:gosec // checked at registration
	}
	rows, err := s.work.Query(ctx, claimReady, c.Worker, nullable(c.Lease), slots, c.Queues, ids, rooms, weights, due)
	if err != nil {
		return nil, err
	}
	return collectLeased(rows, c)
}

// collectLeased reads what a claim returned; the first row of each run carries the run's facts.
func collectLeased(rows pgx.Rows, c engine.ClaimRequest) ([]engine.Leased, error) {
	defer rows.Close()
	var out []engine.Leased
	var l engine.Leased
	var run engine.RunRow
	l.ID = c.Lease
	full := append([]any{&l.Run.Key, &l.Task, &l.MapIndex, &l.DAG, &l.Try}, runTargets(&run)...)
	bare := make([]any, len(full))
	copy(bare, full[:5])
	for rows.Next() {
		dest := bare
		if rows.RawValues()[5] != nil {
			dest = full
			run = engine.RunRow{}
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		l.Lease.Run = l.Run.Key
		one := l
		one.Run = run
		out = append(out, one)
	}
	return out, rows.Err()
}
