package main

import (
	"context"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

// mapSlots are the tasks at once of the process that runs a large mapped task: what serve has unless told otherwise. What runs at once holds
// memory too, and is not what grows with the run.
const mapSlots = engine.DefaultSlots

// mappedMemory is one run of 10,000 mapped tasks: how far the live heap grows meanwhile, measured after a collection of garbage each, over and
// over; and how long the run takes.
func mappedMemory(ctx context.Context, l *lab) ([]figure, error) {
	n := l.sizes.mapped
	const warm = 1 // its run makes connections, prepared statements and pools of buffers
	b := newBodies((1 + warm) * (n + 2))
	m, err := freshMill(ctx, l, b, mapped(b, n))
	if err != nil {
		return nil, err
	}
	defer m.close()
	m.slots = mapSlots
	var grew, took float64
	err = m.running(ctx, nil, func(ctx context.Context, r *engine.Runtime) error {
		return on(ctx, m.url, func(conn *pgx.Conn) error {
			for i := range warm {
				if err := m.once(ctx, conn, r, i); err != nil {
					return err
				}
			}
			before := liveHeap()
			most, stop := watchHeap(ctx)
			began := time.Now()
			err := m.once(ctx, conn, r, warm)
			took = time.Since(began).Seconds()
			stop()
			grew = max(0, <-most-before)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	if err := m.check(ctx, 1+warm, (1+warm)*(n+2)); err != nil {
		return nil, err
	}
	return []figure{
		{key: "bytes_per_task", unit: "bytes", value: grew / float64(n), note: "of live heap a task"},
		{key: "s", unit: "s", value: took, note: "for the run"},
	}, nil
}

// liveHeap is what is reachable, in bytes.
func liveHeap() float64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools still held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// watchHeap collects garbage and looks what is left, over and over, until it is stopped; then it tells the most that it saw.
func watchHeap(ctx context.Context) (most <-chan float64, stop func()) {
	ctx, stop = context.WithCancel(ctx)
	told := make(chan float64, 1)
	go func() {
		seen := 0.0
		for pause(ctx, 20*time.Millisecond) == nil {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			seen = max(seen, float64(m.HeapAlloc))
		}
		told <- seen
	}()
	return told, stop
}
