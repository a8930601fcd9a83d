package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/storage/postgres"
)

// A link is a leased task of a chain of tasks of one run, each of which is handed over when the one before ends.
type link struct {
	engine.Leased
	n int
}

// begin claims the first task of a chain.
func (r *rig) begin(run int64) link {
	r.Helper()
	r.enqueue(run, "t0")
	got, err := r.Claim(r.Context(), engine.ClaimRequest{Worker: r.worker, Lease: uuid.New(), Slots: 1, Queues: []string{"default"}, DAGs: []engine.ClaimDAG{{ID: testDAG, Room: 1}}})
	r.ok(err)
	if len(got) != 1 || got[0].Lease.Run != run {
		r.Fatalf("claimed %v, want the first task of run %d", got, run)
	}
	return link{Leased: got[0]}
}

// next ends links, each of another run, hands over those that follow, and counts in the runs' states. What was found is returned with them.
func (r *rig) next(links ...link) (after []link, found engine.Found, rows []engine.RunRow, err error) {
	heads := map[int64]*engine.RunRow{}
	var ends []engine.Lease
	var keys []int64
	for i := range links {
		heads[links[i].Lease.Run] = &links[i].Leased.Run
		ends, keys = append(ends, links[i].Lease), append(keys, links[i].Lease.Run)
	}
	err = r.Transition(r.Context(), engine.Transition{Runs: keys, Ends: ends, Worker: r.worker, Heads: heads, Decide: func(now time.Time, in []engine.RunRow, f engine.Found) ([]engine.RunChange, error) {
		after, found, rows = nil, f, in
		var out []engine.RunChange
		lease := uuid.New()
		for _, row := range in {
			for i, l := range links {
				if l.Lease.Run != row.Key || !f.Held[i] {
					continue
				}
				c := engine.RunChange{Key: row.Key, State: row.State, Version: row.Version, States: counted(row.States), FailedTasks: row.FailedTasks}
				c.Attempts = []engine.Attempt{{TaskKey: l.TaskKey, Try: 1, State: engine.Success, Ending: engine.EndSuccess, EndedAt: now}}
				if f.Worker && !row.DAGPaused {
					it := item(row.Key, fmt.Sprint("t", l.n+1))
					it.Worker, it.Lease, it.Free = r.worker, lease, true
					c.Enqueue = []engine.QueueItem{it}
					l.Leased.Run = row
					after = append(after, link{engine.Leased{Lease: engine.Lease{TaskKey: it.TaskKey, ID: lease}, DAG: testDAG, Try: 1, Run: l.Leased.Run}, l.n + 1})
				}
				out = append(out, c)
			}
		}
		return out, nil
	}})
	return after, found, rows, err
}

// counted are states that count transitions.
func counted(states []byte) []byte {
	n := 0
	if len(states) == 2 {
		n = int(states[0])<<8 + int(states[1])
	}
	n++
	return []byte{byte(n >> 8), byte(n)} //nolint:gosec // two bytes
}

func (r *rig) count(run int64) int {
	r.Helper()
	rows, err := r.RunsByKey(r.Context(), []int64{run})
	r.ok(err)
	return int(rows[0].States[0])<<8 + int(rows[0].States[1])
}

func TestAChainGoesOnInOneRoundTripAHop(t *testing.T) {
	r := newRig(t, postgres.Options{})
	runs := r.runs(2)
	a, b := r.begin(runs[0]), r.begin(runs[1])
	var last time.Time
	for hop := range 20 {
		links, _, _, err := r.next(a, b)
		r.ok(err)
		if len(links) != 2 {
			t.Fatalf("hop %d: %d tasks were handed over, want 2", hop, len(links))
		}
		a, b = links[0], links[1]
		if at := value[time.Time](t, r.url, `SELECT max(ended_at) FROM tidemill.attempts`); !at.After(last) || at.After(time.Now()) {
			t.Fatalf("hop %d ended at %v, the one before at %v; it is %v", hop, at, last, time.Now())
		} else {
			last = at
		}
	}
	for _, run := range runs {
		if n := r.count(run); n != 20 {
			t.Errorf("run %d counts %d transitions, want 20", run, n)
		}
	}
	if s := r.Stats(); s.InOne < 15 || s.WrongGuess != 0 {
		t.Errorf("%d transitions were made in one round trip, %d guesses were wrong; want (nearly) all of 20, and none", s.InOne, s.WrongGuess)
	}
	if n := value[int](t, r.url, `SELECT count(*) FROM tidemill.attempts`); n != 40 {
		t.Errorf("%d attempts are in history, want 40", n)
	}
	rows, err := r.Queue(t.Context(), runs)
	r.ok(err)
	if len(rows) != 2 || rows[0].Task != "t20" || rows[1].Task != "t20" || !rows[0].Leased {
		t.Errorf("the queue has %+v, want t20 of both, leased", rows)
	}
}

// Whatever happens between two transitions is seen by the second.
func TestWhatIsKnownIsProved(t *testing.T) {
	type change struct {
		what string
		do   func(r *rig, l link)
		want func(f engine.Found, row engine.RunRow, err error) bool
		runs int // how many transitions the run counts in the end, of the three of the chain and those of the change
	}
	for _, c := range []change{
		{"another process changed the run", func(r *rig, l link) {
			other := rigOn(r, openAt(r, r.url, postgres.Options{}), r.url)
			other.transition([]int64{l.Lease.Run}, nil, func(row engine.RunRow, c *engine.RunChange) { c.States = counted(row.States) })
		}, func(f engine.Found, row engine.RunRow, err error) bool { return err == nil && f.Held[0] }, 4},
		{"this process changed the run", func(r *rig, l link) {
			r.transition([]int64{l.Lease.Run}, nil, func(row engine.RunRow, c *engine.RunChange) { c.States = counted(row.States) })
		}, func(f engine.Found, row engine.RunRow, err error) bool { return err == nil && f.Held[0] }, 4},
		{"the lease was taken", func(r *rig, l link) {
			r.transition([]int64{l.Lease.Run}, nil, func(row engine.RunRow, c *engine.RunChange) { c.Dequeue = []engine.TaskKey{l.TaskKey} })
		}, func(f engine.Found, row engine.RunRow, err error) bool { return err == nil && !f.Held[0] }, 2},
		{"the lease was taken and nobody told the run", func(r *rig, l link) {
			value[int64](r, r.url, `DELETE FROM tidemill.task_queue RETURNING run_id`)
		}, func(f engine.Found, row engine.RunRow, err error) bool { return err == nil && !f.Held[0] }, 2},
		{"the DAG was paused", func(r *rig, l link) {
			r.ok(r.SetPaused(r.Context(), testDAG, true))
		}, func(f engine.Found, row engine.RunRow, err error) bool {
			return err == nil && f.Held[0] && row.DAGPaused
		}, 3},
		{"the DAG has another version", func(r *rig, l link) {
			_, err := r.Register(r.Context(), []engine.DAGRecord{{ID: testDAG, Version: "v2", Build: "b2"}})
			r.ok(err)
		}, func(f engine.Found, row engine.RunRow, err error) bool { return err == nil && row.DAGVersion == "v2" }, 3},
		{"the worker was buried", func(r *rig, l link) {
			r.ok(r.Bury(r.Context(), []int64{r.worker}))
		}, func(f engine.Found, row engine.RunRow, err error) bool { return err == nil && !f.Worker }, 3},
		{"nothing", func(r *rig, l link) {}, func(f engine.Found, row engine.RunRow, err error) bool { return err == nil && f.Held[0] && f.Worker }, 3},
	} {
		t.Run(c.what, func(t *testing.T) {
			r := newRig(t, postgres.Options{})
			run := r.runs(1)[0]
			l := r.begin(run)
			for range 2 {
				links, _, _, err := r.next(l)
				r.ok(err)
				l = links[0]
			}
			before := r.Stats()
			c.do(r, l)
			_, f, rows, err := r.next(l)
			if err != nil || len(rows) != 1 || !c.want(f, rows[0], err) {
				t.Errorf("found %+v and %+v, error %v", f, rows, err)
			}
			if n := r.count(run); n != c.runs {
				t.Errorf("the run counts %d transitions, want %d", n, c.runs)
			}
			s := r.Stats()
			if wrong := s.WrongGuess - before.WrongGuess; (c.what == "nothing") != (wrong == 0) || wrong > 1 {
				t.Errorf("%d wrong guesses", wrong)
			}
		})
	}
}

// Processes whose chains cross each other's runs lose nothing.
func TestGuessesOfSeveralProcessesLoseNothing(t *testing.T) {
	r := newRig(t, postgres.Options{MaxConns: 6})
	other := rigOn(t, openAt(t, r.url, postgres.Options{MaxConns: 6}), r.url)
	const hops = 60
	runs := r.runs(8)
	var all sync.WaitGroup
	for i := 0; i < len(runs); i += 2 {
		who, disturber := r, other
		if i%4 == 0 {
			who, disturber = other, r
		}
		links := []link{who.begin(runs[i]), who.begin(runs[i+1])}
		all.Go(func() {
			for range hops {
				if rand.IntN(6) == 0 {
					_, err := disturber.tryTransition(runs[i:i+2], nil, func(row engine.RunRow, c *engine.RunChange) {
						c.States = counted(row.States)
						c.FailedTasks = row.FailedTasks + 1
					})
					if err != nil {
						t.Error(err)
						return
					}
				}
				after, _, _, err := who.next(links...)
				if err != nil || len(after) != 2 {
					t.Errorf("%d links follow, error %v", len(after), err)
					return
				}
				links = after
			}
		})
	}
	all.Wait()
	rows, err := r.RunsByKey(t.Context(), runs)
	r.ok(err)
	for _, row := range rows {
		if n := int(row.States[0])<<8 + int(row.States[1]); n != hops+row.FailedTasks {
			t.Errorf("run %d counts %d transitions, want %d", row.Key, n, hops+row.FailedTasks)
		}
	}
	t.Logf("%+v\n%+v", r.Stats(), other.Stats())
}
