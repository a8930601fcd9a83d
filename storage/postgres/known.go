package postgres

import (
	"slices"
	"sync"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// What a transition left behind is kept, so that the next one of the same runs can be made without reading them: see inOne. It is a guess.
// Whoever writes by it proves it.

const (
	mostKnown      = 4096            // runs that are kept at most, and
	mostKnownBytes = 4 << 20         // of their states and params: what has not been asked for the longest is forgotten
	mostRest       = 64              // transitions that are made the long way after a wrong guess, at most
	clockGood      = time.Second     // how long a sample of the database's clock is good
	clockSlack     = 2 * time.Second // how far the time of a decision may be from the database's when it is written
)

// A knownRun is a run as this process has written it.
type knownRun struct {
	row    engine.RunRow
	writer uint32 // the number of the transaction that wrote it, as xmin has it: who changes the run leaves another
}

// knowledge is what one process knows of runs that it works on. Its zero value knows nothing.
type knowledge struct {
	mu     sync.Mutex
	runs   recent[int64, knownRun]
	server string // whose life all of it is from: another may have lost what was committed, and give its numbers out again
	clock  clockSample
	rest   int // transitions still to be made the long way
	wrong  int // how long the rest is after the next wrong guess
}

// find is what a transition would find if nothing has changed since; false when something of it is not known, or guesses have been wrong
// lately.
func (k *knowledge) find(keys []int64, t *engine.Transition, ours time.Time) (*found, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, ok := k.clock.now(ours)
	if !ok {
		return nil, false
	}
	if k.rest > 0 {
		k.rest--
		return nil, false
	}
	f := newFound(t, len(keys))
	f.writers = make([]uint32, 0, len(keys))
	for _, key := range keys {
		r, ok := k.runs.get(key)
		if !ok {
			return nil, false
		}
		f.runs, f.writers = append(f.runs, r.row), append(f.writers, r.writer)
	}
	for i := range f.Held {
		f.Held[i] = true
	}
	f.Worker, f.now, f.server, f.keep = t.Worker != 0, now, k.server, true
	return f, true
}

// wrote takes in what a transaction has left of runs.
func (k *knowledge) wrote(f *found, changes []engine.RunChange, writer uint32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.server != f.mark.server {
		k.runs, k.server = recent[int64, knownRun]{}, f.mark.server
	}
	for i := range changes {
		c := &changes[i]
		n, ok := slices.BinarySearchFunc(f.runs, c.Key, compareKey)
		if !ok || c.State.Terminal() {
			k.runs.drop(c.Key)
			continue
		}
		row := f.runs[n]
		row.State, row.States, row.Version, row.FailedTasks = c.State, c.States, c.Version, c.FailedTasks
		if c.StartedAt != nil {
			row.StartedAt = c.StartedAt
		}
		if c.Reopened {
			row.EndedAt = nil
		}
		k.runs.put(c.Key, knownRun{row, writer}, len(c.States)+len(row.Params))
	}
}

// right and mistaken take in how a guess turned out. Where others work on the same runs, guesses are wrong and cost a round trip: then they
// become rare.
func (k *knowledge) right() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.wrong /= 2
}

func (k *knowledge) mistaken(keys []int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.wrong = min(2*k.wrong+1, mostRest)
	k.rest = k.wrong
	for _, key := range keys {
		k.runs.drop(key)
	}
}

// sample takes in what the database's clock said a moment ago.
func (k *knowledge) sample(theirs, ours time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.clock.take(theirs, ours)
}

// A clockSample tells the database's clock by our own for a moment. It lags behind by the time that an answer took, so that another sample
// is taken only when this one is out of date or lags more.
type clockSample struct{ theirs, ours time.Time }

func (c *clockSample) now(ours time.Time) (time.Time, bool) {
	since := ours.Sub(c.ours)
	if c.theirs.IsZero() || since < 0 || since > clockGood {
		return time.Time{}, false
	}
	return c.theirs.Add(since).Truncate(time.Microsecond), true // as the database has it: what is written twice must be one time
}

func (c *clockSample) take(theirs, ours time.Time) {
	if now, ok := c.now(ours); !ok || theirs.After(now) {
		c.theirs, c.ours = theirs, ours
	}
}

// recent is a map that forgets what has not been asked for the longest: when there is too much, what came or was asked for since the last
// time is kept.
type recent[K comparable, V any] struct {
	young, old map[K]V
	bytes      int // that came since
}

func (r *recent[K, V]) get(key K) (V, bool) {
	if v, ok := r.young[key]; ok {
		return v, true
	}
	v, ok := r.old[key]
	if ok {
		r.young[key] = v
	}
	return v, ok
}

func (r *recent[K, V]) put(key K, v V, size int) {
	if r.bytes += size; r.young == nil || len(r.young) >= mostKnown/2 || r.bytes > mostKnownBytes {
		r.young, r.old, r.bytes = map[K]V{}, r.young, size
	}
	r.young[key] = v
}

func (r *recent[K, V]) drop(key K) {
	delete(r.young, key)
	delete(r.old, key)
}
