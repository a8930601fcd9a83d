package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"sort"
	"strings"
	"time"
)

// A Definition is a DAG that has been checked and can be run.
type Definition struct {
	Spec      Spec
	Version   string // hash of the structure: the same code never makes a second one
	tasks     []*Task
	byID      map[string]*Task
	timetable Timetable // nil: no schedule
	callbacks callbackSet
	params    *paramType
	fill      func([]byte) ([]byte, error)
	checkRun  func(params []byte, logical *time.Time) error
	noParams  []byte // what FillParams makes of none
	exact     bool
	pooled    bool // some task takes slots of a pool
	zone      *time.Location
	taskIDs   []string
	limits    map[string]int // MaxActive by task; nil: none
	leaves    []VerdictTask  // reused shape for verdicts, states unset
}

// FillParams checks params as a trigger gives them, a JSON object or nothing, and returns them with the defaults of what they leave out.
// The error is one [InvalidError], or several joined, each of which names its field.
func (d *Definition) FillParams(raw []byte) ([]byte, error) { return d.fill(raw) }

// EncodeParams makes JSON for a trigger of a Go value. Of a value of the DAG's own params type fields that are zero and have a default are
// left out, and so get it; take a pointer where zero is to be told from nothing.
func (d *Definition) EncodeParams(v any) ([]byte, error) { return d.params.encode(v) }

// Zone is the time zone of the DAG's days.
func (d *Definition) Zone() *time.Location { return d.zone }

// Known returns the spec with the virtual nodes that are known by now.
func (d *Definition) Known() Spec {
	s := d.Spec
	s.Tasks = append([]TaskSpec(nil), s.Tasks...)
	for i, t := range d.tasks {
		if t.virtual != nil {
			s.Tasks[i].Virtual = t.virtual()
		}
	}
	return s
}

// A Catalog is the DAGs that a process has.
type Catalog struct {
	defs map[string]*Definition
	ids  []string
}

// DAG returns the definition of that id.
func (c *Catalog) DAG(id string) (*Definition, bool) {
	d, ok := c.defs[id]
	return d, ok
}

// IDs are the ids of the DAGs, sorted.
func (c *Catalog) IDs() []string { return c.ids }

// Only is the catalog of one DAG and those that it triggers. ErrNotFound when there is no such DAG.
func (c *Catalog) Only(dag string) (*Catalog, error) {
	if _, ok := c.defs[dag]; !ok {
		return nil, fmt.Errorf("DAG %q: %w%s", dag, ErrNotFound, Near(dag, c.ids))
	}
	out := &Catalog{defs: map[string]*Definition{}}
	var add func(string)
	add = func(id string) {
		d, ok := c.defs[id]
		if _, there := out.defs[id]; there || !ok {
			return
		}
		out.defs[id] = d
		out.ids = append(out.ids, id)
		for _, t := range d.tasks {
			if t.spec.Triggers != "" {
				add(t.spec.Triggers)
			}
		}
	}
	add(dag)
	sort.Strings(out.ids)
	return out, nil
}

// Compile checks DAGs and makes them ready to run. All that is wrong with any of them is in the error, each with file and
// line; then there is no catalog.
func Compile(dags ...AnyDAG) (*Catalog, error) {
	c := &Catalog{defs: map[string]*Definition{}}
	errs := stray.take()
	for _, d := range dags {
		g := d.graph()
		written := len(g.errs)
		def := g.compile()
		errs = append(errs, g.errs...)
		g.errs = g.errs[:written] // so that compiling again does not tell twice
		if old, ok := c.defs[g.spec.DAG]; ok {
			errs = append(errs, &DefinitionError{DAG: g.spec.DAG, Where: g.where, Err: fmt.Errorf("there are two DAGs of this id (%d and %d tasks)", len(old.tasks), len(g.tasks))})
		}
		c.defs[g.spec.DAG] = def
		c.ids = append(c.ids, g.spec.DAG)
	}
	sort.Strings(c.ids)
	errs = append(errs, c.checkTriggers()...)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return c, nil
}

// compile resolves edges, orders the tasks and makes the spec. Errors are added to g.errs.
func (g *graph) compile() *Definition {
	if len(g.tasks) == 0 {
		g.fail(g.where, "it has no task; hang one on its Run()")
	}
	for _, t := range g.tasks {
		g.resolve(t)
	}
	g.coverage()
	tasks := g.order()
	g.pairs()
	d := &Definition{tasks: tasks, byID: map[string]*Task{}, callbacks: g.callbacks, params: g.params, fill: g.fillParams, checkRun: g.checkRun, exact: g.exactTasks}
	for i, t := range tasks {
		t.index = i
		d.byID[t.spec.ID] = t
		d.taskIDs = append(d.taskIDs, t.spec.ID)
		if t.spec.MaxActive > 0 {
			if d.limits == nil {
				d.limits = map[string]int{}
			}
			d.limits[t.spec.ID] = t.spec.MaxActive
		}
		d.pooled = d.pooled || t.spec.Pool != ""
	}
	g.spec.Tasks = nil
	for _, t := range tasks {
		t.spec.Upstream = nil
		for _, u := range t.up {
			t.spec.Upstream = append(t.spec.Upstream, EdgeSpec{u.task.spec.ID, u.kind, u.port})
		}
		if t.over != nil {
			t.spec.MapOver = t.over.spec.ID
		}
		if t.cross != nil {
			t.spec.MapCross = t.cross.spec.ID
		}
		g.spec.Tasks = append(g.spec.Tasks, t.spec)
	}
	for _, t := range tasks {
		t.down, t.below = nil, nil
	}
	for _, t := range tasks {
		for _, u := range t.up {
			if n := len(u.task.down); n == 0 || u.task.down[n-1] != t.index {
				u.task.down = append(u.task.down, t.index)
			}
		}
		for _, s := range t.setups { // a task between may follow its setup at a distance
			if !slices.Contains(s.down, t.index) {
				s.below = append(s.below, t.index)
			}
		}
	}
	for _, t := range tasks {
		d.leaves = append(d.leaves, VerdictTask{Downstream: t.down, Teardown: t.spec.Teardown, FailRun: t.spec.FailRun})
	}
	g.spec.Groups = g.groups
	g.spec.Params = g.params.jsonSchema()
	if full, err := g.fillParams(nil); err == nil {
		d.noParams = full
	}
	d.Spec = g.spec
	d.Version = versionOf(g.spec)
	d.zone = g.zone()
	if g.timetable != nil {
		d.timetable = g.timetable
	} else if g.spec.Schedule != "" {
		if tt, err := ParseSchedule(g.spec.Schedule, g.spec.Zone); err == nil {
			d.timetable = tt
		}
	}
	return d
}

// resolve turns a task's edges and waits into upstreams, groups into their tasks.
func (g *graph) resolve(t *Task) {
	t.up = nil
	seen := map[upstream]bool{}
	add := func(u upstream) {
		if !seen[u] {
			seen[u] = true
			t.up = append(t.up, u)
		}
	}
	hasValue := false
	for _, e := range t.edges {
		add(upstream{e.to.task, e.kind, e.to.port})
		hasValue = hasValue || e.kind == ValueEdge
	}
	for _, n := range t.waits {
		if n.kind != groupNode {
			for _, e := range n.edges(OrderEdge) {
				add(upstream{e.to.task, OrderEdge, e.to.port})
			}
			continue
		}
		if inGroup(t.spec.Group, n.group) {
			g.fail(t.where, "task %q waits for group %q, which it is part of: a cycle", t.spec.ID, n.group)
			continue
		}
		for _, member := range g.tasks {
			if inGroup(member.spec.Group, n.group) {
				add(upstream{task: member, kind: OrderEdge})
			}
		}
	}
	if t.spec.Chooses && len(t.spec.Ports) == 0 {
		g.fail(t.where, "task %q has no case; hang tasks on its Case(…) or Default()", t.spec.ID)
	}
	if t.ruleSet && hasValue && !t.spec.Teardown {
		g.fail(t.where, "task %q: trigger rule %s with a value edge: it would hand the body a zero value; read the upstream as engine.Settled, or wait for it with engine.Waits", t.spec.ID, t.spec.Rule)
	}
}

func inGroup(group, of string) bool { return group == of || strings.HasPrefix(group, of+".") }

// order sorts the tasks so that each comes after its upstreams, otherwise as written. A cycle (through a group) is an error.
func (g *graph) order() []*Task {
	out := make([]*Task, 0, len(g.tasks))
	state := map[*Task]int{} // 1: on the way, 2: placed
	var visit func(t *Task) bool
	visit = func(t *Task) bool {
		switch state[t] {
		case 1:
			g.fail(t.where, "task %q is part of a cycle: it waits for a group that reads it", t.spec.ID)
			return false
		case 2:
			return true
		}
		state[t] = 1
		for _, u := range t.up {
			if !visit(u.task) {
				return false
			}
		}
		state[t] = 2
		out = append(out, t)
		return true
	}
	for _, t := range g.tasks {
		if !visit(t) {
			return g.tasks
		}
	}
	return out
}

// versionOf hashes a DAG's structure. Docs and virtual nodes are no part of it.
func versionOf(s Spec) string {
	s.Doc, s.Params = "", withoutDocs(s.Params)
	s.Tasks = append([]TaskSpec(nil), s.Tasks...)
	for i := range s.Tasks {
		s.Tasks[i].Doc = ""
		s.Tasks[i].Virtual, s.Tasks[i].Body = nil, ""
	}
	raw, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("engine: spec of DAG %s does not encode: %v", s.DAG, err)) // plain data: cannot happen
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:6])
}

// describe notes the Go types and the name of a body, for people.
func (t *Task) describe(f any) {
	typ := reflect.TypeOf(f)
	var in []string
	for i := 1; i < typ.NumIn(); i++ {
		in = append(in, typ.In(i).String())
	}
	t.spec.Input = strings.Join(in, ", ")
	if typ.NumOut() == 2 {
		t.spec.Output = typ.Out(0).String()
	}
	v := reflect.ValueOf(f)
	if v.IsNil() {
		t.g.fail(t.where, "task %q: its body is nil", t.spec.ID)
		return
	}
	if fn := runtime.FuncForPC(v.Pointer()); fn != nil {
		name := fn.Name()
		t.spec.Body = strings.TrimSuffix(name[strings.LastIndex(name, "/")+1:], "-fm")
	}
}

// newRun is a run of the DAG as it is made now.
func (d *Definition) newRun(t RunType, _ time.Time) NewRun {
	return NewRun{DAG: d.Spec.DAG, Type: t, Version: d.Version, Params: d.noParams, Deadline: time.Duration(d.Spec.Deadline)}
}

// Timeline is the DAG's schedule at work; registered is when it was first registered.
func (d *Definition) Timeline(registered time.Time) Timeline {
	l := Timeline{Timetable: d.timetable, Registered: registered, Catchup: d.Spec.Catchup}
	if d.Spec.StartDate != nil {
		l.Start = *d.Spec.StartDate
	}
	if d.Spec.EndDate != nil {
		l.End = *d.Spec.EndDate
	}
	return l
}
