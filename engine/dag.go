package engine

import (
	"context"
	"reflect"
	"time"
)

// NoParams are the params of a DAG that has none.
type NoParams struct{}

// A Run is what a task may know of the run that it is part of. P is the type of the DAG's params.
type Run[P any] struct {
	DAG     string
	ID      string
	Type    RunType
	Logical time.Time // start of the data interval; zero for a manual run without a logical date
	Start   time.Time // data interval; zero when Logical is
	End     time.Time
	Params  P
	// Day is the date of Logical in the DAG's time zone, such as 2024-01-05; "" when Logical is zero.
	Day string
}

// A DAG is a graph of tasks that is being written. Handles hang on it: see [DAG.Run], [After], [Map]. It is complete once
// the function that writes it returns; [Compile] checks it.
type DAG[P any] struct{ g *graph }

// AnyDAG is a DAG of whatever params.
type AnyDAG interface {
	graph() *graph
}

func (d *DAG[P]) graph() *graph { return d.g }

// New starts a DAG. id is letters, digits, "_", "-" and ".", at most 250 of them. P is the type of its params, NoParams if
// there are none: a struct that is decoded strictly from the JSON of the trigger (an unknown or ill-typed field is refused and named), and
// checked by its tags and its method Validate() error where it has one:
//
//	type Params struct {
//		Currency string   `json:"currency" default:"EUR" enum:"EUR,CHF,USD" doc:"what amounts are told in"`
//		Days     int      `json:"days" default:"30" min:"1" max:"366"`
//		Account  string   `json:"account" required:"true" pattern:"^[A-Z]{2}[0-9]+$"`
//		Only     []string `json:"only,omitempty" maxLength:"100"`
//	}
//
// A default stands for a field that is left out or null, in runs of whatever origin, and is kept with the run. min and max are of numbers,
// minLength and maxLength of texts (in characters), lists and maps; min, max, enum and pattern on a list hold for its elements. A field must be
// given when it says required:"true", or when its bounds refuse its zero value and it has neither a default nor omitempty (nor is a pointer).
// A DAG with a schedule may have none such, as nobody gives it. Tags that cannot be are definition errors.
func New[P any](id string, opts ...DAGOption) *DAG[P] {
	g := newGraph(id, caller())
	checkJSON[P](g, "params of DAG "+id)
	if t := reflect.TypeFor[P](); t.Kind() != reflect.Struct {
		g.fail(g.where, "params of DAG %s: %s is no struct; give a struct with a field for each param, or NoParams", id, t)
	}
	var problems []string
	g.params, problems = newParamType(reflect.TypeFor[P]())
	for _, p := range problems {
		g.fail(g.where, "params of DAG %s: %s", id, p)
	}
	g.checkRun = func(raw []byte, logical *time.Time) error {
		p, _, err := decodeParams[P](g.params, raw)
		if err != nil {
			return err
		}
		if v, ok := any(&p).(RunValidator); ok {
			return named(v.ValidateRun(logical))
		}
		return nil
	}
	g.fillParams = func(raw []byte) ([]byte, error) {
		_, full, err := decodeParams[P](g.params, raw)
		return full, err
	}
	for _, o := range opts {
		o.applyDAG(g)
	}
	g.checkUnattended()
	return &DAG[P]{g}
}

// Run is the handle of the run itself: what tasks without an upstream read.
func (d *DAG[P]) Run() Node[Run[P]] {
	return Node[Run[P]]{&node{g: d.g, kind: runNode}, func(in *taskInputs) (Run[P], error) {
		p, _, err := decodeParams[P](d.g.params, in.run.Params)
		if err != nil {
			return Run[P]{}, err
		}
		return runOf(in.run, p, in.zone), nil
	}}
}

// Edge is any handle, without its type: what Waits and groups take.
type Edge interface{ handle() *node }

// In is a handle whose task yields a T.
type In[T any] interface {
	Edge
	value(*taskInputs) (T, error)
}

// A Node is the handle of a task that yields a T.
type Node[T any] struct {
	n    *node
	read func(*taskInputs) (T, error)
}

func (n Node[T]) handle() *node                   { return n.n }
func (n Node[T]) value(in *taskInputs) (T, error) { return n.read(in) }

// Each is the handle of a mapped task: element by element for another [Map], a []T in element order for everyone else.
type Each[T any] struct{ n *node }

func (e Each[T]) handle() *node { return e.n }
func (e Each[T]) value(in *taskInputs) ([]T, error) {
	return decodeElements[T](in, e.n.task)
}

// A body is a task's function with its types taken off: it reads its inputs and yields the encoded output, nil for none.
//
// Bodies run one after another in goroutines that are kept (see crew), and so may share a thread in turn, as any goroutines do. What a body
// must not leave behind is a thread that it has locked: Go ends a locked thread only with its goroutine, and tells nobody cheaply whether one
// is locked. (The one way to learn it, the head of runtime.Stack, takes some 8 µs, and a goroutine for each body 2 µs more than one that is
// kept; a body that does nothing should not pay for either.) A body that calls runtime.LockOSThread either unlocks it before it returns, its
// thread being as it was, or does that work in a goroutine of its own which it waits for and which ends locked: the thread ends with it.
type body func(ctx context.Context, in *taskInputs) ([]byte, error)

type nodeKind int

const (
	runNode nodeKind = iota
	taskNode
	settledNode
	optionalNode
	groupNode
	collectNode
)

// A node is what a handle points to.
type node struct {
	g     *graph
	kind  nodeKind
	task  *Task   // of taskNode, settledNode and optionalNode
	port  string  // of a task that chooses: this way out of it; "" is the task itself
	group string  // of groupNode
	parts []*node // of collectNode
}

// name is what people call the node of a task.
func (n *node) name() string {
	if n.port == "" {
		return n.task.spec.ID
	}
	return n.task.spec.ID + ":" + n.port
}

// edges are what a reader of the node follows; kind is how it reads a task.
func (n *node) edges(kind EdgeKind) []edge {
	switch n.kind {
	case taskNode:
		return []edge{{n, kind}}
	case settledNode:
		return []edge{{n, SettledEdge}}
	case optionalNode:
		return []edge{{n, OptionalEdge}}
	case collectNode:
		var all []edge
		for _, p := range n.parts {
			all = append(all, p.edges(kind)...)
		}
		return all
	}
	return nil
}
