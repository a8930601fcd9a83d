package ui

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/api"
)

// taskData is what the page of a task instance shows.
type taskData struct {
	Run          runHead
	Task         engine.TaskView
	Spec         engine.TaskSpec
	Label        string
	Elements     []engine.TaskView // of the same mapped task
	MoreElements int
	Try          int    // the one that is shown
	NoTry        string // that the address asks for and there is not; "": there is
	LatestURL    string // of the latest try
	Tries        []tryLine
	Shown        *tryLine
	Inputs       []inputLine
	MoreInputs   int
	Output       string
	Details      string
	Facts        []factLine // of a virtual node: what its details say in a word each
	Kept         []keptPart // what the try keeps beside its log
	Error        string
	Pick         string
	Log          logData
	LogURL       string
	Note         note
	Answer       *engine.Answer[string] // of a question that was answered
	Asked        *questionLine          // that is open
	Question     string                 // that the try which is shown has asked, when it is not open any more
	Marked       *mark                  // it is as it is by a person's word
}

// A tryLine is a try in the list.
type tryLine struct {
	engine.Attempt
	Running bool
	Ended   any // *time.Time, nil while it runs
	Class   string
	URL     string
}

// An inputLine is what a try read of another task.
type inputLine struct {
	Task string
	Try  int
	JSON string
	URL  string
}

func (s *server) taskPage(ctx context.Context, r *http.Request) (*page, error) {
	v, err := s.runView(ctx, r)
	if err != nil {
		return nil, err
	}
	index := -1
	if text := r.URL.Query().Get("map_index"); text != "" {
		if index, err = strconv.Atoi(text); err != nil {
			return nil, &engine.InvalidError{Field: "map_index", Message: "is a whole number"}
		}
	}
	d, err := find(v, param(r, "task"), index)
	if err != nil {
		return nil, err
	}
	if d.Run.Refused, err = s.refused(ctx, v.Run.DAG); err != nil {
		return nil, err
	}
	if d.Asked != nil {
		d.Asked.Refused = d.Run.Refused
	}
	if index < 0 && d.Task.MapIndex >= 0 { // what asks for attention changes: the address keeps the element that is looked at
		at, q := *r.URL, r.URL.Query()
		q.Set("map_index", strconv.Itoa(d.Task.MapIndex))
		at.RawQuery = q.Encode()
		return &page{Elsewhere: at.String()}, nil
	}
	if err := s.tries(ctx, d, r.URL); err != nil {
		return nil, err
	}
	if err := s.values(ctx, d); err != nil {
		return nil, err
	}
	follower := &logFollower{key: d.Task.TaskKey, try: d.Try, fresh: true}
	if d.Task.Runner != "" {
		follower.key.Task, follower.node = d.Task.Runner, &d.Task
	}
	reader := *follower
	if d.Log.Lines, d.Log.Left, err = reader.next(ctx, s.Store); err != nil {
		return nil, err
	}
	d.Kept = keptParts(api.AttachedTo(reader.kept, d.Task))
	d.LogURL = runURL(d.Task.DAG, d.Task.RunID) + "/tasks/" + url.PathEscape(d.Task.Task) + "/log?" + url.Values{"try": {strconv.Itoa(d.Try)}, "map_index": {strconv.Itoa(d.Task.MapIndex)}}.Encode()
	return &page{Title: d.Label + " · " + d.Task.DAG, Name: "task", Nav: "dags", Data: d, Log: follower}, nil
}

// find picks an instance of a run; of a mapped task without an index it is the element that asks most for attention.
func find(v engine.RunView, task string, index int) (*taskData, error) {
	d := &taskData{Run: headOf(v, "")}
	found := false
	for _, t := range v.Tasks {
		if t.Task != task {
			continue
		}
		d.Elements = append(d.Elements, t)
		if t.MapIndex == index || index < 0 && (!found || urgency(t) > urgency(d.Task)) {
			d.Task, found = t, true
		}
	}
	if !found {
		return nil, notFound("task %q (map index %d) of run %s", task, index, v.Run.RunID)
	}
	if len(d.Elements) < 2 {
		d.Elements = nil
	}
	d.Elements, d.MoreElements = folded(d.Elements)
	for _, t := range v.Spec.Tasks {
		if t.ID == task || t.ID == d.Task.Runner {
			d.Spec = t
		}
	}
	d.Task.Reason = reason(d.Task, v.Tasks)
	d.Label = nameOf(d.Task)
	if q := d.Task.Question; q != nil && d.Task.Runner == "" {
		d.Asked = &questionLine{QuestionRow: *q, DAG: d.Task.DAG, RunID: d.Task.RunID, Next: taskURL(d.Task.DAG, d.Task.RunID, d.Task.Task, d.Task.MapIndex)}
	}
	d.Pick = pick(d.Task)
	if d.Task.Runner == "" {
		d.Note = note{Text: d.Task.Note, Action: runURL(d.Task.DAG, d.Task.RunID) + "/note", Task: d.Task.Task, MapIndex: d.Task.MapIndex, Next: taskURL(d.Task.DAG, d.Task.RunID, d.Task.Task, d.Task.MapIndex)}
	}
	return d, nil
}

// urgency says which element of a mapped task is looked at first: one that failed, else one that is unfinished.
func urgency(t engine.TaskView) int {
	switch {
	case t.State == engine.Failed:
		return 2
	case !t.State.Terminal():
		return 1
	}
	return 0
}

// tries lists the tries and picks the one to show: that of the address, else the latest.
func (s *server) tries(ctx context.Context, d *taskData, u *url.URL) error {
	key := d.Task.TaskKey
	if d.Task.Runner != "" {
		key.Task = d.Task.Runner
	}
	attempts, err := s.Store.Attempts(ctx, []int64{key.Run}, key.Task)
	if err != nil {
		return err
	}
	for _, a := range attempts {
		if a.MapIndex != key.MapIndex || a.Try == 0 {
			continue
		}
		ended := a.EndedAt
		d.Tries = append(d.Tries, tryLine{Attempt: a, Ended: &ended, Class: endClass(a.Ending), URL: with(u, "try", strconv.Itoa(a.Try))})
	}
	latest := slices.ContainsFunc(d.Tries, func(t tryLine) bool { return t.Try == d.Task.Try })
	if !latest && d.Task.Try > 0 && !d.Task.State.Terminal() && d.Task.State != engine.None {
		d.Tries = append(d.Tries, tryLine{Running: true, Class: string(d.Task.State), URL: with(u, "try", strconv.Itoa(d.Task.Try)),
			Attempt: engine.Attempt{TaskKey: key, Try: d.Task.Try, State: d.Task.State, QueuedAt: d.Task.QueuedAt, StartedAt: d.Task.StartedAt, Worker: d.Task.Worker}})
	}
	if d.Task.Runner == "" && d.Task.State.Terminal() {
		d.Marked = markOf(attempts, d.Task)
	}
	d.Try = d.Task.Try
	if n, err := strconv.Atoi(u.Query().Get("try")); err == nil && n > 0 {
		d.Try = n
	}
	for i := range d.Tries {
		if d.Tries[i].Try == d.Try {
			d.Shown = &d.Tries[i]
		}
	}
	if asked := u.Query().Get("try"); asked != "" && d.Shown == nil && asked != strconv.Itoa(d.Task.Try) {
		d.NoTry, d.LatestURL = asked, with(u, "try", "")
	}
	return nil
}

func endClass(e engine.Ending) string {
	switch e {
	case engine.EndSuccess:
		return "success"
	case engine.EndSkipped:
		return "skipped"
	case engine.EndCancelled:
		return "removed"
	}
	return "failed"
}

// values are what the try that is shown read, yielded and failed with.
func (s *server) values(ctx context.Context, d *taskData) error {
	d.Error = maskText(d.Task.Error)
	d.Facts = factsIn(d.Task.Details)
	if len(d.Facts) == 0 {
		d.Details = pretty(d.Task.Details)
	}
	if d.Task.Runner != "" || d.Shown == nil || d.Shown.Running {
		return nil
	}
	a, err := s.Store.Attempt(ctx, d.Task.TaskKey, d.Try)
	if errors.Is(err, engine.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	d.Error, d.Output = maskText(a.Error), pretty(a.Output)
	if len(d.Spec.Answers) > 0 {
		if a.State == engine.Success {
			d.Answer = answerIn(a.Output)
		}
		if err := s.askedBy(ctx, d); err != nil {
			return err
		}
	}
	return s.inputs(ctx, d, a.Inputs)
}

// inputsShown is how many inputs are shown with what they are; a task that reads a mapped one may have thousands.
const inputsShown = 20

// inputs are the outputs of the tries that this one read, by task id and, of elements, "[index]".
func (s *server) inputs(ctx context.Context, d *taskData, raw []byte) error {
	var tries map[string]int
	if len(raw) == 0 || json.Unmarshal(raw, &tries) != nil {
		return nil
	}
	names := slices.SortedFunc(maps.Keys(tries), func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	if len(names) > inputsShown {
		names, d.MoreInputs = names[:inputsShown], len(names)-inputsShown
	}
	for _, name := range names {
		task, index := name, -1
		if t, i, ok := strings.Cut(strings.TrimSuffix(name, "]"), "["); ok {
			if n, err := strconv.Atoi(i); err == nil {
				task, index = t, n
			}
		}
		a, err := s.Store.Attempt(ctx, engine.TaskKey{Run: d.Task.TaskKey.Run, Task: task, MapIndex: index}, tries[name])
		if err != nil && !errors.Is(err, engine.ErrNotFound) {
			return err
		}
		d.Inputs = append(d.Inputs, inputLine{Task: name, Try: tries[name], URL: taskURL(d.Task.DAG, d.Task.RunID, task, index), JSON: pretty(a.Output)})
	}
	return nil
}
