package enginetest

import (
	"fmt"

	"github.com/tidemill/tidemill/engine"
)

var turnCases = []conformanceCase{
	{"slots of one claim are shared by weight", func(f *fixture) {
		f.bothPaths(func(c contest) {
			c.weights["b"] = 2
			c.ready(20, "a", "b", "c")
			equal(f, "claimed", c.claim(8), map[string]int{"a": 2, "b": 4, "c": 2})
		})
	}},
	{"slots that come one by one are shared by weight", func(f *fixture) {
		f.bothPaths(func(c contest) {
			c.weights["b"] = 3
			c.ready(40, "a", "b", "c")
			sum := map[string]int{}
			for range 25 {
				for dag, n := range c.claim(1) {
					sum[dag] += n
				}
			}
			equal(f, "claimed", sum, map[string]int{"a": 5, "b": 15, "c": 5})
		})
	}},
	{"DAGs without ready tasks change nobody's share", func(f *fixture) {
		f.bothPaths(func(c contest) {
			c.ready(40, "a", "c") // the caller names a, b, c, d in turn: a c after b, an a after d
			sum := map[string]int{}
			for range 20 {
				for dag, n := range c.claim(1) {
					sum[dag] += n
				}
			}
			equal(f, "claimed", sum, map[string]int{"a": 10, "c": 10})
		})
	}},
	{"a DAG that had nothing to run catches up on nothing", func(f *fixture) {
		f.bothPaths(func(c contest) {
			c.ready(60, "a")
			for range 20 {
				c.claim(1)
			}
			c.ready(40, "b")
			sum := map[string]int{}
			for range 10 {
				for dag, n := range c.claim(1) {
					sum[dag] += n
				}
			}
			equal(f, "claimed", sum, map[string]int{"a": 5, "b": 5})
		})
	}},
	{"what one leaves of its share the others get", func(f *fixture) {
		f.bothPaths(func(c contest) {
			c.ready(1, "a")
			c.ready(40, "b", "c")
			equal(f, "claimed", c.claim(9), map[string]int{"a": 1, "b": 4, "c": 4})
		})
	}},
	{"DAGs with exact limits and without share alike", func(f *fixture) {
		c := f.contest()
		c.exact["a"] = true
		c.ready(40, "a", "b", "c", "d")
		equal(f, "claimed", c.claim(8), map[string]int{"a": 2, "b": 2, "c": 2, "d": 2})
		sum := map[string]int{}
		for range 20 {
			for dag, n := range c.claim(1) {
				sum[dag] += n
			}
		}
		equal(f, "claimed one by one", sum, map[string]int{"a": 5, "b": 5, "c": 5, "d": 5})
	}},
	{"a DAG with exact limits gets what those without leave", func(f *fixture) {
		c := f.contest()
		c.exact["a"] = true
		c.ready(40, "a")
		c.ready(1, "b")
		equal(f, "claimed", c.claim(8), map[string]int{"a": 7, "b": 1})
	}},
	{"DAGs with ready tasks are named in the order given", func(f *fixture) {
		c := f.contest()
		c.ready(1, "d", "a")
		f.pooled("c", f.run("c"), "none", 1, "t")
		have := got[[]string](f)(f.Ready(f.ctx, []string{"d", "c", "b", "a", "nobody"}, []string{"default"}))
		equal(f, "ready", have, []string{"d", "c", "a"})
		equal(f, "of another queue", len(got[[]string](f)(f.Ready(f.ctx, []string{"d", "c"}, []string{"other"}))), 0)
		f.ok(f.SetPaused(f.ctx, "d", true))
		equal(f, "but paused ones", got[[]string](f)(f.Ready(f.ctx, []string{"d", "a"}, []string{"default"})), []string{"a"})
		c.claim(1)
		equal(f, "but leased ones", len(got[[]string](f)(f.Ready(f.ctx, []string{"d", "a"}, []string{"default"}))), 0)
	}},
}

// A contest is four DAGs and a worker that claims for all of them.
type contest struct {
	*fixture
	worker  int64
	weights map[string]int
	exact   map[string]bool
	n       *int
}

func (f *fixture) contest() contest {
	f.Helper()
	for _, id := range []string{"a", "b", "c", "d"} {
		f.dag(id, 0)
	}
	return contest{f, f.join("w"), map[string]int{}, map[string]bool{}, new(int)}
}

// bothPaths holds a contest of DAGs without exact limits and then one of DAGs with them.
func (f *fixture) bothPaths(do func(contest)) {
	f.Helper()
	do(f.contest())
	for _, id := range []string{"a", "b", "c", "d"} { // what the first has left
		for _, r := range got[[]engine.RunRow](f)(func() ([]engine.RunRow, error) {
			rows, _, err := f.Runs(f.ctx, engine.RunFilter{DAGs: []string{id}})
			return rows, err
		}()) {
			var keys []engine.TaskKey
			for _, q := range got[[]engine.QueueRow](f)(f.Queue(f.ctx, []int64{r.Key})) {
				keys = append(keys, q.TaskKey)
			}
			f.change(engine.RunChange{Key: r.Key, Dequeue: keys})
		}
	}
	c := f.contest()
	for _, id := range []string{"a", "b", "c", "d"} {
		c.exact[id] = true
	}
	do(c)
}

func (c contest) ready(n int, dags ...string) {
	c.Helper()
	for _, d := range dags {
		*c.n++
		c.many(d, c.run(d), fmt.Sprint("t", *c.n), n, engine.QueueItem{})
	}
}

// claim claims once for all DAGs and counts what each got.
func (c contest) claim(slots int) map[string]int {
	c.Helper()
	r := engine.ClaimRequest{Worker: c.worker, Slots: slots}
	for _, id := range []string{"a", "b", "c", "d"} {
		r.DAGs = append(r.DAGs, engine.ClaimDAG{ID: id, Room: 20, Weight: c.weights[id], Pooled: c.exact[id]})
	}
	n := map[string]int{}
	for _, l := range c.claimAs(r) {
		n[l.DAG]++
	}
	return n
}
