package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/storage/postgres"
)

// childEnv, when set, makes this test binary one of the processes under test; it holds an assignment.
const childEnv = "TIDEMILL_CHAOS_CHILD"

// The processes' timing, shorter than a user's so that more happens in less time.
const (
	heartbeat = 200 * time.Millisecond
	deadAfter = 1500 * time.Millisecond
	slots     = 10
	receiver  = "books"
)

// An assignment is what a child is told.
type assignment struct {
	URL, Name string
	Seed      uint64
	LastBeat  time.Time
}

// child is one of the processes: it works until it is asked to end. Whatever ends it otherwise is a fault of the engine.
func child(text string) error {
	var a assignment
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return err
	}
	go func() { // ends with its parent
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	cfg, err := pgxpool.ParseConfig(a.URL)
	if err != nil {
		return err
	}
	cfg.MaxConns = slots + 4
	own, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer own.Close()
	l := &ledger{pool: own, seed: a.Seed}
	for {
		begun, err := serve(ctx, a, l, log)
		if begun || ctx.Err() != nil {
			return err
		}
		log.Warn("the start failed", "error", err) // the database is away
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return nil //nolint:nilerr // asked to end before it began
		}
	}
}

// serve opens the store and runs the engine on it; begun tells whether it came to work.
func serve(ctx context.Context, a assignment, l *ledger, log *slog.Logger) (begun bool, err error) {
	s, err := postgres.Open(ctx, a.URL, postgres.Options{AppName: "chaos", Log: log})
	if err != nil {
		return false, err
	}
	defer s.Close()
	woken, err := s.Woken(ctx)
	if err != nil {
		return false, err
	}
	if err := s.RegisterReceiver(ctx, receiver, "http://localhost/"); err != nil {
		return false, err
	}
	catalog, err := engine.Compile(dags(l, a.LastBeat)...)
	if err != nil {
		return true, err
	}
	r, err := engine.NewRuntime(engine.Config{
		Store: s, Catalog: catalog, Log: log, Name: a.Name, Slots: slots, Heartbeat: heartbeat, DeadAfter: deadAfter, Poll: 100 * time.Millisecond, DrainGrace: 3 * time.Second,
		Deliver: map[string]engine.DeliverFunc{receiver: l.webhook}, Woken: woken, Wake: func() { _ = s.Wake(ctx) },
	})
	if err != nil {
		return true, err
	}
	var reporting sync.WaitGroup
	defer reporting.Wait()
	ended := make(chan struct{})
	defer close(ended)
	reporting.Go(func() { report(ctx, ended, a.Name, l, s, r) })
	err = r.Run(ctx)
	select {
	case <-r.Ready():
	default:
		return false, err
	}
	if err != nil {
		return true, fmt.Errorf("run: %w", err)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	return true, writeReport(last, a.Name, l, s, r, true)
}

// report writes again and again how the process does: it may be killed at any time.
func report(ctx context.Context, ended <-chan struct{}, name string, l *ledger, s *postgres.Store, r *engine.Runtime) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
		}
		limited, cancel := context.WithTimeout(ctx, time.Second)
		_ = writeReport(limited, name, l, s, r, false) // the next will do
		cancel()
	}
}

func writeReport(ctx context.Context, name string, l *ledger, s *postgres.Store, r *engine.Runtime, left bool) error {
	n := s.Stats()
	return l.exec(ctx, `INSERT INTO chaos.reports VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (process) DO UPDATE SET
		repairs = excluded.repairs, deadlocks = excluded.deadlocks, serial = excluded.serial, lock_waits = excluded.lock_waits,
		cut_off = excluded.cut_off, unknown = excluded.unknown, left_well = reports.left_well OR excluded.left_well`,
		name, r.Repairs(), n.Deadlocks, n.Serial, n.LockWaits, n.CutOff, n.Unknown, left)
}
