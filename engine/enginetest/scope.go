package enginetest

import "github.com/tidemill/tidemill/engine"

// A scope is what processes ask for at once: the timers and waits of a DAG's runs, or of those that are pinned to one version of it.
type scope struct {
	timers  *pile[*timer]
	waiting map[*run]struct{} // runs with waits
}

// scope returns that of a name, see engine.PinnedTo.
func (s *Store) scope(name string) *scope {
	if s.scopes == nil {
		s.scopes = map[string]*scope{}
	}
	c := s.scopes[name]
	if c == nil {
		c = &scope{timers: newPile(timerLess, func(t *timer) *int { return &t.index }), waiting: map[*run]struct{}{}}
		s.scopes[name] = c
	}
	return c
}

// scoped are the scopes of these names that there are, each once.
func (s *Store) scoped(names []string) []*scope {
	seen := make(map[string]bool, len(names))
	out := make([]*scope, 0, len(names))
	for _, name := range names {
		if c := s.scopes[name]; c != nil && !seen[name] {
			seen[name] = true
			out = append(out, c)
		}
	}
	return out
}

// repin moves what a run has in the queue, its timers and waits to those who have a version; "" is all.
func (s *Store) repin(r *run, version string) {
	to := s.scope(engine.PinnedTo(r.dag.status.ID, version))
	for _, t := range r.timers {
		r.scope.timers.remove(t)
		to.timers.put(t)
	}
	if _, waits := r.scope.waiting[r]; waits {
		delete(r.scope.waiting, r)
		to.waiting[r] = struct{}{}
	}
	r.scope = to
	for _, it := range r.queue {
		name := engine.PinnedTo(queueName(it.Queue), version)
		if leased(it.Lease) {
			it.Queue = name
			continue
		}
		r.dag.take(it)
		it.Queue = name
		r.dag.put(it)
	}
}
