package engine

import "errors"

// What callers decide on. They are wrapped with what was being done to what; compare with errors.Is.
var (
	// ErrNotFound says that what was named does not exist (HTTP 404).
	ErrNotFound = errors.New("not found")
	// ErrConflict says that what was asked for does not fit what exists (HTTP 409).
	ErrConflict = errors.New("conflict")
	// ErrLostLease says that an attempt no longer holds its task: it stops and changes nothing.
	ErrLostLease = errors.New("lease lost")
)

// An InvalidError refuses an input (HTTP 422): Field is its name as the caller wrote it, Message what is wrong with it
// and how to mend it.
type InvalidError struct{ Field, Message string }

// Error implements error.
func (e *InvalidError) Error() string { return e.Field + ": " + e.Message }

// ErrRefused marks an error of a store that will come again however often the same is tried, because of the data: a value that
// cannot be stored.
var ErrRefused = errors.New("refused")
