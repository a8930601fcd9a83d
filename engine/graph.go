package engine

import (
	"fmt"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// Defaults of the limits, as Airflow's.
const (
	DefaultMaxActiveRuns  = 16
	DefaultMaxActiveTasks = 16
	// Unlimited as a limit switches it off.
	Unlimited = -1
)

// A graph collects what is written of a DAG, and what is wrong with it.
type graph struct {
	spec         Spec
	where        string
	tasks        []*Task
	groups       []GroupSpec
	errs         []error
	taskDefaults []TaskOption
	callbacks    callbackSet
	params       *paramType
	fillParams   func([]byte) ([]byte, error)
	checkRun     func(params []byte, logical *time.Time) error
	timetable    Timetable // of [OnTimetable]
	exactTasks   bool      // MaxActiveTasks was given: held exactly
}

func newGraph(id, where string) *graph {
	g := &graph{where: where}
	g.spec = Spec{DAG: id, MaxActiveRuns: DefaultMaxActiveRuns, MaxActiveTasks: DefaultMaxActiveTasks}
	if err := checkID("DAG id", id); err != nil {
		g.fail(where, "%v", err)
	}
	return g
}

// A Task is a task as the runtime knows it.
type Task struct {
	spec        TaskSpec
	g           *graph
	where       string // file:line that wrote it
	index       int    // in topological order, set by compile
	edges       []edge
	waits       []*node
	up          []upstream
	down        []int
	below       []int // tasks that need this setup and do not follow it directly
	body        body
	retry       *Retry
	timeout     time.Duration
	over        *Task   // mapped over the list of this task; nil when not mapped
	cross       *Task   // and each of its elements with each of the list of this one
	overAll     bool    // over is mapped itself, but read as one list: not element by element
	readsWhole  bool    // each of its instances reads what it is mapped over as a whole, too
	setups      []*Task // whose work it uses: each must succeed before it runs
	teardowns   []*Task // that clean up after its setups
	covers      []*node
	callbacks   callbackSet
	ruleSet     bool
	exclusive   bool
	virtual     func() []VirtualSpec
	lineage     func() []LineageNode
	mapLimit    int
	elementName any  // func(A) string: see ElementName
	listOut     bool // some task is mapped over its output: it must be a list
	// checkOutput tells whether JSON fits the task's output type; nil for a task without output.
	checkOutput func([]byte) error
}

type edge struct {
	to   *node
	kind EdgeKind
}

// upstream is an edge after compilation.
type upstream struct {
	task *Task
	kind EdgeKind
	port string // the way out of a task that chooses; "" whatever it took
}

var idPattern = regexp.MustCompile(`^[A-Za-z0-9_.\-]{1,250}$`)

func checkID(what, id string) error {
	if !idPattern.MatchString(id) || id == "." || id == ".." { // which lead elsewhere in an address
		return fmt.Errorf("%s %q: use 1 to 250 letters, digits, \"_\", \"-\" or \".\", not \".\" or \"..\" alone", what, id)
	}
	return nil
}

// fail notes an error of the definition.
func (g *graph) fail(where, format string, args ...any) {
	g.errs = append(g.errs, &DefinitionError{DAG: g.spec.DAG, Where: where, Err: fmt.Errorf(format, args...)})
}

// failEach notes err, or each of the errors that are joined in it; what goes before each.
func (g *graph) failEach(where, what string, err error) {
	if err == nil {
		return
	}
	many, ok := err.(interface{ Unwrap() []error })
	if !ok {
		g.fail(where, "%s%w", what, err)
		return
	}
	for _, one := range many.Unwrap() {
		g.failEach(where, what, one)
	}
}

// A DefinitionError is something wrong with a DAG as it is written.
type DefinitionError struct {
	DAG   string
	Where string // file:line
	Err   error
}

func (e *DefinitionError) Error() string {
	return fmt.Sprintf("%s: DAG %s: %v", e.Where, e.DAG, e.Err)
}

// Unwrap yields what is wrong.
func (e *DefinitionError) Unwrap() error { return e.Err }

// caller is the file and line outside this package that is writing the DAG.
func caller() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		inside := strings.Contains(f.Function, "tidemill/tidemill/engine.") && !strings.HasSuffix(f.File, "_test.go")
		if !inside || !more {
			return fmt.Sprintf("%s:%d", filepath.Join(filepath.Base(filepath.Dir(f.File)), filepath.Base(f.File)), f.Line)
		}
	}
}

// addTask makes a task with value edges from the handles given. A task whose handles do not fit is noted as an error and
// still returned, so that all errors are found at once.
func addTask(id string, from []Edge, kind EdgeKind, opts []TaskOption) *Task {
	where := caller()
	var g *graph
	for _, e := range from {
		if n := handleOf(e); n != nil {
			g = n.g
			break
		}
	}
	if g == nil {
		// Nothing to hang the error on: the DAG never hears of this task. It can only be a zero handle.
		g = newGraph("?", where)
		stray.add(&DefinitionError{DAG: "?", Where: where, Err: fmt.Errorf("task %q: its upstream is a zero handle; pass the value that After, Map or Run returned", id)})
	}
	t := &Task{g: g, where: where, spec: TaskSpec{ID: id, Rule: AllSuccess, Queue: DefaultQueue}, mapLimit: DefaultMapLimit}
	for _, o := range g.taskDefaults {
		o.applyTask(t)
	}
	for i, e := range from {
		n := handleOf(e)
		switch {
		case n == nil:
			g.fail(where, "task %q: upstream %d is a zero handle; pass the value that After, Map or Run returned", id, i+1)
		case n.g != g:
			g.fail(where, "task %q: upstream %d belongs to DAG %s; a task takes handles of one DAG only", id, i+1, n.g.spec.DAG)
		default:
			t.edges = append(t.edges, n.edges(kind)...)
		}
	}
	for _, o := range opts {
		o.applyTask(t)
	}
	if t.spec.Group != "" {
		t.spec.ID = t.spec.Group + "." + id
	}
	if err := checkID("task id", id); err != nil {
		g.fail(where, "%v", err)
	}
	for _, other := range g.tasks {
		if other.spec.ID == t.spec.ID {
			g.fail(where, "task id %q is taken (%s); ids are unique in a DAG", t.spec.ID, other.where)
		}
	}
	g.tasks = append(g.tasks, t)
	return t
}

func handleOf(e Edge) *node {
	if e == nil {
		return nil
	}
	return e.handle()
}

// stray holds errors that belong to no DAG because all handles were zero. Compile reports and clears them.
var stray strayErrors
