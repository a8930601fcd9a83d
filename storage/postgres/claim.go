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
// $1 worker, $2 lease, $3 slots, $4 queues, $5 DAGs in order, $6 room, $7 weight and $8 turn of each; $9 to $12 the spans to look at, by DAG
// and in their order (see floors): of one priority from a floor on, or of several.
var claimReady = `WITH alive AS MATERIALIZED (SELECT id FROM tidemill.workers WHERE id = $1 FOR KEY SHARE),
	spans AS MATERIALIZED (SELECT g.dag_id, g.hi, g.lo, g.floor FROM unnest($9::text[], $10::int[], $11::int[], $12::bigint[]) AS g(dag_id, hi, lo, floor)),
	wanted AS MATERIALIZED (
		SELECT c.dag_id, c.room, c.weight, c.due, c.n
		FROM unnest($5::text[], $6::int[], $7::int[], $8::float8[]) WITH ORDINALITY AS c(dag_id, room, weight, due, n)
		WHERE c.room > 0 AND EXISTS (SELECT FROM alive)
			AND NOT EXISTS (SELECT FROM tidemill.dags d WHERE d.dag_id = c.dag_id AND d.paused OFFSET 0)
			AND EXISTS (SELECT FROM spans g CROSS JOIN LATERAL (` + readySpan("", "1") + `) q WHERE g.dag_id = c.dag_id OFFSET 0)),
	share AS MATERIALIZED (SELECT $3::float8 / greatest(sum(weight), 1) AS size FROM wanted),
	picked AS MATERIALIZED (
		SELECT c.n, c.weight, c.due, q.id, q.priority, q.seq
		FROM wanted c CROSS JOIN share CROSS JOIN LATERAL (
			SELECT q.id, q.priority, q.seq FROM spans g CROSS JOIN LATERAL (` + readySpan("FOR UPDATE SKIP LOCKED", "least(c.room, ceil(share.size * c.weight)::int)") + `) q
			WHERE g.dag_id = c.dag_id LIMIT least(c.room, ceil(share.size * c.weight)::int)) q),
	chosen AS MATERIALIZED (
		SELECT p.id FROM (SELECT p.*, row_number() OVER (PARTITION BY p.n ORDER BY p.priority DESC, p.seq) AS turn FROM picked p) p
		ORDER BY p.due + (p.turn - 1)::float8 / p.weight, p.n LIMIT $3),
	leased AS (
		UPDATE tidemill.task_queue q SET lease = $2, worker = $1, leased_at = clock_timestamp()
		FROM chosen c WHERE q.ctid = c.id
		RETURNING q.run_id, q.task_id, q.map_index, q.dag_id, q.try, q.priority, q.seq)
	` + selectLeased

// readySpan are the first ready tasks of span g of DAG c: of one priority from a floor on, where the index begins at the floor, or of all from
// hi down to lo. Rows are read, and locked, one by one as they are asked for.
func readySpan(lock, limit string) string {
	ready := `SELECT q.ctid AS id, q.priority, q.seq FROM tidemill.task_queue q
		WHERE q.dag_id = c.dag_id AND q.pool IS NULL AND NOT q.handed AND q.lease IS NULL AND q.queue = ANY($4) AND `
	return `SELECT * FROM (` + ready + `g.hi = g.lo AND q.priority = g.hi AND q.seq >= g.floor ORDER BY q.seq LIMIT ` + limit + ` ` + lock + `) one
		UNION ALL SELECT * FROM (` + ready + `g.hi > g.lo AND q.priority <= g.hi AND q.priority >= g.lo ORDER BY q.priority DESC, q.seq LIMIT ` + limit + ` ` + lock + `) several`
}

// selectLeased tells what was leased.
const selectLeased = `SELECT l.run_id, l.task_id, l.map_index, l.dag_id, l.try, l.priority, l.seq, r.*
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
	if len(c.DAGs) > manyDAGs {
		return s.claimOfMany(ctx, c)
	}
	return s.claim(ctx, c)
}

func (s *Store) claim(ctx context.Context, c engine.ClaimRequest) ([]engine.Leased, error) {
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
	parts, looks := s.spansOf(dags, c.Queues)
	ids := make([]string, len(dags))
	rooms := make([]int32, len(dags))
	weights := make([]int32, len(dags))
	due := make([]float64, len(dags))
	for i, d := range dags {
		ids[i], rooms[i] = d.ID, int32(min(d.Room, slots))  //nolint:gosec // bounded by the slots
		weights[i], due[i] = int32(max(1, d.Weight)), d.due //nolint:gosec // checked at registration
	}
	began := s.clock.Now()
	rows, err := s.work.Query(ctx, claimReady, c.Worker, nullable(c.Lease), slots, c.Queues, ids, rooms, weights, due, parts.dags, parts.hi, parts.lo, parts.floors)
	if err != nil {
		return nil, err
	}
	out, places, err := collectLeased(rows, c)
	if err != nil {
		return nil, err
	}
	now := s.clock.Now()
	s.floors.lookedAt(looks, c.Queues, now, now.Sub(began))
	s.floors.took(out, places, c.Queues, now)
	return out, nil
}

// spanColumns are the spans of DAGs.
type spanColumns struct {
	dags   []string
	hi, lo []int32
	floors []int64
}

// spansOf are the spans that a claim looks at, and the DAGs that it looks at without floors.
func (s *Store) spansOf(dags []contender, queues []string) (o spanColumns, looks []string) {
	now := s.clock.Now()
	for i := range dags {
		parts, look := s.floors.spans(dags[i].ID, queues, now)
		for _, p := range parts {
			o.dags = append(o.dags, dags[i].ID)
			o.hi, o.lo, o.floors = append(o.hi, p.hi), append(o.lo, p.lo), append(o.floors, p.floor)
		}
		if look {
			looks = append(looks, dags[i].ID)
		}
	}
	return o, looks
}

// collectLeased reads what a claim returned, and where each task stood; the first row of each run carries the run's facts.
func collectLeased(rows pgx.Rows, c engine.ClaimRequest) (out []engine.Leased, places []place, err error) {
	defer rows.Close()
	var l engine.Leased
	var run engine.RunRow
	l.ID = c.Lease
	var at place
	full := append([]any{&l.Run.Key, &l.Task, &l.MapIndex, &l.DAG, &l.Try, &at.priority, &at.seq}, runTargets(&run)...)
	bare := make([]any, len(full))
	copy(bare, full[:7])
	for rows.Next() {
		dest := bare
		if rows.RawValues()[7] != nil {
			dest = full
			run = engine.RunRow{}
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, nil, err
		}
		l.Lease.Run = l.Run.Key
		one := l
		one.Run = run
		out, places = append(out, one), append(places, at)
	}
	return out, places, rows.Err()
}
