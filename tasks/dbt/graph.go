package dbt

import (
	"fmt"
	"sort"
	"strings"
)

// Command is what dbt is asked to do with the selected nodes.
type Command string

// The commands that run nodes.
const (
	CommandRun       Command = "run"              // build models
	CommandTest      Command = "test"             // run data tests and unit tests
	CommandBuild     Command = "build"            // seeds, snapshots, models and tests, in graph order
	CommandSeed      Command = "seed"             // load seeds
	CommandSnapshot  Command = "snapshot"         // take snapshots
	CommandFreshness Command = "source freshness" // ask how old the newest row of each source is
)

// kinds says which kinds of nodes each command runs.
var kinds = map[Command][]Kind{
	CommandRun:       {KindModel},
	CommandTest:      {KindTest, KindUnitTest},
	CommandBuild:     {KindSeed, KindSnapshot, KindModel, KindUnitTest, KindTest},
	CommandSeed:      {KindSeed},
	CommandSnapshot:  {KindSnapshot},
	CommandFreshness: {KindSource},
}

func (c Command) runs(k Kind) bool {
	for _, have := range kinds[c] {
		if have == k {
			return true
		}
	}
	return false
}

// Nodes returns what the command runs when nothing is selected: the planned nodes in graph order, with DependsOn cut to
// planned nodes. A dependency through a node that is not planned (an ephemeral model, a seed during `run`) becomes one on
// what lies behind it.
func Nodes(m *Manifest, command Command) []Node {
	var ids []string
	for _, n := range m.Nodes {
		if command.runs(n.Kind) && !n.Ephemeral {
			ids = append(ids, n.UniqueID)
		}
	}
	return planned(m, ids)
}

// planned returns the nodes with the given ids in graph order, their edges cut to each other. Ids that the manifest does
// not hold are left out.
func planned(m *Manifest, ids []string) []Node {
	in := make(map[string]bool, len(ids))
	for _, id := range ids {
		in[id] = true
	}
	behind := make(map[string][]string, len(m.Nodes)) // node -> planned nodes that it waits for
	var plan []Node
	for _, n := range m.Nodes { // graph order: what a node depends on was seen before
		seen := map[string]bool{}
		for _, dep := range n.DependsOn {
			if in[dep] {
				seen[dep] = true
				continue
			}
			for _, far := range behind[dep] {
				seen[far] = true
			}
		}
		behind[n.UniqueID] = sortedKeys(seen)
		if in[n.UniqueID] {
			n.DependsOn = behind[n.UniqueID]
			plan = append(plan, n)
		}
	}
	return plan
}

// graphOrder sorts nodes so that each comes after what it depends on, and alphabetically where the graph leaves a choice.
// Dependencies on what is not among the nodes (sources) are ignored. The input is sorted by unique id.
func graphOrder(nodes []*Node) ([]*Node, error) {
	waits := make(map[string]int, len(nodes))
	children := make(map[string][]*Node)
	known := make(map[string]bool, len(nodes))
	for _, n := range nodes {
		known[n.UniqueID] = true
	}
	for _, n := range nodes {
		for _, dep := range n.DependsOn {
			if known[dep] {
				waits[n.UniqueID]++
				children[dep] = append(children[dep], n)
			}
		}
	}
	var level, ordered []*Node
	for _, n := range nodes {
		if waits[n.UniqueID] == 0 {
			level = append(level, n)
		}
	}
	for len(level) > 0 {
		sort.Slice(level, func(i, j int) bool { return level[i].UniqueID < level[j].UniqueID })
		ordered = append(ordered, level...)
		var next []*Node
		for _, n := range level {
			for _, c := range children[n.UniqueID] {
				if waits[c.UniqueID]--; waits[c.UniqueID] == 0 {
					next = append(next, c)
				}
			}
		}
		level = next
	}
	if len(ordered) < len(nodes) {
		var stuck []string
		for _, n := range nodes {
			if waits[n.UniqueID] > 0 {
				stuck = append(stuck, n.UniqueID)
			}
		}
		return nil, fmt.Errorf("the nodes depend on each other in a cycle: %s", strings.Join(stuck, ", "))
	}
	return ordered, nil
}

func sortedKeys(set map[string]bool) []string {
	keys := make([]string, 0, len(set))
	for k := range set {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
