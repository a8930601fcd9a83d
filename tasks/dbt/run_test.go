package dbt_test

import (
	"errors"
	"os"
	"testing"

	"github.com/tidemill/tidemill/tasks/dbt"
)

func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// states maps each node's name to its state.
func states(nodes []dbt.NodeResult) map[string]dbt.State {
	m := map[string]dbt.State{}
	for _, n := range nodes {
		m[n.Name] = n.State
	}
	return m
}

func TestBuildReportsEveryNode(t *testing.T) {
	s := newSite(t)
	for name, o := range map[string]dbt.Options{"long-lived process": {}, "command": {KeepWarm: -1}} {
		t.Run(name, func(t *testing.T) {
			r := s.runner(t, o)
			var events []dbt.NodeEvent
			longest := 0
			result, err := r.Run(t.Context(), dbt.Invocation{
				Command: dbt.CommandBuild, Exclude: []string{"tag:slow"},
				Observe: func(e dbt.NodeEvent) { events = append(events, e) },
				Log:     func(_, _, line string) { longest = max(longest, len(line)) },
			})
			var failed *dbt.NodesError
			if !errors.As(err, &failed) {
				t.Fatalf("error = %v, want a NodesError", err)
			}
			for _, n := range result.Nodes {
				t.Logf("%-10s %-60s rows=%d failures=%d %s %q %s", n.State, n.TaskID, n.Rows, n.Failures, n.ExecutionTime, n.Message, n.CompiledPath)
			}
			t.Log(err, longest, len(events), result.Elapsed)
		})
	}
}
