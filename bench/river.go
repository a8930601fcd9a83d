package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// River at its best settings on two cores: no wait between fetches, no timeout to keep for each job.
const (
	riverWorkers  = 200
	riverCooldown = time.Millisecond
	riverPoll     = 20 * time.Millisecond
	riverConns    = 16
	riverBatch    = 5000 // jobs a transaction of the insertion
)

type noop struct{}

func (noop) Kind() string { return "noop" }

// hop inserts the next of its kind until none is left.
type hop struct {
	Left int `json:"left"`
}

func (hop) Kind() string { return "hop" }

type noopWorker struct {
	river.WorkerDefaults[noop]
	bodies *bodies
}

func (w *noopWorker) Work(context.Context, *river.Job[noop]) error {
	w.bodies.done()
	return nil
}

type hopWorker struct {
	river.WorkerDefaults[hop]
	bodies *bodies
}

func (w *hopWorker) Work(ctx context.Context, job *river.Job[hop]) error {
	defer w.bodies.done()
	if job.Args.Left <= 1 {
		return nil
	}
	_, err := river.ClientFromContext[pgx.Tx](ctx).Insert(ctx, hop{job.Args.Left - 1}, nil)
	return err
}

// riverJobs works jobs that do nothing, inserted beforehand, and then a chain of jobs of which each inserts the next.
func riverJobs(ctx context.Context, l *lab) (_ []figure, err error) {
	address, drop, err := l.database(ctx)
	if err != nil {
		return nil, err
	}
	defer drop()
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, err
	}
	config.MaxConns = riverConns
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	driver := riverpgxv5.New(pool)
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, fmt.Errorf("migrate River: %w", err)
	}
	jobs, hops := l.sizes.jobs, l.sizes.hops
	jobsDone := newBodies(jobs)
	hopsDone := newBodies(hops)
	workers := river.NewWorkers()
	river.AddWorker(workers, &noopWorker{bodies: jobsDone})
	river.AddWorker(workers, &hopWorker{bodies: hopsDone})
	client, err := river.NewClient(driver, &river.Config{
		Logger: l.log, Workers: workers, FetchCooldown: riverCooldown, FetchPollInterval: riverPoll, JobTimeout: -1,
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: riverWorkers}},
	})
	if err != nil {
		return nil, err
	}
	began := time.Now()
	for at := 0; at < jobs; at += riverBatch {
		batch := make([]river.InsertManyParams, min(riverBatch, jobs-at))
		for i := range batch {
			batch[i].Args = noop{}
		}
		if _, err := client.InsertManyFast(ctx, batch); err != nil {
			return nil, fmt.Errorf("insert jobs: %w", err)
		}
	}
	inserted := time.Since(began)
	if err := l.settle(ctx, address); err != nil {
		return nil, err
	}
	cpu := startCPU(ctx, address)
	began = time.Now()
	if err := client.Start(ctx); err != nil {
		return nil, fmt.Errorf("start River: %w", err)
	}
	defer func() { // after an interruption too
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if serr := client.StopAndCancel(stop); serr != nil && ctx.Err() == nil {
			err = errors.Join(err, fmt.Errorf("stop River: %w", serr))
		}
	}()
	// A job is done when that is committed, some time after its work.
	finished := func() error {
		for {
			var open bool
			if err := pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM river_job WHERE state <> 'completed')`).Scan(&open); err != nil || !open {
				return err
			}
			if err := pause(ctx, time.Millisecond); err != nil {
				return err
			}
		}
	}
	if err := jobsDone.await(ctx); err != nil {
		return nil, err
	}
	if err := finished(); err != nil {
		return nil, err
	}
	worked := time.Since(began)
	used := cpu.figures(ctx, jobs, "job")
	began = time.Now()
	if _, err := client.Insert(ctx, hop{hops}, nil); err != nil {
		return nil, fmt.Errorf("insert a job: %w", err)
	}
	if err := hopsDone.await(ctx); err != nil {
		return nil, err
	}
	hopped := time.Since(began)
	if err := finished(); err != nil {
		return nil, err
	}
	return append([]figure{
		{key: "per_s", unit: "jobs/s", value: float64(jobs) / worked.Seconds()},
		{unit: "jobs/s", value: float64(jobs) / (worked + inserted).Seconds(), note: "with inserting them"},
		{key: "hop_ms", unit: "ms", value: float64(hopped.Microseconds()) / 1000 / float64(hops), note: "a hop"},
	}, used...), nil
}
