package dbt

import (
	"slices"
	"testing"

	"github.com/tidemill/tidemill/engine"
)

func TestShareOf(t *testing.T) {
	var planned []Node
	for _, id := range []string{"a", "b", "c"} {
		planned = append(planned, Node{TaskID: id})
	}
	at := func(id string, s engine.State, try int) engine.VirtualState {
		return engine.VirtualState{ID: id, State: s, Try: try}
	}
	const ok, failed, up, none = engine.Success, engine.Failed, engine.UpstreamFailed, engine.None
	for _, c := range []struct {
		name     string
		reported []engine.VirtualState
		nodes    []string
		left     []string
	}{
		{"the first try", nil, []string{"a", "b", "c"}, nil},
		{"a retry", []engine.VirtualState{at("a", ok, 1), at("b", failed, 1), at("c", up, 1)}, []string{"b", "c"}, nil},
		{"a second retry", []engine.VirtualState{at("a", ok, 1), at("b", ok, 2), at("c", failed, 2)}, []string{"c"}, nil},
		{"a retry with a node that is new in the project", []engine.VirtualState{at("a", ok, 1), at("b", failed, 1)}, []string{"b", "c"}, nil},
		{"one cleared alone", []engine.VirtualState{at("a", ok, 1), at("b", none, 2), at("c", ok, 1)}, []string{"b"}, nil},
		{"one cleared alone where another had failed", []engine.VirtualState{at("a", none, 2), at("b", failed, 1), at("c", up, 1)}, []string{"a"}, []string{"b", "c"}},
		{"one that was cleared alone failed", []engine.VirtualState{at("a", failed, 2), at("b", failed, 1), at("c", ok, 1)}, []string{"a"}, []string{"b"}},
		{"one that was cleared alone was cut off before it was reported", []engine.VirtualState{at("a", up, 2), at("b", ok, 1), at("c", ok, 1)}, []string{"a"}, nil},
		{"all passed, a hook failed", []engine.VirtualState{at("a", ok, 1), at("b", ok, 1), at("c", ok, 1)}, []string{"a", "b", "c"}, nil},
		{"what was cleared passed, a hook failed", []engine.VirtualState{at("a", ok, 1), at("b", ok, 2), at("c", ok, 1)}, []string{"b"}, nil},
		{"one left the project", []engine.VirtualState{at("a", ok, 1), at("b", failed, 1), at("c", ok, 1), at("gone", failed, 1)}, []string{"b"}, nil},
	} {
		s := shareOf(planned, c.reported)
		var got []string
		for _, n := range s.nodes {
			got = append(got, n.TaskID)
		}
		if !slices.Equal(got, c.nodes) || !slices.Equal(s.left, c.left) || s.whole != (len(c.nodes) == 3) || (s.leftError() == nil) != (c.left == nil) {
			t.Errorf("%s: runs %v, leaves %v (whole %t, %v); want %v, %v", c.name, got, s.left, s.whole, s.leftError(), c.nodes, c.left)
		}
	}
}
