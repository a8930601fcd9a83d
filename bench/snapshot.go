package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

// A claimTimer measures the claims of the engine that works through it.
type claimTimer struct {
	engine.Store
	mu    sync.Mutex
	full  []float64 // milliseconds of those that got something
	empty []float64 // of those that got nothing
}

// Claim measures the store's.
func (t *claimTimer) Claim(ctx context.Context, c engine.ClaimRequest) ([]engine.Leased, error) {
	began := time.Now()
	got, err := t.Store.Claim(ctx, c)
	ms := time.Since(began).Seconds() * 1000
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(got) > 0 {
		t.full = append(t.full, ms)
	} else {
		t.empty = append(t.empty, ms)
	}
	return got, err
}

const (
	snapshotTasks = 100 // of a run
	probeSlots    = 32  // so that a run of tasks takes many claims
)

// A probe is how claims fare: medians and 99th percentiles in milliseconds, and tasks a second.
type probe struct {
	p50, p99, perSecond float64
}

// oldSnapshot measures claims, then lets a million tasks run beside a transaction that stays open and sees everything as it was, and measures
// claims again, that transaction still open.
func oldSnapshot(ctx context.Context, l *lab) (_ []figure, err error) {
	waves, wave := l.sizes.snapshotWaves, l.sizes.snapshotRuns
	runs := waves*wave + 2*l.sizes.probeRuns
	m, err := newMill(ctx, l, runs, snapshotTasks, 1)
	if err != nil {
		return nil, err
	}
	defer m.close()
	made := 0
	before, err := m.probe(ctx, &made)
	if err != nil {
		return nil, err
	}
	var after probe
	var last time.Duration
	err = on(ctx, m.url, func(old *pgx.Conn) (err error) {
		if _, err := old.Exec(ctx, `BEGIN ISOLATION LEVEL REPEATABLE READ`); err != nil {
			return err
		}
		var seen int
		if err := old.QueryRow(ctx, `SELECT count(*) FROM tidemill.runs`).Scan(&seen); err != nil { // now it has its snapshot
			return err
		}
		for range waves {
			if last, err = m.wave(ctx, &made, wave); err != nil {
				return err
			}
		}
		if after, err = m.probe(ctx, &made); err != nil {
			return err
		}
		return expect(ctx, old, `SELECT count(*) FROM tidemill.runs`, seen, "runs are in the old snapshot")
	})
	if err != nil {
		return nil, err
	}
	if err := m.check(ctx, runs, runs*snapshotTasks); err != nil {
		return nil, err
	}
	return []figure{
		{key: "p50_ratio", unit: "×", value: after.p50 / before.p50, note: fmt.Sprintf("a claim's median: %s ms, from %s", number(after.p50), number(before.p50))},
		{key: "p99_ratio", unit: "×", value: after.p99 / before.p99, note: fmt.Sprintf("p99: %s ms, from %s", number(after.p99), number(before.p99))},
		{key: "rate_ratio", unit: "×", value: after.perSecond / before.perSecond, note: fmt.Sprintf("%s tasks/s, from %s", number(after.perSecond), number(before.perSecond))},
		{key: "last_per_s", unit: "tasks/s", value: float64(wave*snapshotTasks) / last.Seconds(), note: "of the last wave"},
	}, nil
}

// wave makes runs and works them off. made counts them.
func (m *mill) wave(ctx context.Context, made *int, runs int) (took time.Duration, err error) {
	if _, err := m.create(ctx, *made, runs, runs*snapshotTasks); err != nil {
		return 0, err
	}
	*made += runs
	began := time.Now()
	err = m.running(ctx, nil, func(ctx context.Context, _ *engine.Runtime) error {
		for m.bodies.n.Load() < int64(*made*snapshotTasks) { // asking the database meanwhile would cost it time, ever more
			if err := pause(ctx, time.Millisecond); err != nil {
				return err
			}
		}
		return m.await(ctx, allEnded)
	})
	return time.Since(began), err
}

// probe works off some runs in small claims and measures those.
func (m *mill) probe(ctx context.Context, made *int) (p probe, err error) {
	timer := &claimTimer{Store: m.store}
	m.through, m.slots = timer, probeSlots
	defer func() { m.through, m.slots = m.store, slots }()
	took, err := m.wave(ctx, made, m.lab.sizes.probeRuns)
	if err != nil {
		return p, err
	}
	if len(timer.full) < 10 {
		return p, fmt.Errorf("%d claims only got tasks", len(timer.full))
	}
	return probe{median(timer.full), percentile(timer.full, 0.99), float64(m.lab.sizes.probeRuns*snapshotTasks) / took.Seconds()}, nil
}
