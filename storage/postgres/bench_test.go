package postgres_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/migrations"
	"github.com/tidemill/tidemill/storage/postgres"
)

// The benchmarks measure claims and transitions with decisions that cost nothing, by default on the server of the tests,
// which does not wait for the disk. TIDEMILL_BENCH_DATABASE names an empty database to measure on instead.

func benchURL(b *testing.B) string {
	b.Helper()
	url, ok := os.LookupEnv("TIDEMILL_BENCH_DATABASE")
	if !ok {
		return testkit.Migrated(b, migrations.Engine)
	}
	if _, err := migrations.Up(b.Context(), url, migrations.Engine); err != nil {
		b.Fatal(err)
	}
	return url
}

// A mill is a store with runs, and one worker.
type mill struct {
	testing.TB
	*postgres.Store
	dag    string
	worker int64
	states []byte
}

func newMill(tb testing.TB, s *postgres.Store) *mill {
	tb.Helper()
	m := &mill{TB: tb, Store: s, dag: "bench-" + uuid.NewString(), states: make([]byte, 400)}
	_, err := s.Register(tb.Context(), []engine.DAGRecord{{ID: m.dag, Version: "v1", Build: "b1"}})
	m.ok(err)
	m.worker, err = s.Join(tb.Context(), engine.WorkerInfo{Name: "bench:1", Kind: "serve"})
	m.ok(err)
	return m
}

func (m *mill) ok(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

// start makes running runs, each with the given number of ready tasks.
func (m *mill) start(ctx context.Context, runs, tasks int) {
	m.Helper()
	const at = 100
	for done := 0; done < runs; done += at {
		var fresh []engine.NewRun
		for range min(at, runs-done) {
			fresh = append(fresh, engine.NewRun{DAG: m.dag, RunID: uuid.NewString(), Type: engine.ManualRun})
		}
		_, err := m.CreateRuns(ctx, fresh)
		m.ok(err)
		_, err = m.StartRuns(ctx, []string{m.dag}, at, func(_ time.Time, runs []engine.RunRow, _ engine.Found) ([]engine.RunChange, error) {
			var out []engine.RunChange
			for _, r := range runs {
				c := engine.RunChange{Key: r.Key, State: engine.RunRunning, States: m.states, Version: r.Version}
				for i := range tasks {
					c.Enqueue = append(c.Enqueue, engine.QueueItem{TaskKey: engine.TaskKey{Run: r.Key, Task: fmt.Sprintf("task_%d", i), MapIndex: -1}, DAG: m.dag, Try: 1, Queue: "default"})
				}
				out = append(out, c)
			}
			return out, nil
		})
		m.ok(err)
	}
}

func (m *mill) claim(ctx context.Context, slots int) []engine.Lease {
	m.Helper()
	got, err := m.Claim(ctx, engine.ClaimRequest{
		Worker: m.worker, Lease: uuid.New(), Slots: slots, Queues: []string{"default"}, DAGs: []engine.ClaimDAG{{ID: m.dag, Room: slots}},
	})
	m.ok(err)
	out := make([]engine.Lease, len(got))
	for i := range got {
		out[i] = got[i].Lease
	}
	return out
}

// end ends attempts with success. next, if it is not nil, says which task of the run follows; it is handed over.
func (m *mill) end(ctx context.Context, leases []engine.Lease, next func(task string) string) []engine.Lease {
	m.Helper()
	byRun := map[int64][]engine.Lease{}
	var runs []int64
	for _, l := range leases {
		if byRun[l.Run] == nil {
			runs = append(runs, l.Run)
		}
		byRun[l.Run] = append(byRun[l.Run], l)
	}
	var handed []engine.Lease
	output := []byte(`{"rows":1}`)
	m.ok(m.Transition(ctx, engine.Transition{Runs: runs, Ends: leases, Worker: m.worker, Decide: func(now time.Time, rows []engine.RunRow, found engine.Found) ([]engine.RunChange, error) {
		handed = handed[:0]
		lease := uuid.New()
		out := make([]engine.RunChange, 0, len(rows))
		for _, r := range rows {
			c := engine.RunChange{Key: r.Key, State: r.State, States: m.states, Version: r.Version}
			for _, l := range byRun[r.Key] {
				c.Attempts = append(c.Attempts, engine.Attempt{
					TaskKey: l.TaskKey, Try: 1, State: engine.Success, Ending: engine.EndSuccess, QueuedAt: &now, StartedAt: &now, EndedAt: now,
					Worker: "bench:1", Version: "0123456789abcdef", Build: "0123456789abcdef", Output: output,
				})
				if next == nil {
					continue
				}
				if task := next(l.Task); task != "" {
					key := engine.TaskKey{Run: l.Run, Task: task, MapIndex: -1}
					c.Enqueue = append(c.Enqueue, engine.QueueItem{TaskKey: key, DAG: m.dag, Try: 1, Queue: "default", Lease: lease, Worker: m.worker})
					handed = append(handed, engine.Lease{TaskKey: key, ID: lease})
				}
			}
			out = append(out, c)
		}
		return out, nil
	}}))
	return handed
}

// work claims and ends tasks with so many goroutines until none is left, and returns how many there were.
func (m *mill) work(ctx context.Context, goroutines, batch int, next func(string) string) int64 {
	var n atomic.Int64
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for {
				leases := m.claim(ctx, batch)
				if len(leases) == 0 {
					return
				}
				for len(leases) > 0 {
					n.Add(int64(len(leases)))
					leases = m.end(ctx, leases, next)
				}
			}
		})
	}
	wg.Wait()
	return n.Load()
}

// chain follows task_0 … task_<n-1>.
func chain(n int) func(string) string {
	return func(task string) string {
		var i int
		if _, err := fmt.Sscanf(task, "task_%d", &i); err != nil || i+1 >= n {
			return ""
		}
		return fmt.Sprintf("task_%d", i+1)
	}
}

// BenchmarkFan ends 500 runs of 100 tasks that are all ready.
func BenchmarkFan(b *testing.B) {
	benchWork(b, 500, 100, 2, 1000, nil, 50_000)
}

// BenchmarkChains ends 1,000 chains of 40 tasks, each task handed over by the one before.
func BenchmarkChains(b *testing.B) {
	benchWork(b, 1000, 1, 4, 250, chain(40), 40_000)
}

func benchWork(b *testing.B, runs, tasks, goroutines, batch int, next func(string) string, want int64) {
	ctx := b.Context()
	s := openAt(b, benchURL(b), postgres.Options{MaxConns: goroutines})
	var n int64
	for range b.N {
		b.StopTimer()
		m := newMill(b, s)
		m.start(ctx, runs, tasks)
		b.StartTimer()
		got := m.work(ctx, goroutines, batch, next)
		if got != want {
			b.Fatalf("ended %d tasks, want %d", got, want)
		}
		n += got
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "tasks/s")
	b.Logf("%+v", s.Stats())
}

// BenchmarkHop is one task of one chain: it ends and hands over to the next.
func BenchmarkHop(b *testing.B) {
	ctx := b.Context()
	s := openAt(b, benchURL(b), postgres.Options{MaxConns: 2})
	m := newMill(b, s)
	m.start(ctx, 1, 1)
	leases := m.claim(ctx, 1)
	endless := chain(1 << 30)
	for b.Loop() {
		leases = m.end(ctx, leases, endless)
	}
}

// BenchmarkClaimAtItsLimit claims of DAGs that have 200,000 ready tasks and no room: the DAG's limit is reached, or that of its one task.
func BenchmarkClaimAtItsLimit(b *testing.B) {
	for _, c := range []struct {
		name string
		dag  engine.ClaimDAG
	}{
		{"dag", engine.ClaimDAG{MaxActive: 4}},
		{"task", engine.ClaimDAG{TaskLimits: map[string]int{"t": 4}}},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := newRig(b, postgres.Options{})
			r.load(testDAG, 200_000, false)
			execute(b, r.url, `VACUUM (ANALYZE) tidemill.task_queue`)
			if n := len(r.claimOf(c.dag)); n != 4 {
				b.Fatalf("claimed %d, want 4", n)
			}
			for b.Loop() {
				if n := len(r.claimOf(c.dag)); n != 0 {
					b.Fatalf("claimed %d, want none", n)
				}
			}
		})
	}
}
