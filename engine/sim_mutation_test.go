package engine_test

import (
	"github.com/tidemill/tidemill/engine"
)

// A mutation breaks one rule of the engine, so that the simulation has something to find.
type mutation struct {
	name    string
	rule    string // of a definition: see Definition.Break
	held    func(held []bool) []bool
	change  func(w *world, c *engine.RunChange)
	claim   func(*engine.ClaimRequest)
	orphans func(*world, []engine.Lease) []engine.Lease
	holds   func([]engine.RunRow)
	every   int // 0: always, else every so many decisions
	n       int
}

// hit tells whether this decision is a broken one.
func (m *mutation) hit() bool {
	if m == nil {
		return false
	}
	m.n++
	return m.every == 0 || m.n%m.every == 0
}
