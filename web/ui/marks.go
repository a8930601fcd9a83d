package ui

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// A mark is a person's word that made a run or an instance what it is.
type mark struct {
	State string
	By    string
	At    time.Time
}

// markOf is the mark of an instance whose latest try a person ended, nil when it ended by itself. attempts may be those of other instances too.
func markOf(attempts []engine.Attempt, t engine.TaskView) *mark {
	for _, a := range attempts {
		if a.TaskKey == t.TaskKey && a.Try == t.Try && a.Try > 0 && a.State == t.State && a.By != "" {
			return &mark{string(a.State), a.By, a.EndedAt}
		}
	}
	return nil
}

// actsOfState are what people do that gives a run its state.
var actsOfState = []string{engine.ActMarkRun, engine.ActClearRun, engine.ActClearTasks, engine.ActMarkTask}

// runMark is the mark of a run that a person ended, nil when it ended by itself, or something was cleared or marked in it since.
func (s *server) runMark(ctx context.Context, r engine.RunRow) (*mark, error) {
	if !r.State.Terminal() {
		return nil, nil
	}
	acts, _, err := s.Store.Audit(ctx, engine.AuditFilter{DAG: r.DAG, RunID: r.RunID, Events: actsOfState, OrderBy: []string{"-id"}, Limit: actsShown})
	if err != nil {
		return nil, err
	}
	for _, a := range acts {
		var told struct {
			State    string  `json:"state"`
			NewState string  `json:"new_state"`
			Note     *string `json:"note"`
		}
		_ = json.Unmarshal(a.Extra, &told) // what cannot be read says nothing
		switch {
		case told.Note != nil && told.State == "" && told.NewState == "":
			continue // a note changes no state
		case a.Event == engine.ActMarkRun && told.State == string(r.State):
			return &mark{told.State, a.By, a.At}, nil
		}
		return nil, nil
	}
	return nil, nil
}

// askedBy finds what the try that is shown has asked, the latest if it asked several times.
func (s *server) askedBy(ctx context.Context, d *taskData) error {
	asked, err := s.Store.OldQuestions(ctx, d.Task.TaskKey)
	if err != nil {
		return err
	}
	latest, err := s.Store.Questions(ctx, []int64{d.Task.Run}, engine.MaxQuestions)
	if err != nil {
		return err
	}
	for _, q := range latest {
		if q.TaskKey == d.Task.TaskKey {
			asked = append(asked, q)
		}
	}
	for _, q := range slices.Backward(asked) {
		// The first try that was not over when it was asked.
		i := slices.IndexFunc(d.Tries, func(t tryLine) bool { return t.Running || !t.EndedAt.Before(q.AskedAt) })
		if i >= 0 && d.Tries[i].Try == d.Try && q.Closed {
			d.Question = q.Text
			return nil
		}
	}
	return nil
}
