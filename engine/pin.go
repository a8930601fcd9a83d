package engine

import "slices"

// Pin keeps each run on the version of the DAG that it has started with: only processes of that version run its tasks and decide what
// follows, until it is over, while new runs start on the newest version. When no process has the version any more the run waits, with that
// reason on screen; a person can clear it onto the newest one ([Selection.Latest]), or mark it.
//
// Without Pin a run goes on with the version that is in force.
func Pin() DAGOption { return dagOption(func(g *graph) { g.spec.Pin = true }) }

// PinnedTo is the name under which stores keep what only processes of one version may take: a queue's name, or a DAG's id for its timers and
// waits. Neither can have an @ of its own. version "" is all of them.
func PinnedTo(name, version string) string {
	if version == "" {
		return name
	}
	return name + "@" + version
}

// pinning are the DAGs whose runs may be pinned to this process's version, current or not.
func (c *Catalog) pinning() []*Definition {
	var out []*Definition
	for _, id := range c.ids {
		if d := c.defs[id]; d.Spec.Pin {
			out = append(out, d)
		}
	}
	return out
}

// scopes are those whose timers and waits this process looks after: of the DAGs that it is current for, and of the runs that are pinned to
// its version.
func (r *Runtime) scopes() []string {
	out := r.dags()
	if len(r.pinned) == 0 {
		return out
	}
	out = slices.Clone(out)
	for _, d := range r.pinned {
		out = append(out, PinnedTo(d.Spec.DAG, d.Version))
	}
	return out
}

// queues are those that this process claims from: of the DAGs that it is current for, or of older ones only what is pinned to its version.
func (r *Runtime) queues(current bool) []string {
	if len(r.pinned) == 0 {
		return r.cfg.Queues
	}
	var out []string
	if current {
		out = append(out, r.cfg.Queues...)
	}
	for _, d := range r.pinned {
		for _, q := range r.cfg.Queues {
			out = append(out, PinnedTo(q, d.Version))
		}
	}
	return out
}

// overtaken are the DAGs that have moved on from this process's version, but of which runs may be pinned to it.
func (r *Runtime) overtaken() []string {
	var out []string
	for _, d := range r.pinned {
		if !slices.Contains(r.dags(), d.Spec.DAG) {
			out = append(out, d.Spec.DAG)
		}
	}
	return out
}

// pin is the version that a run is pinned to; "" when it is not.
func pin(row RunRow, v runVersion) string {
	if len(row.States) == 0 || !v.pinned {
		return ""
	}
	return row.Version
}
