package postgres

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/coder/quartz"

	"github.com/tidemill/tidemill/engine"
)

// Stats counts what happened in a store since it was opened.
type Stats struct {
	Transitions int64 // committed
	Deadlocks   int64 // transactions repeated after 40P01
	Serial      int64 // transactions repeated after 40001
	LockWaits   int64 // transactions repeated after a lock timeout, 55P03
	CutOff      int64 // transactions repeated because their connection was lost before the commit
	Unknown     int64 // commits whose answer was lost, settled by their transaction id
	Rewrites    int64 // transitions repeated because they replace rows that are there
	InOne       int64 // transitions made in one round trip, by what was known of their runs
	WrongGuess  int64 // transitions made anew because something had changed since what was known of their runs
}

type counters struct {
	transitions, deadlocks, serial, lockWaits, cutOff, unknown, rewrites, inOne, wrongGuesses atomic.Int64
}

// Stats returns the store's counts.
func (s *Store) Stats() Stats {
	c := &s.stats
	return Stats{
		Transitions: c.transitions.Load(),
		Deadlocks:   c.deadlocks.Load(),
		Serial:      c.serial.Load(),
		LockWaits:   c.lockWaits.Load(),
		CutOff:      c.cutOff.Load(),
		Unknown:     c.unknown.Load(),
		Rewrites:    c.rewrites.Load(),
		InOne:       c.inOne.Load(),
		WrongGuess:  c.wrongGuesses.Load(),
	}
}

func realClock() engine.Clock { return quartz.NewReal() }

// A HistorySize is about how large the history is, by the server's statistics: nothing is counted.
type HistorySize struct {
	Runs, Attempts int64 // as of the last ANALYZE of their tables
	Bytes          int64 // on disk, of runs, attempts, logs, outbox and events of assets, with their indexes
}

// HistorySize returns about how large the history is. It costs the same however large that is.
func (s *Store) HistorySize(ctx context.Context) (HistorySize, error) {
	var h HistorySize
	err := s.look.QueryRow(ctx, `SELECT coalesce(max(c.reltuples) FILTER (WHERE c.relname = 'runs'), 0)::bigint,
			coalesce(max(c.reltuples) FILTER (WHERE c.relname = 'attempts'), 0)::bigint, coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
		FROM pg_class c WHERE c.relnamespace = 'tidemill'::regnamespace
			AND c.relname IN ('runs', 'attempts', 'task_logs', 'virtual_nodes', 'outbox', 'asset_events')`).Scan(&h.Runs, &h.Attempts, &h.Bytes)
	if err != nil {
		return h, fmt.Errorf("estimate the size of the history: %w", err)
	}
	h.Runs, h.Attempts = max(h.Runs, 0), max(h.Attempts, 0) // -1: never analysed
	return h, nil
}
