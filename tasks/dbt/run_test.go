package dbt_test

import (
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/quartz"
	"github.com/tidemill/tidemill/tasks/dbt"
	"go.uber.org/goleak"
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

func node(t *testing.T, nodes []dbt.NodeResult, name string) dbt.NodeResult {
	t.Helper()
	i := slices.IndexFunc(nodes, func(n dbt.NodeResult) bool { return n.Name == name })
	if i < 0 {
		t.Fatalf("no node %s in %v", name, states(nodes))
	}
	return nodes[i]
}

// passed are the results of the nodes that pass in `dbt build` of the tiny project.
var passed = map[string]dbt.State{
	"chatty": dbt.Success, "dated": dbt.Success, "numbers": dbt.Success, "base": dbt.Success, "doubled": dbt.Success,
	"not_null_base_id": dbt.Success, "unique_base_id": dbt.Success, "accepted_values_base_amount__False__10__20": dbt.Warned,
}

// TestRunner goes through one project and database with the long-lived process.
func TestRunner(t *testing.T) {
	s := newSite(t)
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) }) // once the runner is closed
	clock := quartz.NewMock(t)
	r := s.runner(t, dbt.Options{Clock: clock})
	built := testBuild(t, r)
	t.Run("retry", func(t *testing.T) { testRetry(t, r, built) })
	t.Run("run by name", func(t *testing.T) { testSelect(t, r) })
	t.Run("day", func(t *testing.T) { testDay(t, s, r) })
	t.Run("nothing selected", func(t *testing.T) {
		result, err := r.Run(t.Context(), dbt.Invocation{Command: dbt.CommandRun, Select: []string{"no_such_model"}})
		if !errors.Is(err, dbt.ErrEmptySelection) || len(result.Nodes) != 0 {
			t.Errorf("got %v, %v", result.Nodes, err)
		}
	})
	t.Run("usage", func(t *testing.T) { testUsage(t, r) })
	t.Run("hook fails", func(t *testing.T) {
		result, err := r.Run(t.Context(), dbt.Invocation{Command: dbt.CommandRun, Nodes: []string{"model.tiny.dated"}, Env: map[string]string{"TINY_END": "fail"}})
		if err == nil || !strings.Contains(err.Error(), "division by zero") {
			t.Errorf("error = %v, want the hook's", err)
		}
		if result.Passed() || len(result.Hooks) != 1 || result.Hooks[0].State != dbt.Failed {
			t.Errorf("hooks = %+v", result.Hooks)
		}
	})
	t.Run("mistakes", func(t *testing.T) { testMistakes(t, s, r) })
	t.Run("idle", func(t *testing.T) {
		if r.ServerPID() == 0 {
			t.Fatal("the process is not kept")
		}
		clock.Advance(5 * time.Minute).MustWait(t.Context())
		if r.ServerPID() != 0 {
			t.Error("the idle process is kept")
		}
	})
}

// TestPlainCommand is what is used where the long-lived process cannot start, as here.
func TestPlainCommand(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.project.DBT = filepath.Join(filepath.Dir(s.project.Python), "dbt")
	s.project.Python = filepath.Join(s.project.Dir, "no-python-here")
	r := s.runner(t, dbt.Options{Logger: slog.New(slog.DiscardHandler)})
	testBuild(t, r)
	testUsage(t, r)
}

func testUsage(t *testing.T, r *dbt.Runner) {
	code, usage, why, err := r.Raw(t.Context(), "run", "--no-such-option")
	if err != nil || code != 2 || !usage || !strings.Contains(why, "--no-such-option") {
		t.Errorf("got code %d, usage %v, why %q, err %v", code, usage, why, err)
	}
}

func testBuild(t *testing.T, r *dbt.Runner) dbt.Result {
	var events []dbt.NodeEvent
	var lines []string
	result, err := r.Run(t.Context(), dbt.Invocation{
		Command: dbt.CommandBuild, Exclude: []string{"tag:slow"},
		Observe: func(e dbt.NodeEvent) { events = append(events, e) },
		Log:     func(_, node, line string) { lines = append(lines, node+": "+line) },
	})
	var failure *dbt.NodesError
	if !errors.As(err, &failure) || len(failure.Failed) != 2 || failure.Skipped != 1 {
		t.Fatalf("error = %v, want two failed nodes and a skipped one", err)
	}
	want := maps.Clone(passed)
	want["broken"], want["after_broken"], want["never_above_fifty"] = dbt.Failed, dbt.Skipped, dbt.Failed
	if got := states(result.Nodes); !maps.Equal(got, want) {
		t.Errorf("states = %v\nwant %v", got, want)
	}
	if n := node(t, result.Nodes, "base"); n.Rows != 3 || n.Message != "SELECT 3" || n.ExecutionTime <= 0 || n.StartedAt.IsZero() ||
		n.Relation == "" || n.TaskID != "dbt_run_base" || n.Description != "The numbers, as they are." {
		t.Errorf("base = %+v", n)
	} else if sql, err := os.ReadFile(n.CompiledPath); err != nil || !strings.Contains(string(sql), `"tiny"."numbers"`) {
		t.Errorf("compiled SQL = %q, %v", sql, err)
	}
	if n := node(t, result.Nodes, "broken"); !strings.Contains(n.Message, "division by zero") {
		t.Errorf("broken's message = %q", n.Message)
	}
	if n := node(t, result.Nodes, "after_broken"); n.Message != "skipped because of broken failed" {
		t.Errorf("after_broken's message = %q", n.Message)
	}
	if n := node(t, result.Nodes, "never_above_fifty"); n.Failures != 1 {
		t.Errorf("never_above_fifty = %+v", n)
	}
	if !slices.ContainsFunc(lines, func(l string) bool { return l == "model.tiny.chatty: "+strings.Repeat("x", 102400) }) {
		t.Error("the line of 100 KB is missing in the log")
	}
	if i := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, "\x1b") }); i >= 0 {
		t.Errorf("colour codes in the log: %q", lines[i])
	}
	testLive(t, events, result)
	return result
}

// testLive checks that each node was seen planned, then running (a skipped one may not be), then as the result has it.
func testLive(t *testing.T, events []dbt.NodeEvent, result dbt.Result) {
	t.Helper()
	seen := map[string][]dbt.State{}
	for _, e := range events {
		seen[e.UniqueID] = append(seen[e.UniqueID], e.State)
	}
	for i, n := range result.Nodes {
		if events[i].UniqueID != n.UniqueID || events[i].State != dbt.Planned {
			t.Errorf("event %d = %s %s, want the plan first", i, events[i].UniqueID, events[i].State)
		}
		if want := []dbt.State{dbt.Planned, dbt.Running, n.State}; !slices.Equal(slices.Compact(seen[n.UniqueID]), want) {
			t.Errorf("%s went through %v, want %v", n.UniqueID, seen[n.UniqueID], want)
		}
	}
}

// testRetry runs what failed and was skipped, and nothing else, with the cause mended.
func testRetry(t *testing.T, r *dbt.Runner, built dbt.Result) {
	retried, err := r.Run(t.Context(), dbt.Invocation{
		Command: dbt.CommandBuild, Nodes: dbt.RetryNodes(built.Nodes), Env: map[string]string{"TINY_DIVISOR": "1"},
	})
	want := map[string]dbt.State{"broken": dbt.Success, "after_broken": dbt.Success, "never_above_fifty": dbt.Failed}
	if got := states(retried.Nodes); !maps.Equal(got, want) {
		t.Errorf("states = %v\nwant %v (error %v)", got, want, err)
	}
	var failure *dbt.NodesError
	if !errors.As(err, &failure) || len(failure.Failed) != 1 {
		t.Errorf("error = %v, want one failed node", err)
	}
	if merged := dbt.Merge(built.Nodes, retried.Nodes); len(merged) != len(built.Nodes) || len(dbt.RetryNodes(merged)) != 1 {
		t.Errorf("merged = %v", states(merged))
	}
}

func testSelect(t *testing.T, r *dbt.Runner) {
	result, err := r.Run(t.Context(), dbt.Invocation{Command: dbt.CommandTest, Select: []string{"base"}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]dbt.State{"not_null_base_id": dbt.Success, "unique_base_id": dbt.Success, "accepted_values_base_amount__False__10__20": dbt.Warned}
	if got := states(result.Nodes); !maps.Equal(got, want) || !result.Passed() {
		t.Errorf("states = %v\nwant %v, passed", got, want)
	}
}

// testDay: a changed variable takes effect at each run, without parsing the whole project again.
func testDay(t *testing.T, s site, r *dbt.Runner) {
	for _, day := range []string{"2024-01-05", "2024-01-06", "2024-01-05"} {
		_, err := r.Run(t.Context(), dbt.Invocation{
			Command: dbt.CommandRun, Nodes: []string{"model.tiny.dated"}, Env: map[string]string{"TIDEMILL_DBT_DAY": day},
			Log: func(_, _, line string) {
				if strings.Contains(line, "Unable to do partial parsing") {
					t.Errorf("day %s: %s", day, line)
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.value(t, "SELECT day::text FROM tiny.dated"); got != day {
			t.Errorf("the model saw day %s, want %s", got, day)
		}
	}
}

// testMistakes are those of a new user: each is told in dbt's own words, on every node that it stopped, without secrets.
func testMistakes(t *testing.T, s site, r *dbt.Runner) {
	run := func(t *testing.T, model string, env map[string]string, want ...string) {
		t.Helper()
		if model != "" {
			path := filepath.Join(s.project.Dir, "models", "mistake.sql")
			if err := os.WriteFile(path, []byte(model), 0o600); err != nil {
				t.Fatal(err)
			}
			defer os.Remove(path) //nolint:errcheck // the folder goes with the test
		}
		result, err := r.Run(t.Context(), dbt.Invocation{Command: dbt.CommandRun, Env: env, Log: func(_, _, line string) {
			if strings.Contains(line, "hunter2") {
				t.Errorf("a secret in the log: %s", line)
			}
		}})
		var failure *dbt.InvocationError
		if !errors.As(err, &failure) || failure.ExitCode != 2 || errors.Is(err, dbt.ErrUsage) {
			t.Fatalf("error = %v, want an InvocationError with dbt's exit code 2, and no usage error", err)
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("error = %v, want %q in it", err, w)
			}
		}
		for _, n := range result.Nodes {
			if n.State != dbt.Failed || !strings.Contains(n.Message, want[0]) {
				t.Errorf("%s = %s %q, want failed with that reason", n.Name, n.State, n.Message)
			}
		}
	}
	t.Run("no database", func(t *testing.T) {
		run(t, "", map[string]string{"DBT_PG_PORT": "1"}, "Connection refused")
	})
	t.Run("wrong password", func(t *testing.T) {
		run(t, "", map[string]string{"DBT_ENV_SECRET_PG_PASSWORD": "wrong-hunter2"}, "password authentication failed")
	})
	t.Run("bad SQL", func(t *testing.T) {
		s.write(t, map[string]string{"models/mistake.sql": "select id frm {{ ref('numbers') }}"})
		defer s.remove(t, "models/mistake.sql")
		result, err := r.Run(t.Context(), dbt.Invocation{Command: dbt.CommandRun, Select: []string{"mistake"}})
		var failure *dbt.NodesError
		if !errors.As(err, &failure) || len(result.Nodes) != 1 {
			t.Fatalf("error = %v, want one failed node", err)
		}
		for _, want := range []string{"Database Error in model mistake (models/mistake.sql)", "syntax error", "LINE "} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error = %v, want %q in it", err, want)
			}
		}
	})
	t.Run("profile missing", func(t *testing.T) {
		other := s
		other.project.Profile = "tyni"
		_, err := other.runner(t, dbt.Options{}).Run(t.Context(), dbt.Invocation{Command: dbt.CommandRun})
		var failure *dbt.InvocationError
		if !errors.As(err, &failure) || !strings.Contains(err.Error(), "Could not find profile named 'tyni'") {
			t.Errorf("error = %v, want dbt's own words", err)
		}
	})
	t.Run("unknown ref", func(t *testing.T) {
		run(t, "select * from {{ ref('nowhere') }}", nil, "nowhere", "models/mistake.sql")
	})
	t.Run("secret in a message", func(t *testing.T) {
		run(t, "{{ exceptions.raise_compiler_error('it is ' ~ env_var('THE_PASSWORD')) }}", map[string]string{"THE_PASSWORD": "hunter2hunter2"}, "it is *****")
	})
}
