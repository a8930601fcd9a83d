package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

// fan is 500 runs of 100 tasks that are all ready at once.
func fan(ctx context.Context, l *lab) ([]figure, error) {
	return throughput(ctx, l, l.pick(500, 100), 100, 1)
}

// chain is 1,000 runs of 40 tasks, each after the one before.
func chain(ctx context.Context, l *lab) ([]figure, error) {
	return throughput(ctx, l, l.pick(1000, 250), 1, 40)
}

// throughput measures a whole engine on runs that have begun, so that what is ready is in the queue.
func throughput(ctx context.Context, l *lab, runs, chains, length int) ([]figure, error) {
	m, err := newMill(ctx, l, runs, chains, length)
	if err != nil {
		return nil, err
	}
	defer m.close()
	created, err := m.create(ctx, runs, runs*chains)
	if err != nil {
		return nil, err
	}
	if err := l.settle(ctx, m.url); err != nil {
		return nil, err
	}
	wal, err := m.wal(ctx)
	if err != nil {
		return nil, err
	}
	tasks := runs * chains * length
	cpu := startCPU(ctx, m.url)
	before := m.store.Stats().Transitions
	worked, err := m.work(ctx)
	if err != nil {
		return nil, err
	}
	used := cpu.figures(ctx, tasks, "task")
	transitions := m.store.Stats().Transitions - before
	after, err := m.wal(ctx)
	if err != nil {
		return nil, err
	}
	if err := m.check(ctx, runs, tasks); err != nil {
		return nil, err
	}
	n := float64(tasks)
	return append([]figure{
		{key: "per_s", unit: "tasks/s", value: n / worked.Seconds()},
		{unit: "tasks/s", value: n / (worked + created).Seconds(), note: "with creating and starting the runs"},
		{unit: "bytes", value: (after - wal) / n, note: "of WAL a task"},
		{unit: "tasks", value: n / float64(max(1, transitions)), note: "a transition"},
	}, used...), nil
}

func (m *mill) wal(ctx context.Context) (at float64, err error) {
	return at, on(ctx, m.url, func(conn *pgx.Conn) (err error) {
		at, err = walPosition(ctx, conn)
		return err
	})
}

// sequence is one run of 40 tasks in sequence, from its trigger until its success is in the database: the median of some runs,
// after one that warms up.
func sequence(ctx context.Context, l *lab) ([]figure, error) {
	const length = 40
	runs := l.pick(20, 5)
	m, err := newMill(ctx, l, runs+1, 1, length)
	if err != nil {
		return nil, err
	}
	defer m.close()
	var took []float64
	err = m.running(ctx, nil, func(ctx context.Context, r *engine.Runtime) error {
		return on(ctx, m.url, func(conn *pgx.Conn) error {
			for i := range runs + 1 {
				began := time.Now()
				row, err := r.Control().Trigger(ctx, engine.TriggerRequest{DAG: m.dag, RunID: fmt.Sprintf("bench_%d", i), By: "bench"})
				if err != nil {
					return err
				}
				for state := ""; state != "success"; {
					if err := pause(ctx, time.Millisecond); err != nil {
						return err
					}
					if err := conn.QueryRow(ctx, `SELECT state FROM tidemill.runs WHERE id = $1`, row.Key).Scan(&state); err != nil {
						return err
					}
				}
				if i > 0 {
					took = append(took, time.Since(began).Seconds())
				}
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	if err := m.check(ctx, runs+1, (runs+1)*length); err != nil {
		return nil, err
	}
	s := median(took)
	return []figure{{key: "s", unit: "s", value: s}, {unit: "ms", value: s * 1000 / length, note: "a hop"}}, nil
}
