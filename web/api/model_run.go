package api

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// A DAGRunResponse is a run of a DAG.
type DAGRunResponse struct {
	DagRunID               string          `json:"dag_run_id"`
	DagID                  string          `json:"dag_id"`
	LogicalDate            *time.Time      `json:"logical_date"`
	QueuedAt               *time.Time      `json:"queued_at"`
	StartDate              *time.Time      `json:"start_date"`
	EndDate                *time.Time      `json:"end_date"`
	Duration               *float64        `json:"duration" doc:"In seconds; null until the run is over"`
	DataIntervalStart      *time.Time      `json:"data_interval_start"`
	DataIntervalEnd        *time.Time      `json:"data_interval_end"`
	RunAfter               time.Time       `json:"run_after"`
	LastSchedulingDecision *time.Time      `json:"last_scheduling_decision"`
	RunType                string          `json:"run_type"`
	State                  string          `json:"state"`
	TriggeredBy            *string         `json:"triggered_by"`
	TriggeringUserName     *string         `json:"triggering_user_name"`
	Conf                   json.RawMessage `json:"conf"`
	Note                   *string         `json:"note"`
	DagVersions            []DagVersion    `json:"dag_versions" nullable:"false" doc:"The one that it is on"`
	BundleVersion          *string         `json:"bundle_version" doc:"Hash of the DAG's structure that the run is on"`
	DagDisplayName         string          `json:"dag_display_name"`
	PartitionKey           *string         `json:"partition_key"`
	PartitionDate          *time.Time      `json:"partition_date"`
	Hold                   *string         `json:"hold" doc:"Ours: the stream and the time that its watermark must have passed before the run starts; null when nothing holds it"`
}

// A DAGRunCollectionResponse is a page of runs.
type DAGRunCollectionResponse struct {
	DagRuns           []DAGRunResponse `json:"dag_runs" nullable:"false"`
	TotalEntries      int              `json:"total_entries"`
	TotalEntriesLimit *int             `json:"total_entries_limit"`
	NextCursor        *string          `json:"next_cursor"`
	PreviousCursor    *string          `json:"previous_cursor"`
}

func runResponse(r engine.RunRow) DAGRunResponse {
	queued := r.QueuedAt.UTC()
	conf := r.Params
	if len(conf) == 0 {
		conf = []byte("{}")
	}
	var hold *string
	if r.Hold != nil {
		hold = optional(r.Hold.Stream + " " + r.Hold.Passed.UTC().Format(time.RFC3339))
	}
	return DAGRunResponse{
		Hold:     hold,
		DagRunID: r.RunID, DagID: r.DAG, DagDisplayName: r.DAG, LogicalDate: utc(r.Logical), QueuedAt: &queued, StartDate: utc(r.StartedAt), EndDate: utc(r.EndedAt),
		Duration: seconds(r.StartedAt, r.EndedAt), DataIntervalStart: utc(r.Start), DataIntervalEnd: utc(r.End), RunAfter: runAfter(r),
		RunType: string(r.Type), State: string(r.State), TriggeredBy: triggeredBy(r), TriggeringUserName: optional(r.TriggeredBy), Conf: conf,
		Note: optional(r.Note), DagVersions: []DagVersion{}, BundleVersion: optional(r.Version),
	}
}

// runAfter is when the run could start at the earliest: at the end of its interval, or when somebody asked for it.
func runAfter(r engine.RunRow) time.Time {
	if r.End != nil && r.Type != engine.ManualRun {
		return r.End.UTC()
	}
	return r.QueuedAt.UTC()
}

// triggeredBy is one of Airflow's words for what made the run.
func triggeredBy(r engine.RunRow) *string {
	word := "rest_api"
	switch who := strings.ToLower(r.TriggeredBy); {
	case r.Type == engine.ScheduledRun:
		word = "timetable"
	case r.Type == engine.BackfillRun:
		word = "backfill"
	case r.Type == engine.AssetRun:
		word = "asset"
	case strings.Count(who, "/") >= 2:
		word = "operator"
	case who == "cli" || strings.HasPrefix(who, "cli:"):
		word = "cli"
	case who == "ui" || who == "test":
		word = who
	}
	return &word
}

func timesOfRun(r engine.RunRow) timed {
	after := runAfter(r)
	return timed{Logical: r.Logical, After: &after, Start: r.StartedAt, End: r.EndedAt, Duration: seconds(r.StartedAt, r.EndedAt)}
}
