package engine

import "testing"

func TestRunVerdict(t *testing.T) {
	task := func(s State, downstream ...int) VerdictTask { return VerdictTask{State: s, Downstream: downstream} }
	teardown := func(s State, downstream ...int) VerdictTask {
		return VerdictTask{State: s, Downstream: downstream, Teardown: true}
	}
	failing := func(s State, downstream ...int) VerdictTask {
		return VerdictTask{State: s, Downstream: downstream, Teardown: true, FailRun: true}
	}
	for _, c := range []struct {
		name      string
		tasks     []VerdictTask
		failOnAny bool
		want      RunState
		failed    int
	}{
		{"all succeeded", []VerdictTask{task(Success, 1), task(Success)}, false, RunSuccess, 0},
		{"a leaf skipped", []VerdictTask{task(Success, 1), task(Skipped)}, false, RunSuccess, 0},
		{"a leaf failed", []VerdictTask{task(Success, 1), task(Failed)}, false, RunFailed, 1},
		{"a leaf upstream_failed", []VerdictTask{task(Failed, 1), task(UpstreamFailed)}, false, RunFailed, 1},
		{"one leaf of two failed", []VerdictTask{task(Success, 1, 2), task(Success), task(Failed)}, false, RunFailed, 1},
		{"a failed task before a good leaf", []VerdictTask{task(Failed, 1), task(Success)}, false, RunSuccess, 1},
		{"the same, failing on any", []VerdictTask{task(Failed, 1), task(Success)}, true, RunFailed, 1},
		{"none failed, failing on any", []VerdictTask{task(Skipped, 1), task(Success)}, true, RunSuccess, 0},
		{"several failed before a good leaf", []VerdictTask{task(Failed, 2), task(Failed, 2), task(Success)}, false, RunSuccess, 2},
		{"a running leaf", []VerdictTask{task(Failed), task(Running)}, false, RunRunning, 0},
		{"a running task before a leaf decided early", []VerdictTask{task(Failed, 2), task(Running, 2), task(UpstreamFailed)}, false, RunRunning, 0},
		{"a task to be retried", []VerdictTask{task(Success), task(UpForRetry)}, true, RunRunning, 0},
		{"a running teardown holds the run open", []VerdictTask{task(Failed, 1), teardown(Running)}, false, RunRunning, 0},

		{"a failed teardown does not count", []VerdictTask{task(Success, 1), teardown(Failed)}, false, RunSuccess, 1},
		{"a failed teardown, failing on any", []VerdictTask{task(Success, 1), teardown(Failed)}, true, RunFailed, 1},
		{"the work before a teardown counts", []VerdictTask{task(Failed, 1), teardown(Success)}, false, RunFailed, 1},
		{"work before two teardowns in a row", []VerdictTask{task(Failed, 1), teardown(Success, 2), teardown(Success)}, false, RunFailed, 1},
		{"work before a teardown and more work", []VerdictTask{task(Failed, 1, 2), teardown(Success), task(Success)}, false, RunSuccess, 1},
		{"a teardown with FailRun counts", []VerdictTask{task(Success, 1), failing(Failed)}, false, RunFailed, 1},
		{"work before a teardown with FailRun is no leaf", []VerdictTask{task(Failed, 1), failing(Success)}, false, RunSuccess, 1},
		{"a teardown with FailRun before another teardown", []VerdictTask{failing(Failed, 1), teardown(Success)}, false, RunFailed, 1},

		{"teardowns only: the last succeeded", []VerdictTask{teardown(Failed, 1), teardown(Success)}, false, RunSuccess, 1},
		{"teardowns only: the last failed", []VerdictTask{teardown(Success, 1), teardown(Failed)}, false, RunFailed, 1},

		{"a removed leaf is left out", []VerdictTask{task(Success), task(Removed)}, false, RunSuccess, 0},
		{"what a removed leaf followed is the leaf", []VerdictTask{task(Failed, 1), task(Removed)}, false, RunFailed, 1},
		{"removed work leaves teardowns only", []VerdictTask{task(Removed, 1), teardown(Failed)}, false, RunFailed, 1},
		{"all removed", []VerdictTask{task(Removed, 1), task(Removed)}, false, RunSuccess, 0},
		{"no tasks", nil, false, RunSuccess, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			state, failed, done := RunVerdict(c.tasks, c.failOnAny)
			if state != c.want || failed != c.failed || done != c.want.Terminal() {
				t.Errorf("%s with %d failed, done %v; want %s with %d", state, failed, done, c.want, c.failed)
			}
		})
	}
}

func TestRunVerdictDoesNotAllocate(t *testing.T) {
	tasks := []VerdictTask{{State: Failed, Downstream: []int{1}}, {State: Success, Teardown: true}}
	if n := testing.AllocsPerRun(100, func() { RunVerdict(tasks, false) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRunVerdict(b *testing.B) {
	tasks := make([]VerdictTask, 1000)
	for i := range tasks {
		tasks[i] = VerdictTask{State: Success, Downstream: []int{min(i+1, 999)}}
	}
	tasks[999].Downstream = nil
	for b.Loop() {
		RunVerdict(tasks, false)
	}
}
