package ui

import (
	"testing"

	"github.com/tidemill/tidemill/engine"
)

func TestWhatAnEntryOfTheAuditLogTells(t *testing.T) {
	for _, c := range []struct{ event, extra, want string }{
		{engine.ActTriggerRun, ``, "Run triggered"},
		{engine.ActMarkRun, `{"state":"failed"}`, "Run marked failed"},
		{engine.ActMarkRun, `{"note":""}`, "Run noted"},
		{engine.ActMarkRun, `no JSON`, "Run marked or noted"},
		{engine.ActMarkTask, `{"new_state":"success","count":2}`, "Task marked success"},
		{engine.ActMarkTask, `{"note":"n"}`, "Task noted"},
		{engine.ActPauseDAG, `{"is_paused":true}`, "DAG paused"},
		{engine.ActPauseDAG, `{"is_paused":false}`, "DAG unpaused"},
		{engine.ActPauseDAG, ``, "DAG paused or unpaused"},
		{"of_tomorrow", `{"note":"n"}`, "of_tomorrow"},
	} {
		if got := actWord(engine.AuditEntry{Event: c.event, Extra: []byte(c.extra)}); got != c.want {
			t.Errorf("%s with %s is %q, want %q", c.event, c.extra, got, c.want)
		}
	}
}
