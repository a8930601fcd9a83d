package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tidemill/tidemill/engine"
)

// DAGFilters select DAGs.
type DAGFilters struct {
	Page
	Tags             []string `query:"tags,explode" maxItems:"100"`
	TagsMatchMode    string   `query:"tags_match_mode" enum:"any,all" default:"any"`
	Owners           []string `query:"owners,explode" maxItems:"100"`
	IDPattern        string   `query:"dag_id_pattern"`
	IDPrefix         string   `query:"dag_id_prefix_pattern"`
	NamePattern      string   `query:"dag_display_name_pattern"`
	NamePrefix       string   `query:"dag_display_name_prefix_pattern"`
	ExcludeStale     bool     `query:"exclude_stale" default:"true"`
	Paused           string   `query:"paused" enum:"true,false"`
	HasImportErrors  string   `query:"has_import_errors" enum:"true,false"`
	LastRunState     string   `query:"last_dag_run_state" enum:"queued,running,success,failed"`
	HasAssetSchedule string   `query:"has_asset_schedule" enum:"true,false"`
	AssetDependency  string   `query:"asset_dependency" doc:"Part of the name of an asset that schedules it"`
	IsFavorite       string   `query:"is_favorite" enum:"true,false" doc:"There are no favourites here: true selects none"`
	BundleVersion    string   `query:"bundle_version"`
	OrderBy          []string `query:"order_by,explode" maxItems:"20"`
}

func (s *server) listDAGs(ctx context.Context, in *DAGFilters) (DAGCollectionResponse, error) {
	all, err := s.dagsThatFit(ctx, in)
	if err != nil {
		return DAGCollectionResponse{}, err
	}
	return DAGCollectionResponse{append([]DAGResponse{}, cut(all, in.Page)...), len(all)}, nil
}

func (s *server) dagsThatFit(ctx context.Context, in *DAGFilters) ([]DAGResponse, error) {
	statuses, err := s.Store.DAGStatuses(ctx)
	if err != nil {
		return nil, err
	}
	fits, err := in.predicate()
	if err != nil {
		return nil, err
	}
	build, err := s.dagBuilder(ctx)
	if err != nil {
		return nil, err
	}
	var all []DAGResponse
	for _, st := range statuses {
		if !in.triggered(st.Spec.Assets) {
			continue
		}
		if d := build(st); fits(d) {
			all = append(all, d)
		}
	}
	last, err := s.lastRuns(ctx, in, all)
	if err != nil {
		return nil, err
	}
	if in.LastRunState != "" {
		all = slices.DeleteFunc(all, func(d DAGResponse) bool { return string(last[d.DagID].State) != in.LastRunState })
	}
	return all, sortBy(all, in.OrderBy, "dag_id", dagOrders(last))
}

// lastRuns are the last runs of DAGs, by id, where the request is about them.
func (s *server) lastRuns(ctx context.Context, in *DAGFilters, all []DAGResponse) (map[string]engine.RunRow, error) {
	if in.LastRunState == "" && !slices.ContainsFunc(in.OrderBy, func(o string) bool { return strings.HasPrefix(strings.TrimPrefix(o, "-"), "last_run_") }) {
		return nil, nil
	}
	var ids []string
	for _, d := range all {
		ids = append(ids, d.DagID)
	}
	newest, err := NewestRuns(ctx, s.Store, ids, 1)
	last := map[string]engine.RunRow{}
	for id, runs := range newest {
		last[id] = runs[0]
	}
	return last, err
}

func dagOrders(last map[string]engine.RunRow) map[string]func(a, b DAGResponse) int {
	return map[string]func(a, b DAGResponse) int{
		"dag_id":           func(a, b DAGResponse) int { return strings.Compare(a.DagID, b.DagID) },
		"dag_display_name": func(a, b DAGResponse) int { return strings.Compare(a.DagID, b.DagID) },
		"is_paused":        func(a, b DAGResponse) int { return cmp.Compare(number(a.IsPaused), number(b.IsPaused)) },
		"next_dagrun": func(a, b DAGResponse) int {
			return compareTimes(a.NextDagrunLogicalDate, b.NextDagrunLogicalDate)
		},
		"last_run_state": func(a, b DAGResponse) int { return cmp.Compare(last[a.DagID].State, last[b.DagID].State) },
		"last_run_start_date": func(a, b DAGResponse) int {
			return compareTimes(last[a.DagID].StartedAt, last[b.DagID].StartedAt)
		},
	}
}

func (f *DAGFilters) predicate() (func(DAGResponse) bool, error) {
	var names []func(string) bool
	for _, p := range []struct {
		name, text string
		prefix     bool
	}{{"dag_id_pattern", f.IDPattern, false}, {"dag_display_name_pattern", f.NamePattern, false}, {"dag_id_prefix_pattern", f.IDPrefix, true}, {"dag_display_name_prefix_pattern", f.NamePrefix, true}} {
		m, err := pattern(p.text, p.prefix)
		if err != nil {
			return nil, invalid(err.Error(), p.text, "query", p.name)
		}
		names = append(names, m)
	}
	return func(d DAGResponse) bool {
		if f.ExcludeStale && d.IsStale || f.HasImportErrors == "true" || f.IsFavorite == "true" || f.Paused != "" && f.Paused != fmt.Sprint(d.IsPaused) {
			return false
		}
		if f.BundleVersion != "" && (d.BundleVersion == nil || *d.BundleVersion != f.BundleVersion) {
			return false
		}
		if len(f.Owners) > 0 && !slices.ContainsFunc(d.Owners, func(o string) bool { return slices.Contains(f.Owners, o) }) {
			return false
		}
		for _, m := range names {
			if !m(d.DagID) {
				return false
			}
		}
		return len(f.Tags) == 0 || f.tagged(d.Tags)
	}, nil
}

// triggered tells whether what a DAG is triggered by fits; nil: by no asset.
func (f *DAGFilters) triggered(by *engine.AssetSpec) bool {
	if f.HasAssetSchedule != "" && f.HasAssetSchedule != fmt.Sprint(by != nil) {
		return false
	}
	return f.AssetDependency == "" || by != nil && slices.ContainsFunc(by.Names(), func(name string) bool { return contains(name, f.AssetDependency) })
}

func (f *DAGFilters) tagged(tags []DagTag) bool {
	n := 0
	for _, want := range f.Tags {
		if slices.ContainsFunc(tags, func(t DagTag) bool { return t.Name == want }) {
			n++
		}
	}
	return n == len(f.Tags) || n > 0 && f.TagsMatchMode != "all"
}
