package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

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

// A mill is one database with the engine's schema, and one DAG.
type mill struct {
	lab     *lab
	url     string
	drop    func()
	store   *postgres.Store
	catalog *engine.Catalog
	dag     string
	bodies  *bodies
	repairs int64
}

// bodies counts those that have returned, and says when they are all.
type bodies struct {
	n    atomic.Int64
	want int64
	all  chan struct{} // closed then
}

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

// newMill makes a DAG of so many chains of so many tasks that do nothing, for so many runs.
func newMill(ctx context.Context, l *lab, runs, chains, length int) (*mill, error) {
	m := &mill{lab: l, dag: "bench", bodies: &bodies{want: int64(runs * chains * length), all: make(chan struct{})}}
	d := engine.New[engine.NoParams](m.dag, engine.MaxActiveTasks(engine.Unlimited), engine.MaxActiveRuns(1_000_000))
	for c := range chains {
		last := engine.After(d.Run(), fmt.Sprintf("task_%d_0", c), func(context.Context, engine.Run[engine.NoParams]) (rows, error) {
			m.bodies.done()
			return rows{1}, nil
		})
		for i := 1; i < length; i++ {
			last = engine.After(last, fmt.Sprintf("task_%d_%d", c, i), func(_ context.Context, in rows) (rows, error) {
				m.bodies.done()
				return in, nil
			})
		}
	}
	var err error
	if m.catalog, err = engine.Compile(d); err != nil {
		return nil, err
	}
	if m.url, m.drop, err = l.database(ctx, migrations.Engine); err != nil {
		return nil, err
	}
	if m.store, err = postgres.Open(ctx, m.url, postgres.Options{AppName: "bench", Log: l.log}); err != nil {
		m.drop()
		return nil, err
	}
	return m, nil
}

// close closes the store and tells what it had to repeat.
func (m *mill) close() {
	s := m.store.Stats()
	if n := s.Deadlocks + s.Serial + s.LockWaits + s.CutOff + s.Unknown + s.Rewrites; n > 0 {
		fmt.Fprintf(os.Stderr, "  transactions repeated: %+v\n", s)
	}
	m.store.Close()
	m.drop()
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
		Store: m.store, Catalog: m.catalog, Log: m.lab.log, Name: "bench", Queues: queues, Slots: slots, Woken: woken,
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

// create makes runs and waits until they have begun: all that is ready then is in the queue. That is what River's insertion does.
func (m *mill) create(ctx context.Context, runs, ready int) (took time.Duration, err error) {
	err = m.running(ctx, []string{nowhere}, func(ctx context.Context, _ *engine.Runtime) error {
		def, _ := m.catalog.DAG(m.dag)
		began := time.Now()
		for at := 0; at < runs; at += createBatch {
			fresh := make([]engine.NewRun, min(createBatch, runs-at))
			for i := range fresh {
				fresh[i] = engine.NewRun{DAG: m.dag, RunID: fmt.Sprintf("bench_%d", at+i), Type: engine.ManualRun, Version: def.Version, TriggeredBy: "bench"}
			}
			if _, err := m.store.CreateRuns(ctx, fresh); err != nil {
				return err
			}
			if err := m.store.Wake(ctx); err != nil {
				return err
			}
		}
		err := m.await(ctx, `SELECT NOT EXISTS (SELECT FROM tidemill.runs WHERE state = 'queued')`)
		took = time.Since(began)
		return err
	})
	if err != nil {
		return 0, err
	}
	return took, m.verify(ctx, `SELECT count(*) FROM tidemill.task_queue`, ready, "tasks are ready")
}

const allSuccess = `SELECT NOT EXISTS (SELECT FROM tidemill.runs WHERE state <> 'success')`

// work runs the engine until every run has succeeded in the database.
func (m *mill) work(ctx context.Context) (took time.Duration, err error) {
	began := time.Now()
	err = m.running(ctx, nil, func(ctx context.Context, _ *engine.Runtime) error {
		if err := m.bodies.await(ctx); err != nil { // asking the database meanwhile would cost it time
			return err
		}
		err := m.await(ctx, allSuccess)
		took = time.Since(began)
		return err
	})
	return took, err
}

// await asks the database until the answer is true.
func (m *mill) await(ctx context.Context, sql string) error {
	return on(ctx, m.url, func(conn *pgx.Conn) error {
		for {
			var done bool
			if err := conn.QueryRow(ctx, sql).Scan(&done); err != nil || done {
				return err
			}
			if err := pause(ctx, time.Millisecond); err != nil {
				return err
			}
		}
	})
}

// check makes sure that all went as it should have.
func (m *mill) check(ctx context.Context, runs, tasks int) error {
	if m.repairs != 0 {
		return fmt.Errorf("%d runs stood still and had to be pushed on", m.repairs)
	}
	for _, c := range []struct {
		sql  string
		want int
		what string
	}{
		{`SELECT count(*) FROM tidemill.runs WHERE state = 'success' AND failed_tasks = 0`, runs, "runs succeeded"},
		{`SELECT count(*) FROM tidemill.attempts WHERE state = 'success' AND ending = 'success' AND try = 1`, tasks, "tasks succeeded at their first try"},
		{`SELECT count(*) FROM tidemill.attempts`, tasks, "attempts are in history"},
		{`SELECT count(*) FROM tidemill.task_queue`, 0, "tasks are left in the queue"},
	} {
		if err := m.verify(ctx, c.sql, c.want, c.what); err != nil {
			return err
		}
	}
	if got := m.bodies.n.Load(); got != m.bodies.want {
		return fmt.Errorf("%d bodies ran, not %d", got, m.bodies.want)
	}
	return nil
}

func (m *mill) verify(ctx context.Context, sql string, want int, what string) error {
	return on(ctx, m.url, func(conn *pgx.Conn) error { return expect(ctx, conn, sql, want, what) })
}

// expect errs unless the query counts want.
func expect(ctx context.Context, conn *pgx.Conn, sql string, want int, what string) error {
	var got int
	if err := conn.QueryRow(ctx, sql).Scan(&got); err != nil {
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
