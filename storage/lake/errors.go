package lake

import "errors"

// What a caller decides on.
var (
	// ErrCorrupt: a file or log entry is not what was committed.
	ErrCorrupt = errors.New("lake: corrupt")
	// ErrConflict: another writer has committed offsets of the batch. The batch
	// is gone and must not be tried again; read on from the log's head.
	ErrConflict = errors.New("lake: offsets are committed by another writer")
	// ErrFenced: this writer was declared dead. Make a new one.
	ErrFenced = errors.New("lake: writer is fenced")
	// ErrTooManyDays: the batch has MaxOpenDays days open; commit it first.
	ErrTooManyDays = errors.New("lake: too many open days")

	// ErrStale: files that a replacement was to take out are not in the lake any
	// more. It is void: plan it anew.
	ErrStale = errors.New("lake: the replacement is planned on files that are gone")
	// ErrBusy: another process swaps the day's folder. Try again in a while.
	ErrBusy = errors.New("lake: another process swaps the day's folder")

	// ErrNotKept: the lake as it was then is not kept any more.
	ErrNotKept = errors.New("lake: not kept any more")

	errSealed = errors.New("lake: the batch is sealed")
)
