package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
)

const streamName = "feed"

// drawn are the DAGs of a world.
type drawn struct {
	catalog *engine.Catalog
	ids     []string
	byID    map[string]*drawnDAG
	past    bool // a task somewhere depends on its past
}

// A drawnDAG is what the observer knows of a DAG: its spec, and what that leaves out.
type drawnDAG struct {
	spec  engine.Spec
	exact bool // MaxActiveTasks holds over all processes
	index map[string]int
	until time.Time // its last scheduled run is due; zero: none
}

func (d *drawnDAG) task(id string) *engine.TaskSpec { return &d.spec.Tasks[d.index[id]] }

var pools = []string{"red", "blue"}

// draw makes DAGs at random. One that does not compile is drawn anew: the generator may write a cycle through a group.
func (w *world) draw() *drawn {
	for {
		n := 1 + w.rnd.IntN(3)
		var list []engine.AnyDAG
		var children []*engine.DAG[engine.NoParams]
		exact := map[string]bool{}
		until := map[string]time.Time{}
		for i := range n {
			g := &generator{w: w, rnd: w.rnd, id: fmt.Sprint("d", i), children: children}
			d := g.dag()
			list, children = append(list, d), append(children, d)
			exact[g.id], until[g.id] = g.exact, g.until
		}
		c, err := engine.Compile(list...)
		if err != nil {
			continue
		}
		out := &drawn{catalog: c, ids: c.IDs(), byID: map[string]*drawnDAG{}}
		for _, id := range out.ids {
			def, _ := c.DAG(id)
			d := &drawnDAG{spec: def.Spec, exact: exact[id], until: until[id], index: map[string]int{}}
			for i, t := range def.Spec.Tasks {
				d.index[t.ID] = i
				out.past = out.past || t.DependsOnPast
			}
			out.byID[id] = d
			if w.broken != nil && w.broken.rule != "" {
				def.Break(w.broken.rule)
			}
		}
		return out
	}
}

// A generator writes one DAG.
type generator struct {
	w        *world
	rnd      *rand.Rand
	id       string
	d        *engine.DAG[engine.NoParams]
	children []*engine.DAG[engine.NoParams]
	exact    bool
	until    time.Time
	timed    bool // scheduled
	fed      bool // by assets: it neither updates any nor triggers another, else there could be a circle

	ints  []engine.Node[int]
	lists []engine.Node[[]int]
	eachs []engine.Each[int]
	edges []engine.Edge
	group engine.Edge // to put new tasks into; nil: none
	n     int
}

func (g *generator) chance(p float64) bool { return g.rnd.Float64() < p }

func (g *generator) dag() *engine.DAG[engine.NoParams] {
	told := func(ctx context.Context, e engine.CallbackEvent) error { return g.w.deliver(engine.Message{}) }
	opts := []engine.DAGOption{engine.DefaultTask(engine.OnSuccess(told), engine.OnFailure(told), engine.OnRetry(told), engine.OnSkipped(told)),
		engine.OnSuccess(told), engine.OnFailure(told), engine.OnDeadline(told)}
	if g.chance(0.3) {
		opts = append(opts, engine.MaxActiveRuns(1+g.rnd.IntN(3)))
	}
	if g.chance(0.25) {
		opts = append(opts, engine.MaxActiveTasks(1+g.rnd.IntN(3)))
		g.exact = true
	}
	if g.chance(0.2) {
		opts = append(opts, engine.Deadline(time.Duration(1+g.rnd.IntN(10))*time.Minute))
	}
	if g.chance(0.15) {
		opts = append(opts, engine.RunTimeout(time.Duration(1+g.rnd.IntN(8))*time.Minute))
	}
	if g.chance(0.1) {
		opts = append(opts, engine.FailOnAnyTask())
	}
	if g.chance(0.3) {
		opts = append(opts, engine.DefaultRetry(engine.Retry{Max: 1 + g.rnd.IntN(2), Initial: time.Duration(g.rnd.IntN(3)) * 10 * time.Second, Multiplier: 2}))
	}
	if g.timed = g.chance(0.45); g.timed {
		g.until = enginetest.Epoch.Add(time.Duration(10+g.rnd.IntN(30)) * time.Minute)
		opts = append(opts, engine.Schedule("@every 5m", "UTC"), engine.StartDate(enginetest.Epoch.Add(-time.Duration(g.rnd.IntN(20))*time.Minute)), engine.EndDate(g.until))
		g.until = g.until.Add(5 * time.Minute)
		if g.chance(0.6) {
			opts = append(opts, engine.Catchup())
		}
		if g.chance(0.2) {
			limit := time.Duration(0)
			if g.chance(0.5) {
				limit = 10 * time.Minute
			}
			opts = append(opts, engine.AfterWatermark(streamName, limit))
		}
		if g.chance(0.1) {
			opts = append(opts, engine.MaxConsecutiveFailedRuns(2))
		}
	}
	if g.fed = g.chance(0.2); g.fed {
		a, b := engine.Asset("a"), engine.Asset("b")
		opts = append(opts, engine.OnAssets([]engine.AssetCondition{a, engine.All(a, b), engine.Any(a, b)}[g.rnd.IntN(3)]))
	}
	g.d = engine.New[engine.NoParams](g.id, opts...)
	g.source()
	for range 1 + g.rnd.IntN(9) {
		g.task()
	}
	return g.d
}

// name is a fresh id, and options are what a task has besides.
func (g *generator) name(kind string) string { g.n++; return fmt.Sprint(kind, g.n) }

func (g *generator) options(plain bool) []engine.TaskOption {
	var out []engine.TaskOption
	add := func(p float64, o func() engine.TaskOption) {
		if g.chance(p) {
			out = append(out, o())
		}
	}
	add(0.2, func() engine.TaskOption {
		return engine.Retry{Max: g.rnd.IntN(3), Initial: time.Duration(g.rnd.IntN(3)) * 15 * time.Second}
	})
	add(0.12, func() engine.TaskOption { return engine.Timeout(time.Duration(5+g.rnd.IntN(40)) * time.Second) })
	add(0.08, func() engine.TaskOption { return engine.MaxActive(1 + g.rnd.IntN(2)) })
	add(0.1, func() engine.TaskOption { return engine.InPool(pools[g.rnd.IntN(2)], 1+g.rnd.IntN(2)) })
	add(0.1, func() engine.TaskOption { return engine.Priority(g.rnd.IntN(3)) })
	add(0.05, func() engine.TaskOption { return engine.Exclusive() })
	if !g.fed {
		add(0.1, func() engine.TaskOption { return engine.Updates([]engine.Asset{"a", "b"}[g.rnd.IntN(2)]) })
	}
	if g.timed {
		add(0.06, func() engine.TaskOption { return engine.DependsOnPast() })
		add(0.04, func() engine.TaskOption { return engine.WaitForDownstream() })
	}
	if g.group != nil {
		out = append(out, g.group.(engine.Group))
	}
	if plain && len(g.edges) > 0 {
		add(0.1, func() engine.TaskOption { return engine.Waits(g.edge()) })
	}
	return out
}

func (g *generator) int() engine.Node[int] { return g.ints[g.rnd.IntN(len(g.ints))] }

func (g *generator) edge() engine.Edge { return g.edges[g.rnd.IntN(len(g.edges))] }

func (g *generator) some() engine.TaskOption {
	var on []engine.Edge
	for range 1 + g.rnd.IntN(3) {
		on = append(on, g.edge())
	}
	return engine.Waits(on...)
}

func (g *generator) addInt(n engine.Node[int]) {
	g.ints, g.edges = append(g.ints, n), append(g.edges, n)
}

func (g *generator) addEach(e engine.Each[int]) {
	g.eachs, g.edges = append(g.eachs, e), append(g.edges, e)
}

func (g *generator) addEdge(e engine.Edge) { g.edges = append(g.edges, e) }

func (g *generator) source() {
	g.addInt(engine.After(g.d.Run(), g.name("src"), func(ctx context.Context, _ run) (int, error) { return g.w.number(ctx) }, g.options(true)...))
}

// rules are those that a task can be given besides the default.
var rules = []engine.TriggerRule{engine.AllFailed, engine.AllDone, engine.OneSuccess, engine.OneFailed, engine.OneDone, engine.NoneFailed,
	engine.NoneFailedMinOneSuccess, engine.NoneSkipped, engine.AllSkipped, engine.AllDoneMinOneSuccess, engine.Always}

func (g *generator) rule() engine.TaskOption { return engine.Rule(rules[g.rnd.IntN(len(rules))]) }

// task writes one more task, or a few that belong together.
func (g *generator) task() {
	w := g.w
	switch x := g.rnd.IntN(25); x {
	case 0:
		g.source()
	case 1, 2:
		g.addInt(engine.After(g.int(), g.name("after"), func(ctx context.Context, _ int) (int, error) { return w.number(ctx) }, g.options(true)...))
	case 3:
		g.addInt(engine.After2(g.int(), g.int(), g.name("two"), func(ctx context.Context, _, _ int) (int, error) { return w.number(ctx) }, g.options(true)...))
	case 4:
		g.addEdge(engine.Sink(g.int(), g.name("sink"), func(ctx context.Context, _ int) error { _, err := w.number(ctx); return err }, g.options(true)...))
	case 5, 6:
		g.list()
	case 7, 8:
		g.mapped()
	case 9:
		g.reduced()
	case 10, 11, 12:
		g.addInt(engine.After(g.d.Run(), g.name("rule"), func(ctx context.Context, _ run) (int, error) { return w.number(ctx) }, append(g.options(false), g.some(), g.rule())...))
	case 13:
		opts := g.options(true)
		if g.chance(0.3) {
			opts = append(opts, g.rule())
		}
		g.addInt(engine.After(engine.Settled(g.int()), g.name("settled"), func(ctx context.Context, _ engine.Result[int]) (int, error) { return w.number(ctx) }, opts...))
	case 14:
		opts := g.options(true)
		if g.chance(0.3) {
			opts = append(opts, g.rule())
			g.addInt(engine.After(engine.Optional(g.int()), g.name("opt"), func(ctx context.Context, _ engine.Opt[int]) (int, error) { return w.number(ctx) }, opts...))
			return
		}
		g.addInt(engine.After2(g.int(), engine.Optional(g.int()), g.name("opt"), func(ctx context.Context, _ int, _ engine.Opt[int]) (int, error) { return w.number(ctx) }, opts...))
	case 15, 16:
		g.branch()
	case 17:
		g.addInt(engine.After(engine.Collect(g.int(), g.int(), g.int()), g.name("all"), func(ctx context.Context, _ []int) (int, error) { return w.number(ctx) }, g.options(true)...))
	case 18, 19:
		g.pair()
	case 20:
		g.inGroup()
	case 21:
		p := engine.Poke{Every: time.Duration(5+g.rnd.IntN(30)) * time.Second, Timeout: time.Duration(1+g.rnd.IntN(5)) * time.Minute}
		g.addInt(engine.Sensor(g.int(), g.name("sensor"), p, func(ctx context.Context, _ int) (int, bool, error) {
			n, err := w.number(ctx)
			return n, w.chance(0.4) || w.calm, err
		}, g.options(true)...))
	case 22:
		q := engine.Question[int, string]{Text: func(int) string { return "go on?" }, Answers: []string{"yes", "no"}}
		if g.chance(0.6) {
			q.Timeout = time.Duration(1+g.rnd.IntN(5)) * time.Minute
			if g.chance(0.5) {
				q.Default = "no"
			}
		}
		a := engine.Approve(g.int(), g.name("ask"), q, g.options(true)...)
		g.addInt(engine.After(a, g.name("answered"), func(ctx context.Context, _ engine.Answer[string]) (int, error) { return w.number(ctx) }))
	case 23, 24:
		g.trigger()
	}
}

func (g *generator) list() {
	g.lists = append(g.lists, engine.After(g.int(), g.name("list"), func(ctx context.Context, _ int) ([]int, error) { return g.w.numbers(ctx) }, g.options(true)...))
	g.addEdge(g.lists[len(g.lists)-1])
}

func (g *generator) mapped() {
	w := g.w
	if len(g.lists) == 0 {
		g.list()
	}
	opts := g.options(true)
	if g.chance(0.1) {
		opts = append(opts, engine.MapLimit(2))
	}
	list := g.lists[g.rnd.IntN(len(g.lists))]
	element := func(ctx context.Context, n int) (int, error) {
		w.element(ctx, n)
		return w.number(ctx)
	}
	switch x := g.rnd.IntN(10); {
	case x < 4 || len(g.eachs) == 0 && x < 7:
		g.addEach(engine.Map(list, g.name("map"), element, opts...))
	case x < 7:
		g.addEach(engine.Map(g.eachs[g.rnd.IntN(len(g.eachs))], g.name("chain"), element, opts...))
	case x < 9:
		g.addEach(engine.MapWith(list, g.int(), g.name("with"), func(ctx context.Context, n, _ int) (int, error) { return element(ctx, n) }, opts...))
	default:
		var other engine.In[[]int] = g.lists[g.rnd.IntN(len(g.lists))]
		if len(g.eachs) > 0 && g.chance(0.5) {
			other = g.eachs[g.rnd.IntN(len(g.eachs))]
		}
		g.addEach(engine.Cross(list, other, g.name("cross"), func(ctx context.Context, _, _ int) (int, error) { return w.number(ctx) }, opts...))
	}
}

func (g *generator) reduced() {
	w := g.w
	if len(g.eachs) == 0 {
		g.mapped()
	}
	e := g.eachs[g.rnd.IntN(len(g.eachs))]
	switch g.rnd.IntN(3) {
	case 0:
		g.addInt(engine.After(e, g.name("reduce"), func(ctx context.Context, _ []int) (int, error) { return w.number(ctx) }, g.options(true)...))
	case 1:
		g.addInt(engine.After(engine.SettledEach(e), g.name("ends"), func(ctx context.Context, _ []engine.Result[int]) (int, error) { return w.number(ctx) }, g.options(true)...))
	default:
		g.addInt(engine.After(engine.Optional(e), g.name("maybe"), func(ctx context.Context, _ engine.Opt[[]int]) (int, error) { return w.number(ctx) }, g.options(true)...))
	}
}

func (g *generator) branch() {
	w := g.w
	follow := func(n engine.Node[int]) engine.Node[int] {
		f := engine.After(n, g.name("way"), func(ctx context.Context, _ int) (int, error) { return w.number(ctx) }, g.options(true)...)
		g.addInt(f)
		return f
	}
	var ways []engine.Node[int]
	if g.chance(0.5) {
		yes, no := engine.If(g.int(), g.name("if"), func(n int) bool { return n%2 == 0 }, g.options(true)...)
		ways = []engine.Node[int]{yes, no}
	} else {
		s := engine.Switch(g.int(), g.name("switch"), func(n int) int { return n % 3 }, g.options(true)...)
		ways = []engine.Node[int]{s.Case(0), s.Case(1)}
		if g.chance(0.7) {
			ways = append(ways, s.Default())
		}
	}
	for i, n := range ways {
		if g.chance(0.7) {
			ways[i] = follow(n)
		}
	}
	if g.chance(0.6) {
		g.addInt(engine.First(g.name("first"), ways[0], ways[1], asInputs(ways[2:])...))
	}
}

func asInputs(nodes []engine.Node[int]) []engine.In[int] {
	out := make([]engine.In[int], len(nodes))
	for i, n := range nodes {
		out[i] = n
	}
	return out
}

// pair writes a setup, what uses it, and its teardown.
func (g *generator) pair() {
	w := g.w
	s := engine.Setup(g.int(), g.name("setup"), func(ctx context.Context, _ int) (int, error) { return w.number(ctx) }, g.options(true)...)
	g.addInt(s)
	var used []engine.Edge
	for range 1 + g.rnd.IntN(2) {
		if g.chance(0.5) {
			n := engine.After(s, g.name("use"), func(ctx context.Context, _ int) (int, error) { return w.number(ctx) }, g.options(true)...)
			g.addInt(n)
			used = append(used, n)
			continue
		}
		n := engine.After(g.int(), g.name("use"), func(ctx context.Context, _ int) (int, error) { return w.number(ctx) }, append(g.options(true), engine.Waits(s))...)
		g.addInt(n)
		used = append(used, n)
	}
	if g.chance(0.4) { // whatever its rule, it needs the setup
		n := engine.After(g.d.Run(), g.name("ruled"), func(ctx context.Context, _ run) (int, error) { return w.number(ctx) }, append(g.options(false), engine.Waits(s, g.edge()), g.rule())...)
		g.addInt(n)
		used = append(used, n)
	}
	opts := append(g.options(false), engine.Covers(used...))
	if g.chance(0.2) {
		opts = append(opts, engine.FailRun())
	}
	g.addEdge(engine.Teardown(s, g.name("teardown"), func(ctx context.Context, _ int) error { _, err := w.number(ctx); return err }, opts...))
}

// inGroup writes a group of tasks, and lets others wait for all of it.
func (g *generator) inGroup() {
	if g.group != nil {
		return
	}
	grp := engine.NewGroup(g.d.Run(), g.name("group"))
	g.group = grp
	for range 1 + g.rnd.IntN(3) {
		g.source()
		g.task()
	}
	g.group = nil
	g.addEdge(grp)
}

func (g *generator) trigger() {
	if len(g.children) == 0 || g.fed {
		g.source()
		return
	}
	child := g.children[g.rnd.IntN(len(g.children))]
	opts := g.options(true)
	if g.chance(0.7) {
		limit := time.Duration(0)
		if g.chance(0.3) {
			limit = time.Duration(1+g.rnd.IntN(5)) * time.Minute
		}
		opts = append(opts, engine.AwaitRun(limit))
	}
	n := engine.TriggerDAG(g.int(), g.name("trigger"), child, func(int) engine.NoParams { return engine.NoParams{} }, opts...)
	g.addEdge(n)
	g.addInt(engine.After(n, g.name("triggered"), func(ctx context.Context, _ run) (int, error) { return g.w.number(ctx) }, g.options(true)...))
}
