package api

import (
	"cmp"
	"context"
	"encoding/json"
	"hash/fnv"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/tidemill/tidemill/engine"
)

func (s *server) assets(a huma.API) {
	route(s, a, http.MethodGet, "/assets", "get_assets", "List assets", s.listAssets)
	route(s, a, http.MethodGet, "/assets/{asset_id}", "get_asset", "Get an asset", func(ctx context.Context, in *AssetPath) (AssetResponse, error) {
		known, err := s.asset(ctx, in.ID)
		if err != nil {
			return AssetResponse{}, err
		}
		return s.lastEvent(ctx, known)
	})
	route(s, a, http.MethodPost, "/assets/{asset_id}/materialize", "materialize_asset", "Trigger the DAG that updates an asset", s.materialize)
}

// AssetPath names an asset.
type AssetPath struct {
	ID int64 `path:"asset_id"`
}

// AssetID is the number of an asset: a hash of its name, the same for ever, of at most 53 bits, which JSON numbers hold.
func AssetID(name string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never errs
	return int64(h.Sum64() & (1<<53 - 1))
}

// An AssetResponse is an asset: a thing that tasks update and that schedules DAGs.
type AssetResponse struct {
	ID             int64                `json:"id" doc:"A hash of its name"`
	Name           string               `json:"name"`
	URI            string               `json:"uri" doc:"Its name"`
	Group          string               `json:"group"`
	Extra          map[string]any       `json:"extra"`
	CreatedAt      time.Time            `json:"created_at" doc:"When a DAG that names it was first registered"`
	UpdatedAt      time.Time            `json:"updated_at"`
	ScheduledDags  []DagAssetReference  `json:"scheduled_dags" nullable:"false"`
	ProducingTasks []TaskAssetReference `json:"producing_tasks" nullable:"false"`
	ConsumingTasks []TaskAssetReference `json:"consuming_tasks" nullable:"false"`
	Aliases        []struct{}           `json:"aliases" nullable:"false"`
	Watchers       []struct{}           `json:"watchers" nullable:"false"`
	LastAssetEvent *LastAssetEvent      `json:"last_asset_event"`
}

// A DagAssetReference is a DAG that an asset schedules.
type DagAssetReference struct {
	DagID     string    `json:"dag_id"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// A TaskAssetReference is a task that updates an asset.
type TaskAssetReference struct {
	DagID     string    `json:"dag_id"`
	TaskID    string    `json:"task_id"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// A LastAssetEvent is when an asset was updated last.
type LastAssetEvent struct {
	ID        int64     `json:"id"`
	Timestamp time.Time `json:"timestamp"`
}

// An AssetCollectionResponse is a page of assets.
type AssetCollectionResponse struct {
	Assets       []AssetResponse `json:"assets" nullable:"false"`
	TotalEntries int             `json:"total_entries"`
}

// AssetsOf are the assets that DAGs name, by name: who updates them and whom they schedule. What happened to them is left out.
func AssetsOf(statuses []engine.DAGStatus) []AssetResponse {
	byName := map[string]*AssetResponse{}
	at := func(name string, st engine.DAGStatus) *AssetResponse {
		a := byName[name]
		if a == nil {
			a = newAsset(name, st.RegisteredAt)
			byName[name] = a
		}
		if st.RegisteredAt.Before(a.CreatedAt) {
			a.CreatedAt, a.UpdatedAt = st.RegisteredAt.UTC(), st.RegisteredAt.UTC()
		}
		return a
	}
	for _, st := range statuses {
		since, seen := st.RegisteredAt.UTC(), st.SeenAt.UTC()
		for _, name := range st.Spec.Assets.Names() {
			a := at(name, st)
			a.ScheduledDags = append(a.ScheduledDags, DagAssetReference{st.ID, since, seen})
		}
		for _, t := range st.Spec.Tasks {
			for _, name := range t.Updates {
				a := at(name, st)
				a.ProducingTasks = append(a.ProducingTasks, TaskAssetReference{st.ID, t.ID, since, seen})
			}
		}
	}
	all := make([]AssetResponse, 0, len(byName))
	for _, a := range byName {
		all = append(all, *a)
	}
	slices.SortFunc(all, func(a, b AssetResponse) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func newAsset(name string, at time.Time) *AssetResponse {
	return &AssetResponse{ID: AssetID(name), Name: name, URI: name, Group: "asset", Extra: map[string]any{}, CreatedAt: at.UTC(), UpdatedAt: at.UTC(),
		ScheduledDags: []DagAssetReference{}, ProducingTasks: []TaskAssetReference{}, ConsumingTasks: []TaskAssetReference{}, Aliases: []struct{}{}, Watchers: []struct{}{}}
}

// eventsRead is how many of the newest events lists of them look at.
const eventsRead = 10_000

// allAssets are those that DAGs name now, and with gone those that were updated and no DAG names any more.
func (s *server) allAssets(ctx context.Context, gone bool) ([]AssetResponse, error) {
	statuses, err := s.Store.DAGStatuses(ctx)
	if err != nil {
		return nil, err
	}
	all := AssetsOf(statuses)
	if !gone {
		return all, nil
	}
	events, err := s.Store.AssetEvents(ctx, "", eventsRead)
	if err != nil {
		return nil, err
	}
	named := map[string]bool{}
	for _, a := range all {
		named[a.Name] = true
	}
	for _, e := range slices.Backward(events) {
		if !named[e.Asset] {
			named[e.Asset] = true
			all = append(all, *newAsset(e.Asset, e.At))
		}
	}
	return all, nil
}

func (s *server) asset(ctx context.Context, id int64) (AssetResponse, error) {
	all, err := s.allAssets(ctx, true)
	if err != nil {
		return AssetResponse{}, err
	}
	if i := slices.IndexFunc(all, func(a AssetResponse) bool { return a.ID == id }); i >= 0 {
		return all[i], nil
	}
	return AssetResponse{}, fail(http.StatusNotFound, "The Asset with ID: `%d` was not found", id)
}

func (s *server) lastEvent(ctx context.Context, a AssetResponse) (AssetResponse, error) {
	last, err := s.Store.AssetEvents(ctx, a.Name, 1)
	if err != nil {
		return a, err
	}
	if len(last) > 0 {
		a.LastAssetEvent = &LastAssetEvent{last[0].ID, last[0].At.UTC()}
	}
	return a, nil
}

type listAssetsInput struct {
	Page
	NamePattern string   `query:"name_pattern"`
	NamePrefix  string   `query:"name_prefix_pattern"`
	URIPattern  string   `query:"uri_pattern"`
	URIPrefix   string   `query:"uri_prefix_pattern"`
	DagIDs      []string `query:"dag_ids,explode" maxItems:"100"`
	OnlyActive  bool     `query:"only_active" default:"true" doc:"Not those that no DAG names any more"`
	OrderBy     []string `query:"order_by,explode" maxItems:"20"`
}

func (s *server) listAssets(ctx context.Context, in *listAssetsInput) (AssetCollectionResponse, error) {
	none := AssetCollectionResponse{}
	all, err := s.allAssets(ctx, !in.OnlyActive)
	if err != nil {
		return none, err
	}
	fits, err := patterns("name_pattern", in.NamePattern, in.NamePrefix, in.URIPattern, in.URIPrefix)
	if err != nil {
		return none, err
	}
	all = slices.DeleteFunc(all, func(a AssetResponse) bool { return !fits(a.Name) || !a.of(in.DagIDs) })
	byName := func(a, b AssetResponse) int { return cmp.Compare(a.Name, b.Name) }
	if err := sortBy(all, in.OrderBy, "name", map[string]func(a, b AssetResponse) int{
		"id": func(a, b AssetResponse) int { return cmp.Compare(a.ID, b.ID) }, "name": byName, "uri": byName,
		"created_at": func(a, b AssetResponse) int { return a.CreatedAt.Compare(b.CreatedAt) },
		"updated_at": func(a, b AssetResponse) int { return a.UpdatedAt.Compare(b.UpdatedAt) },
	}); err != nil {
		return none, err
	}
	page := AssetCollectionResponse{Assets: []AssetResponse{}, TotalEntries: len(all)}
	for _, a := range cut(all, in.Page) {
		if a, err = s.lastEvent(ctx, a); err != nil {
			return none, err
		}
		page.Assets = append(page.Assets, a)
	}
	return page, nil
}

// patterns fits what all of several searches fit: a pattern and a prefix by turns.
func patterns(field string, texts ...string) (func(string) bool, error) {
	var all []func(string) bool
	for i, text := range texts {
		m, err := pattern(text, i%2 == 1)
		if err != nil {
			return nil, invalid(err.Error(), text, "query", field)
		}
		all = append(all, m)
	}
	return func(name string) bool {
		return !slices.ContainsFunc(all, func(m func(string) bool) bool { return !m(name) })
	}, nil
}

// of tells whether one of the DAGs updates the asset or is scheduled by it; none given are all.
func (a AssetResponse) of(dags []string) bool {
	return len(dags) == 0 || slices.ContainsFunc(a.ScheduledDags, func(d DagAssetReference) bool { return slices.Contains(dags, d.DagID) }) ||
		slices.ContainsFunc(a.ProducingTasks, func(t TaskAssetReference) bool { return slices.Contains(dags, t.DagID) })
}

// materialize triggers the one DAG that updates an asset.
func (s *server) materialize(ctx context.Context, in *struct {
	AssetPath
	Body *TriggerDAGRunPostBody
}) (DAGRunResponse, error) {
	a, err := s.asset(ctx, in.ID)
	if err != nil {
		return DAGRunResponse{}, err
	}
	var dags []string
	for _, t := range a.ProducingTasks {
		if !slices.Contains(dags, t.DagID) {
			dags = append(dags, t.DagID)
		}
	}
	switch {
	case len(dags) == 0:
		return DAGRunResponse{}, fail(http.StatusNotFound, "No DAG materializes asset with ID: %d", in.ID)
	case len(dags) > 1:
		return DAGRunResponse{}, fail(http.StatusConflict, "More than one DAG materializes asset with ID: %d: trigger the one that you mean", in.ID)
	}
	t := &triggerInput{DagPath: DagPath{dags[0]}}
	if in.Body != nil {
		t.Body = *in.Body
	}
	return s.trigger(ctx, t)
}

// assetExpression is a condition on assets as Airflow's details tell it; null for none.
func assetExpression(c *engine.AssetSpec) map[string]any {
	if c == nil {
		return nil
	}
	list := func(parts []engine.AssetSpec) []any {
		out := make([]any, len(parts))
		for i := range parts {
			out[i] = assetExpression(&parts[i])
		}
		return out
	}
	switch {
	case len(c.All) > 0:
		return map[string]any{"all": list(c.All)}
	case len(c.Any) > 0:
		return map[string]any{"any": list(c.Any)}
	}
	return map[string]any{"asset": map[string]any{"id": AssetID(c.Asset), "name": c.Asset, "uri": c.Asset, "group": "asset"}}
}

// object is a JSON object; empty when there is none.
func object(raw []byte) map[string]any {
	out := map[string]any{}
	if len(raw) == 0 || json.Unmarshal(raw, &out) != nil || out == nil {
		return map[string]any{}
	}
	return out
}
