package api

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/tidemill/tidemill/engine"
)

func (s *server) assetEvents(a huma.API) {
	route(s, a, http.MethodGet, "/assets/events", "get_asset_events", "List the newest updates of assets", s.listAssetEvents)
	route(s, a, http.MethodPost, "/assets/events", "create_asset_event", "Say that an asset was updated", s.postAssetEvent)
	route(s, a, http.MethodGet, "/dags/{dag_id}/dagRuns/{dag_run_id}/upstreamAssetEvents", "get_upstream_asset_events", "The updates that triggered a run", s.upstreamEvents)
	route(s, a, http.MethodGet, "/assets/{asset_id}/queuedEvents", "get_asset_queued_events", "DAGs that an asset's updates wait for", func(ctx context.Context, in *struct {
		AssetPath
		QueuedBefore
	}) (QueuedEventCollectionResponse, error) {
		return s.queuedEvents(ctx, "", in.ID, in.Before)
	})
	route(s, a, http.MethodGet, "/dags/{dag_id}/assets/queuedEvents", "get_dag_asset_queued_events", "Updates that a DAG has not run for yet", func(ctx context.Context, in *struct {
		DagPath
		QueuedBefore
	}) (QueuedEventCollectionResponse, error) {
		return s.queuedEvents(ctx, in.DagID, 0, in.Before)
	})
	route(s, a, http.MethodGet, "/dags/{dag_id}/assets/{asset_id}/queuedEvents", "get_dag_asset_queued_event", "The update of an asset that a DAG has not run for yet", func(ctx context.Context, in *struct {
		DagPath
		AssetPath
		QueuedBefore
	}) (QueuedEventResponse, error) {
		all, err := s.queuedEvents(ctx, in.DagID, in.ID, in.Before)
		if err != nil {
			return QueuedEventResponse{}, err
		}
		return all.QueuedEvents[0], nil
	})
	s.dropQueued(a)
}

// An AssetEventResponse is an update of an asset.
type AssetEventResponse struct {
	ID             int64               `json:"id"`
	AssetID        int64               `json:"asset_id"`
	URI            *string             `json:"uri"`
	Name           *string             `json:"name"`
	Group          *string             `json:"group"`
	Extra          map[string]any      `json:"extra"`
	SourceDagID    *string             `json:"source_dag_id" doc:"null: a person said so"`
	SourceTaskID   *string             `json:"source_task_id"`
	SourceRunID    *string             `json:"source_run_id"`
	SourceMapIndex int                 `json:"source_map_index"`
	Timestamp      time.Time           `json:"timestamp"`
	PartitionKey   *string             `json:"partition_key"`
	CreatedDagruns []AssetRunReference `json:"created_dagruns" nullable:"false" doc:"Of the newest 1000 runs that assets triggered"`
	UpdatedBy      *string             `json:"updated_by" doc:"Ours: the person"`
}

// An AssetRunReference is a run that an update triggered.
type AssetRunReference struct {
	DagID             string     `json:"dag_id"`
	RunID             string     `json:"run_id"`
	State             string     `json:"state"`
	LogicalDate       *time.Time `json:"logical_date"`
	StartDate         time.Time  `json:"start_date" doc:"When it was queued, before it has started"`
	EndDate           *time.Time `json:"end_date"`
	DataIntervalStart *time.Time `json:"data_interval_start"`
	DataIntervalEnd   *time.Time `json:"data_interval_end"`
	PartitionKey      *string    `json:"partition_key"`
	Triggering        bool       `json:"triggering" doc:"It is the newest of those that the run is for"`
}

// An AssetEventCollectionResponse is a page of updates of assets.
type AssetEventCollectionResponse struct {
	AssetEvents  []AssetEventResponse `json:"asset_events" nullable:"false"`
	TotalEntries int                  `json:"total_entries"`
}

type listAssetEventsInput struct {
	Page
	OrderBy      []string `query:"order_by,explode" maxItems:"20"`
	AssetID      OptInt   `query:"asset_id"`
	SourceDag    string   `query:"source_dag_id"`
	SourceTask   string   `query:"source_task_id"`
	SourceRun    string   `query:"source_run_id"`
	SourceIndex  OptInt   `query:"source_map_index"`
	NamePattern  string   `query:"name_pattern"`
	NamePrefix   string   `query:"name_prefix_pattern"`
	TimestampGte string   `query:"timestamp_gte"`
	TimestampGt  string   `query:"timestamp_gt"`
	TimestampLte string   `query:"timestamp_lte"`
	TimestampLt  string   `query:"timestamp_lt"`
}

func (s *server) listAssetEvents(ctx context.Context, in *listAssetEventsInput) (AssetEventCollectionResponse, error) {
	none := AssetEventCollectionResponse{}
	name := ""
	if in.AssetID.Set {
		a, err := s.asset(ctx, int64(in.AssetID.Value))
		if err != nil {
			return none, err
		}
		name = a.Name
	}
	named, err := patterns("name_pattern", in.NamePattern, in.NamePrefix)
	if err != nil {
		return none, err
	}
	timed, err := between("timestamp", in.TimestampGte, in.TimestampGt, in.TimestampLte, in.TimestampLt)
	if err != nil {
		return none, err
	}
	all, err := s.Store.AssetEvents(ctx, name, eventsRead)
	if err != nil {
		return none, err
	}
	all = slices.DeleteFunc(all, func(e engine.AssetEvent) bool {
		return !named(e.Asset) || !timed(e.At) || in.SourceDag != "" && e.DAG != in.SourceDag || in.SourceTask != "" && (e.DAG == "" || e.Task != in.SourceTask) ||
			in.SourceRun != "" && e.RunID != in.SourceRun || in.SourceIndex.Set && e.MapIndex != in.SourceIndex.Value
	})
	if err := sortBy(all, in.OrderBy, "timestamp", map[string]func(a, b engine.AssetEvent) int{
		"id":               func(a, b engine.AssetEvent) int { return cmp.Compare(a.ID, b.ID) },
		"asset_id":         func(a, b engine.AssetEvent) int { return cmp.Compare(AssetID(a.Asset), AssetID(b.Asset)) },
		"source_dag_id":    func(a, b engine.AssetEvent) int { return cmp.Compare(a.DAG, b.DAG) },
		"source_task_id":   func(a, b engine.AssetEvent) int { return cmp.Compare(a.Task, b.Task) },
		"source_run_id":    func(a, b engine.AssetEvent) int { return cmp.Compare(a.RunID, b.RunID) },
		"source_map_index": func(a, b engine.AssetEvent) int { return cmp.Compare(a.MapIndex, b.MapIndex) },
		"timestamp":        func(a, b engine.AssetEvent) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) },
	}); err != nil {
		return none, err
	}
	page, err := s.eventResponses(ctx, cut(all, in.Page))
	return AssetEventCollectionResponse{page, len(all)}, err
}

// between fits times that lie within bounds, of which those are empty that do not count.
func between(field, gte, gt, lte, lt string) (func(time.Time) bool, error) {
	var fits []func(time.Time) bool
	for _, b := range []struct {
		name, text  string
		upper, open bool
	}{{field + "_gte", gte, false, false}, {field + "_gt", gt, false, true}, {field + "_lte", lte, true, false}, {field + "_lt", lt, true, true}} {
		if b.text == "" {
			continue
		}
		at, err := parseTime(b.text)
		if err != nil {
			return nil, invalid(err.Error(), b.text, "query", b.name)
		}
		one := bound{upper: b.upper, open: b.open}
		fits = append(fits, func(t time.Time) bool { return one.holds(&t, at) })
	}
	return func(t time.Time) bool {
		return !slices.ContainsFunc(fits, func(f func(time.Time) bool) bool { return !f(t) })
	}, nil
}

// triggeredRead is how many of the newest runs that assets triggered are looked at for the updates that did.
const triggeredRead = 1000

// TriggeredBy finds, by id, which of the newest runs that assets triggered each event is one of the reasons for. newest is each run's latest event.
func TriggeredBy(ctx context.Context, store engine.Reader) (runs map[int64][]engine.RunRow, newest map[int64]int64, err error) {
	rows, _, err := store.Runs(ctx, engine.RunFilter{Types: []engine.RunType{engine.AssetRun}, Limit: triggeredRead})
	if err != nil || len(rows) == 0 {
		return nil, nil, err
	}
	keys := make([]int64, len(rows))
	for i, r := range rows {
		keys[i] = r.Key
	}
	events, err := store.RunEvents(ctx, keys)
	if err != nil {
		return nil, nil, err
	}
	runs, newest = map[int64][]engine.RunRow{}, map[int64]int64{}
	for _, r := range rows {
		for _, id := range events[r.Key] {
			runs[id] = append(runs[id], r)
			newest[r.Key] = id
		}
	}
	return runs, newest, nil
}

func (s *server) eventResponses(ctx context.Context, events []engine.AssetEvent) ([]AssetEventResponse, error) {
	runs, newest, err := TriggeredBy(ctx, s.Store)
	if err != nil {
		return nil, err
	}
	group := "asset"
	out := make([]AssetEventResponse, 0, len(events))
	for _, e := range events {
		r := AssetEventResponse{ID: e.ID, AssetID: AssetID(e.Asset), URI: &e.Asset, Name: &e.Asset, Group: &group, Extra: object(e.Extra), SourceMapIndex: e.MapIndex, Timestamp: e.At.UTC(), CreatedDagruns: []AssetRunReference{}}
		if e.DAG == "" {
			r.UpdatedBy = optional(e.Task)
		} else {
			r.SourceDagID, r.SourceTaskID, r.SourceRunID = optional(e.DAG), optional(e.Task), optional(e.RunID)
		}
		for _, run := range runs[e.ID] {
			ref := AssetRunReference{DagID: run.DAG, RunID: run.RunID, State: string(run.State), LogicalDate: utc(run.Logical), StartDate: run.QueuedAt.UTC(), EndDate: utc(run.EndedAt),
				DataIntervalStart: utc(run.Start), DataIntervalEnd: utc(run.End), Triggering: newest[run.Key] == e.ID}
			if run.StartedAt != nil {
				ref.StartDate = run.StartedAt.UTC()
			}
			r.CreatedDagruns = append(r.CreatedDagruns, ref)
		}
		out = append(out, r)
	}
	return out, nil
}

func (s *server) upstreamEvents(ctx context.Context, in *RunPath) (AssetEventCollectionResponse, error) {
	row, err := s.row(ctx, *in)
	if err != nil {
		return AssetEventCollectionResponse{}, err
	}
	events, err := s.Store.RunAssets(ctx, row.Key)
	if err != nil {
		return AssetEventCollectionResponse{}, err
	}
	page, err := s.eventResponses(ctx, events)
	return AssetEventCollectionResponse{page, len(page)}, err
}

// CreateAssetEventsBody says which asset was updated.
type CreateAssetEventsBody struct {
	AssetID       int64           `json:"asset_id"`
	Extra         *map[string]any `json:"extra,omitempty" doc:"For those who are triggered by it"`
	PartitionKey  *string         `json:"partition_key,omitempty" nullable:"true"`
	AccessControl *struct {
		AllowGlobal   *bool    `json:"allow_global,omitempty" nullable:"true"`
		ConsumerTeams []string `json:"consumer_teams,omitempty" nullable:"true"`
	} `json:"access_control,omitempty" doc:"There are no teams here: leave it out"`
}

func (s *server) postAssetEvent(ctx context.Context, in *struct{ Body CreateAssetEventsBody }) (AssetEventResponse, error) {
	none, b := AssetEventResponse{}, in.Body
	switch {
	case b.PartitionKey != nil:
		return none, invalid("there are no partitions here; leave it out", *b.PartitionKey, "body", "partition_key")
	case b.AccessControl != nil && len(b.AccessControl.ConsumerTeams) > 0:
		return none, invalid("there are no teams here; leave it out", nil, "body", "access_control")
	}
	a, err := s.asset(ctx, b.AssetID)
	if err != nil {
		return none, err
	}
	var extra []byte
	if b.Extra != nil && len(*b.Extra) > 0 {
		if extra, err = json.Marshal(*b.Extra); err != nil {
			return none, fmt.Errorf("encode extra: %w", err)
		}
	}
	if err := s.Control.UpdateAsset(ctx, engine.Asset(a.Name), extra, by); err != nil {
		return none, err
	}
	s.Pulse.Ring()
	events, err := s.Store.AssetEvents(ctx, a.Name, 1)
	if err != nil {
		return none, err
	}
	all, err := s.eventResponses(ctx, events)
	if err != nil || len(all) == 0 {
		return none, err
	}
	return all[0], nil
}

// QueuedBefore bounds the times of updates.
type QueuedBefore struct {
	Before string `query:"before"`
}

// A QueuedEventResponse says that a DAG has not run yet for updates of an asset.
type QueuedEventResponse struct {
	DagID          string    `json:"dag_id"`
	DagDisplayName string    `json:"dag_display_name"`
	AssetID        int64     `json:"asset_id"`
	CreatedAt      time.Time `json:"created_at" doc:"Of the first of them"`
}

// A QueuedEventCollectionResponse is the assets that DAGs have not run for yet.
type QueuedEventCollectionResponse struct {
	QueuedEvents []QueuedEventResponse `json:"queued_events" nullable:"false"`
	TotalEntries int                   `json:"total_entries"`
}

// queuedEvents are those of a DAG, or of all for "", and of an asset, or of all for 0. There must be one.
func (s *server) queuedEvents(ctx context.Context, dag string, asset int64, before string) (QueuedEventCollectionResponse, error) {
	none := QueuedEventCollectionResponse{}
	early, err := between("before", "", "", "", before)
	if err != nil {
		return none, err
	}
	statuses, err := s.Store.DAGHeads(ctx)
	if err != nil {
		return none, err
	}
	var dags []string
	for _, st := range statuses {
		if dag == "" || st.ID == dag {
			dags = append(dags, st.ID)
		}
	}
	pending, err := s.Store.PendingAssets(ctx, dags)
	if err != nil {
		return none, err
	}
	page := QueuedEventCollectionResponse{QueuedEvents: []QueuedEventResponse{}}
	seen := map[[2]string]bool{}
	for _, e := range pending {
		key := [2]string{e.For, e.Asset}
		if seen[key] || asset != 0 && AssetID(e.Asset) != asset || !early(e.At) {
			continue
		}
		seen[key] = true
		page.QueuedEvents = append(page.QueuedEvents, QueuedEventResponse{e.For, e.For, AssetID(e.Asset), e.At.UTC()})
	}
	if page.TotalEntries = len(page.QueuedEvents); page.TotalEntries == 0 {
		return none, noQueuedEvent(dag, asset)
	}
	return page, nil
}
