package dbt

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"time"
)

// Event is one line of dbt's JSON log, reduced to what is used here.
type Event struct {
	Name    string    // dbt's name of the event, such as NodeFinished
	Level   string    // debug, info, warn, error
	Message string    // for people; without colour codes
	Time    time.Time // zero when the line has none

	UniqueID   string // the node that it is about; empty when about none
	NodeStatus string // started, compiling, executing, success, error, …
	Relation   string // the quoted relation that the node builds

	Result            *nodeResult // of NodeFinished; nil otherwise
	Cause             string      // of MarkSkippedChildren: the node whose children are skipped
	KeyboardInterrupt bool        // of EndOfRunSummary: dbt was interrupted
}

// nodeResult is how dbt says that a node went, in its events (num_failures) and in run_results.json (failures).
type nodeResult struct {
	UniqueID      string          `json:"unique_id"` // in run_results.json only
	Status        string          `json:"status"`
	Message       string          `json:"message"`
	ExecutionTime number          `json:"execution_time"`
	NumFailures   number          `json:"num_failures"`
	Failures      number          `json:"failures"`
	Relation      string          `json:"relation_name"`
	Adapter       json.RawMessage `json:"adapter_response"`
}

type eventJSON struct {
	Info struct {
		Name  string `json:"name"`
		Level string `json:"level"`
		Msg   string `json:"msg"`
		TS    string `json:"ts"`
	} `json:"info"`
	Data json.RawMessage `json:"data"`
}

type eventData struct {
	NodeInfo struct {
		UniqueID string `json:"unique_id"`
		Status   string `json:"node_status"`
		Relation struct {
			Name string `json:"relation_name"`
		} `json:"node_relation"`
	} `json:"node_info"`
	RunResult         json.RawMessage `json:"run_result"`
	UniqueID          string          `json:"unique_id"`
	KeyboardInterrupt bool            `json:"keyboard_interrupt"`
}

// ParseEvent reads one line of dbt's JSON log. It is false for a line that is none: a traceback, a warning of Python.
// What a line says in a shape that is not known is left empty; nothing makes it fail.
func ParseEvent(line []byte) (Event, bool) {
	line = bytes.TrimSpace(line)
	if len(line) == 0 || line[0] != '{' {
		return Event{}, false
	}
	var raw eventJSON
	if json.Unmarshal(line, &raw) != nil || raw.Info.Name == "" {
		return Event{}, false
	}
	e := Event{Name: raw.Info.Name, Level: raw.Info.Level, Message: stripColour(raw.Info.Msg)}
	e.Time, _ = time.Parse(time.RFC3339Nano, raw.Info.TS) // zero when it has none

	var data eventData
	if json.Unmarshal(raw.Data, &data) != nil { // an event whose data are shaped otherwise is only text
		return e, true
	}
	e.UniqueID, e.NodeStatus, e.Relation = data.NodeInfo.UniqueID, data.NodeInfo.Status, data.NodeInfo.Relation.Name
	e.KeyboardInterrupt = data.KeyboardInterrupt
	switch e.Name {
	case "MarkSkippedChildren":
		e.Cause = data.UniqueID
	case "NodeFinished":
		var r nodeResult
		if json.Unmarshal(data.RunResult, &r) == nil && r.Status != "" {
			r.Message = stripColour(r.Message)
			e.Result = &r
		}
	}
	return e, true
}

// rows is the number of rows that the database says were affected; -1 when it does not say.
func (r nodeResult) rows() int64 {
	var response struct {
		Rows *float64 `json:"rows_affected"` // a float in the events: 3.0
	}
	if json.Unmarshal(r.Adapter, &response) != nil || response.Rows == nil || *response.Rows < 0 {
		return -1
	}
	return int64(*response.Rows)
}

func (r nodeResult) failures() int64 { return int64(max(r.Failures, r.NumFailures, 0)) }

func (r nodeResult) executionTime() time.Duration {
	return time.Duration(max(r.ExecutionTime, 0) * number(time.Second))
}

// number is a JSON number, or zero for whatever else dbt writes in its place (null, "NaN", a text).
type number float64

// UnmarshalJSON never errs: a figure that cannot be read must not hide the status beside it.
func (n *number) UnmarshalJSON(text []byte) error {
	*n = 0
	var f float64
	if json.Unmarshal(text, &f) == nil {
		*n = number(f)
	}
	return nil
}

var colour = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")

func stripColour(s string) string {
	if !strings.Contains(s, "\x1b") {
		return s
	}
	return colour.ReplaceAllString(s, "")
}
