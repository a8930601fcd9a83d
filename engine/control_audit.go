package engine

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// Bounds of what an entry of the audit log carries beside its fields.
const (
	maxActExtra = 16 << 10 // bytes
	maxActTasks = 50       // task instances that are named
)

// act makes the entry of what a person does. extra becomes its Extra; nil: none.
func (c *Control) act(event, by string, extra any) AuditEntry {
	return AuditEntry{Event: event, By: by, MapIndex: -1, Extra: c.actExtra(extra)}
}

// actExtra encodes what an entry carries. What people may not write is refused before; what slips through is masked here, and a text that
// masking breaks, or that is too long, is left out.
func (c *Control) actExtra(extra any) []byte {
	if told, ok := extra.(map[string]any); extra == nil || ok && len(told) == 0 {
		return nil
	}
	raw, err := json.Marshal(extra)
	if err != nil {
		return []byte(`{"left_out":"it cannot be written as JSON"}`)
	}
	if len(raw) > maxActExtra {
		return fmt.Appendf(nil, `{"left_out":"it has %d bytes; at most %d are kept"}`, len(raw), maxActExtra)
	}
	if masked := c.secrets.Mask(string(raw)); masked != string(raw) {
		if !json.Valid([]byte(masked)) {
			return []byte(`{"left_out":"it contains a secret"}`)
		}
		return []byte(masked)
	}
	return raw
}

// actOf is act for a run.
func (c *Control) actOf(row *RunRow, event, by string, extra any) AuditEntry {
	a := c.act(event, by, extra)
	a.DAG, a.RunID, a.Logical = row.DAG, row.RunID, row.Logical
	return a
}

// selectionExtra is what an entry tells of a selection and of what it picked.
type selectionExtra struct {
	State      string   `json:"new_state,omitempty"`
	Output     bool     `json:"output_given,omitempty"` // by the person, in place of what the task yields
	Tasks      []string `json:"task_ids,omitempty"`     // that were asked for
	MapIndexes []int    `json:"map_indexes,omitempty"`
	Upstream   bool     `json:"include_upstream,omitempty"`
	Downstream bool     `json:"include_downstream,omitempty"`
	OnlyFailed bool     `json:"only_failed,omitempty"`
	Latest     bool     `json:"run_on_latest_version,omitempty"`
	Instances  []string `json:"task_instances"` // that it was done to; the first of them
	Count      int      `json:"count"`          // how many these were
	Backfill   int64    `json:"backfill_id,omitempty"`
}

// actOn makes the entry of something done to picked instances of the machine's run, before it is done. x has what else there is to tell. It names a task where the person named
// one alone, and its element likewise.
func (c *Control) actOn(m *machine, event string, x selectionExtra, s Selection, picked []TaskKey) AuditEntry {
	x.Tasks, x.MapIndexes, x.Upstream, x.Downstream, x.OnlyFailed, x.Latest = s.Tasks, s.MapIndexes, s.Upstream, s.Downstream, s.OnlyFailed, s.Latest
	x.Count = len(picked)
	for _, k := range picked[:min(len(picked), maxActTasks)] {
		name := k.Task
		if k.MapIndex >= 0 {
			name += "[" + strconv.Itoa(k.MapIndex) + "]"
		}
		x.Instances = append(x.Instances, name)
	}
	a := c.actOf(&m.row, event, m.who.by, x)
	if len(s.Tasks) == 1 {
		a.Task = s.Tasks[0]
		if len(s.MapIndexes) == 1 {
			a.MapIndex = s.MapIndexes[0]
		}
		a.Try = m.tryOf(a.Task, a.MapIndex)
	}
	return a
}

// tryOf is the latest try that was given out of an instance; 0 when there is no such instance.
func (m *machine) tryOf(task string, mapIndex int) int {
	t, ok := m.def.byID[task]
	if !ok {
		return 0
	}
	if in := m.states.Tasks[t.index].instance(mapIndex); in != nil {
		return in.Try
	}
	return 0
}
