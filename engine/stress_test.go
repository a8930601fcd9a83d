package engine_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
)

// crowd is the processes of the stress test: three at a time, of which again and again one is cut off and another takes its place.
// Those that were cut off go on running bodies, and come back at the end with all that they believe to hold.
type crowd struct {
	t       *testing.T
	store   engine.Store
	catalog *engine.Catalog
	live    []*link
	all     []*link
	rts     []*engine.Runtime
	stop    context.CancelFunc
	ctx     context.Context
	done    sync.WaitGroup
}

func newCrowd(t *testing.T, store engine.Store, catalog *engine.Catalog) *crowd {
	c := &crowd{t: t, store: store, catalog: catalog}
	c.ctx, c.stop = context.WithCancel(context.Background())
	for range 3 {
		c.join()
	}
	return c
}

func (c *crowd) join() {
	c.t.Helper()
	l := &link{Store: c.store}
	r, err := engine.NewRuntime(engine.Config{Store: l, Catalog: c.catalog, Log: slog.New(slog.DiscardHandler), Poll: 5 * time.Millisecond,
		Heartbeat: 20 * time.Millisecond, DeadAfter: 200 * time.Millisecond, Slots: 16, Name: fmt.Sprint("p", len(c.all))})
	if err != nil {
		c.t.Fatal(err)
	}
	c.done.Go(func() {
		if err := r.Run(c.ctx); err != nil {
			c.t.Error(err)
		}
	})
	<-r.Ready()
	c.live, c.all, c.rts = append(c.live, l), append(c.all, l), append(c.rts, r)
}

func (c *crowd) cut(i int) {
	c.live[i].cut.Store(true)
	c.live = append(c.live[:i], c.live[i+1:]...)
}

// end brings those that were cut off back, and ends all.
func (c *crowd) end() {
	for _, l := range c.all {
		l.cut.Store(false)
	}
	c.stop()
	c.done.Wait()
	for _, r := range c.rts {
		if n := r.Repairs(); n != 0 {
			c.t.Errorf("%d runs had to be pushed on", n)
		}
	}
}

// tally counts how often each event was told.
type tally struct {
	mu   sync.Mutex
	told map[uuid.UUID]int
}

func (c *tally) call(_ context.Context, e engine.CallbackEvent) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told[e.ID]++
	return nil
}

// randomDAG writes a DAG of up to eight tasks whose bodies fail, skip, yield lists and take their time.
func randomDAG(rnd *rand.Rand, id string, failed engine.Callback) dag {
	d := engine.New[engine.NoParams](id, engine.MaxActiveRuns(50), engine.MaxActiveTasks(engine.Unlimited), engine.DefaultTask(engine.OnFailure(failed), engine.Retry{Max: 30, Initial: time.Millisecond}))
	body := func(chance int) func(context.Context, int) (int, error) {
		return func(ctx context.Context, n int) (int, error) {
			info, _ := engine.Info(ctx)
			for _, c := range info.Key() {
				n = n*31 + int(c)
			}
			switch n = n & 0xff; {
			case n%16 < chance:
				return 0, engine.Permanent(errors.New("bad luck"))
			case n%16 == 15:
				return 0, engine.Skip("why not")
			}
			for range n { // takes a while, without a clock
				if ctx.Err() != nil {
					return 0, ctx.Err()
				}
			}
			return n, nil
		}
	}
	first := engine.After(d.Run(), "first", one)
	nodes := []engine.Node[int]{first}
	for i := range 2 + rnd.IntN(6) {
		up, id := nodes[rnd.IntN(len(nodes))], fmt.Sprint("t", i)
		switch rnd.IntN(4) {
		case 0:
			nodes = append(nodes, engine.After(engine.Settled(up), id, func(ctx context.Context, r engine.Result[int]) (int, error) { return r.Value + 1, nil }))
		case 1:
			l := engine.After(up, id+"_list", func(_ context.Context, n int) ([]int, error) { return make([]int, n%5), nil })
			each := engine.Map(l, id+"_each", body(1))
			nodes = append(nodes, engine.After(each, id, func(_ context.Context, ns []int) (int, error) { return len(ns), nil }))
		default:
			nodes = append(nodes, engine.After(up, id, body(2), engine.Waits(nodes[rnd.IntN(len(nodes))])))
		}
	}
	return d
}

// Whatever happens to processes: every run ends, nothing needs a repair, no attempt counts after it lost its lease, and each failure is
// told exactly once.
func TestRunsSurviveTheDeathOfProcesses(t *testing.T) {
	const runs, dags = 200, 10
	rnd := rand.New(rand.NewPCG(1, 2))
	failed := &tally{told: map[uuid.UUID]int{}}
	var written []engine.AnyDAG
	for i := range dags {
		written = append(written, randomDAG(rnd, fmt.Sprint("d", i), failed.call))
	}
	store, catalog := memory(), compiled(t, written...)
	c := newCrowd(t, store, catalog)
	defer c.end()
	control := engine.NewControl(store, catalog, "test")
	var keys []int64
	for i := range runs {
		row, err := control.Trigger(t.Context(), engine.TriggerRequest{DAG: fmt.Sprint("d", i%dags), RunID: fmt.Sprint("r", i)})
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, row.Key)
		if i%25 == 24 && len(c.all) < 9 {
			c.cut(rnd.IntN(len(c.live)))
			c.join()
		}
	}
	over := func() (ended int) {
		rows, err := store.RunsByKey(t.Context(), keys)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if r.State.Terminal() {
				ended++
			}
		}
		return ended
	}
	eventually(t, "every run is over", func() bool { return over() == runs })
	rows, err := store.RunsByKey(t.Context(), keys)
	if err != nil {
		t.Fatal(err)
	}
	before, err := store.Attempts(t.Context(), keys, "")
	if err != nil {
		t.Fatal(err)
	}
	views, err := engine.View(t.Context(), store, rows, false)
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, v := range views {
		for _, tv := range v.Tasks {
			if !tv.State.Terminal() {
				t.Errorf("run %s is %s with %s %s", v.Run.RunID, v.Run.State, tv.Task, tv.State)
			}
			if tv.State == engine.Failed {
				want++
			}
		}
	}
	delivered := func() int {
		failed.mu.Lock()
		defer failed.mu.Unlock()
		return len(failed.told)
	}
	if want == 0 {
		t.Error("no task failed: the test shows nothing of callbacks")
	}
	eventually(t, "every failure is told", func() bool { return delivered() >= want })
	c.end() // all come back, with what they held
	after, err := store.Attempts(t.Context(), keys, "")
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(after, before) {
		t.Error("history changed when processes that had been cut off came back")
	}
	if n := delivered(); n != want {
		t.Errorf("%d events of failure, want one for each of %d failed tasks", n, want)
	}
	again := 0 // by those who came after a process that had told, and was dead before it could say so
	for _, n := range failed.told {
		again += n - 1
	}
	lost := 0
	for _, a := range after {
		if a.Ending == engine.EndLost {
			lost++
		}
	}
	t.Logf("%d attempts, %d lost, %d failures, %d of them told again, %d processes", len(after), lost, want, again, len(c.all))
}
