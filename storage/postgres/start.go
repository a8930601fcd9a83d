package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemill/tidemill/engine"
)

const (
	// startGroups are the groups of runs that share a limit (those of one backfill, or a DAG's others) that have queued ones.
	startGroups = `SELECT g.dag_id, g.backfill_id, CASE WHEN b.id IS NULL THEN d.max_active_runs ELSE b.max_active_runs END, g.running
		FROM (SELECT r.dag_id, r.backfill_id, count(*) FILTER (WHERE r.state = 'queued' AND r.hold IS NULL) AS queued, count(*) FILTER (WHERE r.state = 'running') AS running
			FROM tidemill.runs r WHERE r.state IN ('queued', 'running') AND r.dag_id = ANY($1) GROUP BY 1, 2) g
			JOIN tidemill.dags d ON d.dag_id = g.dag_id
			LEFT JOIN tidemill.backfills b ON b.id = g.backfill_id
		WHERE g.queued > 0 AND NOT d.paused AND NOT coalesce(b.paused, false)`

	// startCandidates are the runs that would start next.
	startCandidates = `SELECT r.id FROM unnest($1::text[], $2::bigint[], $3::int[]) AS g(dag_id, backfill_id, room)
		CROSS JOIN LATERAL (
			SELECT r.id, r.position, ` + typeRank + ` AS rank FROM tidemill.runs r
			WHERE r.dag_id = g.dag_id AND r.state = 'queued' AND r.backfill_id = g.backfill_id AND r.hold IS NULL
			ORDER BY rank, r.position, r.id LIMIT g.room) r
		ORDER BY r.rank, r.position, r.id LIMIT $4`

	lockQueued = `SELECT r.id, r.dag_id, r.backfill_id, r.position, ` + typeRank + ` FROM tidemill.runs r
		WHERE r.id = ANY($1) AND r.state = 'queued' AND r.hold IS NULL ORDER BY r.id FOR UPDATE SKIP LOCKED`
)

// A runGroup is the runs that share a limit.
type runGroup struct {
	dag      string
	backfill int64
	limit    int // 0: none
	running  int
}

// room returns how many more of the group's runs may start, at most upTo.
func (g runGroup) room(upTo int) int {
	if g.limit <= 0 {
		return upTo
	}
	return max(0, min(upTo, g.limit-g.running))
}

// StartRuns implements engine.Dispatcher. The candidates are found without a lock and locked, runs first; then the limits
// that apply are locked, and what is running counted anew: of the locked runs those start that fit.
func (s *Store) StartRuns(ctx context.Context, dags []string, limit int, decide engine.Decide) (int, error) {
	groups, err := findGroups(ctx, s.look, dags)
	if err != nil {
		return 0, fmt.Errorf("start runs: %w", err)
	}
	keys, err := s.candidates(ctx, groups, limit)
	if err != nil {
		return 0, fmt.Errorf("start runs: %w", err)
	}
	if len(keys) == 0 {
		return 0, nil
	}
	var names []string
	for _, g := range groups {
		names = append(names, runLimit(g.dag, g.backfill))
	}
	if err := s.makeLimits(ctx, names); err != nil {
		return 0, fmt.Errorf("start runs: %w", err)
	}
	n, replace := 0, false
	err = s.repeat(ctx, func(ctx context.Context) error {
		conn, err := s.work.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		defer rollback(ctx, conn.Conn())
		n, err = s.start(ctx, conn, keys, limit, decide, &replace)
		return err
	})
	if err != nil {
		var own decideError
		if errors.As(err, &own) {
			return 0, own.error
		}
		return 0, fmt.Errorf("start runs: %w", err)
	}
	return n, nil
}

func findGroups(ctx context.Context, q querier, dags []string) ([]runGroup, error) {
	return query(ctx, q, func(row pgx.CollectableRow) (g runGroup, err error) {
		return g, row.Scan(&g.dag, &g.backfill, &g.limit, &g.running)
	}, startGroups, dags)
}

func (s *Store) candidates(ctx context.Context, groups []runGroup, limit int) ([]int64, error) {
	var dags []string
	var backfills []int64
	var rooms []int32
	for _, g := range groups {
		if room := g.room(limit); room > 0 {
			dags = append(dags, g.dag)
			backfills = append(backfills, g.backfill)
			rooms = append(rooms, int32(room)) //nolint:gosec // bounded by the limit
		}
	}
	if len(dags) == 0 {
		return nil, nil
	}
	return query(ctx, s.look, pgx.RowTo[int64], startCandidates, dags, backfills, rooms, limit)
}

// A queuedRun is a run that is locked and may start.
type queuedRun struct {
	key, backfill  int64
	dag            string
	position, rank int
}

func (s *Store) start(ctx context.Context, conn *pgxpool.Conn, keys []int64, limit int, decide engine.Decide, replace *bool) (int, error) {
	tx := conn.Conn()
	if _, err := tx.Exec(ctx, s.work.beginSQL()); err != nil {
		return 0, beforeCommit(tx, err)
	}
	locked, err := query(ctx, tx, func(row pgx.CollectableRow) (r queuedRun, err error) {
		return r, row.Scan(&r.key, &r.dag, &r.backfill, &r.position, &r.rank)
	}, lockQueued, keys)
	if err != nil || len(locked) == 0 {
		return 0, beforeCommit(tx, err)
	}
	var dags, names []string
	for _, r := range locked {
		dags = append(dags, r.dag)
		names = append(names, runLimit(r.dag, r.backfill))
	}
	if _, err := tx.Exec(ctx, lockLimits, names); err != nil {
		return 0, beforeCommit(tx, err)
	}
	groups, err := findGroups(ctx, tx, dags)
	if err != nil {
		return 0, beforeCommit(tx, err)
	}
	chosen := choose(locked, groups, limit)
	if len(chosen) == 0 {
		return 0, nil
	}
	f := &found{}
	b := &pgx.Batch{}
	queueReadRuns(b, chosen, f)
	b.Queue(readClock).QueryRow(func(row pgx.Row) error { return row.Scan(append(f.mark.targets(), &f.now)...) })
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		return 0, beforeCommit(tx, err)
	}
	return len(chosen), s.decide(ctx, tx, f, &engine.Transition{Decide: decide}, replace)
}

// choose returns the keys, ascending, of those locked runs that their groups have room for, the first in order first.
func choose(locked []queuedRun, groups []runGroup, limit int) []int64 {
	type id struct {
		dag      string
		backfill int64
	}
	room := map[id]int{}
	for _, g := range groups {
		room[id{g.dag, g.backfill}] = g.room(limit)
	}
	slices.SortFunc(locked, func(a, b queuedRun) int {
		for _, d := range []int64{int64(a.rank - b.rank), int64(a.position - b.position), a.key - b.key} {
			if d != 0 {
				return int(max(-1, min(1, d)))
			}
		}
		return 0
	})
	var out []int64
	for _, r := range locked {
		if k := (id{r.dag, r.backfill}); room[k] > 0 && len(out) < limit {
			room[k]--
			out = append(out, r.key)
		}
	}
	slices.Sort(out)
	return out
}
