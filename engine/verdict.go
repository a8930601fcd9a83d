package engine

// A VerdictTask is what a run's verdict looks at in one task instance.
type VerdictTask struct {
	State             State
	Downstream        []int // indexes of the instances that follow it directly
	Teardown, FailRun bool  // FailRun: a teardown that counts like any other task
}

// ignorable tells whether the verdict looks past t.
func (t *VerdictTask) ignorable() bool {
	return t.State == Removed || t.Teardown && !t.FailRun
}

// RunVerdict says how a run stands that has these task instances. While one is unfinished, done is false and the rest
// says nothing. Then the run failed if an effective leaf is failed or upstream_failed, or if failOnAny is set and any
// task failed; otherwise it succeeded. failedTasks counts the failed ones, wherever they are.
//
// An effective leaf is a task that nothing but teardowns follows, and no teardown itself; a teardown with FailRun counts
// like any other task. Where there are only other teardowns, those that nothing follows are the leaves. Removed tasks
// are left out.
func RunVerdict(tasks []VerdictTask, failOnAny bool) (state RunState, failedTasks int, done bool) {
	for i := range tasks {
		switch s := tasks[i].State; {
		case !s.Terminal():
			return RunRunning, 0, false
		case s == Failed:
			failedTasks++
		}
	}
	if failOnAny && failedTasks > 0 {
		return RunFailed, failedTasks, true
	}
	bad, found := badLeaf(tasks, (*VerdictTask).ignorable)
	if !found {
		bad, _ = badLeaf(tasks, func(t *VerdictTask) bool { return t.State == Removed })
	}
	if bad {
		return RunFailed, failedTasks, true
	}
	return RunSuccess, failedTasks, true
}

// badLeaf tells whether a leaf ended badly, and whether there is a leaf at all, when those that ignored says are looked past.
func badLeaf(tasks []VerdictTask, ignored func(*VerdictTask) bool) (bad, found bool) {
	for i := range tasks {
		if t := &tasks[i]; !ignored(t) && isLeaf(tasks, t, ignored) {
			found = true
			if t.State.Bad() {
				return true, true
			}
		}
	}
	return false, found
}

func isLeaf(tasks []VerdictTask, t *VerdictTask, ignored func(*VerdictTask) bool) bool {
	for _, d := range t.Downstream {
		if !ignored(&tasks[d]) {
			return false
		}
	}
	return true
}
