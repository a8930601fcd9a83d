package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemill/tidemill/engine"
)

const (
	// queuedGroups are the groups of runs that share a limit (those of one backfill, or a DAG's others) that have queued ones, with the
	// place in the order of the first of these. The index of open runs has them all. The groups of DAGs that nobody asked for come too:
	// an array of many DAGs' names costs more than leaving them out here.
	queuedGroups = `SELECT r.dag_id, r.backfill_id, min(ARRAY[` + typeRank + `, r.position, r.id]::bigint[])
		FROM tidemill.runs r WHERE r.state = 'queued' AND r.hold IS NULL GROUP BY 1, 2`

	// startCandidates are the runs of some groups that would start next: as many of each as it has room for.
	startCandidates = `SELECT q.id, g.dag_id, g.backfill_id, q.position, q.rank
		FROM unnest($1::text[], $2::bigint[]) AS g(dag_id, backfill_id)
		CROSS JOIN LATERAL (SELECT d.max_active_runs FROM tidemill.dags d WHERE d.dag_id = g.dag_id AND NOT d.paused OFFSET 0) d
		LEFT JOIN LATERAL (SELECT b.max_active_runs, b.paused FROM tidemill.backfills b WHERE b.id = g.backfill_id AND g.backfill_id > 0 OFFSET 0) b ON true
		CROSS JOIN LATERAL (SELECT coalesce(b.max_active_runs, d.max_active_runs) AS most OFFSET 0) l
		CROSS JOIN LATERAL (SELECT count(*) AS n FROM tidemill.runs r
			WHERE r.dag_id = g.dag_id AND r.state = 'running' AND r.backfill_id = g.backfill_id AND l.most > 0 OFFSET 0) running
		CROSS JOIN LATERAL (SELECT r.id, r.position, ` + typeRank + ` AS rank FROM tidemill.runs r
			WHERE r.dag_id = g.dag_id AND r.state = 'queued' AND r.backfill_id = g.backfill_id AND r.hold IS NULL
			ORDER BY rank, r.position, r.id LIMIT CASE WHEN l.most > 0 THEN greatest(0, least($3, l.most - running.n)) ELSE $3 END) q
		WHERE NOT coalesce(b.paused, false)
		ORDER BY q.rank, q.position, q.id LIMIT $3`

	lockQueued = `SELECT r.id FROM tidemill.runs r
		WHERE r.id = ANY($1) AND r.state = 'queued' AND r.hold IS NULL ORDER BY r.id FOR UPDATE SKIP LOCKED`

	// startRoom is, for some groups, how many of their runs may run, and how many do. Paused ones are left out.
	startRoom = `SELECT g.dag_id, g.backfill_id, l.most, running.n
		FROM unnest($1::text[], $2::bigint[]) AS g(dag_id, backfill_id)
		CROSS JOIN LATERAL (SELECT d.max_active_runs FROM tidemill.dags d WHERE d.dag_id = g.dag_id AND NOT d.paused OFFSET 0) d
		LEFT JOIN LATERAL (SELECT b.max_active_runs, b.paused FROM tidemill.backfills b WHERE b.id = g.backfill_id AND g.backfill_id > 0 OFFSET 0) b ON true
		CROSS JOIN LATERAL (SELECT coalesce(b.max_active_runs, d.max_active_runs) AS most OFFSET 0) l
		CROSS JOIN LATERAL (SELECT count(*) AS n FROM tidemill.runs r
			WHERE r.dag_id = g.dag_id AND r.state = 'running' AND r.backfill_id = g.backfill_id AND l.most > 0 OFFSET 0) running
		WHERE NOT coalesce(b.paused, false)`
)

// startChunk bounds how many runs are started in one transaction.
const startChunk = 100

// A runGroup is the runs that share a limit.
type runGroup struct {
	dag      string
	backfill int64
}

// A queuedRun is a run that may start.
type queuedRun struct {
	runGroup
	key            int64
	position, rank int
}

func (r queuedRun) order() [3]int64 { return [3]int64{int64(r.rank), int64(r.position), r.key} }

// StartRuns implements engine.Dispatcher. The candidates are found without a lock; then, up to startChunk in one transaction, they are
// locked, runs first; then the limits that apply are locked, and what is running counted anew: of the locked runs those start that fit.
func (s *Store) StartRuns(ctx context.Context, dags []string, limit int, decide engine.Decide) (int, error) {
	found, err := s.candidates(ctx, dags, limit)
	if err != nil {
		return 0, fmt.Errorf("start runs: %w", err)
	}
	started := 0
	for chunk := range slices.Chunk(found, startChunk) {
		n, err := s.startSome(ctx, chunk, decide)
		started += n
		if err != nil {
			var own decideError
			if errors.As(err, &own) {
				return started, own.error
			}
			return started, fmt.Errorf("start runs: %w", err)
		}
	}
	return started, nil
}

// candidates are the runs that would start next, in order. Groups are looked at as far as the limit asks for, the first first.
func (s *Store) candidates(ctx context.Context, dags []string, limit int) ([]queuedRun, error) {
	groups, err := s.queuedGroups(ctx, dags)
	if err != nil {
		return nil, err
	}
	var found []queuedRun
	for len(groups) > 0 && (len(found) < limit || before(groups[0].first, found[limit-1].order())) {
		n := min(len(groups), limit)
		names, backfills := columnsOf(groups[:n], func(g waitingGroup) runGroup { return g.runGroup })
		more, err := query(ctx, s.work, func(row pgx.CollectableRow) (r queuedRun, err error) {
			return r, row.Scan(&r.key, &r.dag, &r.backfill, &r.position, &r.rank)
		}, startCandidates, names, backfills, limit)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
		slices.SortFunc(found, func(a, b queuedRun) int { return compareOrder(a.order(), b.order()) })
		found = found[:min(len(found), limit)]
		groups = groups[n:]
	}
	return found, nil
}

// A waitingGroup has queued runs; first is the place of the first of them in the order.
type waitingGroup struct {
	runGroup
	first [3]int64
}

// queuedGroups are those of some DAGs, the one whose run would start first before the others.
func (s *Store) queuedGroups(ctx context.Context, dags []string) ([]waitingGroup, error) {
	groups, err := query(ctx, s.work, func(row pgx.CollectableRow) (g waitingGroup, err error) {
		var first []int64
		err = row.Scan(&g.dag, &g.backfill, &first)
		copy(g.first[:], first)
		return g, err
	}, queuedGroups)
	if err != nil || len(groups) == 0 {
		return nil, err
	}
	asked := make(map[string]bool, len(dags))
	for _, id := range dags {
		asked[id] = true
	}
	groups = slices.DeleteFunc(groups, func(g waitingGroup) bool { return !asked[g.dag] })
	slices.SortFunc(groups, func(a, b waitingGroup) int { return compareOrder(a.first, b.first) })
	return groups, nil
}

func compareOrder(a, b [3]int64) int { return slices.Compare(a[:], b[:]) }

func before(a, b [3]int64) bool { return compareOrder(a, b) < 0 }

func columnsOf[T any](of []T, group func(T) runGroup) (dags []string, backfills []int64) {
	for _, x := range of {
		g := group(x)
		dags, backfills = append(dags, g.dag), append(backfills, g.backfill)
	}
	return dags, backfills
}

// startSome starts those of some candidates that their limits allow, in one transaction.
func (s *Store) startSome(ctx context.Context, from []queuedRun, decide engine.Decide) (n int, err error) {
	var groups []runGroup
	for _, r := range from {
		groups = append(groups, r.runGroup)
	}
	slices.SortFunc(groups, func(a, b runGroup) int { return cmp.Or(cmp.Compare(a.dag, b.dag), cmp.Compare(a.backfill, b.backfill)) })
	groups = slices.Compact(groups)
	var names []string
	for _, g := range groups {
		names = append(names, runLimit(g.dag, g.backfill))
	}
	replace := false
	err = s.repeat(ctx, func(ctx context.Context) error {
		conn, err := s.work.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		defer rollback(ctx, conn.Conn())
		n, err = s.start(ctx, conn, from, groups, names, decide, &replace)
		if errors.As(err, new(noLimit)) { // made for the first time
			rollback(ctx, conn.Conn())
			if err := s.makeLimits(ctx, names); err != nil {
				return err
			}
			return again{err}
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// A noLimit says that the row of a limit is not there.
type noLimit struct{}

func (noLimit) Error() string { return "the row of a limit is not there" }

// start locks, reads and decides in two round trips.
func (s *Store) start(ctx context.Context, conn *pgxpool.Conn, from []queuedRun, groups []runGroup, names []string, decide engine.Decide, replace *bool) (int, error) {
	keys := make([]int64, len(from))
	for i, r := range from {
		keys[i] = r.key
	}
	locked := map[int64]bool{}
	room := map[runGroup]int{}
	limits := 0
	f := &found{}
	b := &pgx.Batch{}
	s.work.queueBegin(b)
	b.Queue(lockQueued, keys).Query(func(rows pgx.Rows) error {
		var key int64
		_, err := pgx.ForEachRow(rows, []any{&key}, func() error { locked[key] = true; return nil })
		return err
	})
	b.Queue(lockLimits, names).Query(func(rows pgx.Rows) error {
		var name string
		_, err := pgx.ForEachRow(rows, []any{&name}, func() error { limits++; return nil })
		return err
	})
	dags, backfills := columnsOf(groups, func(g runGroup) runGroup { return g })
	b.Queue(startRoom, dags, backfills).Query(func(rows pgx.Rows) error {
		var g runGroup
		var most, running int
		_, err := pgx.ForEachRow(rows, []any{&g.dag, &g.backfill, &most, &running}, func() error {
			if room[g] = len(from); most > 0 {
				room[g] = most - running
			}
			return nil
		})
		return err
	})
	queueReadRuns(b, keys, f)
	b.Queue(readClock).QueryRow(func(row pgx.Row) error { return row.Scan(append(f.mark.targets(), &f.now)...) })
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		return 0, beforeCommit(conn.Conn(), err)
	}
	if limits < len(names) {
		return 0, noLimit{}
	}
	chosen := choose(from, locked, room)
	if len(chosen) == 0 {
		return 0, nil
	}
	f.leave(chosen)
	s.known.sample(f.now, s.clock.Now())
	f.keep = true
	return len(chosen), s.decide(ctx, conn.Conn(), f, &engine.Transition{Decide: decide}, replace)
}

// choose returns which of the candidates, given in order, start: those that are locked and whose groups have room.
func choose(from []queuedRun, locked map[int64]bool, room map[runGroup]int) map[int64]bool {
	out := map[int64]bool{}
	for _, r := range from {
		if locked[r.key] && room[r.runGroup] > 0 {
			room[r.runGroup]--
			out[r.key] = true
		}
	}
	return out
}
