package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/coder/quartz"
	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/migrations"
)

// minutelyVirtual takes as many DAGs through an hour of the virtual clock, in memory; or through as much of it as there is time for.
func minutelyVirtual(ctx context.Context, l *lab) ([]figure, error) {
	took, minutes, err := virtualMinutes(ctx, l, l.sizes.minutelyDAGs, 60, l.sizes.virtualFor)
	if err != nil {
		return nil, err
	}
	return []figure{{key: "hour_s", unit: "s", value: took.Seconds() * 60 / float64(minutes), note: fmt.Sprintf("an hour, of which %d minutes were measured", minutes)}}, nil
}

// minutely lets 10,000 DAGs be served of which each has one run a minute, all due at the same time. It measures from the due time until the
// body of the run's task began.
func minutely(ctx context.Context, l *lab) (_ []figure, err error) {
	dags, periods, period := l.sizes.minutelyDAGs, l.sizes.minutelyPeriods, l.sizes.minutelyPeriod
	address, drop, err := l.database(ctx, migrations.Engine)
	if err != nil {
		return nil, err
	}
	defer drop()
	s, _, err := serveDAGs(ctx, l, address, dags, 1, l.sizes.minutelySchedule)
	if err != nil {
		return nil, err
	}
	running := true
	defer func() {
		if running {
			err = errors.Join(err, s.terminate())
		}
	}()
	// What is due in the first period follows the start closely: it is not measured.
	if err := dueSince(ctx, address, 1); err != nil {
		return nil, err
	}
	pid := s.cmd.Process.Pid
	before, err := readStat(pid)
	if err != nil {
		return nil, err
	}
	cpu, began := startCPU(ctx, address), time.Now()
	if err := pause(ctx, time.Duration(periods)*period+period*3/4); err != nil { // the last ones have some time, and no others fall due
		return nil, err
	}
	watched := time.Since(began)
	after, err := readStat(pid)
	if err != nil {
		return nil, err
	}
	theirs, known := serverCPU(ctx, address)
	holds, err := residentMemory(pid)
	if err != nil {
		return nil, err
	}
	running = false
	if err := s.terminate(); err != nil { // what is running ends; what is due no more begins
		return nil, err
	}
	late, missed, err := lateness(ctx, address, dags, periods)
	if err != nil {
		return nil, err
	}
	share := func(used time.Duration) float64 { return 100 * used.Seconds() / watched.Seconds() }
	figures := []figure{
		{key: "p50_s", unit: "s", value: percentile(late, 0.5), note: "from due to the task's body"},
		{key: "p99_s", unit: "s", value: percentile(late, 0.99), note: "p99"},
		{key: "missed", unit: "runs missed", value: float64(missed)},
		{key: "rss_mb", unit: "MB", value: holds.rss / 1e6, note: "RSS"},
		{unit: "% of a core", value: share(after.own - before.own), note: "CPU of the process"},
	}
	if known && cpu.known {
		figures = append(figures, figure{unit: "% of a core", value: share(theirs - cpu.theirs), note: "of PostgreSQL"})
	}
	return figures, nil
}

// dueSince waits until runs of so many due times are there.
func dueSince(ctx context.Context, address string, n int) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	return on(ctx, address, func(conn *pgx.Conn) error {
		return poll(ctx, conn, 50*time.Millisecond, fmt.Sprintf(`SELECT count(DISTINCT interval_end) >= %d FROM tidemill.runs`, n))
	})
}

// lateness is how many seconds after its due time each run's task began, of the due times after the first, and how many runs there are not.
// Runs that had not begun when the program ended count as missed.
func lateness(ctx context.Context, address string, dags, periods int) (late []float64, missed int, err error) {
	starts, err := bodyStarts(ctx, address, 0)
	if err != nil {
		return nil, 0, err
	}
	var first time.Time
	for _, s := range starts {
		if first.IsZero() || s.due.Before(first) {
			first = *s.due
		}
	}
	for _, s := range starts {
		if s.due.After(first) {
			late = append(late, s.began.Sub(*s.due).Seconds())
		}
	}
	if len(late) == 0 {
		return nil, 0, errors.New("no run of a later due time than the first has begun")
	}
	err = on(ctx, address, func(conn *pgx.Conn) error {
		var failed, twice int
		if err := conn.QueryRow(ctx, `SELECT count(*) FROM tidemill.attempts WHERE state <> 'success' OR try <> 1`).Scan(&failed); err != nil {
			return err
		}
		if err := conn.QueryRow(ctx, `SELECT count(*) - count(DISTINCT (dag_id, interval_end)) FROM tidemill.runs`).Scan(&twice); err != nil {
			return err
		}
		if failed+twice > 0 {
			return fmt.Errorf("%d attempts did not succeed at once, %d runs are there twice", failed, twice)
		}
		return nil
	})
	return late, dags*periods - len(late), err
}

// A leaping clock is the real one, which can be put forward: its timers are real ones.
type leaping struct {
	quartz.Clock
	ahead atomic.Int64
}

// Now returns the real time and what was leapt over.
func (c *leaping) Now(tags ...string) time.Time {
	return c.Clock.Now(tags...).Add(time.Duration(c.ahead.Load()))
}

// leap puts the clock forward to the next full minute.
func (c *leaping) leap() {
	now := c.Now()
	c.ahead.Add(int64(now.Truncate(time.Minute).Add(time.Minute).Sub(now)))
}

// virtualMinutes takes so many DAGs, due at each full minute, through so many minutes in memory, or fewer when that takes too long: the clock
// leaps to the next one as soon as all that was due has begun.
func virtualMinutes(ctx context.Context, l *lab, dags, most int, enough time.Duration) (took time.Duration, minutes int, err error) {
	var begun atomic.Int64
	all := make(chan struct{}, 1)
	target := atomic.Int64{}
	target.Store(math.MaxInt64)
	body := func() {
		if begun.Add(1) == target.Load() {
			all <- struct{}{}
		}
	}
	catalog, err := engine.Compile(counted(dags, body)...)
	if err != nil {
		return 0, 0, err
	}
	clock := &leaping{Clock: quartz.NewReal()}
	store, woken := enginetest.NewStore(clock), make(chan struct{}, 1)
	r, err := engine.NewRuntime(engine.Config{Store: store, Catalog: catalog, Clock: clock, Log: l.log, Name: "bench", Slots: slots, Woken: woken})
	if err != nil {
		return 0, 0, err
	}
	work, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(work) }()
	defer func() {
		stop()
		err = errors.Join(err, <-ended)
	}()
	select {
	case <-r.Ready():
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
	began := time.Now()
	for ; minutes < most && (minutes == 0 || time.Since(began) < enough); minutes++ {
		target.Store(int64((minutes + 1) * dags))
		clock.leap()
		woken <- struct{}{}
		select {
		case <-all:
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		case err := <-ended:
			ended <- nil
			return 0, 0, err
		}
	}
	took = time.Since(began)
	if n := begun.Load(); n != int64(dags*minutes) || r.Repairs() != 0 {
		return 0, 0, fmt.Errorf("%d tasks ran, not %d; %d runs had to be pushed on", n, dags*minutes, r.Repairs())
	}
	return took, minutes, nil
}

// counted are DAGs of one task, due at each full minute.
func counted(n int, body func()) []engine.AnyDAG {
	all := make([]engine.AnyDAG, n)
	for i := range all {
		d := engine.New[engine.NoParams](fmt.Sprintf("bench_%05d", i), engine.Schedule("* * * * *", "UTC"))
		engine.After(d.Run(), "begin", func(context.Context, engine.Run[engine.NoParams]) (rows, error) { body(); return rows{1}, nil })
		all[i] = d
	}
	return all
}
