package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/tidemill/tidemill/engine"
)

func (s *server) backfills(a huma.API) {
	route(s, a, http.MethodGet, "/backfills", "list_backfills", "List backfills; of every DAG without dag_id", s.listBackfills)
	route(s, a, http.MethodPost, "/backfills", "create_backfill", "Run every logical date of a range", s.createBackfill)
	route(s, a, http.MethodPost, "/backfills/dry_run", "create_backfill_dry_run", "Which logical dates a backfill would run", s.dryRunBackfill)
	route(s, a, http.MethodGet, "/backfills/{backfill_id}", "get_backfill", "Get a backfill", func(ctx context.Context, in *backfillInput) (BackfillResponse, error) {
		return s.getBackfill(ctx, in.ID)
	})
	s.backfillAction(a, "pause", "Start no more runs of a backfill", func(ctx context.Context, in *backfillInput) error {
		return s.Control.PauseBackfill(ctx, in.ID, true, by)
	})
	s.backfillAction(a, "unpause", "Go on with a backfill", func(ctx context.Context, in *backfillInput) error {
		return s.Control.PauseBackfill(ctx, in.ID, false, by)
	})
	s.backfillAction(a, "cancel", "End a backfill: what is queued fails", func(ctx context.Context, in *backfillInput) error {
		return s.Control.CancelBackfill(ctx, in.ID, in.Running, by)
	})
}

type backfillInput struct {
	ID      int64 `path:"backfill_id"`
	Running bool  `query:"running" doc:"Ours, of cancel: end what runs as well"`
}

func (s *server) backfillAction(a huma.API, name, summary string, do func(context.Context, *backfillInput) error) {
	route(s, a, http.MethodPut, "/backfills/{backfill_id}/"+name, name+"_backfill", summary, func(ctx context.Context, in *backfillInput) (BackfillResponse, error) {
		if err := do(ctx, in); err != nil {
			return BackfillResponse{}, err
		}
		s.Pulse.Ring()
		return s.getBackfill(ctx, in.ID)
	})
}

// A BackfillResponse is a backfill.
type BackfillResponse struct {
	ID                int64           `json:"id"`
	DagID             string          `json:"dag_id"`
	DagDisplayName    string          `json:"dag_display_name"`
	FromDate          time.Time       `json:"from_date"`
	ToDate            time.Time       `json:"to_date"`
	DagRunConf        json.RawMessage `json:"dag_run_conf"`
	IsPaused          bool            `json:"is_paused"`
	ReprocessBehavior string          `json:"reprocess_behavior" enum:"none,failed,completed"`
	MaxActiveRuns     int             `json:"max_active_runs"`
	CreatedAt         time.Time       `json:"created_at"`
	CompletedAt       *time.Time      `json:"completed_at"`
	UpdatedAt         time.Time       `json:"updated_at"`
	RunBackwards      bool            `json:"run_backwards" doc:"Ours"`
	TaskIDs           []string        `json:"task_ids" doc:"Ours: the subset of tasks, null for all"`
	Cancelled         bool            `json:"cancelled" doc:"Ours"`
	RunCounts         map[string]int  `json:"run_counts" doc:"Ours: its runs by state"`
}

// A BackfillCollectionResponse is a page of backfills.
type BackfillCollectionResponse struct {
	Backfills    []BackfillResponse `json:"backfills" nullable:"false"`
	TotalEntries int                `json:"total_entries"`
}

// A DryRunBackfillResponse is a logical date that a backfill would run.
type DryRunBackfillResponse struct {
	LogicalDate   *time.Time `json:"logical_date"`
	PartitionKey  *string    `json:"partition_key"`
	PartitionDate *time.Time `json:"partition_date"`
}

// A SkippedDate is a logical date that a backfill would leave.
type SkippedDate struct {
	LogicalDate time.Time `json:"logical_date"`
	Reason      string    `json:"reason"`
}

// A DryRunBackfillCollectionResponse is what a backfill would do.
type DryRunBackfillCollectionResponse struct {
	Backfills    []DryRunBackfillResponse `json:"backfills" nullable:"false"`
	TotalEntries int                      `json:"total_entries"`
	Skipped      []SkippedDate            `json:"skipped" nullable:"false" doc:"Ours: the dates that are left, and why"`
}

func backfillResponse(b engine.BackfillRow) BackfillResponse {
	counts := map[string]int{}
	for st, n := range b.Counts {
		counts[string(st)] = n
	}
	conf := b.Params
	if len(conf) == 0 {
		conf = []byte("{}")
	}
	return BackfillResponse{
		ID: b.ID, DagID: b.DAG, DagDisplayName: b.DAG, FromDate: b.From.UTC(), ToDate: b.To.UTC(), DagRunConf: conf, IsPaused: b.Paused, ReprocessBehavior: b.Reprocess, MaxActiveRuns: b.MaxActiveRuns,
		CreatedAt: b.CreatedAt.UTC(), CompletedAt: utc(b.CompletedAt), UpdatedAt: b.UpdatedAt.UTC(), RunBackwards: b.Backwards, TaskIDs: b.Tasks, Cancelled: b.Cancelled, RunCounts: counts,
	}
}

type listBackfillsInput struct {
	Page
	DagID   string   `query:"dag_id"`
	Active  bool     `query:"active" doc:"Ours: only those that are not completed"`
	OrderBy []string `query:"order_by,explode" maxItems:"20"`
}

func (s *server) listBackfills(ctx context.Context, in *listBackfillsInput) (BackfillCollectionResponse, error) {
	if in.DagID == "~" {
		in.DagID = ""
	}
	if in.DagID != "" {
		if _, err := s.status(ctx, in.DagID); err != nil {
			return BackfillCollectionResponse{}, err
		}
	}
	rows, total, err := s.Store.Backfills(ctx, engine.BackfillFilter{DAG: in.DagID, Open: in.Active})
	if err != nil {
		return BackfillCollectionResponse{}, err
	}
	if err := sortBy(rows, in.OrderBy, "id", backfillFields); err != nil {
		return BackfillCollectionResponse{}, err
	}
	page := BackfillCollectionResponse{Backfills: []BackfillResponse{}, TotalEntries: total}
	for _, b := range cut(rows, in.Page) {
		page.Backfills = append(page.Backfills, backfillResponse(b))
	}
	return page, nil
}

var backfillFields = map[string]func(a, b engine.BackfillRow) int{
	"id":           func(a, b engine.BackfillRow) int { return cmp.Compare(a.ID, b.ID) },
	"dag_id":       func(a, b engine.BackfillRow) int { return cmp.Compare(a.DAG, b.DAG) },
	"from_date":    func(a, b engine.BackfillRow) int { return a.From.Compare(b.From) },
	"to_date":      func(a, b engine.BackfillRow) int { return a.To.Compare(b.To) },
	"created_at":   func(a, b engine.BackfillRow) int { return a.CreatedAt.Compare(b.CreatedAt) },
	"updated_at":   func(a, b engine.BackfillRow) int { return a.UpdatedAt.Compare(b.UpdatedAt) },
	"completed_at": func(a, b engine.BackfillRow) int { return compareTimes(a.CompletedAt, b.CompletedAt) },
}

func (s *server) getBackfill(ctx context.Context, id int64) (BackfillResponse, error) {
	b, err := s.Store.Backfill(ctx, id)
	if err != nil {
		if status, _ := StatusOf(err); status == http.StatusNotFound {
			return BackfillResponse{}, fail(http.StatusNotFound, "Backfill not found: there is none of id %d", id)
		}
		return BackfillResponse{}, err
	}
	return backfillResponse(b), nil
}

// BackfillPostBody asks for a backfill.
type BackfillPostBody struct {
	DagID              string     `json:"dag_id"`
	FromDate           string     `json:"from_date" doc:"A time, or a day, which is meant whole in the DAG's zone"`
	ToDate             string     `json:"to_date" doc:"Included"`
	RunBackwards       bool       `json:"run_backwards,omitempty"`
	DagRunConf         JSONObject `json:"dag_run_conf,omitempty" doc:"The DAG's params"`
	ReprocessBehavior  string     `json:"reprocess_behavior,omitempty" default:"none" enum:"none,failed,completed"`
	MaxActiveRuns      *int       `json:"max_active_runs,omitempty" doc:"Default 10"`
	RunOnLatestVersion *bool      `json:"run_on_latest_version,omitempty" nullable:"true"`
	TaskIDs            []string   `json:"task_ids,omitempty" nullable:"true" maxItems:"10000" doc:"Ours: only these tasks"`
}

type postBackfillInput struct{ Body BackfillPostBody }

func (b BackfillPostBody) request(zone *time.Location) (engine.BackfillRequest, error) {
	r := engine.BackfillRequest{DAG: b.DagID, Params: b.DagRunConf, Tasks: b.TaskIDs, By: by}
	from, to, err := engine.ParseRange(b.FromDate, b.ToDate, zone)
	if err != nil {
		return r, err
	}
	r.BackfillOrder = engine.BackfillOrder{BackfillRange: engine.BackfillRange{From: from, To: to}, MaxActiveRuns: engine.DefaultBackfillRuns, Backwards: b.RunBackwards, Reprocess: engine.Reprocess(b.ReprocessBehavior)}
	if b.MaxActiveRuns != nil {
		r.MaxActiveRuns = *b.MaxActiveRuns
	}
	return r, nil
}

func (s *server) plan(ctx context.Context, in *postBackfillInput, dryRun bool) (engine.BackfillPlan, error) {
	d, ok := s.Control.Catalog().DAG(in.Body.DagID)
	if !ok {
		return engine.BackfillPlan{}, fail(http.StatusNotFound, "Could not find dag %s", strconv.Quote(in.Body.DagID))
	}
	r, err := in.Body.request(d.Zone())
	if err != nil {
		return engine.BackfillPlan{}, err
	}
	plan, err := s.Control.Backfill(ctx, r, dryRun)
	if bad := (*engine.InvalidError)(nil); errors.As(err, &bad) {
		return plan, &Error{http.StatusUnprocessableEntity, problemsOf(err, "dag_run_conf")}
	}
	return plan, err
}

func (s *server) createBackfill(ctx context.Context, in *postBackfillInput) (BackfillResponse, error) {
	plan, err := s.plan(ctx, in, false)
	if err != nil {
		return BackfillResponse{}, err
	}
	s.Pulse.Ring()
	return s.getBackfill(ctx, plan.ID)
}

func (s *server) dryRunBackfill(ctx context.Context, in *postBackfillInput) (DryRunBackfillCollectionResponse, error) {
	plan, err := s.plan(ctx, in, true)
	if err != nil {
		return DryRunBackfillCollectionResponse{}, err
	}
	r := DryRunBackfillCollectionResponse{Backfills: []DryRunBackfillResponse{}, Skipped: []SkippedDate{}}
	for _, step := range plan.Steps {
		at := step.Interval.Start.UTC()
		if step.Action == engine.BackfillLeave {
			r.Skipped = append(r.Skipped, SkippedDate{at, step.Reason})
			continue
		}
		r.Backfills = append(r.Backfills, DryRunBackfillResponse{LogicalDate: &at})
	}
	r.TotalEntries = len(r.Backfills)
	return r, nil
}
