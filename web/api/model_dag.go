package api

import (
	"encoding/json"
	"time"
)

// A DAGResponse is a DAG.
type DAGResponse struct {
	DagID                       string     `json:"dag_id"`
	DagDisplayName              string     `json:"dag_display_name"`
	IsPaused                    bool       `json:"is_paused"`
	IsStale                     bool       `json:"is_stale" doc:"No live process has it"`
	LastParsedTime              *time.Time `json:"last_parsed_time" doc:"When a process last registered it"`
	LastParseDuration           *float64   `json:"last_parse_duration"`
	LastExpired                 *time.Time `json:"last_expired"`
	BundleName                  *string    `json:"bundle_name"`
	BundleVersion               *string    `json:"bundle_version" doc:"Hash of the DAG's structure"`
	RelativeFileloc             *string    `json:"relative_fileloc"`
	Fileloc                     string     `json:"fileloc" doc:"The Go function of its first task"`
	FileToken                   string     `json:"file_token"`
	Description                 *string    `json:"description"`
	TimetableSummary            *string    `json:"timetable_summary"`
	TimetableDescription        *string    `json:"timetable_description"`
	TimetablePartitioned        bool       `json:"timetable_partitioned"`
	TimetablePeriodic           bool       `json:"timetable_periodic"`
	Tags                        []DagTag   `json:"tags" nullable:"false"`
	MaxActiveTasks              int        `json:"max_active_tasks"`
	MaxActiveRuns               *int       `json:"max_active_runs"`
	MaxConsecutiveFailedDagRuns int        `json:"max_consecutive_failed_dag_runs"`
	HasTaskConcurrencyLimits    bool       `json:"has_task_concurrency_limits"`
	HasImportErrors             bool       `json:"has_import_errors"`
	IsBackfillable              bool       `json:"is_backfillable"`
	AllowedRunTypes             []string   `json:"allowed_run_types"`
	NextDagrunLogicalDate       *time.Time `json:"next_dagrun_logical_date"`
	NextDagrunIntervalStart     *time.Time `json:"next_dagrun_data_interval_start"`
	NextDagrunIntervalEnd       *time.Time `json:"next_dagrun_data_interval_end"`
	NextDagrunRunAfter          *time.Time `json:"next_dagrun_run_after"`
	Owners                      []string   `json:"owners" nullable:"false"`
}

// A DagTag is a tag of a DAG.
type DagTag struct {
	Name           string `json:"name"`
	DagID          string `json:"dag_id"`
	DagDisplayName string `json:"dag_display_name"`
}

// A DAGDetailsResponse is a DAG with all that is known of it.
type DAGDetailsResponse struct {
	DAGResponse
	Catchup                bool            `json:"catchup"`
	Concurrency            int             `json:"concurrency"`
	DagRunTimeout          *string         `json:"dag_run_timeout"`
	DocMD                  *string         `json:"doc_md"`
	StartDate              *time.Time      `json:"start_date"`
	EndDate                *time.Time      `json:"end_date"`
	IsPausedUponCreation   bool            `json:"is_paused_upon_creation"`
	RenderTemplateAsNative bool            `json:"render_template_as_native_obj"`
	OwnerLinks             map[string]any  `json:"owner_links"`
	Params                 json.RawMessage `json:"params" doc:"For each param its JSON Schema"`
	Timezone               *string         `json:"timezone"`
	LastParsed             *time.Time      `json:"last_parsed"`
	DefaultArgs            map[string]any  `json:"default_args"`
	ActiveRunsCount        int             `json:"active_runs_count"`
	IsFavorite             bool            `json:"is_favorite"`
	TemplateSearchPath     []string        `json:"template_search_path"`
	AssetExpression        map[string]any  `json:"asset_expression"`
	LatestDagVersion       *DagVersion     `json:"latest_dag_version"`
	RerunWithLatestVersion *bool           `json:"rerun_with_latest_version"`
}

// A DAGCollectionResponse is a page of DAGs.
type DAGCollectionResponse struct {
	Dags         []DAGResponse `json:"dags" nullable:"false"`
	TotalEntries int           `json:"total_entries"`
}
