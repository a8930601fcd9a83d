package postgres

import (
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
}

type counters struct {
	transitions, deadlocks, serial, lockWaits, cutOff, unknown, rewrites atomic.Int64
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
	}
}

func realClock() engine.Clock { return quartz.NewReal() }
