package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/tidemill/tidemill/engine"
)

func (s *server) dags(a huma.API) {
	route(s, a, http.MethodGet, "/dags", "get_dags", "List DAGs", s.listDAGs)
	route(s, a, http.MethodPatch, "/dags", "patch_dags", "Pause or unpause all DAGs that fit", s.patchDAGs)
	route(s, a, http.MethodGet, "/dags/{dag_id}", "get_dag", "Get a DAG", s.getDAG)
	route(s, a, http.MethodPatch, "/dags/{dag_id}", "patch_dag", "Pause or unpause a DAG", s.patchDAG)
	route(s, a, http.MethodGet, "/dags/{dag_id}/details", "get_dag_details", "Get a DAG with all that is known of it", s.dagDetails)
}

// DagPath names a DAG.
type DagPath struct {
	DagID string `path:"dag_id"`
}

// dagBuilder returns what makes answers of statuses, having read once what all of them need.
func (s *server) dagBuilder(ctx context.Context) (func(engine.DAGStatus) DAGResponse, error) {
	now, err := s.Store.Now(ctx)
	if err != nil {
		return nil, err
	}
	live, err := LiveDAGs(ctx, s.Store, s.Control)
	if err != nil {
		return nil, err
	}
	return func(st engine.DAGStatus) DAGResponse { return dagResponse(st, now, !live[st.ID]) }, nil
}

// LiveDAGs are the ids of the DAGs that a process has: this one, or one of the workers. Of any other nothing can be run.
func LiveDAGs(ctx context.Context, store engine.Reader, control *engine.Control) (map[string]bool, error) {
	workers, err := store.Workers(ctx)
	if err != nil {
		return nil, err
	}
	live := map[string]bool{}
	for _, id := range control.Catalog().IDs() {
		live[id] = true
	}
	for _, w := range workers {
		for _, id := range w.DAGs {
			live[id] = true
		}
	}
	return live, nil
}

func dagResponse(st engine.DAGStatus, now time.Time, stale bool) DAGResponse {
	seen, runs := st.SeenAt.UTC(), st.Spec.MaxActiveRuns
	d := DAGResponse{
		DagID: st.ID, DagDisplayName: st.ID, IsPaused: st.Paused, IsStale: stale, LastParsedTime: &seen, BundleVersion: optional(st.Version),
		FileToken: base64.RawURLEncoding.EncodeToString([]byte(st.ID)), Description: optional(st.Spec.Doc),
		MaxConsecutiveFailedDagRuns: st.Spec.MaxFailedRuns,
		TimetableSummary:            optional(st.Spec.Schedule), Tags: []DagTag{}, MaxActiveTasks: st.Spec.MaxActiveTasks, MaxActiveRuns: &runs,
		IsBackfillable: st.Spec.Schedule != "", TimetablePeriodic: st.Spec.Schedule != "" && st.Spec.Schedule != "@once", Owners: append([]string{}, st.Spec.Owners...),
	}
	if st.Spec.Schedule != "" {
		d.TimetableDescription = optional(st.Spec.Schedule + " " + st.Spec.Zone)
	}
	if st.Spec.Assets != nil {
		d.TimetableSummary = optional(strings.Join(slices.DeleteFunc([]string{st.Spec.Schedule, "Asset"}, func(p string) bool { return p == "" }), " or "))
		d.TimetableDescription = optional("Triggered by assets: " + strings.Join(st.Spec.Assets.Names(), ", "))
	}
	for _, t := range st.Spec.Tags {
		d.Tags = append(d.Tags, DagTag{t, st.ID, st.ID})
	}
	for _, t := range st.Spec.Tasks {
		d.HasTaskConcurrencyLimits = d.HasTaskConcurrencyLimits || t.MaxActive > 0
		if d.Fileloc == "" {
			d.Fileloc = t.Body
		}
	}
	if iv, ok := NextRun(st, now); ok {
		d.NextDagrunLogicalDate, d.NextDagrunIntervalStart = utc(&iv.Start), utc(&iv.Start)
		d.NextDagrunIntervalEnd, d.NextDagrunRunAfter = utc(&iv.End), utc(&iv.End)
	}
	return d
}

// NextRun is the interval of a DAG's next scheduled run; false when there is none.
func NextRun(st engine.DAGStatus, now time.Time) (engine.Interval, bool) {
	table, err := engine.ParseSchedule(st.Spec.Schedule, st.Spec.Zone)
	if err != nil || table == nil {
		return engine.Interval{}, false
	}
	line := engine.Timeline{Timetable: table, Registered: st.RegisteredAt, Catchup: st.Spec.Catchup}
	if st.Spec.StartDate != nil {
		line.Start = *st.Spec.StartDate
	}
	if st.Spec.EndDate != nil {
		line.End = *st.Spec.EndDate
	}
	iv, ok, err := line.Next(st.LastScheduled, now)
	return iv, ok && err == nil // those that a schedule's text names do not fail
}

// status finds a DAG.
func (s *server) status(ctx context.Context, id string) (engine.DAGStatus, error) {
	if utf8.ValidString(id) && strings.IndexByte(id, 0) < 0 { // no other DAG is called so, and PostgreSQL refuses to look it up
		st, err := s.Store.DAGStatus(ctx, id)
		if !errors.Is(err, engine.ErrNotFound) {
			return st, err
		}
	}
	all, err := s.Store.Standings(ctx)
	if err != nil {
		return engine.DAGStatus{}, err
	}
	ids := make([]string, len(all))
	for i, st := range all {
		ids[i] = st.ID
	}
	slices.Sort(ids)
	return engine.DAGStatus{}, fail(http.StatusNotFound, "The Dag with ID: `%s` was not found%s", id, engine.Near(id, ids))
}

func (s *server) getDAG(ctx context.Context, in *DagPath) (DAGResponse, error) {
	st, err := s.status(ctx, in.DagID)
	if err != nil {
		return DAGResponse{}, err
	}
	build, err := s.dagBuilder(ctx)
	if err != nil {
		return DAGResponse{}, err
	}
	return build(st), nil
}

func (s *server) dagDetails(ctx context.Context, in *DagPath) (DAGDetailsResponse, error) {
	d, err := s.getDAG(ctx, in)
	if err != nil {
		return DAGDetailsResponse{}, err
	}
	st, err := s.status(ctx, in.DagID)
	if err != nil {
		return DAGDetailsResponse{}, err
	}
	_, active, err := s.Store.Runs(ctx, engine.RunFilter{DAGs: []string{in.DagID}, States: []engine.RunState{engine.RunQueued, engine.RunRunning}, Limit: 1})
	if err != nil {
		return DAGDetailsResponse{}, err
	}
	versions, err := s.versionsOf(ctx, in.DagID)
	if err != nil {
		return DAGDetailsResponse{}, err
	}
	var latest *DagVersion
	for i := range versions {
		if *versions[i].BundleVersion == st.Version {
			latest = &versions[i]
		}
	}
	return DAGDetailsResponse{
		LatestDagVersion: latest, DagRunTimeout: isoDuration(time.Duration(st.Spec.RunTimeout)), AssetExpression: assetExpression(st.Spec.Assets),
		DAGResponse: d, Catchup: st.Spec.Catchup, Concurrency: st.Spec.MaxActiveTasks, DocMD: optional(st.Spec.Doc), StartDate: utc(st.Spec.StartDate), EndDate: utc(st.Spec.EndDate),
		Params: paramsOf(st.Spec.Params), Timezone: optional(st.Spec.Zone), LastParsed: d.LastParsedTime, ActiveRunsCount: active,
	}, nil
}

// isoDuration is a span of time as ISO 8601 has it; null for none.
func isoDuration(d time.Duration) *string {
	if d <= 0 {
		return nil
	}
	return optional(fmt.Sprintf("PT%gS", d.Seconds()))
}

// paramsOf is the params as Airflow's details tell them: for each its schema.
func paramsOf(schema []byte) json.RawMessage {
	var object struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if json.Unmarshal(schema, &object) != nil {
		return raw(nil)
	}
	params := map[string]any{}
	for name, property := range object.Properties {
		var p struct {
			Default     json.RawMessage `json:"default"`
			Description *string         `json:"description"`
		}
		if json.Unmarshal(property, &p) != nil {
			return raw(nil)
		}
		params[name] = map[string]any{"value": raw(p.Default), "schema": property, "description": p.Description}
	}
	b, err := json.Marshal(params)
	if err != nil {
		return raw(nil)
	}
	return b
}

// DAGPatchBody says what to change of a DAG.
type DAGPatchBody struct {
	IsPaused bool `json:"is_paused"`
}

type patchDAGInput struct {
	DagPath
	UpdateMask
	Body DAGPatchBody
}

// UpdateMask names the fields of a body that count.
type UpdateMask struct {
	UpdateMask []string `query:"update_mask,explode" maxItems:"100" doc:"Names of the fields to change; the default is all that are given"`
}

// check refuses a mask that names something else than the fields given.
func (m UpdateMask) check(fields ...string) error {
	for _, f := range m.UpdateMask {
		if !slices.Contains(fields, f) {
			return fail(http.StatusBadRequest, "Only `%s` field can be updated through the REST API", strings.Join(fields, "`, `"))
		}
	}
	return nil
}

func (m UpdateMask) has(field string) bool {
	return len(m.UpdateMask) == 0 || slices.Contains(m.UpdateMask, field)
}

func (s *server) patchDAG(ctx context.Context, in *patchDAGInput) (DAGResponse, error) {
	if err := in.check("is_paused"); err != nil {
		return DAGResponse{}, err
	}
	if _, err := s.status(ctx, in.DagID); err != nil {
		return DAGResponse{}, err
	}
	if err := s.Control.SetPaused(ctx, in.DagID, in.Body.IsPaused, by); err != nil {
		return DAGResponse{}, err
	}
	return s.getDAG(ctx, &in.DagPath)
}

type patchDAGsInput struct {
	DAGFilters
	UpdateMask
	Body DAGPatchBody
}

func (s *server) patchDAGs(ctx context.Context, in *patchDAGsInput) (DAGCollectionResponse, error) {
	if err := in.check("is_paused"); err != nil {
		return DAGCollectionResponse{}, err
	}
	all, err := s.dagsThatFit(ctx, &in.DAGFilters)
	if err != nil {
		return DAGCollectionResponse{}, err
	}
	for i := range all {
		if err := s.Control.SetPaused(ctx, all[i].DagID, in.Body.IsPaused, by); err != nil {
			return DAGCollectionResponse{}, err
		}
		all[i].IsPaused = in.Body.IsPaused
	}
	return DAGCollectionResponse{append([]DAGResponse{}, cut(all, in.Page)...), len(all)}, nil
}
