package api

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/tidemill/tidemill/engine"
)

// DAGRunFilters select runs.
type DAGRunFilters struct {
	Page
	TimeFilters
	RunType      []string `query:"run_type,explode" maxItems:"100"`
	State        []string `query:"state,explode" maxItems:"100"`
	RunIDPattern string   `query:"run_id_pattern"`
	RunIDPrefix  string   `query:"run_id_prefix_pattern"`
	DagIDPattern string   `query:"dag_id_pattern"`
	DagIDPrefix  string   `query:"dag_id_prefix_pattern"`
	UserPattern  string   `query:"triggering_user_name_pattern"`
	UserPrefix   string   `query:"triggering_user_name_prefix_pattern"`
	ConfContains string   `query:"conf_contains"`
	OrderBy      []string `query:"order_by,explode" maxItems:"20"`
}

// storeOrders are the orders that the store knows, by Airflow's names.
var storeOrders = map[string]string{
	"id": "key", "state": "state", "dag_run_id": "run_id", "run_id": "run_id", "logical_date": "logical", "start_date": "started", "end_date": "ended", "queued_at": "queued",
}

var runFields = map[string]func(a, b engine.RunRow) int{
	"id":           func(a, b engine.RunRow) int { return cmp.Compare(a.Key, b.Key) },
	"state":        func(a, b engine.RunRow) int { return cmp.Compare(a.State, b.State) },
	"dag_id":       func(a, b engine.RunRow) int { return cmp.Compare(a.DAG, b.DAG) },
	"dag_run_id":   func(a, b engine.RunRow) int { return cmp.Compare(a.RunID, b.RunID) },
	"run_id":       func(a, b engine.RunRow) int { return cmp.Compare(a.RunID, b.RunID) },
	"logical_date": func(a, b engine.RunRow) int { return compareTimes(a.Logical, b.Logical) },
	"run_after":    func(a, b engine.RunRow) int { return runAfter(a).Compare(runAfter(b)) },
	"start_date":   func(a, b engine.RunRow) int { return compareTimes(a.StartedAt, b.StartedAt) },
	"end_date":     func(a, b engine.RunRow) int { return compareTimes(a.EndedAt, b.EndedAt) },
	"queued_at":    func(a, b engine.RunRow) int { return a.QueuedAt.Compare(b.QueuedAt) },
	"duration": func(a, b engine.RunRow) int {
		return compareNumbers(seconds(a.StartedAt, a.EndedAt), seconds(b.StartedAt, b.EndedAt))
	},
	"run_type": func(a, b engine.RunRow) int { return cmp.Compare(a.Type, b.Type) },
}

// findRuns returns the page of runs that fit, and how many fit in all. dags none: of every DAG.
func (s *server) findRuns(ctx context.Context, dags []string, f *DAGRunFilters) ([]engine.RunRow, int, error) {
	q, fits, err := f.compile()
	if err != nil {
		return nil, 0, err
	}
	q.DAGs = dags
	if order, ok := storeOrder(f.OrderBy); ok && fits == nil {
		q.OrderBy, q.Limit, q.Offset = order, f.limit(), f.Offset
		return s.Store.Runs(ctx, q)
	}
	// What the store cannot look up is looked up here, over all that it found.
	q.OrderBy = "key"
	rows, err := s.lookThrough(ctx, q, mostRuns, "query", f.lookedThroughFor())
	if err != nil {
		return nil, 0, err
	}
	if fits != nil {
		rows = slices.DeleteFunc(rows, func(r engine.RunRow) bool { return !fits(r) })
	}
	if err := sortBy(rows, f.OrderBy, "id", runFields); err != nil {
		return nil, 0, err
	}
	return cut(rows, f.Page), len(rows), nil
}

// lookedThroughFor names what asks for more than the store can look up.
func (f *DAGRunFilters) lookedThroughFor() string {
	for _, given := range []struct{ name, text string }{
		{"run_id_pattern", f.RunIDPattern}, {"run_id_prefix_pattern", f.RunIDPrefix}, {"dag_id_pattern", f.DagIDPattern}, {"dag_id_prefix_pattern", f.DagIDPrefix},
		{"triggering_user_name_pattern", f.UserPattern}, {"triggering_user_name_prefix_pattern", f.UserPrefix}, {"conf_contains", f.ConfContains},
	} {
		if given.text != "" {
			return given.name
		}
	}
	for _, b := range f.bounds() {
		if b.text != "" && !strings.HasPrefix(b.name, "logical_date") {
			return b.name
		}
	}
	if f.DurationGte.Set || f.DurationGt.Set || f.DurationLte.Set || f.DurationLt.Set {
		return "duration_gte"
	}
	return "order_by"
}

// storeOrder is the order in the store's words; false when it has none for it.
func storeOrder(by []string) (string, bool) {
	switch len(by) {
	case 0:
		return "key", true
	case 1:
		name, down := strings.CutPrefix(by[0], "-")
		order, ok := storeOrders[name]
		if down {
			order = "-" + order
		}
		return order, ok
	}
	return "", false
}

// compile turns the filters into what the store looks up and a predicate for the rest; nil when there is no rest.
func (f *DAGRunFilters) compile() (q engine.RunFilter, fits func(engine.RunRow) bool, err error) {
	for _, st := range f.State {
		if !slices.Contains([]string{"queued", "running", "success", "failed"}, st) {
			return q, nil, invalid("state is one of queued, running, success, failed", st, "query", "state")
		}
		q.States = append(q.States, engine.RunState(st))
	}
	for _, t := range f.RunType {
		if !slices.Contains([]string{"backfill", "scheduled", "manual", "operator_triggered", "asset_triggered", "asset_materialization"}, t) {
			return q, nil, invalid("run_type is one of backfill, scheduled, manual, asset_triggered", t, "query", "run_type")
		}
		q.Types = append(q.Types, engine.RunType(t))
	}
	times, from, to, err := f.TimeFilters.compile()
	if err != nil {
		return q, nil, err
	}
	q.LogicalFrom, q.LogicalTo = from, to
	texts, err := f.texts()
	if err != nil || len(times)+len(texts) == 0 {
		return q, nil, err
	}
	return q, func(r engine.RunRow) bool {
		for _, t := range texts {
			if !t(r) {
				return false
			}
		}
		return all(times, timesOfRun(r))
	}, nil
}

func (f *DAGRunFilters) texts() ([]func(engine.RunRow) bool, error) {
	runID := func(r engine.RunRow) string { return r.RunID }
	dag := func(r engine.RunRow) string { return r.DAG }
	user := func(r engine.RunRow) string { return r.TriggeredBy }
	var out []func(engine.RunRow) bool
	for _, p := range []struct {
		name, text string
		prefix     bool
		of         func(engine.RunRow) string
	}{
		{"run_id_pattern", f.RunIDPattern, false, runID}, {"run_id_prefix_pattern", f.RunIDPrefix, true, runID},
		{"dag_id_pattern", f.DagIDPattern, false, dag}, {"dag_id_prefix_pattern", f.DagIDPrefix, true, dag},
		{"triggering_user_name_pattern", f.UserPattern, false, user}, {"triggering_user_name_prefix_pattern", f.UserPrefix, true, user},
	} {
		if p.text == "" {
			continue
		}
		m, err := pattern(p.text, p.prefix)
		if err != nil {
			return nil, invalid(err.Error(), p.text, "query", p.name)
		}
		out = append(out, func(r engine.RunRow) bool { return m(p.of(r)) })
	}
	if f.ConfContains != "" {
		out = append(out, func(r engine.RunRow) bool { return strings.Contains(string(r.Params), f.ConfContains) })
	}
	return out, nil
}
