package ui

import (
	"encoding/json"

	"github.com/tidemill/tidemill/engine"
)

// actWords are the events of the audit log as people read them, in the order in which they can be chosen.
var actWords = []choice{
	{Value: engine.ActTriggerRun, Label: "Run triggered"},
	{Value: engine.ActClearRun, Label: "Run cleared"},
	{Value: engine.ActMarkRun, Label: "Run marked or noted"},
	{Value: engine.ActClearTasks, Label: "Tasks cleared"},
	{Value: engine.ActMarkTask, Label: "Task marked or noted"},
	{Value: engine.ActAnswer, Label: "Question answered"},
	{Value: engine.ActPauseDAG, Label: "DAG paused or unpaused"},
	{Value: engine.ActCreateBackfill, Label: "Backfill created"},
	{Value: engine.ActPauseBackfill, Label: "Backfill paused"},
	{Value: engine.ActUnpauseBackfill, Label: "Backfill resumed"},
	{Value: engine.ActCancelBackfill, Label: "Backfill cancelled"},
	{Value: engine.ActUpdateAsset, Label: "Asset updated"},
	{Value: engine.ActDropPending, Label: "Pending updates of a DAG dropped"},
	{Value: engine.ActDropPendingOne, Label: "Pending updates of an asset for a DAG dropped"},
	{Value: engine.ActDropPendingAsset, Label: "Pending updates of an asset dropped"},
	{Value: engine.ActCreatePool, Label: "Pool created"},
	{Value: engine.ActChangePool, Label: "Pool changed"},
	{Value: engine.ActDeletePool, Label: "Pool deleted"},
	{Value: engine.ActPauseStream, Label: "Stream paused"},
	{Value: engine.ActUnpauseStream, Label: "Stream resumed"},
	{Value: engine.ActPrune, Label: "History pruned"},
}

// actWord is what an entry tells, as exactly as it carries it. An event that is not known stands as it is.
func actWord(a engine.AuditEntry) string {
	var told struct {
		State    string  `json:"state"`
		NewState string  `json:"new_state"`
		Note     *string `json:"note"`
		Paused   *bool   `json:"is_paused"`
	}
	_ = json.Unmarshal(a.Extra, &told) // what cannot be read says nothing more
	switch {
	case a.Event == engine.ActMarkRun && told.State != "":
		return "Run marked " + told.State
	case a.Event == engine.ActMarkRun && told.Note != nil:
		return "Run noted"
	case a.Event == engine.ActMarkTask && told.NewState != "":
		return "Task marked " + told.NewState
	case a.Event == engine.ActMarkTask && told.Note != nil:
		return "Task noted"
	case a.Event == engine.ActPauseDAG && told.Paused != nil && *told.Paused:
		return "DAG paused"
	case a.Event == engine.ActPauseDAG && told.Paused != nil:
		return "DAG unpaused"
	}
	for _, w := range actWords {
		if w.Value == a.Event {
			return w.Label
		}
	}
	return a.Event
}
