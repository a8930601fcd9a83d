package main

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

// quietRuns are the runs of no-op tasks whose claims are measured while nothing else happens; as many again, and more, are while a task logs.
const quietRuns = 30

// bigLog is a task that logs a gigabyte: how far the live heap grows meanwhile, how fast it is stored, and what it does to the claims of others.
func bigLog(ctx context.Context, l *lab) ([]figure, error) {
	total := l.sizes.logged
	var logged atomic.Int64
	talk := engine.New[engine.NoParams]("talk")
	engine.Sink(talk.Run(), "talk", func(ctx context.Context, _ engine.Run[engine.NoParams]) error {
		line := strings.Repeat("a line of a log ", 12)
		for logged.Load() < total && ctx.Err() == nil {
			engine.Log(ctx).Info(line)
			logged.Add(int64(len(line)))
		}
		return ctx.Err()
	})
	const tasks = 100
	b := newBodies(1 << 30)
	m, err := freshMill(ctx, l, b, noops(b, tasks, 1), talk)
	if err != nil {
		return nil, err
	}
	defer m.close()
	timer := &claimTimer{Store: m.store}
	m.through = timer
	var quiet, loud []float64
	var grew, took float64
	runs := 0
	err = m.running(ctx, nil, func(ctx context.Context, r *engine.Runtime) error {
		return on(ctx, m.url, func(conn *pgx.Conn) error {
			some := func(n int) error {
				for range n {
					if err := m.once(ctx, conn, r, runs); err != nil {
						return err
					}
					runs++
				}
				return nil
			}
			if err := some(1 + quietRuns); err != nil {
				return err
			}
			quiet = timer.taken()
			before := liveHeap()
			most, stop := watchHeap(ctx)
			defer stop()
			began := time.Now()
			row, err := r.Control().Trigger(ctx, engine.TriggerRequest{DAG: "talk", By: "bench"})
			if err != nil {
				return err
			}
			for state := engine.RunQueued; !state.Terminal(); {
				if err := some(1); err != nil {
					return err
				}
				if err := conn.QueryRow(ctx, `SELECT state FROM tidemill.runs WHERE id = $1`, row.Key).Scan((*string)(&state)); err != nil {
					return err
				}
			}
			took = time.Since(began).Seconds()
			stop()
			grew = max(0, <-most-before)
			loud = timer.taken()
			return expectAtLeast(ctx, conn, `SELECT sum(length(lines)) FROM tidemill.task_logs WHERE run_id = $1`, row.Key, total)
		})
	})
	if err != nil {
		return nil, err
	}
	before, after := median(quiet), median(loud)
	return []figure{
		{key: "grew_mb", unit: "MB", value: grew / 1e6, note: "of live heap"},
		{key: "mb_per_s", unit: "MB/s", value: float64(total) / 1e6 / took, note: "of log stored"},
		{key: "claim_ratio", unit: "×", value: after / before, note: fmt.Sprintf("a claim's median meanwhile: %s ms, from %s", number(after), number(before))},
	}, nil
}

// taken are the milliseconds that claims took which got something, since it was last asked.
func (t *claimTimer) taken() []float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.full
	t.full = nil
	return out
}

// expectAtLeast checks that a query about a run yields so much.
func expectAtLeast(ctx context.Context, conn *pgx.Conn, sql string, run, least int64) error {
	var n int64
	if err := conn.QueryRow(ctx, sql, run).Scan(&n); err != nil {
		return err
	}
	if n < least {
		return fmt.Errorf("%d are in the database, at least %d should be", n, least)
	}
	return nil
}
