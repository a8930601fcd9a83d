package dbt

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"strings"
	"testing"
)

// tinyManifest is what dbt made of testdata/tiny, cut to what is read of it.
func tinyManifest(t testing.TB) *Manifest {
	t.Helper()
	m, err := ReadManifest("testdata/manifest/tiny.json")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// replay applies a recorded log of dbt to a tracker of the plan, up to the first line that holds until (all, when empty).
func replay(t *testing.T, log string, plan []Node, until string) *tracker {
	t.Helper()
	text, err := os.ReadFile("testdata/events/" + log + ".jsonl")
	if err != nil {
		t.Fatal(err)
	}
	track := newTracker(plan, tinyManifest(t).Node)
	if err := readLines(bufio.NewReader(bytes.NewReader(text)), func(line []byte) bool {
		if until != "" && bytes.Contains(line, []byte(until)) {
			return false
		}
		if e, ok := ParseEvent(line); ok {
			track.apply(e)
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return track
}

func trackedStates(nodes []*NodeResult) map[string]State {
	m := map[string]State{}
	for _, n := range nodes {
		m[n.Name] = n.State
	}
	return m
}

func TestTrackerAndReconcile(t *testing.T) {
	m := tinyManifest(t)
	all := Nodes(m, CommandBuild)
	fast := planned(m, []string{
		"seed.tiny.numbers", "model.tiny.base", "model.tiny.doubled", "model.tiny.dated", "model.tiny.chatty", "model.tiny.broken", "model.tiny.after_broken",
		"test.tiny.never_above_fifty", "test.tiny.not_null_base_id.910041d42f", "test.tiny.unique_base_id.c59834fb40", "test.tiny.accepted_values_base_amount__False__10__20.1807f5b4e5",
	})
	good := map[string]State{
		"chatty": Success, "dated": Success, "numbers": Success, "base": Success, "doubled": Success, "not_null_base_id": Success, "unique_base_id": Success,
		"accepted_values_base_amount__False__10__20": Warned, "broken": Failed, "after_broken": Skipped, "never_above_fifty": Failed,
	}
	with := func(more map[string]State) map[string]State {
		c := maps.Clone(good)
		maps.Copy(c, more)
		return c
	}
	slow := planned(m, []string{"model.tiny.slow", "model.tiny.after_slow", "model.tiny.dated"})
	cancelled := ending{code: 2, cut: context.Canceled}
	var nodesFailed *NodesError
	var invocation *InvocationError
	for name, c := range map[string]struct {
		log, until string
		plan       []Node
		results    map[string]nodeResult
		end        ending
		want       map[string]State
		message    map[string]string
		err        func(error) bool
	}{
		"all told": {log: "build", plan: fast, end: ending{code: 1}, want: good,
			message: map[string]string{"base": "SELECT 3", "after_broken": "skipped because of broken failed"},
			err: func(err error) bool {
				return errors.As(err, &nodesFailed) && len(nodesFailed.Failed) == 2 && nodesFailed.Skipped == 1
			}},
		"planned nodes that dbt never told of": {log: "build", plan: all, end: ending{code: 1}, want: with(map[string]State{"slow": Failed, "after_slow": Failed}),
			message: map[string]string{"slow": "never began: dbt ended with exit code 1"}},
		"nodes beyond the plan": {log: "build", plan: fast[:1], end: ending{code: 1}, want: good},
		"one selector of several matches nothing": {log: "empty", until: "NothingToDo", plan: planned(m, []string{"model.tiny.base"}), end: ending{code: 1},
			results: map[string]nodeResult{"model.tiny.base": {Status: "error", Message: "oh"}}, want: map[string]State{"base": Failed},
			err: func(err error) bool { return errors.As(err, &nodesFailed) }},
		"dbt died": {log: "build", until: `unique_id": "model.tiny.broken"`, plan: fast, end: ending{code: -1, why: "the dbt process ended: signal: killed"},
			want:    with(map[string]State{"broken": Failed, "after_broken": Failed, "never_above_fifty": Failed, "doubled": Failed}),
			message: map[string]string{"broken": "never began: the dbt process ended: signal: killed"},
			err:     func(err error) bool { return errors.As(err, &invocation) && invocation.ExitCode == -1 }},
		"the results alone": {log: "empty", until: "{", plan: planned(m, []string{"model.tiny.base", "model.tiny.doubled"}), end: ending{code: 1},
			results: map[string]nodeResult{"model.tiny.base": {Status: "success"}, "model.tiny.doubled": {Status: "error", Message: "oh"}},
			want:    map[string]State{"base": Success, "doubled": Failed}, message: map[string]string{"doubled": "oh"}},
		"the results contradict the log": {log: "build", plan: fast, end: ending{code: 1}, results: map[string]nodeResult{"model.tiny.base": {Status: "error", Message: "oh"}},
			want: with(map[string]State{"base": Failed}), message: map[string]string{"base": "dbt's log says success but its results say error: oh"}},
		"a status that is not known": {log: "empty", until: "{", plan: planned(m, []string{"model.tiny.base"}), end: ending{code: 0},
			results: map[string]nodeResult{"model.tiny.base": {Status: "splendid"}}, want: map[string]State{"base": Failed}},
		"green in the log, not in the results": {log: "interrupted", until: "LogCancelLine", plan: planned(m, []string{"model.tiny.dated"}), end: ending{code: 0},
			results: map[string]nodeResult{}, want: map[string]State{"dated": Failed, "slow": Failed}},
		"interrupted by us": {log: "interrupted", plan: slow, end: cancelled, want: map[string]State{"dated": Success, "slow": Failed, "after_slow": Failed},
			message: map[string]string{"after_slow": "never began: context canceled"},
			err:     func(err error) bool { return errors.Is(err, ErrInterrupted) && errors.Is(err, context.Canceled) }},
		"interrupted by another": {log: "interrupted", plan: slow, end: ending{code: 2}, want: map[string]State{"dated": Success, "slow": Failed, "after_slow": Failed},
			err: func(err error) bool { return errors.Is(err, ErrInterrupted) && !errors.Is(err, context.Canceled) }},
		"nothing selected": {log: "empty", plan: nil, end: ending{code: 0}, want: map[string]State{},
			err: func(err error) bool { return errors.Is(err, ErrEmptySelection) }},
		"nothing selected of what was planned": {log: "empty", plan: slow[:1], end: ending{code: 0}, want: map[string]State{slow[0].Name: Failed},
			err: func(err error) bool { return errors.Is(err, ErrEmptySelection) }},
		"no database": {log: "no_database", plan: slow, end: ending{code: 2, why: "Connection refused"}, want: map[string]State{"dated": Failed, "slow": Failed, "after_slow": Failed},
			message: map[string]string{"slow": "never began: Connection refused"},
			err: func(err error) bool {
				return errors.As(err, &invocation) && !errors.Is(err, ErrUsage) && !errors.Is(err, ErrInterrupted)
			}},
		"usage": {log: "empty", until: "{", plan: slow, end: ending{code: 2, why: "No such option", usage: true}, want: map[string]State{"dated": Failed, "slow": Failed, "after_slow": Failed},
			err: func(err error) bool { return errors.Is(err, ErrUsage) }},
		"exit 1 with all green": {log: "interrupted", until: "LogCancelLine", plan: planned(m, []string{"model.tiny.dated"}), end: ending{code: 1},
			results: map[string]nodeResult{"model.tiny.dated": {Status: "success"}, "model.tiny.slow": {Status: "success"}}, want: map[string]State{"dated": Success, "slow": Success},
			err: func(err error) bool { return errors.As(err, &invocation) && invocation.ExitCode == 1 }},
	} {
		t.Run(name, func(t *testing.T) {
			track := replay(t, c.log, c.plan, c.until)
			track.reconcile(c.results, c.end)
			if got := trackedStates(track.nodes); !maps.Equal(got, c.want) {
				t.Errorf("states = %v\nwant %v", got, c.want)
			}
			for name, want := range c.message {
				for _, n := range track.nodes {
					if n.Name == name && !strings.HasPrefix(n.Message, want) {
						t.Errorf("message of %s = %q, want %q", name, n.Message, want)
					}
				}
			}
			err := verdict(CommandBuild, track, c.end)
			if c.err != nil && !c.err(err) {
				t.Errorf("verdict = %v", err)
			}
			for _, n := range track.nodes {
				if !n.State.Terminal() {
					t.Errorf("%s is left %s", n.Name, n.State)
				}
				if !n.State.Passed() && err == nil {
					t.Errorf("%s is %s and the verdict has no error", n.Name, n.State)
				}
			}
		})
	}
}

func TestRetryAndMerge(t *testing.T) {
	result := func(id string, s State) NodeResult { return NodeResult{Node: Node{UniqueID: id, Name: id}, State: s} }
	first := []NodeResult{result("a", Success), result("b", Failed), result("c", Skipped), result("d", Warned)}
	if got := strings.Join(RetryNodes(first), " "); got != "b c" {
		t.Errorf("retry = %q, want b c", got)
	}
	merged := Merge(first, []NodeResult{result("b", Success), result("c", Failed), result("e", Success)})
	var got []string
	for _, n := range merged {
		got = append(got, n.Name+" "+string(n.State))
	}
	if want := "a success, b success, c failed, d warn, e success"; strings.Join(got, ", ") != want {
		t.Errorf("merged = %q, want %q", strings.Join(got, ", "), want)
	}
	if first[1].State != Failed {
		t.Error("Merge changed its input")
	}
	if RetryNodes(merged[:2]) != nil {
		t.Error("a retry of what passed")
	}
}
