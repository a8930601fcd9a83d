package dbt

import (
	"time"

	"github.com/tidemill/tidemill/engine"
)

// State is where a node is. A node begins Planned, may be Running, and ends in one of the others.
type State string

// The states of a node.
const (
	Planned State = "planned"
	Running State = "running"
	Success State = "success" // built, or the test passed
	Warned  State = "warn"    // a test of severity warn found something: a success with a warning
	Failed  State = "failed"  // an error, a failed test, or cut off before its end
	Skipped State = "skipped" // dbt left it out because of what it depends on
)

// Terminal tells whether a node in this state is done.
func (s State) Terminal() bool { return s != Planned && s != Running }

// Passed tells whether what depends on the node may go on.
func (s State) Passed() bool { return s == Success || s == Warned }

// stateOf translates dbt's statuses. What is not known is no success.
func stateOf(status string) State {
	switch status {
	case "success", "pass", "no-op", "reused":
		return Success
	case "warn":
		return Warned
	case "skipped":
		return Skipped
	case "started", "compiling", "executing":
		return Running
	}
	return Failed // error, fail, runtime error, partial success, and whatever a later dbt invents
}

// NodeResult is a node and what became of it so far.
type NodeResult struct {
	Node
	State         State
	Message       string        // dbt's words: an error, "SELECT 42", "Got 1 result, configured to warn if != 0"; of a skipped node: why
	Rows          int64         // rows affected, as the database said; -1 where it did not
	Failures      int64         // rows that a test found
	ExecutionTime time.Duration // dbt's own figure
	StartedAt     time.Time     // by dbt's clock; zero when it never began
	FinishedAt    time.Time     // by dbt's clock; zero when dbt did not say
	CompiledPath  string        // the file of its compiled SQL; empty when there is none
	FailingRows   *engine.Table // the first rows that a test has found, personal data masked; nil where there are none or nobody could read them
}

// NodeEvent tells of a change of a node: it began, it finished, or the reconciliation settled it.
type NodeEvent = NodeResult
