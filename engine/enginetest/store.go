package enginetest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/coder/quartz"
	"github.com/google/uuid"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/turns"
)

// A Store is an engine.Store in memory: maps under one mutex. It copies what goes in and out, takes the time only from its
// clock, and is safe for concurrent use. Any number of runtimes may share one, as processes share a database.
//
// Set its fields before the first use.
type Store struct {
	// Fail, when set, is asked at the start of each operation with the method's name ("Claim") and once more after its
	// effects are there ("Claim.commit"). An error that it returns is what the caller gets: at the start nothing has
	// happened; at the commit all has, and only the answer is lost. It is called outside the store's lock.
	Fail func(op string) error
	// Repeat calls each Decide twice and takes the second answer, as a store does whose transaction had to be repeated.
	Repeat bool

	clock quartz.Clock

	mu         sync.Mutex
	dags       map[string]*dag
	scopes     map[string]*scope
	runs       map[int64]*run
	lastRun    int64
	lastItem   int64
	lastWrite  int64 // orders attempts, timers and log chunks
	workers    map[int64]*worker
	lastWorker int64
	held       map[int64]map[*item]struct{} // leases by worker, with or without a row
	receivers  []receiver
	messages   []*message // id − 1 is the index
	pending    map[int64]*message
	streams    map[string]*stream
	backfills  []*backfill // id − 1 is the index
	logs       map[logKey][]engine.LogChunk
	turns      turns.Turns
	pools      map[string]*pool
	assets     []engine.AssetEvent // id − 1 is the index
	noAssets   map[int64]bool      // ids of those that were pruned
	audit      []engine.AuditEntry // by id
	lastAct    int64
}

var _ engine.Store = (*Store)(nil)

// NewStore returns an empty store on a clock.
func NewStore(clock quartz.Clock) *Store {
	return &Store{
		clock:   clock,
		dags:    map[string]*dag{},
		runs:    map[int64]*run{},
		workers: map[int64]*worker{},
		held:    map[int64]map[*item]struct{}{},
		pending: map[int64]*message{},
		streams: map[string]*stream{},
		logs:    map[logKey][]engine.LogChunk{},
		pools:   map[string]*pool{},
	}
}

// Now returns the clock's time.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	return query(ctx, s, "Now", func(now time.Time) (time.Time, error) { return now, nil })
}

// Close does nothing: a store can be shared and ends with its test.
func (s *Store) Close() {}

// query runs one operation under the lock, between the two calls of Fail.
func query[T any](ctx context.Context, s *Store, op string, f func(now time.Time) (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, fmt.Errorf("%s: %w", op, err)
	}
	if err := s.fail(op); err != nil {
		return none, err
	}
	answer, err := locked(s, f)
	if d, ok := err.(decideError); ok { //nolint:errorlint // decide makes it, nothing wraps it
		return none, d.error
	}
	if err != nil {
		return none, fmt.Errorf("%s: %w", op, err)
	}
	if err := s.fail(op + ".commit"); err != nil {
		return none, err
	}
	return answer, nil
}

// A decideError is what a Decide returned: the caller gets it as it is.
type decideError struct{ error }

// exec is query for operations that only succeed or fail.
func exec(ctx context.Context, s *Store, op string, f func(now time.Time) error) error {
	_, err := query(ctx, s, op, func(now time.Time) (struct{}, error) { return struct{}{}, f(now) })
	return err
}

func locked[T any](s *Store, f func(now time.Time) (T, error)) (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()              // also when a Decide panics
	return f(s.clock.Now().Round(0)) // without the monotonic reading, as a database would tell it
}

func (s *Store) fail(op string) error {
	if s.Fail == nil {
		return nil
	}
	if err := s.Fail(op); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// nextWrite numbers what is written, so that of two things of one moment the later is known.
func (s *Store) nextWrite() int64 {
	s.lastWrite++
	return s.lastWrite
}

func leased(id uuid.UUID) bool { return id != uuid.Nil }
