package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// BatchTimes are the bounds of a list that is asked for by a body.
type BatchTimes struct {
	LogicalGte  *Time    `json:"logical_date_gte,omitempty"`
	LogicalGt   *Time    `json:"logical_date_gt,omitempty"`
	LogicalLte  *Time    `json:"logical_date_lte,omitempty"`
	LogicalLt   *Time    `json:"logical_date_lt,omitempty"`
	AfterGte    *Time    `json:"run_after_gte,omitempty"`
	AfterGt     *Time    `json:"run_after_gt,omitempty"`
	AfterLte    *Time    `json:"run_after_lte,omitempty"`
	AfterLt     *Time    `json:"run_after_lt,omitempty"`
	StartGte    *Time    `json:"start_date_gte,omitempty"`
	StartGt     *Time    `json:"start_date_gt,omitempty"`
	StartLte    *Time    `json:"start_date_lte,omitempty"`
	StartLt     *Time    `json:"start_date_lt,omitempty"`
	EndGte      *Time    `json:"end_date_gte,omitempty"`
	EndGt       *Time    `json:"end_date_gt,omitempty"`
	EndLte      *Time    `json:"end_date_lte,omitempty"`
	EndLt       *Time    `json:"end_date_lt,omitempty"`
	DurationGte *float64 `json:"duration_gte,omitempty" nullable:"true"`
	DurationGt  *float64 `json:"duration_gt,omitempty" nullable:"true"`
	DurationLte *float64 `json:"duration_lte,omitempty" nullable:"true"`
	DurationLt  *float64 `json:"duration_lt,omitempty" nullable:"true"`
}

func (b BatchTimes) filters() TimeFilters {
	text := func(t *Time) string {
		if t == nil || t.IsZero() {
			return ""
		}
		return t.Format(time.RFC3339Nano)
	}
	num := func(f *float64) OptFloat {
		if f == nil {
			return OptFloat{}
		}
		return OptFloat{*f, true}
	}
	return TimeFilters{
		text(b.LogicalGte), text(b.LogicalGt), text(b.LogicalLte), text(b.LogicalLt), text(b.AfterGte), text(b.AfterGt), text(b.AfterLte), text(b.AfterLt),
		text(b.StartGte), text(b.StartGt), text(b.StartLte), text(b.StartLt), text(b.EndGte), text(b.EndGt), text(b.EndLte), text(b.EndLt),
		num(b.DurationGte), num(b.DurationGt), num(b.DurationLte), num(b.DurationLt),
	}
}

// BatchPage is the page of a list that is asked for by a body.
type BatchPage struct {
	OrderBy    *string `json:"order_by,omitempty" nullable:"true"`
	PageLimit  int     `json:"page_limit,omitempty" default:"100" minimum:"0"`
	PageOffset int     `json:"page_offset,omitempty" default:"0" minimum:"0"`
}

func (b BatchPage) order() []string {
	if b.OrderBy == nil || *b.OrderBy == "" {
		return nil
	}
	return []string{*b.OrderBy}
}

// DAGRunsBatchBody selects runs of several DAGs.
type DAGRunsBatchBody struct {
	BatchTimes
	BatchPage
	DagIDs       []string `json:"dag_ids,omitempty" nullable:"true" maxItems:"1000"`
	States       []string `json:"states,omitempty" nullable:"true" maxItems:"1000"`
	ConfContains *string  `json:"conf_contains,omitempty" nullable:"true"`
}

type batchRunsInput struct {
	DagPath
	Body DAGRunsBatchBody
}

// everything refuses a batch that is not asked of all DAGs, as Airflow does.
func everything(id string) error {
	if id != "~" {
		return fail(http.StatusUnprocessableEntity, "the path names %s; a batch is asked of ~", strconv.Quote(id))
	}
	return nil
}

// dagNames refuses ids that no DAG can have and PostgreSQL does not take.
func dagNames(ids []string) error {
	for i, id := range ids {
		if strings.IndexByte(id, 0) >= 0 {
			return invalid("no DAG has U+0000 in its id", nil, "body", "dag_ids", i)
		}
	}
	return nil
}

func (s *server) batchRuns(ctx context.Context, in *batchRunsInput) (DAGRunCollectionResponse, error) {
	if err := errors.Join(everything(in.DagID), dagNames(in.Body.DagIDs)); err != nil {
		return DAGRunCollectionResponse{}, err
	}
	b := in.Body
	f := DAGRunFilters{Page: Page{b.PageLimit, b.PageOffset}, TimeFilters: b.filters(), State: b.States, OrderBy: b.order()}
	if b.ConfContains != nil {
		f.ConfContains = *b.ConfContains
	}
	return s.runPage(ctx, b.DagIDs, &f)
}
