package engine

import "time"

// A PermanentError ends its task failed, whatever retries are left. See [Permanent].
type PermanentError struct{ Err error }

// Error implements error.
func (e *PermanentError) Error() string { return e.Err.Error() }

// Unwrap returns what was given to [Permanent].
func (e *PermanentError) Unwrap() error { return e.Err }

// Permanent returns err marked as one that a retry would not mend: a task whose body returns it fails at once. It keeps
// err's message, and errors.Is and errors.As see err within. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &PermanentError{Err: err}
}

// A RetryAfterError sets when its task is tried again. See [RetryAfter].
type RetryAfterError struct {
	Err   error
	Delay time.Duration // from the end of the attempt; at least 0
}

// Error implements error.
func (e *RetryAfterError) Error() string { return e.Err.Error() }

// Unwrap returns what was given to [RetryAfter].
func (e *RetryAfterError) Unwrap() error { return e.Err }

// RetryAfter returns err with the delay before the next try, in place of the one that the task's [Retry] gives (a rate
// limit's answer, say). The attempt counts against Max all the same; MaxDelay does not bound d, below 0 counts as 0.
// It keeps err's message, and errors.Is and errors.As see err within. RetryAfter(nil, d) is nil.
func RetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &RetryAfterError{Err: err, Delay: max(d, 0)}
}

// A SkipError ends its task skipped. See [Skip].
type SkipError struct{ Reason string }

// Error implements error.
func (e *SkipError) Error() string { return "skipped: " + e.Reason }

// Skip returns an error that ends the task whose body returns it as skipped, for the reason given, which is shown.
func Skip(reason string) error { return &SkipError{Reason: reason} }
