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
	return throughput(ctx, l, l.sizes.fanRuns, 100, 1)
}

// chain is 1,000 runs of 40 tasks, each after the one before.
func chain(ctx context.Context, l *lab) ([]figure, error) {
	return throughput(ctx, l, l.sizes.chainRuns, 1, 40)
}

// throughput measures a whole engine on runs that have begun, so that what is ready is in the queue.
func throughput(ctx context.Context, l *lab, runs, chains, length int) ([]figure, error) {
	m, err := newMill(ctx, l, runs, chains, length)
	if err != nil {
		return nil, err
	}
	defer m.close()
	return m.throughput(ctx, runs, chains, length)
}

func (m *mill) throughput(ctx context.Context, runs, chains, length int) ([]figure, error) {
	created, err := m.create(ctx, 0, runs, runs*chains)
	if err != nil {
		return nil, err
	}
	if err := m.lab.settle(ctx, m.url); err != nil {
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

// seqLength is how many tasks follow one another in engine_seq40.
const seqLength = 40

// sequence is one run of 40 tasks in sequence, from its trigger until its success is in the database: the median of some runs,
// after one that warms up.
func sequence(ctx context.Context, l *lab) ([]figure, error) {
	runs := l.sizes.oneByOne
	m, err := newMill(ctx, l, runs+1, 1, seqLength)
	if err != nil {
		return nil, err
	}
	defer m.close()
	s, err := m.oneByOne(ctx, runs, seqLength)
	if err != nil {
		return nil, err
	}
	return []figure{{key: "s", unit: "s", value: s}, {unit: "ms", value: s * 1000 / seqLength, note: "a hop"}}, nil
}

// fanLength is how many tasks of fanout100 follow its first one at once.
const fanLength = 100

// fanOut is one run of a task that yields a list of 100, a task mapped over it, and one that reads what that yields: from its trigger until
// its success is in the database, as sequence measures it.
func fanOut(ctx context.Context, l *lab) ([]figure, error) {
	runs := l.sizes.oneByOne
	b := newBodies((runs + 1) * (fanLength + 2))
	m, err := freshMill(ctx, l, b, mapped(b, fanLength))
	if err != nil {
		return nil, err
	}
	defer m.close()
	s, err := m.oneByOne(ctx, runs, fanLength+2)
	if err != nil {
		return nil, err
	}
	return []figure{{key: "s", unit: "s", value: s}, {unit: "ms", value: s * 1000 / (fanLength + 2), note: "a task"}}, nil
}

// mapped is a DAG of a task that yields a list of n numbers, one mapped over it that yields its number, and one that adds them up.
func mapped(b *bodies, n int) engine.AnyDAG {
	d := engine.New[engine.NoParams]("bench", engine.MaxActiveTasks(engine.Unlimited))
	list := engine.After(d.Run(), "list", func(context.Context, engine.Run[engine.NoParams]) ([]int, error) {
		defer b.done()
		out := make([]int, n)
		for i := range out {
			out[i] = i
		}
		return out, nil
	})
	each := engine.Map(list, "each", func(_ context.Context, i int) (int, error) {
		defer b.done()
		return i, nil
	}, engine.MapLimit(max(n, engine.DefaultMapLimit)))
	engine.After(each, "sum", func(_ context.Context, all []int) (int, error) {
		defer b.done()
		sum := 0
		for _, i := range all {
			sum += i
		}
		if want := n * (n - 1) / 2; sum != want {
			return 0, fmt.Errorf("the elements add up to %d, not %d", sum, want)
		}
		return sum, nil
	})
	return d
}

// oneByOne runs the DAG, of so many tasks, once to warm up and then so many times one after the other. It returns the median of the seconds
// that a run took from its trigger until its success was in the database.
func (m *mill) oneByOne(ctx context.Context, runs, tasks int) (seconds float64, err error) {
	var took []float64
	err = m.running(ctx, nil, func(ctx context.Context, r *engine.Runtime) error {
		return on(ctx, m.url, func(conn *pgx.Conn) error {
			for i := range runs + 1 {
				began := time.Now()
				if err := m.once(ctx, conn, r, i); err != nil {
					return err
				}
				if i > 0 {
					took = append(took, time.Since(began).Seconds())
				}
			}
			return nil
		})
	})
	if err != nil {
		return 0, err
	}
	return median(took), m.check(ctx, runs+1, (runs+1)*tasks)
}

// once triggers the i-th run and waits for its end.
func (m *mill) once(ctx context.Context, conn *pgx.Conn, r *engine.Runtime, i int) error {
	row, err := r.Control().Trigger(ctx, engine.TriggerRequest{DAG: m.dag, RunID: m.runID(i), By: "bench"})
	if err != nil {
		return err
	}
	for state := engine.RunQueued; !state.Terminal(); {
		if err := pause(ctx, time.Millisecond); err != nil {
			return err
		}
		if err := conn.QueryRow(ctx, `SELECT state FROM tidemill.runs WHERE id = $1`, row.Key).Scan((*string)(&state)); err != nil {
			return err
		}
	}
	return nil
}
