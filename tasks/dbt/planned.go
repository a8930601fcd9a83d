package dbt

import (
	"context"
	"fmt"
)

// selected are the nodes of the project's selection that a command runs, for the project as it was parsed.
type selected struct {
	print string
	nodes map[Command][]Node
}

// Planned returns what a command runs of the project: all that it can run, or what Project.Select says. It parses the project where need be, and asks
// dbt for the selection once for each state of the project. ErrEmptySelection when there is nothing.
func (r *Runner) Planned(ctx context.Context, c Command) ([]Node, error) {
	m, err := r.Manifest(ctx)
	if err != nil {
		return nil, err
	}
	if nodes, ok := r.plannedNow(m, c); ok {
		if len(nodes) == 0 {
			return nil, fmt.Errorf("dbt %s: %w", c, ErrEmptySelection)
		}
		return nodes, nil
	}
	if err := r.take(ctx); err != nil {
		return nil, err
	}
	defer r.giveBack()
	s, err := r.newScope(Invocation{Command: c, Select: r.project.Select, Exclude: r.project.Exclude})
	if err != nil {
		return nil, err
	}
	if err := s.inv.check(); err != nil {
		return nil, err
	}
	nodes, err := r.list(ctx, s, m)
	if err != nil {
		return nil, err
	}
	_, print, err := r.known()
	if err != nil {
		return nil, err
	}
	r.parsedMu.Lock()
	defer r.parsedMu.Unlock()
	if r.selected.print != print {
		r.selected = selected{print, map[Command][]Node{}}
	}
	r.selected.nodes[c] = nodes
	return nodes, nil
}

// plannedNow is Planned as far as it is known without dbt.
func (r *Runner) plannedNow(m *Manifest, c Command) ([]Node, bool) {
	if len(r.project.Select) == 0 && len(r.project.Exclude) == 0 {
		return Nodes(m, c), true
	}
	_, print, err := r.known()
	if err != nil {
		return nil, false
	}
	r.parsedMu.Lock()
	defer r.parsedMu.Unlock()
	nodes, ok := r.selected.nodes[c]
	return nodes, ok && r.selected.print == print
}
