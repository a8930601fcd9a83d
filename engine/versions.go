package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// A runVersion is what a version of a DAG has to do with the runs on it.
type runVersion struct {
	tasks    []string // that the states of its runs are aligned with
	pinned   bool     // its runs stay on it
	released bool     // by a person's word: the run leaves it all the same
}

// versionCache knows which tasks the versions of DAGs have, so that a run which started under another version can be read. Versions
// never change, so what is known stays true.
type versionCache struct {
	store Store
	mu    sync.Mutex
	known map[[2]string]runVersion
}

func newVersionCache(s Store) *versionCache {
	return &versionCache{store: s, known: map[[2]string]runVersion{}}
}

// unknownVersion asks for a version's tasks to be read before the decision is made again.
type unknownVersion struct{ dag, version string }

func (e *unknownVersion) Error() string {
	return fmt.Sprintf("version %s of DAG %s is not known yet", e.version, e.dag)
}

// of is the version that a run is on, for a process that has the definition d. It is called inside decisions and so does not read: a
// version that is not known is an unknownVersion error, after which transition reads it and tries again.
func (c *versionCache) of(d *Definition, r RunRow) (runVersion, error) {
	if r.Version == d.Version || len(r.States) == 0 {
		return runVersion{tasks: d.taskIDs, pinned: d.Spec.Pin}, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok := c.known[[2]string{r.DAG, r.Version}]; ok {
		return v, nil
	}
	return runVersion{}, &unknownVersion{r.DAG, r.Version}
}

func (c *versionCache) load(ctx context.Context, u *unknownVersion) error {
	spec, err := c.store.Spec(ctx, u.dag, u.version)
	if err != nil {
		return fmt.Errorf("read version %s of DAG %s: %w", u.version, u.dag, err)
	}
	ids := make([]string, len(spec.Tasks))
	for i, t := range spec.Tasks {
		ids[i] = t.ID
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[[2]string{u.dag, u.version}] = runVersion{tasks: ids, pinned: spec.Pin}
	return nil
}

// transition makes a transition, reading the versions that its decision asks for.
func (c *versionCache) transition(ctx context.Context, t Transition) error {
	return c.retry(ctx, func() error { return c.store.Transition(ctx, t) })
}

func (c *versionCache) retry(ctx context.Context, do func() error) error {
	for {
		err := do()
		var unknown *unknownVersion
		if !errors.As(err, &unknown) {
			return err
		}
		if err := c.load(ctx, unknown); err != nil {
			return err
		}
	}
}
