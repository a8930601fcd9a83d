package engine_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
)

// A mutation breaks one rule of the engine, so that the simulation has something to find. Each works on what the engine asks and answers, as
// if the engine's own code were wrong there; those with a rule break the definition that the engine goes by.
type mutation struct {
	rule    string // see Definition.Break
	found   func(engine.Found) engine.Found
	change  func(w *world, c *engine.RunChange)
	claim   func(*engine.ClaimRequest)
	ends    func(*world, []engine.Lease)
	orphans func(*world, []engine.Lease) []engine.Lease
	holds   func([]engine.RunRow)
	from    uint64 // seeds before it are known not to show it
	every   int    // of how many decisions one is broken; 0: all are
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

// mutations are made anew for each world.
var mutations = map[string]func() *mutation{
	"a lost lease counts as held": func() *mutation {
		return &mutation{found: func(f engine.Found) engine.Found {
			f.Held = slices.Repeat([]bool{true}, len(f.Held))
			return f
		}}
	},
	"an attempt ends under the lease of another": func() *mutation {
		return &mutation{from: 20, ends: func(w *world, ends []engine.Lease) {
			for i, l := range ends {
				if h, ok := w.eyes.leases[l.TaskKey]; ok {
					ends[i].ID = h.lease.ID
				}
			}
		}}
	},
	"the reaper takes the leases of the living": func() *mutation {
		return &mutation{orphans: func(w *world, out []engine.Lease) []engine.Lease {
			var living []engine.Lease
			for _, h := range w.eyes.leases {
				living = append(living, h.lease)
			}
			slices.SortFunc(living, func(a, b engine.Lease) int { return strings.Compare(fmt.Sprint(a.TaskKey), fmt.Sprint(b.TaskKey)) })
			return append(out, living[:min(1, len(living))]...)
		}}
	},
	"a child is ready one upstream too early": func() *mutation { return &mutation{change: tooEarly} },
	"a child that is ready is not queued": func() *mutation {
		return &mutation{every: 7, change: func(_ *world, c *engine.RunChange) { c.Enqueue = c.Enqueue[:max(0, len(c.Enqueue)-1)] }}
	},
	"a callback is left out": func() *mutation {
		return &mutation{every: 7, change: func(_ *world, c *engine.RunChange) { c.Callbacks = c.Callbacks[min(1, len(c.Callbacks)):] }}
	},
	"a person's word is left out of the audit log": func() *mutation {
		return &mutation{change: func(_ *world, c *engine.RunChange) { c.Acts = nil }}
	},
	"an event is told twice": func() *mutation {
		return &mutation{every: 7, change: func(_ *world, c *engine.RunChange) { c.Events = append(c.Events, c.Events...) }}
	},
	"an attempt is left out of history": func() *mutation {
		return &mutation{every: 7, change: func(_ *world, c *engine.RunChange) { c.Attempts = c.Attempts[:max(0, len(c.Attempts)-1)] }}
	},
	"limits are not looked at": func() *mutation {
		return &mutation{claim: func(c *engine.ClaimRequest) {
			for i := range c.DAGs {
				c.DAGs[i].Room, c.DAGs[i].MaxActive, c.DAGs[i].TaskLimits = 100, 0, nil
			}
		}}
	},
	"a lease that is handed over is not stored": func() *mutation {
		return &mutation{change: func(_ *world, c *engine.RunChange) {
			for i := range c.Enqueue {
				c.Enqueue[i].Lease, c.Enqueue[i].Worker = uuid.Nil, 0
			}
		}}
	},
	"timers are not taken out": func() *mutation { return &mutation{change: func(_ *world, c *engine.RunChange) { c.Untimers = nil }} },
	"waits are not taken out":  func() *mutation { return &mutation{change: func(_ *world, c *engine.RunChange) { c.Unwaits = nil }} },
	"questions are not closed": func() *mutation { return &mutation{change: func(_ *world, c *engine.RunChange) { c.Unask = nil }} },
	"the queue is not cleared": func() *mutation { return &mutation{change: func(_ *world, c *engine.RunChange) { c.Dequeue = nil }} },
	"failures are not counted": func() *mutation {
		return &mutation{from: 28, change: inStates(func(s *engine.RunStates, in *engine.Instance) { in.Failures = 0 })}
	},
	"a deadline is forgotten": func() *mutation {
		return &mutation{change: inStates(func(s *engine.RunStates, in *engine.Instance) { s.DeadlineFired = false })}
	},
	"one retry too many":         func() *mutation { return &mutation{rule: "retry", from: 28} },
	"a leaf is not looked at":    func() *mutation { return &mutation{rule: "leaf"} },
	"setups are not waited for":  func() *mutation { return &mutation{rule: "setup"} },
	"teardowns do not wait":      func() *mutation { return &mutation{rule: "teardown"} },
	"all_done is one_done":       func() *mutation { return &mutation{rule: "rule"} },
	"the past is not waited for": func() *mutation { return &mutation{rule: "past"} },
	"elements wait for all":      func() *mutation { return &mutation{rule: "element", from: 15} },
	"a watermark is of the day before": func() *mutation {
		return &mutation{from: 65, holds: func(rows []engine.RunRow) {
			for i := range rows {
				rows[i].Hold.Passed = rows[i].Hold.Passed.Add(-24 * time.Hour)
			}
		}}
	},
}

// inStates changes a run's states as they are stored.
func inStates(f func(*engine.RunStates, *engine.Instance)) func(*world, *engine.RunChange) {
	return func(_ *world, c *engine.RunChange) {
		s, err := engine.DecodeRunStates(c.States)
		must(err)
		for i := range s.Tasks {
			for j := range s.Tasks[i].Instances {
				f(&s, &s.Tasks[i].Instances[j])
			}
		}
		c.States = s.Encode()
	}
}

// tooEarly queues an instance of which one upstream has not ended yet.
func tooEarly(w *world, c *engine.RunChange) {
	a := w.eyes.runs[c.Key]
	if c.State != engine.RunRunning || a == nil {
		return
	}
	s, err := engine.DecodeRunStates(c.States)
	must(err)
	for i, t := range a.spec.Tasks {
		st := &s.Tasks[i]
		open := 0
		for _, e := range t.Upstream {
			if !wholeOf(&s.Tasks[a.book.index[e.Task]]).Terminal() {
				open++
			}
		}
		if open == 1 && len(t.Upstream) > 1 && !st.Mapped && t.MapOver == "" && st.Instances[0].State == engine.None {
			st.Instances[0].State = engine.Queued
			st.Instances[0].Try++
			c.Enqueue = append(c.Enqueue, engine.QueueItem{TaskKey: engine.TaskKey{Run: c.Key, Task: t.ID, MapIndex: -1}, DAG: a.row.DAG, Try: st.Instances[0].Try, Queue: t.Queue})
			c.States = s.Encode()
			return
		}
	}
}

// TestSimulationFindsWhatIsBroken breaks rules one at a time; the simulation has to notice each within a thousand seeds.
func TestSimulationFindsWhatIsBroken(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(mutations)) {
		broken := mutations[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from := max(1, broken().from)
			for seed := from; seed < from+1000; seed++ {
				if w := simulate(seed, broken(), false); w.wrong != nil {
					t.Logf("seed %d: %v", seed, w.wrong)
					return
				}
			}
			t.Error("not found within 1,000 seeds")
		})
	}
}
