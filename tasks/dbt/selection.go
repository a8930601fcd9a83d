package dbt

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tidemill/tidemill/engine"
)

// A share is what one try of a task runs of the task's nodes.
type share struct {
	nodes []Node
	whole bool     // they are all of them: dbt is given no selection
	left  []string // task ids of nodes that did not pass before and are not run now, because others were cleared alone
}

// shareOf says what a try runs, by how the nodes stand that earlier tries have reported since the task was cleared: all of them at first; those
// that were cleared alone, which have the state none; else, in a retry, what did not pass of what the try before ran, and what is new in the
// project. Where all of that had passed (a hook failed) the same is run again.
func shareOf(planned []Node, reported []engine.VirtualState) share {
	at, last := make(map[string]engine.VirtualState, len(reported)), 0
	for _, v := range reported {
		at[v.ID] = v
		last = max(last, v.Try)
	}
	var cleared, retried, again []Node
	var left, open []string // not passed: before the last try, at all
	for _, n := range planned {
		v, known := at[n.TaskID]
		switch {
		case !known:
			retried = append(retried, n)
		case v.State == engine.None:
			cleared = append(cleared, n)
		case v.State == engine.Success && v.Try == last:
			again = append(again, n)
		case v.State == engine.Success:
		case v.Try == last:
			retried, open = append(retried, n), append(open, n.TaskID)
		default:
			left, open = append(left, n.TaskID), append(open, n.TaskID)
		}
	}
	s := share{nodes: retried, left: left}
	switch {
	case len(cleared) > 0:
		s = share{nodes: cleared, left: open}
	case len(retried) == 0:
		s.nodes = again
	}
	if len(s.nodes) == 0 {
		s.nodes = planned
	}
	s.whole = len(s.nodes) == len(planned)
	return s
}

// leftError says that a task cannot succeed although all that it ran has passed; nil when it can.
func (s share) leftError() error {
	if len(s.left) == 0 {
		return nil
	}
	return engine.Permanent(fmt.Errorf("what was cleared has passed, and %s did not pass before: clear that too", strings.Join(s.left, ", ")))
}

// A standing is how a node stands, of whichever try.
type standing struct {
	engine.VirtualState
	Rows   *int64 `json:"rows"`
	Warned bool   `json:"warned"`
}

// standings are those of the planned nodes, by task id.
func standings(planned []Node, reported []engine.VirtualState) map[string]standing {
	known := make(map[string]bool, len(planned))
	for _, n := range planned {
		known[n.TaskID] = true
	}
	out := make(map[string]standing, len(reported))
	for _, v := range reported {
		if !known[v.ID] {
			continue
		}
		s := standing{}
		_ = json.Unmarshal(v.Details, &s) // details that say nothing are none
		s.VirtualState = v
		out[v.ID] = s
	}
	return out
}
