package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

// A process with thousands of DAGs asks each claim for the tasks of those few only that have some: which those are is read from the queue,
// at once for all, and remembered for a moment.
const (
	manyDAGs   = 64                     // more are not asked for one by one,
	fewDAGs    = 16                     // but so many at once, or twice as many as there are free slots
	readyFor   = 200 * time.Millisecond // how long an answer is good, or
	readyShare = 10                     // ten times as long as it took
)

// dagsQueued jumps through the indexes of ready tasks from DAG to DAG: those that have some, or had a moment ago.
const dagsQueued = `WITH RECURSIVE free AS (
		(SELECT q.dag_id FROM tidemill.task_queue q WHERE q.pool IS NULL AND NOT q.handed ORDER BY q.dag_id LIMIT 1)
		UNION ALL
		SELECT (SELECT q.dag_id FROM tidemill.task_queue q WHERE q.pool IS NULL AND NOT q.handed AND q.dag_id > f.dag_id ORDER BY q.dag_id LIMIT 1)
		FROM free f WHERE f.dag_id IS NOT NULL),
	pooled AS (
		(SELECT q.dag_id FROM tidemill.task_queue q WHERE q.pool IS NOT NULL ORDER BY q.dag_id LIMIT 1)
		UNION ALL
		SELECT (SELECT q.dag_id FROM tidemill.task_queue q WHERE q.pool IS NOT NULL AND q.dag_id > p.dag_id ORDER BY q.dag_id LIMIT 1)
		FROM pooled p WHERE p.dag_id IS NOT NULL)
	SELECT dag_id FROM free WHERE dag_id IS NOT NULL UNION SELECT dag_id FROM pooled WHERE dag_id IS NOT NULL`

// readiness is which DAGs have something in the queue, as of late. The zero value is ready.
type readiness struct {
	mu   sync.Mutex
	dags map[string]bool
	till time.Time
	none map[askedFor]bool // of which a claim got nothing since
}

// askedFor is a DAG and the queues that its tasks were asked for from.
type askedFor struct{ dag, queues string }

// queued returns the DAGs that have something in the queue. anew asks the database whatever is remembered.
func (s *Store) queued(ctx context.Context, anew bool) (dags map[string]bool, fresh bool, err error) {
	r := &s.ready
	r.mu.Lock()
	defer r.mu.Unlock()
	began := s.clock.Now()
	if !anew && r.dags != nil && began.Before(r.till) {
		return r.dags, false, nil
	}
	ids, err := query(ctx, s.work, pgx.RowTo[string], dagsQueued)
	if err != nil {
		return nil, false, err
	}
	r.dags = make(map[string]bool, len(ids)) // a new one: the old one may still be read
	for _, id := range ids {
		r.dags[id] = true
	}
	now := s.clock.Now()
	r.till = now.Add(max(readyFor, readyShare*now.Sub(began)))
	r.none = map[askedFor]bool{}
	return r.dags, true, nil
}

// offered are those of many DAGs whose tasks a claim asks for: the ones whose turn it is, of those that have something in the queue.
func (s *Store) offered(ctx context.Context, c *engine.ClaimRequest, anew bool) (dags []engine.ClaimDAG, fresh bool, err error) {
	queued, fresh, err := s.queued(ctx, anew)
	if err != nil {
		return nil, false, err
	}
	queues := strings.Join(c.Queues, "\x00")
	dags = make([]engine.ClaimDAG, 0, min(len(c.DAGs), len(queued)))
	s.ready.mu.Lock()
	for i := range c.DAGs {
		if id := c.DAGs[i].ID; queued[id] && !s.ready.none[askedFor{id, queues}] {
			dags = append(dags, c.DAGs[i])
		}
	}
	s.ready.mu.Unlock()
	return soonest(dags, s.turns.Due(dags), max(fewDAGs, 2*c.Slots)), fresh, nil
}

// soonest are the n DAGs whose turn comes first; of two whose turn comes at once, the one named first.
func soonest(dags []engine.ClaimDAG, due []float64, n int) []engine.ClaimDAG {
	order := make([]int, 0, len(dags))
	for i := range dags { // most are due now, where there are many: these are taken as they come
		if due[i] == 0 {
			if order = append(order, i); len(order) == n {
				break
			}
		}
	}
	if len(order) < min(n, len(dags)) {
		order = order[:0]
		for i := range dags {
			order = append(order, i)
		}
		slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(due[i], due[j]) })
		order = order[:min(len(order), n)]
	}
	out := make([]engine.ClaimDAG, len(order))
	for i, at := range order {
		out[i] = dags[at]
	}
	return out
}

// gotNothing notes of which DAGs a claim that had slots left got nothing: they are not asked for again until the next look.
func (s *Store) gotNothing(c *engine.ClaimRequest, dags []engine.ClaimDAG, leased []engine.Leased) {
	got, queues := countByDAG(leased), strings.Join(c.Queues, "\x00")
	s.ready.mu.Lock()
	defer s.ready.mu.Unlock()
	for _, d := range dags {
		if got[d.ID] == 0 {
			s.ready.none[askedFor{d.ID, queues}] = true
		}
	}
}

// claimOfMany claims tasks of many DAGs: of those that are known to have some, and when that leaves slots free, of those that have some now.
func (s *Store) claimOfMany(ctx context.Context, c engine.ClaimRequest) ([]engine.Leased, error) {
	var out []engine.Leased
	for anew := false; ; anew = true {
		dags, fresh, err := s.offered(ctx, &c, anew)
		if err != nil {
			if len(out) > 0 {
				break
			}
			return nil, fmt.Errorf("claim tasks: %w", err)
		}
		ask := c
		ask.DAGs, ask.Slots = dags, c.Slots-len(out)
		got, err := s.claim(ctx, ask)
		out = append(out, got...)
		if err != nil {
			if len(out) > 0 {
				break
			}
			return nil, err
		}
		if len(out) >= c.Slots {
			break
		}
		s.gotNothing(&c, dags, got)
		if fresh {
			break
		}
	}
	return out, nil
}
