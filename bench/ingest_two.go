package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tidemill/tidemill/storage/lake"
	row "github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// A memberReport is what one process of a consumer group says of itself at its end.
type memberReport struct {
	CPUSeconds float64
	PeakBytes  float64
	Rows       int64 // that it committed
}

// A groupRun is what a consumer group took to ingest a topic.
type groupRun struct {
	steady    float64 // records/s from the time at which every member has committed on, so without the joining
	cpu, peak float64 // of all members, of the largest
	least     float64 // the least share of the rows that a member committed
}

// ingestTwo ingests the same topic by one process and by two of one consumer group, each process on a core of its own. The broker has no
// core of its own on a machine of two, so that what it takes is told beside: the two have two cores less that.
func ingestTwo(ctx context.Context, l *lab) (_ []figure, err error) {
	dir, err := os.MkdirTemp(l.dir, "ingest2-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b, err := startBroker(ctx, dir, l.sizes.ingested, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.stop()) }()
	var runs [2]groupRun
	var broker float64
	for i := range runs {
		before := processCPU(b.cmd.Process.Pid)
		if runs[i], err = ingestGroup(ctx, b, filepath.Join(dir, fmt.Sprintf("lake%d", i)), i+1); err != nil {
			return nil, err
		}
		broker = (processCPU(b.cmd.Process.Pid) - before).Seconds()
		if err := os.RemoveAll(filepath.Join(dir, fmt.Sprintf("lake%d", i))); err != nil {
			return nil, err
		}
	}
	one, two := runs[0], runs[1]
	return []figure{
		{key: "times", unit: "x one process", value: two.steady / one.steady},
		{key: "times_by_cpu", unit: "x by CPU time", value: 2 * one.cpu / two.cpu},
		{key: "per_s", unit: "records/s", value: two.steady},
		{key: "cpu_s", unit: "CPU s", value: two.cpu, note: "both"},
		{key: "broker_cpu_s", unit: "CPU s", value: broker, note: "the broker"},
		{key: "peak_mb", unit: "MB at most", value: two.peak / 1e6, note: "each"},
		{key: "share", unit: "%", value: 100 * two.least, note: "of the rows by the process that did less"},
	}, nil
}

// ingestGroup ingests all that a broker has by so many processes, each on a core of its own.
func ingestGroup(ctx context.Context, b *brokerProcess, dir string, members int) (run groupRun, err error) {
	var all []*process
	defer func() {
		for _, p := range all {
			err = errors.Join(err, p.stop())
		}
	}()
	for i := range members {
		p, err := spawn(ctx, memberRole, b.address, dir, strconv.Itoa(i))
		if err != nil {
			return run, err
		}
		all = append(all, p)
	}
	l, err := lake.Open(dir, topic)
	if err != nil {
		return run, err
	}
	if err := awaitRows(ctx, l, int64(b.records)); err != nil {
		return run, err
	}
	if run.steady, err = steadyRate(ctx, l, members); err != nil {
		return run, err
	}
	run.least = 1
	for len(all) > 0 {
		p := all[0]
		all = all[1:]
		text, err := p.farewell()
		if err != nil {
			return run, err
		}
		var got memberReport
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			return run, fmt.Errorf("a member said %q: %w", text, err)
		}
		run.cpu += got.CPUSeconds
		run.peak = max(run.peak, got.PeakBytes)
		run.least = min(run.least, float64(got.Rows)/float64(b.records))
	}
	return run, nil
}

// awaitRows returns once a lake has so many rows.
func awaitRows(ctx context.Context, l *lake.Lake, rows int64) error {
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		status, err := l.Status(ctx)
		if err != nil {
			return err
		}
		if status.Rows >= rows {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
		}
	}
}

// steadyRate is records a second from the entry by which every writer has committed until the last; without such, from the first on.
func steadyRate(ctx context.Context, l *lake.Lake, writers int) (float64, error) {
	state, err := l.State(ctx)
	if err != nil {
		return 0, err
	}
	seen := map[string]bool{}
	var from, first, last time.Time
	var rows, all int64
	for n := int64(1); n <= state.Head; n++ {
		e, err := l.Entry(ctx, n)
		if err != nil {
			return 0, err
		}
		if e.Kind != lake.KindAppend {
			continue
		}
		all, last = all+e.Rows(), e.CommittedAt
		if first.IsZero() {
			first = last.Add(-e.Duration())
		}
		if !from.IsZero() {
			rows += e.Rows()
		}
		if seen[e.Writer] = true; from.IsZero() && len(seen) == writers {
			from = last
		}
	}
	if rows < all/4 { // a small run: nearly all of it is the beginning
		from, rows = first, all
	}
	return float64(rows) / last.Sub(from).Seconds(), nil
}

// processCPU is what another process has used so far; 0 where that cannot be told.
func processCPU(pid int) time.Duration {
	s, err := readStat(pid)
	if err != nil {
		return 0
	}
	return s.own
}

// memberChild ingests until its parent says that it is enough: args are the broker's address, the lake's folder and the core to run on.
func memberChild(args []string) error {
	core, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	if err := pin(core); err != nil {
		return err
	}
	ctx, cancel := untilParentEnds()
	defer cancel()
	l, err := lake.Open(args[1], topic)
	if err != nil {
		return err
	}
	var got memberReport
	in, err := ingest.New(ingest.Config[row.Row]{
		Brokers: []string{args[0]}, Topic: topic, Group: filepath.Base(args[1]), Lake: l, Transform: ingest.Payments, FlushAge: time.Second,
		Log:      slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		Progress: func(p ingest.Progress) { got.Rows = p.Rows }, // one call at a time, the last before Run returns
	})
	if err != nil {
		return err
	}
	cpu := cpuTime()
	if err := in.Run(ctx); err != nil {
		return err
	}
	got.CPUSeconds = (cpuTime() - cpu).Seconds()
	if got.PeakBytes, err = peakMemory(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(got)
}
