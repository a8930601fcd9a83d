package engine

import (
	"context"
	"fmt"
	"reflect"
)

// A Port is one input of a [Join]: a handle while the DAG is written, a value while the task runs.
type Port[T any] struct {
	from In[T]
	v    T
}

// From makes a port that reads n.
func From[T any](n In[T]) Port[T] { return Port[T]{from: n} }

// Value is what the port's upstream yielded. While the DAG is being written it is the zero T.
func (p Port[T]) Value() T { return p.v }

// anyPort is a Port of whatever type, by its address.
type anyPort interface {
	edge() Edge
	fill(in *taskInputs, from anyPort) error
}

func (p *Port[T]) edge() Edge {
	if p.from == nil {
		return nil
	}
	return p.from
}

func (p *Port[T]) fill(in *taskInputs, from anyPort) (err error) {
	p.v, err = from.(*Port[T]).from.value(in)
	return err
}

// Join makes a task that reads any number of upstreams: ports is a struct whose fields are all of type [Port], each made with [From].
// The task runs when all have succeeded.
//
//	type inputs struct {
//		Orders engine.Port[Orders]
//		Rates  engine.Port[Rates]
//	}
//	engine.Join(inputs{engine.From(orders), engine.From(rates)}, "invoice", func(ctx context.Context, in inputs) (Invoice, error) {
//		return bill(in.Orders.Value(), in.Rates.Value())
//	})
func Join[S, B any](ports S, id string, f func(context.Context, S) (B, error), opts ...TaskOption) Node[B] {
	fields, problem := portsOf(&ports)
	edges := make([]Edge, 0, len(fields))
	var unset []string
	for i, p := range fields {
		e := p.edge()
		if handleOf(e) == nil {
			unset = append(unset, reflect.TypeFor[S]().Field(i).Name)
			continue
		}
		edges = append(edges, e)
	}
	t := addTask(id, edges, ValueEdge, opts)
	if problem != "" {
		t.g.fail(t.where, "task %q: Join: %s", id, problem)
	}
	if len(unset) > 0 {
		t.g.fail(t.where, "task %q: Join: ports %q are not set; make each with engine.From(handle)", id, unset)
	}
	t.describe(f)
	checkJSON[B](t.g, "output of task "+id)
	t.body = func(ctx context.Context, in *taskInputs) ([]byte, error) {
		var filled S
		to, _ := portsOf(&filled)
		for i, p := range fields {
			if err := to[i].fill(in, p); err != nil {
				return nil, err
			}
		}
		b, err := f(ctx, filled)
		return encodeOutput(b, err)
	}
	return nodeOf[B](t)
}

// portsOf are the addresses of the ports of a struct; problem says why s does not serve.
func portsOf(s any) (ports []anyPort, problem string) {
	v := reflect.ValueOf(s).Elem()
	if v.Kind() != reflect.Struct {
		return nil, v.Type().String() + " is no struct; give one whose fields are engine.Port"
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() {
			return nil, "field " + f.Name + " of " + v.Type().String() + " is not exported; ports are exported fields"
		}
		p, ok := v.Field(i).Addr().Interface().(anyPort)
		if !ok {
			return nil, "field " + f.Name + " of " + v.Type().String() + " is no engine.Port; what is not read from a task belongs into the body's closure"
		}
		ports = append(ports, p)
	}
	if len(ports) == 0 {
		return nil, v.Type().String() + " has no port"
	}
	return ports, ""
}

// Collect is the handle of what several tasks of one kind yield, in the order given: for handles made by a loop. A reader runs when all
// have succeeded. It makes no task.
func Collect[T any](nodes ...Node[T]) Node[[]T] {
	where := caller()
	if len(nodes) == 0 {
		stray.add(&DefinitionError{DAG: "?", Where: where, Err: &InvalidError{Field: "Collect", Message: "no handle was given"}})
		return Node[[]T]{}
	}
	all := &node{kind: collectNode}
	for i, n := range nodes {
		h := handleOf(n)
		if h == nil {
			stray.add(&DefinitionError{DAG: "?", Where: where, Err: &InvalidError{Field: "Collect", Message: fmt.Sprintf("argument %d is a zero handle", i+1)}})
			return Node[[]T]{}
		}
		if all.g == nil {
			all.g = h.g
		}
		all.parts = append(all.parts, h)
	}
	return Node[[]T]{all, func(in *taskInputs) ([]T, error) {
		out := make([]T, len(nodes))
		for i, n := range nodes {
			v, err := n.value(in)
			if err != nil {
				return nil, err
			}
			out[i] = v
		}
		return out, nil
	}}
}
