package dbt

import "context"

// Guard keeps two dbt from building the same target at once, in whatever process they run, and ends what a killed one
// left running in the database. Both methods are called with Project.ApplicationName.
type Guard interface {
	// Lock waits until no one else holds the name. held ends with ctx, and with the cause ErrLockLost when the lock is
	// lost before release. The caller calls release once. It errs when ctx ends first or the lock cannot be asked for.
	Lock(ctx context.Context, name string) (held context.Context, release func(), err error)

	// Terminate ends every session of that name but the caller's, waits until they are gone, and returns their number.
	Terminate(ctx context.Context, name string) (int, error)
}

// noGuard is what a Runner without a Guard has: only the runs of that Runner exclude each other.
type noGuard struct{}

func (noGuard) Lock(ctx context.Context, _ string) (context.Context, func(), error) {
	return ctx, func() {}, nil
}

func (noGuard) Terminate(context.Context, string) (int, error) { return 0, nil }
