package dbt

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Result is what one invocation did. Every node in it is in a terminal state.
type Result struct {
	Command    Command
	Nodes      []NodeResult  // in plan order
	Hooks      []NodeResult  // on-run-start and on-run-end
	Elapsed    time.Duration // from the call to the end of dbt, waiting for the lock left out
	TargetPath string        // where dbt left its files; kept for the last runs only
}

// Passed tells whether there is a node and every node and hook passed.
func (r Result) Passed() bool {
	for _, n := range append(append([]NodeResult(nil), r.Nodes...), r.Hooks...) {
		if !n.State.Passed() {
			return false
		}
	}
	return len(r.Nodes) > 0
}

// RetryNodes returns the unique ids that a retry has to run: all that did not pass, in the order given. Hooks are run
// by every invocation. It is nil when all passed.
func RetryNodes(previous []NodeResult) []string {
	var ids []string
	for _, n := range previous {
		if !n.State.Passed() {
			ids = append(ids, n.UniqueID)
		}
	}
	return ids
}

// Merge returns the nodes of previous, each as it is in retried where that has it; nodes that only retried has follow.
func Merge(previous, retried []NodeResult) []NodeResult {
	at := make(map[string]int, len(previous))
	merged := append([]NodeResult(nil), previous...)
	for i, n := range merged {
		at[n.UniqueID] = i
	}
	for _, n := range retried {
		if i, ok := at[n.UniqueID]; ok {
			n.DependsOn = merged[i].DependsOn // the edges of the whole plan
			merged[i] = n
		} else {
			merged = append(merged, n)
		}
	}
	return merged
}

// verdict is the error of an invocation whose nodes are all settled.
func verdict(command Command, t *tracker, end ending) error {
	var failed []NodeResult
	skipped := 0
	for _, n := range append(append([]*NodeResult(nil), t.nodes...), t.hooks...) {
		switch n.State {
		case Failed:
			failed = append(failed, *n)
		case Skipped:
			skipped++
		}
	}
	switch {
	case end.cut != nil:
		return &InvocationError{Command: command, ExitCode: end.code, Message: end.cut.Error(), Cause: errors.Join(ErrInterrupted, end.cut)}
	case t.interrupted:
		return &InvocationError{Command: command, ExitCode: end.code, Message: "dbt was interrupted by a signal from outside", Cause: ErrInterrupted}
	case end.usage:
		return &InvocationError{Command: command, ExitCode: end.code, Message: end.why, Cause: ErrUsage}
	case end.code != 0 && end.code != 1:
		return &InvocationError{Command: command, ExitCode: end.code, Message: end.reason()}
	case t.empty && len(failed) == len(t.nodes): // nothing ran
		return fmt.Errorf("dbt %s: %w", command, ErrEmptySelection)
	case len(failed) > 0 || skipped > 0:
		return &NodesError{Command: command, Failed: failed, Skipped: skipped}
	case end.code != 0:
		return &InvocationError{Command: command, ExitCode: end.code, Message: strings.Join(append(t.errors, end.reason()), "; ")}
	}
	return nil
}
