package engine_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
)

type dag = *engine.DAG[engine.NoParams]

func one(context.Context, run) (int, error)             { return 1, nil }
func list(context.Context, run) ([]int, error)          { return []int{1}, nil }
func inc(_ context.Context, n int) (int, error)         { return n + 1, nil }
func none(context.Context, int) error                   { return nil }
func told(context.Context, engine.CallbackEvent) error  { return nil }
func read(context.Context, engine.Result[int]) error    { return nil }
func yields[T any](context.Context, run) (v T, _ error) { return v, nil }

type lossy struct{ hidden int } //nolint:unused // that nobody sees it is its point
type twins struct {
	A int `json:"B"`
	B int
}
type halfway struct{ N int }

func (halfway) MarshalJSON() ([]byte, error) { return []byte("{}"), nil }

// here is the file and line of its caller, moved by some lines.
func here(down int) string {
	_, file, line, _ := runtime.Caller(1)
	return fmt.Sprintf("engine/%s:%d", filepath.Base(file), line+down)
}

// Each case writes one thing that is wrong. The error names the DAG, the line of the call and the mend.
func TestDefinitionsThatAreRefused(t *testing.T) {
	other := engine.New[engine.NoParams]("other")
	foreign := engine.After(other.Run(), "foreign", one)
	var zero engine.Node[int]
	var zeroEach engine.Each[int]
	for _, c := range []struct {
		name  string
		write func(d dag)
		want  string
	}{
		{"duplicate id", func(d dag) { engine.After(d.Run(), "a", one) }, `task id "a" is taken`},
		{"bad id", func(d dag) { engine.After(d.Run(), "a b", one) }, `task id "a b": use 1 to 250 letters`},
		{"id that is a way up", func(d dag) { engine.After(d.Run(), "..", one) }, `not "." or ".." alone`},
		{"empty id", func(d dag) { engine.After(d.Run(), "", one) }, `task id "": use`},
		{"output with a channel", func(d dag) { engine.After(d.Run(), "x", yields[chan int]) }, "chan int has no JSON form"},
		{"output with a func", func(d dag) { engine.After(d.Run(), "x", yields[map[string]func()]) }, "func() has no JSON form"},
		{"output with a hidden field", func(d dag) { engine.After(d.Run(), "x", yields[[]lossy]) }, "field hidden of engine_test.lossy is unexported"},
		{"output with an interface", func(d dag) { engine.After(d.Run(), "x", yields[error]) }, "error does not say what to decode into"},
		{"output with two fields of one name", func(d dag) { engine.After(d.Run(), "x", yields[twins]) }, `fields A and B of engine_test.twins are both "B"`},
		{"output that only encodes", func(d dag) { engine.After(d.Run(), "x", yields[halfway]) }, "encodes itself but does not decode itself"},
		{"output with a bad map key", func(d dag) { engine.After(d.Run(), "x", yields[map[float64]int]) }, "map key float64 has no JSON form"},
		{"element that does not survive", func(d dag) {
			engine.Map(engine.After(d.Run(), "l", list), "x", func(context.Context, int) (complex128, error) { return 0, nil })
		}, "complex128 has no JSON form"},
		{"handles of two DAGs", func(d dag) {
			engine.After2(engine.After(d.Run(), "x", one), foreign, "y", func(context.Context, int, int) (int, error) { return 0, nil })
		}, "upstream 2 belongs to DAG other"},
		{"waits for another DAG", func(d dag) { engine.After(d.Run(), "x", one, engine.Waits(foreign)) }, "argument 1 belongs to DAG other"},
		{"zero handle beside another", func(d dag) {
			engine.After2(d.Run(), zero, "y", func(context.Context, run, int) (int, error) { return 0, nil })
		}, "upstream 2 is a zero handle"},
		{"zero handle alone", func(d dag) { engine.After(zero, "y", inc) }, `task "y": its upstream is a zero handle`},
		{"zero list", func(d dag) { engine.Map(zeroEach, "y", inc) }, `task "y": its upstream is a zero handle`},
		{"zero handle settled", func(d dag) { engine.Sink(engine.Settled(zero), "y", read) }, "zero handle"},
		{"waits for a zero handle", func(d dag) { engine.After(d.Run(), "x", one, engine.Waits(zero)) }, "argument 1 is a zero handle"},
		{"nil body", func(d dag) { engine.Sink[run](d.Run(), "x", nil) }, "its body is nil"},
		{"rule on a value edge", func(d dag) { engine.After(engine.After(d.Run(), "x", one), "y", inc, engine.Rule(engine.AllDone)) }, "trigger rule all_done with a value edge"},
		{"unknown rule", func(d dag) { engine.After(d.Run(), "x", one, engine.Rule("some")) }, `there is no trigger rule "some"`},
		{"waits for its own group", func(d dag) { g := engine.NewGroup(d.Run(), "g"); engine.After(d.Run(), "x", one, g, engine.Waits(g)) }, `waits for group "g", which it is part of`},
		{"waits for the group around its group", func(d dag) {
			g := engine.NewGroup(d.Run(), "g")
			engine.After(d.Run(), "x", one, engine.NewGroup(g, "h"), engine.Waits(g))
		}, `waits for group "g", which it is part of`},
		{"a group that reads who waits for it", func(d dag) {
			g := engine.NewGroup(d.Run(), "g")
			engine.After(engine.After(d.Run(), "x", one, engine.Waits(g)), "y", inc, g)
		}, "is part of a cycle"},
		{"group id taken", func(d dag) { engine.NewGroup(d.Run(), "g"); engine.NewGroup(d.Run(), "g") }, `group id "g" is taken`},
		{"group of a task", func(d dag) { engine.NewGroup(engine.After(d.Run(), "x", one), "g") }, "its parent is a task"},
		{"zero group", func(d dag) { engine.After(d.Run(), "x", one, engine.Group{}) }, "zero Group"},
		{"First of one that is settled", func(d dag) {
			engine.First("f", engine.After(d.Run(), "x", yields[engine.Result[int]]), engine.Settled(engine.After(d.Run(), "y", one)))
		}, "its argument 2 is none"},
		{"First of a zero handle", func(d dag) { engine.First[int]("f", engine.After(d.Run(), "x", one), zero) }, "upstream 2 is a zero handle"},
		{"First with elements' names", func(d dag) {
			engine.FirstOf("f", []engine.In[int]{engine.After(d.Run(), "x", one)}, engine.ElementName(func(int) string { return "" }))
		}, "First has no use for ElementName"},
		{"First with a limit of elements", func(d dag) {
			engine.FirstOf("f", []engine.In[int]{engine.After(d.Run(), "x", one)}, engine.MapLimit(3))
		}, "First has no use for MapLimit"},
		{"First with virtual nodes", func(d dag) {
			engine.FirstOf("f", []engine.In[int]{engine.After(d.Run(), "x", one)}, engine.Virtual(nil))
		}, "First has no use for Virtual"},
		{"First that awaits a run", func(d dag) {
			engine.FirstOf("f", []engine.In[int]{engine.After(d.Run(), "x", one)}, engine.AwaitRun(0))
		}, "First has no use for AwaitRun"},
		{"First that covers", func(d dag) {
			x := engine.After(d.Run(), "x", one)
			engine.FirstOf("f", []engine.In[int]{x}, engine.Covers(x))
		}, "Covers and FailRun are for teardowns"},
		{"First that fails its run", func(d dag) {
			engine.FirstOf("f", []engine.In[int]{engine.After(d.Run(), "x", one)}, engine.FailRun())
		}, "Covers and FailRun are for teardowns"},
		{"settled run", func(d dag) {
			engine.Sink(engine.Settled(d.Run()), "x", func(context.Context, engine.Result[run]) error { return nil })
		}, "Settled takes the handle of a task"},
		{"bad retry", func(d dag) { engine.After(d.Run(), "x", one, engine.Retry{Max: -1}) }, "retry.max"},
		{"bad timeout", func(d dag) { engine.After(d.Run(), "x", one, engine.Timeout(0)) }, "Timeout(0s): must be above 0"},
		{"bad limit", func(d dag) { engine.After(d.Run(), "x", one, engine.MaxActive(0)) }, "MaxActive(0): must be at least 1"},
		{"bad map limit", func(d dag) { engine.After(d.Run(), "x", one, engine.MapLimit(0)) }, "MapLimit(0): must be at least 1"},
		{"bad queue", func(d dag) { engine.After(d.Run(), "x", one, engine.Queue("big one")) }, `queue "big one"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := engine.New[engine.NoParams]("refused")
			engine.After(d.Run(), "a", one)
			c.write(d)
			refused(t, d, c.want)
		})
	}
}

func TestDAGsThatAreRefused(t *testing.T) {
	filled := func(opts ...engine.DAGOption) engine.AnyDAG {
		d := engine.New[engine.NoParams]("refused", opts...)
		engine.After(d.Run(), "a", one)
		return d
	}
	for _, c := range []struct {
		name string
		dag  engine.AnyDAG
		want string
	}{
		{"bad id", engine.New[engine.NoParams]("no spaces"), `DAG id "no spaces"`},
		{"empty", engine.New[engine.NoParams]("refused"), "it has no task"},
		{"bad cron", filled(engine.Schedule("61 * * * *", "UTC")), "schedule"},
		{"bad zone", filled(engine.Schedule("@daily", "Mars/Olympus")), `"Mars/Olympus" is unknown`},
		{"bad deadline", filled(engine.Deadline(-time.Second)), "Deadline(-1s): must be above 0"},
		{"bad limit of runs", filled(engine.MaxActiveRuns(0)), "MaxActiveRuns(0): must be at least 1"},
		{"bad limit of tasks", filled(engine.MaxActiveTasks(0)), "MaxActiveTasks(0): must be at least 1"},
		{"bad default", filled(engine.DefaultRetry(engine.Retry{Jitter: 2})), "retry.jitter"},
		{"params that do not survive", engine.New[lossy]("refused"), "field hidden of engine_test.lossy is unexported"},
		{"params that are no struct", engine.New[int]("refused"), "int is no struct"},
	} {
		t.Run(c.name, func(t *testing.T) { refused(t, c.dag, c.want) })
	}
	t.Run("two of one id", func(t *testing.T) {
		if _, err := engine.Compile(filled(), filled()); err == nil || !strings.Contains(err.Error(), "there are two DAGs of this id") {
			t.Errorf("got %v", err)
		}
	})
}

func refused(t *testing.T, d engine.AnyDAG, want string) {
	t.Helper()
	_, err := engine.Compile(d)
	var def *engine.DefinitionError
	if !errors.As(err, &def) || !strings.Contains(err.Error(), want) {
		t.Fatalf("got %v\nwant it to say %q", err, want)
	}
	if !strings.HasPrefix(def.Where, "engine/definition_test.go:") {
		t.Errorf("it points to %s", def.Where)
	}
}

// Everything that is wrong is told at once, each with the line of the call that wrote it.
func TestAllErrorsAtOnceWithTheirLines(t *testing.T) {
	d := engine.New[engine.NoParams]("wrong", engine.Schedule("never", ""), engine.MaxActiveRuns(-1))
	first := here(-1)
	a := engine.After(d.Run(), "a", yields[chan int])
	second := here(-1)
	engine.After(d.Run(), "a",
		one, engine.Timeout(-1))
	third := here(-2)
	engine.Sink(a, "b", func(context.Context, chan int) error { return nil }, engine.Rule(engine.Always))
	fourth := here(-1)
	for range 2 { // compiling again tells the same
		_, err := engine.Compile(d)
		if err == nil {
			t.Fatal("it compiles")
		}
		lines := strings.Split(err.Error(), "\n")
		want := []string{first, first, second, third, third, fourth}
		if len(lines) != len(want) {
			t.Fatalf("%d errors, want %d:\n%v", len(lines), len(want), err)
		}
		for i, w := range want {
			if !strings.HasPrefix(lines[i], w+": DAG wrong: ") {
				t.Errorf("error %d: %s\nwant it at %s", i, lines[i], w)
			}
		}
	}
}

// What is wrong with one option hides nothing of what else is wrong with it.
func TestAllErrorsOfOneOption(t *testing.T) {
	for _, c := range []struct {
		name string
		opt  any
		want []string
	}{
		{"cron and zone", engine.Schedule("61 2 * * *", "Mars/Olympus"), []string{`schedule: "61 2 * * *" cannot be read`, `timezone: "Mars/Olympus" is unknown`}},
		{"name and zone", engine.Schedule("@never", "Local"), []string{`schedule: "@never" is no schedule's name`, "timezone: Local differs"}},
		{"interval and zone", engine.Schedule("@every soon", "Mars"), []string{"schedule: ", "timezone: "}},
		{"timetable and zone", engine.OnTimetable(nil, "", "Mars"), []string{"OnTimetable: give a timetable and a name", "timezone: "}},
		{"stream and limit", engine.AfterWatermark("a b", -1), []string{`stream name "a b"`, "limit -1ns: may not be below 0"}},
		{"assets", engine.OnAssets(engine.All(engine.Asset(""), engine.Any(), engine.Asset(strings.Repeat("x", 1501)))), []string{"a condition without an asset", "a condition without an asset", `asset "xxx`}},
		{"retry", engine.Retry{Max: -1, Initial: -1, MaxDelay: -1, Multiplier: 0.5, Jitter: 2},
			[]string{"retry.max: ", "retry.initial: ", "retry.max_delay: ", "retry.multiplier: ", "retry.jitter: "}},
		{"pool", engine.InPool("a b", 0), []string{`pool "a b"`, "give one number of slots, at least 1"}},
		{"updates", engine.Updates("", engine.Asset(strings.Repeat("x", 1501))), []string{`asset ""`, `asset "xxx`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var where string
			var d dag
			if o, ok := c.opt.(engine.DAGOption); ok {
				d = engine.New[engine.NoParams]("wrong", o)
				where = here(-1)
				engine.After(d.Run(), "a", one)
			} else {
				d = engine.New[engine.NoParams]("wrong")
				engine.After(d.Run(), "a", one, c.opt.(engine.TaskOption))
				where = here(-1)
			}
			_, err := engine.Compile(d)
			if err == nil {
				t.Fatal("it compiles")
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(c.want) {
				t.Fatalf("%d errors, want %d:\n%v", len(lines), len(c.want), err)
			}
			for i, w := range c.want {
				if !strings.HasPrefix(lines[i], where+": DAG wrong: ") || !strings.Contains(lines[i], w) {
					t.Errorf("error %d: %s\nwant %q at %s", i, lines[i], w, where)
				}
			}
		})
	}
	_, err := engine.ParseSchedule("61 25 * * 9", "UTC")
	if err == nil || strings.Count(err.Error(), "(61)")+strings.Count(err.Error(), "(25)")+strings.Count(err.Error(), "(9)") != 3 {
		t.Errorf("three fields of a cron are wrong, and it says %v", err)
	}
}

// The same code gives the same version; what is not structure does not change it, what is does.
func TestVersions(t *testing.T) {
	write := func(doc string, extra ...engine.TaskOption) dag {
		d := engine.New[engine.NoParams]("d", engine.Schedule("@daily", "UTC"), engine.Doc(doc))
		a := engine.After(d.Run(), "a", one, append(extra, engine.Doc(doc))...)
		engine.Sink(a, "b", none, engine.OnFailure(told))
		return d
	}
	nodes := func(ids ...string) engine.TaskOption {
		return engine.Virtual(func() []engine.VirtualSpec {
			var specs []engine.VirtualSpec
			for _, id := range ids {
				specs = append(specs, engine.VirtualSpec{ID: id})
			}
			return specs
		})
	}
	version := func(d engine.AnyDAG) string {
		c, err := engine.Compile(d)
		if err != nil {
			t.Fatal(err)
		}
		def, _ := c.DAG("d")
		return def.Version
	}
	base := version(write(""))
	for name, d := range map[string]dag{"the same code": write(""), "other docs": write("what it does")} {
		if got := version(d); got != base {
			t.Errorf("%s: version %s, want %s", name, got, base)
		}
	}
	if version(write("", nodes("m1"))) != version(write("", nodes("m1", "m2"))) {
		t.Error("virtual nodes change the version")
	}
	for name, opt := range map[string]engine.TaskOption{
		"retry": engine.Retry{Max: 1}, "timeout": engine.Timeout(time.Hour), "priority": engine.Priority(3), "queue": engine.Queue("big"),
		"limit": engine.MaxActive(1), "map limit": engine.MapLimit(7), "exclusive": engine.Exclusive(),
	} {
		if version(write("", opt)) == base {
			t.Errorf("another %s gives the same version", name)
		}
	}
}
