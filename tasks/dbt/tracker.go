package dbt

import (
	"fmt"
	"slices"
	"strings"
)

// tracker follows the planned nodes of one invocation through its events. It does no I/O and is used by one goroutine.
type tracker struct {
	nodes  []*NodeResult // in plan order; nodes that dbt ran beyond the plan come after
	byID   map[string]*NodeResult
	hooks  []*NodeResult // on-run-start and on-run-end: no tasks, but their failure is one
	causes map[string]string

	empty       bool     // dbt said that the selection holds nothing
	interrupted bool     // dbt said that it was interrupted
	errors      []string // what dbt said at level error about no node
	resolve     func(uniqueID string) (Node, bool)
}

// newTracker begins with every node Planned. resolve finds nodes that dbt runs beyond the plan; it may be nil.
func newTracker(plan []Node, resolve func(string) (Node, bool)) *tracker {
	t := &tracker{byID: make(map[string]*NodeResult, len(plan)), causes: map[string]string{}, resolve: resolve}
	for _, n := range plan {
		t.add(n)
	}
	return t
}

func (t *tracker) add(n Node) *NodeResult {
	r := &NodeResult{Node: n, State: Planned, Rows: -1}
	t.nodes = append(t.nodes, r)
	t.byID[n.UniqueID] = r
	return r
}

// node returns the tracked node, which may be a hook or one beyond the plan; nil when the id is none.
func (t *tracker) node(uniqueID string) *NodeResult {
	if r, ok := t.byID[uniqueID]; ok || uniqueID == "" {
		return r
	}
	if strings.HasPrefix(uniqueID, "operation.") {
		r := &NodeResult{Node: Node{UniqueID: uniqueID, Name: lastPart(uniqueID)}, State: Planned, Rows: -1}
		t.hooks = append(t.hooks, r)
		t.byID[uniqueID] = r
		return r
	}
	if t.resolve != nil {
		if n, ok := t.resolve(uniqueID); ok {
			n.DependsOn = nil // the plan's edges are among planned nodes
			return t.add(n)
		}
	}
	return nil
}

// apply takes in one event and returns the node that it changed, or nil.
func (t *tracker) apply(e Event) *NodeResult {
	switch e.Name {
	case "NothingToDo":
		t.empty = true
	case "EndOfRunSummary":
		t.interrupted = t.interrupted || e.KeyboardInterrupt
	case "MarkSkippedChildren":
		t.causes[e.Cause] = e.Message
	}
	if e.Level == "error" && e.UniqueID == "" && e.Message != "" {
		t.errors = append(t.errors, e.Message)
	}
	r := t.node(e.UniqueID)
	if r == nil {
		return nil
	}
	if e.Relation != "" {
		r.Relation = e.Relation
	}
	switch e.Name {
	case "NodeStart":
		if r.State == Planned {
			r.State, r.StartedAt = Running, e.Time
			return r
		}
	case "NodeExecuting": // its SQL is compiled
		if r.State == Running {
			return r
		}
	case "NodeFinished":
		if e.Result != nil && !r.State.Terminal() {
			t.settle(r, *e.Result)
			r.FinishedAt = e.Time
			return r
		}
	}
	return nil
}

// settle gives a node its end as dbt reported it.
func (t *tracker) settle(r *NodeResult, result nodeResult) {
	r.State, r.Message = stateOf(result.Status), strings.TrimSpace(result.Message)
	r.Failures, r.ExecutionTime = result.failures(), result.executionTime()
	switch {
	case r.State == Running || r.State == Planned:
		r.State, r.Message = Failed, fmt.Sprintf("dbt ended the node with the status %q", result.Status)
	case r.State == Skipped && r.Message == "":
		r.Message = t.skipReason(r)
	case r.State == Failed && r.Kind == KindSource && r.Message == "":
		r.Message = "the source is stale"
	case r.State == Failed && r.Message == "":
		r.Message = "dbt reported the status " + result.Status
	}
	// A test's query always gives one row, its count: that is no figure of rows affected.
	if r.Kind != KindTest && r.Kind != KindUnitTest && r.State == Success {
		r.Rows = result.rows()
	}
	if result.Relation != "" {
		r.Relation = result.Relation
	}
}

// skipReason names the nodes that a skipped node waited for in vain.
func (t *tracker) skipReason(r *NodeResult) string {
	var because []string
	for _, id := range r.DependsOn {
		if up, ok := t.byID[id]; ok && (up.State == Failed || up.State == Skipped) {
			because = append(because, fmt.Sprintf("%s %s", up.Name, up.State))
		}
	}
	if len(because) == 0 { // in `dbt build` a failed test also skips what is below the model that it tests
		for _, up := range t.nodes {
			if up.State == Failed && t.causes[up.UniqueID] != "" && sharesParent(up, r) {
				because = append(because, fmt.Sprintf("%s %s", up.Name, up.State))
			}
		}
	}
	if len(because) == 0 {
		return "skipped by dbt"
	}
	return "skipped because of " + strings.Join(because, ", ")
}

func sharesParent(a, b *NodeResult) bool {
	for _, x := range a.DependsOn {
		for _, y := range b.DependsOn {
			if x == y {
				return true
			}
		}
	}
	return false
}

func lastPart(uniqueID string) string { return uniqueID[strings.LastIndexByte(uniqueID, '.')+1:] }

// forgetOpenHooks leaves out the hooks of which nothing says how they ended.
func (t *tracker) forgetOpenHooks() {
	t.hooks = slices.DeleteFunc(t.hooks, func(h *NodeResult) bool { return !h.State.Terminal() })
}
