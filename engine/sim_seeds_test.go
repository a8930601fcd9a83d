package engine_test

import (
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// The deterministic simulation: random DAGs, schedules, processes, people and faults on the store in memory, one step at a time, with what
// must never happen looked for after every commit (sim_check_test.go) and against rules that are written anew (sim_rules_test.go).
//
// All follows from a seed: there is one source of chance, one thread of control (coroutines, of which one runs at a time, halt wherever the
// engine asks the store) and no clock but the simulated one. A seed that fails, fails the same way again:
//
//	go test ./engine -run 'TestSimulation$' -sim.from=4711 -sim.seeds=1 -v
//
// prints what happened, step by step. More seeds, from any on:
//
//	go test ./engine -run 'TestSimulation$' -sim.from=1 -sim.seeds=100000 -timeout=0
//
// What is the engine's own code, and what is not: all steps of a runtime's loops (scheduler, dispatcher, heartbeat, reaper, completers,
// outbox), the attempts with their inputs and outputs, control and backfills are the engine's. When each comes is the simulation's to say:
// export_test.go drives the loops. Not simulated: streams' bodies, logs, task transactions, versions, jitter (it draws from another source).
var (
	simFrom  = flag.Uint64("sim.from", 1, "first seed of the simulation")
	simSeeds = flag.Int("sim.seeds", 100, "how many seeds are simulated")
	simSteps = flag.Int("sim.steps", 350, "steps with faults of each")
)

// simulate runs a seed to its end and says what went wrong; nil: nothing.
func simulate(seed uint64, broken *mutation, trace bool) (w *world) {
	w = newWorld(seed, broken)
	w.tracing = trace
	defer w.unwind()
	defer func() {
		if p := recover(); p != nil {
			w.violated("panic: %v\n%s", p, debug.Stack())
		}
	}()
	w.chaos(*simSteps)
	if w.wrong == nil {
		w.end()
	}
	return w
}

func TestSimulation(t *testing.T) {
	var next atomic.Uint64
	var failed atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for failed.Load() < 5 {
				n := next.Add(1) - 1
				if n >= uint64(*simSeeds) {
					return
				}
				if w := simulate(*simFrom+n, nil, false); w.wrong != nil {
					failed.Add(1)
					t.Errorf("seed %d, step %d: %v", w.seed, w.turn, w.wrong)
				}
			}
		})
	}
	wg.Wait()
	if testing.Verbose() && *simSeeds == 1 {
		w := simulate(*simFrom, nil, true)
		t.Log("DAGs:\n" + w.dags.String())
		t.Log("\n" + strings.Join(w.trace, "\n"))
	}
}

func (d *drawn) String() string {
	var b strings.Builder
	for _, id := range d.ids {
		s := d.byID[id].spec
		fmt.Fprintf(&b, "%s schedule=%q catchup=%v runs=%d tasks=%d deadline=%v timeout=%v assets=%s\n", id, s.Schedule, s.Catchup, s.MaxActiveRuns, s.MaxActiveTasks, s.Deadline, s.RunTimeout, jsonOf(s.Assets))
		for _, t := range s.Tasks {
			t.Body, t.Queue, t.Input, t.Output = "", "", "", ""
			fmt.Fprintf(&b, "    %s\n", jsonOf(t))
		}
	}
	return b.String()
}

func TestSimulationReplays(t *testing.T) {
	for seed := range uint64(10) {
		a, b := simulate(seed, nil, true), simulate(seed, nil, true)
		if !slices.Equal(a.trace, b.trace) {
			for i := range a.trace {
				if i >= len(b.trace) || a.trace[i] != b.trace[i] {
					j := min(i+1, len(b.trace))
					t.Fatalf("seed %d, line %d: two runs of it differ:\n%s\n\n%s", seed, i, strings.Join(a.trace[max(0, i-8):i+1], "\n"), strings.Join(b.trace[max(0, j-9):j], "\n"))
				}
			}
			t.Fatalf("seed %d: two runs of it differ in length", seed)
		}
	}
}
