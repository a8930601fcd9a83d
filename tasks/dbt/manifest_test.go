package dbt

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNodes(t *testing.T) {
	m := tinyManifest(t)
	edges := func(nodes []Node) string {
		var lines []string
		for _, n := range nodes {
			lines = append(lines, n.TaskID+" < "+strings.Join(n.DependsOn, " "))
		}
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	}
	for command, want := range map[Command]string{
		CommandRun: `
dbt_run_after_broken < model.tiny.broken
dbt_run_after_slow < model.tiny.slow
dbt_run_base < 
dbt_run_broken < model.tiny.base
dbt_run_chatty < 
dbt_run_dated < 
dbt_run_doubled < model.tiny.base
dbt_run_slow < `,
		CommandTest: `
dbt_test_accepted_values_base_amount__False__10__20 < 
dbt_test_never_above_fifty < 
dbt_test_not_null_base_id < 
dbt_test_unique_base_id < `,
		CommandSeed: `
dbt_seed_numbers < `,
	} {
		if got := edges(Nodes(m, command)); got != want[1:] {
			t.Errorf("%s:\n%s\nwant:\n%s", command, got, want[1:])
		}
	}
	if n, ok := m.Node("test.tiny.accepted_values_base_amount__False__10__20.1807f5b4e5"); !ok || !n.WarnOnly || n.Kind != KindTest {
		t.Errorf("the test of severity warn = %+v, %v", n, ok)
	}
	if n, _ := m.Node("model.tiny.base"); n.Description != "The numbers, as they are." || n.WarnOnly {
		t.Errorf("base = %+v", n)
	}
}

func TestNodesThroughEphemeralModels(t *testing.T) {
	m, err := parseManifest([]byte(`{"metadata": {"project_name": "p"}, "unit_tests": {}, "nodes": {
		"model.p.z": {"name": "z", "resource_type": "model", "depends_on": {"nodes": ["source.p.s.t"]}},
		"model.p.e1": {"name": "e1", "resource_type": "model", "config": {"materialized": "ephemeral"}, "depends_on": {"nodes": ["model.p.z"]}},
		"model.p.e2": {"name": "e2", "resource_type": "model", "config": {"materialized": "ephemeral"}, "depends_on": {"nodes": ["model.p.e1", "seed.p.s"]}},
		"seed.p.s": {"name": "s", "resource_type": "seed"},
		"analysis.p.x": {"name": "x", "resource_type": "analysis"},
		"model.p.a": {"name": "a", "resource_type": "model", "depends_on": {"nodes": ["model.p.e2", "model.p.z"]}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	nodes := Nodes(m, CommandRun)
	if len(nodes) != 2 || nodes[0].Name != "z" || nodes[1].Name != "a" || !slices.Equal(nodes[1].DependsOn, []string{"model.p.z"}) {
		t.Errorf("nodes = %+v", nodes)
	}
}

func TestManifestsThatAreNone(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON":       `{`,
		"another file":  `{"results": []}`,
		"a cycle":       `{"metadata": {"project_name": "p"}, "nodes": {"model.p.a": {"resource_type": "model", "depends_on": {"nodes": ["model.p.b"]}}, "model.p.b": {"resource_type": "model", "depends_on": {"nodes": ["model.p.a"]}}}}`,
		"itself needed": `{"metadata": {"project_name": "p"}, "nodes": {"model.p.a": {"resource_type": "model", "depends_on": {"nodes": ["model.p.a"]}}}}`,
	} {
		if _, err := parseManifest([]byte(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestTaskIDs(t *testing.T) {
	legal := regexp.MustCompile(`^dbt_(run|test|seed|snapshot)_[A-Za-z0-9_.-]*$`)
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.OneOf(rapid.StringMatching(`[a-c]{1,2}`), rapid.String(), rapid.StringMatching(`accepted_values_[a-b]{70,90}`)), 1, 20).Draw(t, "names")
		make := func(order []int) map[string]string {
			var nodes []*Node
			for _, i := range order {
				nodes = append(nodes, &Node{UniqueID: fmt.Sprintf("model.p.%d.%s", i, names[i]), Name: names[i], Kind: KindModel})
			}
			assignTaskIDs(nodes)
			ids := map[string]string{}
			for _, n := range nodes {
				ids[n.UniqueID] = n.TaskID
			}
			return ids
		}
		order := rapid.Permutation(func() (all []int) {
			for i := range names {
				all = append(all, i)
			}
			return
		}()).Draw(t, "order")
		sorted := slices.Sorted(slices.Values(order))
		seen := map[string]string{}
		other := make(sorted)
		for unique, id := range make(order) {
			if !legal.MatchString(id) || len(id) > maxTaskID {
				t.Errorf("illegal id %q", id)
			}
			if seen[id] != "" {
				t.Errorf("%s and %s are both %s", seen[id], unique, id)
			}
			if other[unique] != id {
				t.Errorf("%s is %s and, in another order, %s", unique, id, other[unique])
			}
			seen[id] = unique
		}
	})
}
