package ui

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tidemill/tidemill/engine"
)

// holdersShown is how many of those who hold a pool's slots are named.
const holdersShown = 8

// A poolLine is a pool in the list.
type poolLine struct {
	engine.PoolRow
	Missing bool     // tasks name it and there is none
	Tasks   []string // that name it
	Holders []holder
	More    int // holders that are not named
	Parts   []part
}

// A holder is a task instance that holds slots.
type holder struct {
	engine.QueueRow
	Label string
}

func (s *server) poolsPage(ctx context.Context, _ *http.Request) (*page, error) {
	rows, err := s.Store.Pools(ctx)
	if err != nil {
		return nil, err
	}
	statuses, err := s.Store.DAGStatuses(ctx)
	if err != nil {
		return nil, err
	}
	named := poolTasks(statuses)
	var lines []poolLine
	for _, p := range rows {
		l := poolLine{PoolRow: p, Tasks: named[p.Name], Parts: poolParts(p)}
		delete(named, p.Name)
		leases, n, err := s.Store.Leases(ctx, "", p.Name, holdersShown)
		if err != nil {
			return nil, err
		}
		for _, q := range leases {
			l.Holders = append(l.Holders, holder{q, q.Task + elementOf(engine.TaskView{TaskKey: q.TaskKey})})
		}
		l.More = n - len(leases)
		lines = append(lines, l)
	}
	for name, tasks := range named {
		lines = append(lines, poolLine{PoolRow: engine.PoolRow{Pool: engine.Pool{Name: name}}, Missing: true, Tasks: tasks})
	}
	slices.SortFunc(lines, func(a, b poolLine) int { return cmp.Compare(a.Name, b.Name) })
	return &page{Title: "Pools", Name: "pools", Nav: "pools", Data: lines}, nil
}

// poolTasks are the tasks that name each pool.
func poolTasks(statuses []engine.DAGStatus) map[string][]string {
	named := map[string][]string{}
	for _, st := range statuses {
		for _, t := range st.Spec.Tasks {
			if t.Pool != "" {
				named[t.Pool] = append(named[t.Pool], st.ID+"/"+t.ID)
			}
		}
	}
	return named
}

// poolParts are the pieces of a pool's bar: what is taken of its slots.
func poolParts(p engine.PoolRow) []part {
	if p.Slots <= 0 || p.Running == 0 {
		return nil
	}
	w := min(1, float64(p.Running)/float64(p.Slots)) * chartWidth
	return []part{{0, w, "running", strconv.Itoa(p.Running) + " taken"}}
}

// setPool makes or changes a pool.
func (s *server) setPool(ctx context.Context, r *http.Request) error {
	slots, err := strconv.Atoi(strings.TrimSpace(r.PostFormValue("slots")))
	if err != nil {
		return &engine.InvalidError{Field: "slots", Message: "is a whole number of 0 or more"}
	}
	p := engine.Pool{Name: strings.TrimSpace(r.PostFormValue("name")), Slots: slots, Description: strings.TrimSpace(r.PostFormValue("description"))}
	if r.PostFormValue("new") != "" {
		rows, err := s.Store.Pools(ctx)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(rows, func(o engine.PoolRow) bool { return o.Name == p.Name }) {
			return &engine.InvalidError{Field: "name", Message: "there is a pool " + p.Name + " already: edit that one"}
		}
	}
	return s.Control.SetPool(ctx, p, by)
}
