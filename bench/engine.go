package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/migrations"
	"github.com/tidemill/tidemill/storage/postgres"
)

const (
	// slots are how many tasks the process that is measured runs at once.
	slots = 2000
	// createBatch is how many runs are created in one transaction.
	createBatch = 100
	// nowhere is a queue that no task is in: who serves it schedules only.
	nowhere = "nowhere"
)

// A mill is one database with the engine's schema, and DAGs.
type mill struct {
	lab     *lab
	url     string
	drop    func()
	store   *postgres.Store
	through engine.Store // what the engine works on: the store, or what measures it
	catalog *engine.Catalog
	dag     string
	bodies  *bodies
	slots   int
	tag     string // begins the ids of its runs
	before  int64  // key of the newest run that was there already: what is checked are those after it
	repairs int64
}

// bodies counts those that have returned, and says when they are all.
type bodies struct {
	n    atomic.Int64
	want int64
	all  chan struct{} // closed then
}

func newBodies(want int) *bodies { return &bodies{want: int64(want), all: make(chan struct{})} }

func (b *bodies) done() {
	if b.n.Add(1) == b.want {
		close(b.all)
	}
}

// await waits for all of them.
func (b *bodies) await(ctx context.Context) error {
	select {
	case <-b.all:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%d of %d ran: %w", b.n.Load(), b.want, ctx.Err())
	}
}

// rows is what a no-op task yields.
type rows struct {
	Rows int `json:"rows"`
}

// noops is a DAG of so many chains of so many tasks that do nothing.
func noops(b *bodies, chains, length int) engine.AnyDAG {
	d := engine.New[engine.NoParams]("bench", engine.MaxActiveTasks(engine.Unlimited), engine.MaxActiveRuns(1_000_000))
	for c := range chains {
		last := engine.After(d.Run(), fmt.Sprintf("task_%d_0", c), func(context.Context, engine.Run[engine.NoParams]) (rows, error) {
			b.done()
			return rows{1}, nil
		})
		for i := 1; i < length; i++ {
			last = engine.After(last, fmt.Sprintf("task_%d_%d", c, i), func(_ context.Context, in rows) (rows, error) {
				b.done()
				return in, nil
			})
		}
	}
	return d
}

// newMill makes a database for so many runs of so many chains of so many tasks that do nothing.
func newMill(ctx context.Context, l *lab, runs, chains, length int) (*mill, error) {
	b := newBodies(runs * chains * length)
	return freshMill(ctx, l, b, noops(b, chains, length))
}

// freshMill makes a database for DAGs, of which the first by its id is the one that its methods run.
func freshMill(ctx context.Context, l *lab, b *bodies, dags ...engine.AnyDAG) (*mill, error) {
	address, drop, err := l.database(ctx, migrations.Engine)
	if err != nil {
		return nil, err
	}
	m, err := openMill(ctx, l, address, b, dags...)
	if err != nil {
		drop()
		return nil, err
	}
	m.drop = drop
	return m, nil
}

// openMill opens a database that is there, and stays, for DAGs.
func openMill(ctx context.Context, l *lab, address string, b *bodies, dags ...engine.AnyDAG) (*mill, error) {
	m := &mill{lab: l, url: address, drop: func() {}, bodies: b, slots: slots, tag: uuid.NewString()[:8]}
	var err error
	if m.catalog, err = engine.Compile(dags...); err != nil {
		return nil, err
	}
	m.dag = m.catalog.IDs()[0]
	if m.store, err = postgres.Open(ctx, address, postgres.Options{AppName: "bench", Log: l.log}); err != nil {
		return nil, err
	}
	m.through = m.store
	err = on(ctx, address, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT coalesce(max(id), 0) FROM tidemill.runs`).Scan(&m.before)
	})
	if err != nil {
		m.store.Close()
		return nil, err
	}
	return m, nil
}

// runID is the id of the mill's i-th run.
func (m *mill) runID(i int) string { return fmt.Sprintf("%s_%d", m.tag, i) }

// close closes the store and tells what it had to repeat.
func (m *mill) close() {
	s := m.store.Stats()
	if repeated(s) > 0 {
		fmt.Fprintf(os.Stderr, "  transactions repeated: %+v\n", s)
	}
	m.store.Close()
	m.drop()
}

// repeated counts the transactions that a store had to repeat.
func repeated(s postgres.Stats) int64 {
	return s.Deadlocks + s.Serial + s.LockWaits + s.CutOff + s.Unknown + s.Rewrites
}

// running runs a whole engine on the store while do works, and ends it.
func (m *mill) running(ctx context.Context, queues []string, do func(context.Context, *engine.Runtime) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	woken, err := m.store.Woken(ctx)
	if err != nil {
		return err
	}
	r, err := engine.NewRuntime(engine.Config{
		Store: m.through, Catalog: m.catalog, Log: m.lab.log, Name: "bench", Queues: queues, Slots: m.slots, Woken: woken,
		Wake: func() { _ = m.store.Wake(ctx) }, // it errs when ctx has ended, and then nobody waits
	})
	if err != nil {
		return err
	}
	var g errgroup.Group
	g.Go(func() error {
		defer stop()
		if err := r.Run(ctx); err != nil {
			return fmt.Errorf("the engine: %w", err)
		}
		return nil
	})
	select {
	case <-r.Ready():
		err = do(ctx, r)
	case <-ctx.Done():
		err = ctx.Err()
	}
	stop()
	err = errors.Join(g.Wait(), err)
	m.repairs += r.Repairs()
	return err
}

// create makes runs, from the first-th on, and waits until they have begun: all that is ready then is in the queue. That is what River's
// insertion does.
func (m *mill) create(ctx context.Context, first, runs, ready int) (took time.Duration, err error) {
	err = m.running(ctx, []string{nowhere}, func(ctx context.Context, _ *engine.Runtime) error {
		def, _ := m.catalog.DAG(m.dag)
		began := time.Now()
		for at := 0; at < runs; at += createBatch {
			fresh := make([]engine.NewRun, min(createBatch, runs-at))
			for i := range fresh {
				fresh[i] = engine.NewRun{DAG: m.dag, RunID: m.runID(first + at + i), Type: engine.ManualRun, Version: def.Version, TriggeredBy: "bench"}
			}
			if _, err := m.store.CreateRuns(ctx, fresh); err != nil {
				return err
			}
			if err := m.store.Wake(ctx); err != nil {
				return err
			}
		}
		err := m.await(ctx, `SELECT NOT EXISTS (SELECT FROM tidemill.runs WHERE dag_id = 'bench' AND state = 'queued')`)
		took = time.Since(began)
		return err
	})
	if err != nil {
		return 0, err
	}
	return took, m.verify(ctx, `SELECT count(*) FROM tidemill.task_queue`, ready, "tasks are ready")
}

// allEnded asks whether no run is open; how they ended is checked afterwards.
const allEnded = `SELECT NOT EXISTS (SELECT FROM tidemill.runs WHERE dag_id = 'bench' AND state IN ('queued', 'running'))`

// work runs the engine until every run has ended in the database.
func (m *mill) work(ctx context.Context) (took time.Duration, err error) {
	began := time.Now()
	err = m.running(ctx, nil, func(ctx context.Context, _ *engine.Runtime) error {
		if err := m.bodies.await(ctx); err != nil { // asking the database meanwhile would cost it time
			return err
		}
		err := m.await(ctx, allEnded)
		took = time.Since(began)
		return err
	})
	return took, err
}

// await asks the database until the answer is true.
func (m *mill) await(ctx context.Context, sql string) error {
	return m.awaitEvery(ctx, time.Millisecond, sql)
}

func (m *mill) awaitEvery(ctx context.Context, d time.Duration, sql string) error {
	return on(ctx, m.url, func(conn *pgx.Conn) error { return poll(ctx, conn, d, sql) })
}

// poll asks the database from time to time until the answer is true.
func poll(ctx context.Context, conn *pgx.Conn, every time.Duration, sql string) error {
	for {
		var done bool
		if err := conn.QueryRow(ctx, sql).Scan(&done); err != nil || done {
			return err
		}
		if err := pause(ctx, every); err != nil {
			return err
		}
	}
}

// check makes sure that all went as it should have.
func (m *mill) check(ctx context.Context, runs, tasks int) error {
	if m.repairs != 0 {
		return fmt.Errorf("%d runs stood still and had to be pushed on", m.repairs)
	}
	if got := m.bodies.n.Load(); got != m.bodies.want {
		return fmt.Errorf("%d bodies ran, not %d", got, m.bodies.want)
	}
	return balance(ctx, m.url, m.before, runs, tasks)
}

// balance makes sure that the books of all runs after one are as they should be: each succeeded, each task at its first try.
func balance(ctx context.Context, address string, after int64, runs, tasks int) error {
	return on(ctx, address, func(conn *pgx.Conn) error {
		for _, c := range []struct {
			sql  string
			want int
			what string
		}{
			{`SELECT count(*) FROM tidemill.runs WHERE id > $1 AND state = 'success' AND failed_tasks = 0`, runs, "runs succeeded"},
			{`SELECT count(*) FROM tidemill.runs WHERE id > $1`, runs, "runs are there"},
			{`SELECT count(*) FROM tidemill.attempts WHERE run_id > $1 AND state = 'success' AND ending = 'success' AND try = 1`, tasks, "tasks succeeded at their first try"},
			{`SELECT count(*) FROM tidemill.attempts WHERE run_id > $1`, tasks, "attempts are in history"},
			{`SELECT count(*) FROM tidemill.task_queue WHERE run_id > $1`, 0, "tasks are left in the queue"},
		} {
			if err := expect(ctx, conn, c.sql, c.want, c.what, after); err != nil {
				return err
			}
		}
		return nil
	})
}

func (m *mill) verify(ctx context.Context, sql string, want int, what string) error {
	return on(ctx, m.url, func(conn *pgx.Conn) error { return expect(ctx, conn, sql, want, what) })
}

// expect errs unless the query counts want.
func expect(ctx context.Context, conn *pgx.Conn, sql string, want int, what string, args ...any) error {
	var got int
	if err := conn.QueryRow(ctx, sql, args...).Scan(&got); err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%d %s, not %d", got, what, want)
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
