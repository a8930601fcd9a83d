package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/migrations"
)

// triggerEvery is the pace of triggers: what is measured is how soon one starts, not how many fit.
const triggerEvery = 25 * time.Millisecond

// triggerHTTP triggers runs of one task of a serving program over HTTP, at a modest pace, until the task's body begins: where that is the only
// DAG, and where it is one of many.
func triggerHTTP(ctx context.Context, l *lab) ([]figure, error) {
	alone, err := triggersOf(ctx, l, 1)
	if err != nil {
		return nil, err
	}
	among, err := triggersOf(ctx, l, l.sizes.startDAGs)
	if err != nil {
		return nil, err
	}
	return []figure{
		{key: "p50_ms", unit: "ms", value: percentile(alone, 0.5), note: "from the request to the task's body"},
		{key: "p99_ms", unit: "ms", value: percentile(alone, 0.99), note: "p99"},
		{key: "many_p50_ms", unit: "ms", value: percentile(among, 0.5), note: fmt.Sprintf("with %d DAGs", l.sizes.startDAGs)},
		{key: "many_p99_ms", unit: "ms", value: percentile(among, 0.99), note: "p99"},
	}, nil
}

func triggersOf(ctx context.Context, l *lab, dags int) ([]float64, error) {
	address, drop, err := l.database(ctx, migrations.Engine)
	if err != nil {
		return nil, err
	}
	defer drop()
	return triggers(ctx, l, address, l.sizes.triggers, dags)
}

// triggers is how long each of n triggers of one of so many DAGs took from the request until the first task's body began, in milliseconds, after some that warm up.
func triggers(ctx context.Context, l *lab, address string, n, dags int) (took []float64, err error) {
	const warm = 20
	var before int64
	if err := on(ctx, address, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT coalesce(max(id), 0) FROM tidemill.runs`).Scan(&before)
	}); err != nil {
		return nil, err
	}
	s, _, err := serveDAGs(ctx, l, address, dags, 1, "")
	if err != nil {
		return nil, err
	}
	running := true
	defer func() {
		if running {
			err = errors.Join(err, s.terminate())
		}
	}()
	sent := map[string]time.Time{}
	for i := range warm + n {
		if err := pause(ctx, triggerEvery); err != nil {
			return nil, err
		}
		var run struct {
			ID string `json:"dag_run_id"`
		}
		began := time.Now()
		if err := s.do(ctx, http.MethodPost, "/api/v2/dags/bench_00000/dagRuns", strings.NewReader(`{"logical_date": null}`), http.StatusOK, &run); err != nil {
			return nil, err
		}
		if i >= warm {
			sent[run.ID] = began
		}
	}
	if err := untilIdle(ctx, address); err != nil {
		return nil, err
	}
	running = false
	if err := s.terminate(); err != nil {
		return nil, err
	}
	if err := balance(ctx, address, before, warm+n, warm+n); err != nil {
		return nil, err
	}
	starts, err := bodyStarts(ctx, address, before)
	if err != nil {
		return nil, err
	}
	for id, at := range sent {
		began, ok := starts[id]
		if !ok {
			return nil, fmt.Errorf("run %s was triggered, and its task did not begin", id)
		}
		took = append(took, began.began.Sub(at).Seconds()*1000)
	}
	return took, nil
}

// untilIdle waits until no run is open.
func untilIdle(ctx context.Context, address string) error {
	return on(ctx, address, func(conn *pgx.Conn) error {
		return poll(ctx, conn, 10*time.Millisecond, `SELECT NOT EXISTS (SELECT FROM tidemill.runs WHERE state IN ('queued', 'running'))`)
	})
}

// A start is when a run was due and when its first task's body began.
type start struct {
	due   *time.Time
	began time.Time
}

// bodyStarts are the starts of the runs of timed DAGs after one, by their run id, or by DAG and run id where they are scheduled.
func bodyStarts(ctx context.Context, address string, after int64) (map[string]start, error) {
	out := map[string]start{}
	err := on(ctx, address, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `SELECT r.dag_id, r.run_id, r.interval_end, convert_from(a.output, 'UTF8')::bigint
			FROM tidemill.runs r JOIN tidemill.attempts a ON a.run_id = r.id AND a.task_id = 'begin' AND a.map_index = -1 AND a.try = 1
			WHERE r.id > $1 AND r.dag_id LIKE 'bench\_%'`, after)
		if err != nil {
			return err
		}
		var dag, run string
		var due *time.Time
		var nanos int64
		_, err = pgx.ForEachRow(rows, []any{&dag, &run, &due, &nanos}, func() error {
			key := run
			if due != nil {
				key = dag + " " + run
			}
			out[key] = start{due, time.Unix(0, nanos)}
			return nil
		})
		return err
	})
	return out, err
}

// startMany starts a program with many DAGs of ten tasks, first where none of them is known, then again.
func startMany(ctx context.Context, l *lab) ([]figure, error) {
	address, drop, err := l.database(ctx, migrations.Engine)
	if err != nil {
		return nil, err
	}
	defer drop()
	var took [2]float64
	for i := range took {
		s, d, err := serveDAGs(ctx, l, address, l.sizes.startDAGs, 10, "@daily")
		if err != nil {
			return nil, err
		}
		if err := s.terminate(); err != nil {
			return nil, err
		}
		took[i] = d.Seconds()
	}
	return []figure{
		{key: "first_s", unit: "s", value: took[0], note: "where no DAG is known"},
		{key: "again_s", unit: "s", value: took[1], note: "where all are"},
	}, nil
}
