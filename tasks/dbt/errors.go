package dbt

import (
	"errors"
	"fmt"
	"strings"
)

// Errors that a caller decides on.
var (
	// ErrEmptySelection: the command would have run nothing. dbt itself calls that a success.
	ErrEmptySelection = errors.New("dbt: the selection holds no node")
	// ErrUsage: dbt, or this package, refused what it was asked; asking again gives the same.
	ErrUsage = errors.New("dbt: usage error")
	// ErrInterrupted: dbt was cut off by the end of the caller's context, a lost lock or a signal from outside.
	ErrInterrupted = errors.New("dbt: interrupted")
	// ErrLockLost: the guard lost the lock during the run, so that another dbt may have begun; ours was cut off.
	ErrLockLost = errors.New("dbt: the lock on the project was lost")
	// ErrClosed: the runner was closed.
	ErrClosed = errors.New("dbt: the runner is closed")
)

// NodesError says which nodes did not pass. Where it is returned, the Result holds all of them.
type NodesError struct {
	Command Command
	Failed  []NodeResult // nodes and hooks that failed
	Skipped int          // nodes that were left out because of them
}

// Error names the failed nodes and the first one's message.
func (e *NodesError) Error() string {
	names := make([]string, 0, len(e.Failed))
	for _, n := range e.Failed {
		names = append(names, n.Name)
	}
	text := fmt.Sprintf("dbt %s: %d failed (%s)", e.Command, len(e.Failed), strings.Join(names, ", "))
	if e.Skipped > 0 {
		text += fmt.Sprintf(", %d skipped", e.Skipped)
	}
	if len(e.Failed) > 0 {
		text += ": " + e.Failed[0].Message
	}
	return text
}

// InvocationError says that dbt itself could not do its work: a mistake in the project, no database, a dead process.
// errors.Is finds ErrUsage, ErrInterrupted and the cause of a cancelled context in it.
type InvocationError struct {
	Command  Command
	ExitCode int    // dbt's own; -1 when its process died without one
	Message  string // dbt's own words
	Cause    error  // ErrUsage, ErrInterrupted or nil
}

// Error is what dbt said.
func (e *InvocationError) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("dbt %s: %v: %s", e.Command, e.Cause, e.Message)
	}
	return fmt.Sprintf("dbt %s: %s", e.Command, e.Message)
}

// Unwrap returns the cause.
func (e *InvocationError) Unwrap() error { return e.Cause }
