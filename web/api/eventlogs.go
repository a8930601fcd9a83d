package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/tidemill/tidemill/engine"
)

func (s *server) eventLogs(a huma.API) {
	route(s, a, http.MethodGet, "/eventLogs", "get_event_logs", "List what people did: the audit log", s.listEventLogs)
	route(s, a, http.MethodGet, "/eventLogs/{event_log_id}", "get_event_log", "Get an entry of the audit log", func(ctx context.Context, in *struct {
		ID int64 `path:"event_log_id"`
	}) (EventLogResponse, error) {
		e, err := s.Store.AuditEntry(ctx, in.ID)
		if errors.Is(err, engine.ErrNotFound) {
			return EventLogResponse{}, fail(http.StatusNotFound, "The Event Log with id: `%d` not found", in.ID)
		}
		return eventLogResponse(e), err
	})
}

// An EventLogResponse tells what a person did.
type EventLogResponse struct {
	ID              int64      `json:"event_log_id"`
	When            time.Time  `json:"when"`
	DagID           *string    `json:"dag_id"`
	TaskID          *string    `json:"task_id" doc:"null: of none, or of several"`
	RunID           *string    `json:"run_id"`
	MapIndex        *int       `json:"map_index" doc:"−1: not mapped, or all elements"`
	TryNumber       *int       `json:"try_number" doc:"The latest when it was done"`
	Event           string     `json:"event" doc:"What, by the name of the call that does it, through whatever it was done"`
	LogicalDate     *time.Time `json:"logical_date"`
	Owner           *string    `json:"owner" doc:"Who, or through what: ui, rest_api, cli"`
	Extra           *string    `json:"extra" doc:"A JSON object with the rest"`
	DagDisplayName  *string    `json:"dag_display_name"`
	TaskDisplayName *string    `json:"task_display_name"`
}

// An EventLogCollectionResponse is a page of the audit log.
type EventLogCollectionResponse struct {
	EventLogs    []EventLogResponse `json:"event_logs" nullable:"false"`
	TotalEntries int                `json:"total_entries"`
}

func eventLogResponse(e engine.AuditEntry) EventLogResponse {
	r := EventLogResponse{ID: e.ID, When: e.At.UTC(), DagID: optional(e.DAG), TaskID: optional(e.Task), RunID: optional(e.RunID), Event: e.Event,
		LogicalDate: utc(e.Logical), Owner: optional(e.By), Extra: optional(string(e.Extra)), DagDisplayName: optional(e.DAG), TaskDisplayName: optional(e.Task)}
	if e.Task != "" {
		r.MapIndex = &e.MapIndex
		if e.Try > 0 {
			r.TryNumber = &e.Try
		}
	}
	return r
}

type listEventLogsInput struct {
	Page
	OrderBy      []string `query:"order_by,explode" maxItems:"20"`
	DagID        string   `query:"dag_id"`
	TaskID       string   `query:"task_id"`
	RunID        string   `query:"run_id"`
	MapIndex     OptInt   `query:"map_index"`
	TryNumber    OptInt   `query:"try_number"`
	Owner        string   `query:"owner"`
	Event        string   `query:"event"`
	Excluded     []string `query:"excluded_events,explode" maxItems:"100"`
	Included     []string `query:"included_events,explode" maxItems:"100"`
	Before       string   `query:"before"`
	After        string   `query:"after"`
	DagPattern   string   `query:"dag_id_pattern"`
	TaskPattern  string   `query:"task_id_pattern"`
	RunPattern   string   `query:"run_id_pattern"`
	OwnerPattern string   `query:"owner_pattern"`
	EventPattern string   `query:"event_pattern"`
	DagPrefix    string   `query:"dag_id_prefix_pattern"`
	TaskPrefix   string   `query:"task_id_prefix_pattern"`
	RunPrefix    string   `query:"run_id_prefix_pattern"`
	OwnerPrefix  string   `query:"owner_prefix_pattern"`
	EventPrefix  string   `query:"event_prefix_pattern"`
}

func (s *server) listEventLogs(ctx context.Context, in *listEventLogsInput) (EventLogCollectionResponse, error) {
	page := EventLogCollectionResponse{EventLogs: []EventLogResponse{}}
	f, none, err := in.filter()
	if err != nil || none {
		return page, err
	}
	entries, total, err := s.Store.Audit(ctx, f)
	if err != nil {
		return page, err
	}
	for _, e := range entries {
		page.EventLogs = append(page.EventLogs, eventLogResponse(e))
	}
	page.TotalEntries = total
	return page, nil
}

// filter is what the store is asked for. none tells that nothing can fit: an event that is not among those included.
func (in *listEventLogsInput) filter() (f engine.AuditFilter, none bool, err error) {
	f = engine.AuditFilter{DAG: in.DagID, RunID: in.RunID, Task: in.TaskID, By: in.Owner, Events: in.Included, NotEvents: in.Excluded, Limit: in.limit(), Offset: in.Offset}
	if f.DAG == "~" {
		f.DAG = ""
	}
	if f.RunID == "~" {
		f.RunID = ""
	}
	if in.Event != "" {
		for _, e := range in.Included {
			none = in.Event != e
			if !none {
				break
			}
		}
		f.Events = []string{in.Event}
	}
	if in.MapIndex.Set {
		f.MapIndex = &in.MapIndex.Value
	}
	if in.TryNumber.Set {
		f.Try = &in.TryNumber.Value
	}
	for _, b := range []struct {
		name, text string
		at         **time.Time
	}{{"before", in.Before, &f.Before}, {"after", in.After, &f.After}} {
		if b.text == "" {
			continue
		}
		at, err := parseTime(b.text)
		if err != nil {
			return f, none, invalid(err.Error(), b.text, "query", b.name)
		}
		*b.at = &at
	}
	for _, p := range []struct{ field, part, prefix string }{
		{"dag_id", in.DagPattern, in.DagPrefix}, {"task_id", in.TaskPattern, in.TaskPrefix}, {"run_id", in.RunPattern, in.RunPrefix},
		{"owner", in.OwnerPattern, in.OwnerPrefix}, {"event", in.EventPattern, in.EventPrefix},
	} {
		f.Match = append(f.Match, AuditMatches(p.field, p.part, p.prefix)...)
	}
	f.OrderBy, err = auditOrder(in.OrderBy)
	return f, none, err
}

// AuditMatches is Airflow's search in a field of the audit log, see pattern: by a part of it, and by what it begins with; "" is no search.
func AuditMatches(field, part, prefix string) []engine.AuditMatch {
	var out []engine.AuditMatch
	escape := strings.NewReplacer(`\`, `\\`)
	if part != "" && part != "~" {
		m := engine.AuditMatch{Field: field, Fold: true}
		for _, alt := range strings.Split(part, "|") {
			m.Patterns = append(m.Patterns, "%"+escape.Replace(strings.TrimSpace(alt))+"%")
		}
		out = append(out, m)
	}
	escape = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)
	if prefix != "" && prefix != "~" {
		m := engine.AuditMatch{Field: field}
		for _, alt := range strings.Split(prefix, "|") {
			m.Patterns = append(m.Patterns, escape.Replace(strings.TrimSpace(alt))+"%")
		}
		out = append(out, m)
	}
	return out
}

// auditOrder turns Airflow's names of what the log is ordered by into the store's.
func auditOrder(by []string) ([]string, error) {
	var out []string
	for _, o := range by {
		name, down := strings.CutPrefix(o, "-")
		switch name {
		case "event_log_id":
			name = "id"
		case "dttm":
			name = "when"
		case "id", "when", "dag_id", "task_id", "run_id", "event", "logical_date", "owner", "extra":
		default:
			return nil, badOrder(name)
		}
		if down {
			name = "-" + name
		}
		out = append(out, name)
	}
	return out, nil
}
