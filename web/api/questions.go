package api

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/tidemill/tidemill/engine"
)

func (s *server) questions(a huma.API) {
	const one = instancesPath + "/{task_id}/{map_index}/hitlDetails"
	route(s, a, http.MethodGet, "/dags/{dag_id}/dagRuns/{dag_run_id}/hitlDetails", "get_hitl_details", "List questions to people; ~ as DAG or run: of every one", s.listQuestions)
	route(s, a, http.MethodGet, one, "get_hitl_detail", "Get a question", func(ctx context.Context, in *MappedPath) (HITLDetail, error) { return s.question(ctx, in) })
	route(s, a, http.MethodGet, one+"/tries/{try_number}", "get_hitl_detail_try_detail", "Get the question of a try", s.questionOfTry)
	route(s, a, http.MethodPatch, one, "update_hitl_detail", "Answer a question", s.answer)
}

// A HITLUser is who answered.
type HITLUser struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// A HITLDetail is a question to people, and how they answered it.
type HITLDetail struct {
	TaskInstance TaskInstanceResponse `json:"task_instance"`
	HITLQuestion
}

// A HITLDetailHistory is the question of one try.
type HITLDetailHistory struct {
	TaskInstance TaskInstanceHistoryResponse `json:"task_instance"`
	HITLQuestion
}

// A HITLQuestion is what is asked, and the answer.
type HITLQuestion struct {
	Subject          string         `json:"subject" doc:"The question"`
	Body             *string        `json:"body"`
	Options          []string       `json:"options" nullable:"false" doc:"The answers that it takes"`
	Defaults         []string       `json:"defaults" doc:"Taken when due_at passes; null: the task fails then"`
	Multiple         bool           `json:"multiple" doc:"Never: one answer is given"`
	Params           map[string]any `json:"params"`
	AssignedUsers    []HITLUser     `json:"assigned_users" nullable:"false" doc:"Empty: whoever sees it may answer"`
	CreatedAt        time.Time      `json:"created_at"`
	DueAt            *time.Time     `json:"due_at" doc:"Ours: when its time is over"`
	ResponseReceived bool           `json:"response_received"`
	RespondedBy      *HITLUser      `json:"responded_by_user" doc:"null: nobody did in time, and the default was taken"`
	RespondedAt      *time.Time     `json:"responded_at"`
	ChosenOptions    []string       `json:"chosen_options"`
	ParamsInput      map[string]any `json:"params_input"`
}

// A HITLDetailCollection is a page of questions.
type HITLDetailCollection struct {
	HITLDetails  []HITLDetail `json:"hitl_details" nullable:"false"`
	TotalEntries int          `json:"total_entries"`
}

// answered is how the question of a try was answered, −1 for the latest; nil when it was not.
func (s *server) answered(ctx context.Context, k engine.TaskKey, try int) (*engine.Answer[string], error) {
	a, err := s.Store.Attempt(ctx, k, try)
	if err != nil || a.State != engine.Success {
		if status, _ := StatusOf(err); err != nil && status != http.StatusNotFound {
			return nil, err
		}
		return nil, nil
	}
	var given engine.Answer[string]
	if json.Unmarshal(a.Output, &given) != nil || given.Choice == "" {
		return nil, nil
	}
	return &given, nil
}

func (s *server) questionResponse(ctx context.Context, in instance, q engine.QuestionRow) (HITLDetail, error) {
	one, err := s.instanceOf(ctx, in)
	if err != nil {
		return HITLDetail{}, err
	}
	d, err := s.answeredQuestion(ctx, q, -1)
	return HITLDetail{one, d}, err
}

// answeredQuestion is a question with the answer that a try, or with −1 the latest, was given.
func (s *server) answeredQuestion(ctx context.Context, q engine.QuestionRow, try int) (HITLQuestion, error) {
	d := HITLQuestion{Subject: q.Text, Options: append([]string{}, q.Answers...), Params: map[string]any{}, AssignedUsers: []HITLUser{}, CreatedAt: q.AskedAt.UTC(), DueAt: utc(q.DueAt), ParamsInput: map[string]any{}}
	if q.Default != "" {
		d.Defaults = []string{q.Default}
	}
	if !q.Closed {
		return d, nil
	}
	given, err := s.answered(ctx, q.TaskKey, try)
	if err != nil || given == nil {
		return d, err
	}
	at := given.At.UTC()
	d.ResponseReceived, d.RespondedAt, d.ChosenOptions = true, &at, []string{given.Choice}
	if given.By != "" {
		d.RespondedBy = &HITLUser{given.By, given.By}
	}
	return d, nil
}

type listQuestionsInput struct {
	RunPath
	Page
	OrderBy      []string `query:"order_by,explode" maxItems:"20"`
	DagPattern   string   `query:"dag_id_pattern"`
	DagPrefix    string   `query:"dag_id_prefix_pattern"`
	TaskID       string   `query:"task_id"`
	TaskPattern  string   `query:"task_id_pattern"`
	TaskPrefix   string   `query:"task_id_prefix_pattern"`
	MapIndex     OptInt   `query:"map_index"`
	State        []string `query:"state,explode" maxItems:"100"`
	Received     string   `query:"response_received" enum:"true,false"`
	UserIDs      []string `query:"responded_by_user_id,explode" maxItems:"100"`
	UserNames    []string `query:"responded_by_user_name,explode" maxItems:"100"`
	Subject      string   `query:"subject_search"`
	BodyText     string   `query:"body_search"`
	CreatedAtGte string   `query:"created_at_gte"`
	CreatedAtGt  string   `query:"created_at_gt"`
	CreatedAtLte string   `query:"created_at_lte"`
	CreatedAtLt  string   `query:"created_at_lt"`
}

// questionRuns is how many of the newest runs a list of questions looks at where it is not about one.
const questionRuns = 1000

// asked are the questions of a run, or with ~ of the newest runs; open ones of all runs come first.
func (s *server) asked(ctx context.Context, in *listQuestionsInput) ([]engine.QuestionRow, []engine.RunRow, error) {
	if in.DagID != "~" && in.DagRunID != "~" {
		row, err := s.row(ctx, in.RunPath)
		if err != nil {
			return nil, nil, err
		}
		asked, err := s.Store.Questions(ctx, []int64{row.Key}, engine.MaxQuestions)
		return asked, []engine.RunRow{row}, err
	}
	f := engine.RunFilter{Limit: questionRuns}
	if in.DagID != "~" {
		if _, err := s.status(ctx, in.DagID); err != nil {
			return nil, nil, err
		}
		f.DAGs = []string{in.DagID}
	}
	open, err := s.Store.Questions(ctx, nil, eventsRead)
	if err != nil {
		return nil, nil, err
	}
	have := map[engine.TaskKey]bool{}
	var keys []int64
	for _, q := range open {
		have[q.TaskKey] = true
		keys = append(keys, q.Run)
	}
	rows, err := s.Store.RunsByKey(ctx, slices.Compact(slices.Sorted(slices.Values(keys))))
	if err != nil {
		return nil, nil, err
	}
	if in.Received != "false" {
		newest, _, err := s.Store.Runs(ctx, f)
		if err != nil {
			return nil, nil, err
		}
		keys = nil
		for _, r := range newest {
			keys = append(keys, r.Key)
			if !slices.ContainsFunc(rows, func(o engine.RunRow) bool { return o.Key == r.Key }) {
				rows = append(rows, r)
			}
		}
		var all []engine.QuestionRow
		if len(keys) > 0 {
			if all, err = s.Store.Questions(ctx, keys, eventsRead); err != nil {
				return nil, nil, err
			}
		}
		for _, q := range all {
			if !have[q.TaskKey] {
				open = append(open, q)
			}
		}
	}
	rows = slices.DeleteFunc(rows, func(r engine.RunRow) bool {
		return in.DagID != "~" && r.DAG != in.DagID || in.DagRunID != "~" && r.RunID != in.DagRunID
	})
	return open, rows, nil
}

func (s *server) listQuestions(ctx context.Context, in *listQuestionsInput) (HITLDetailCollection, error) {
	none := HITLDetailCollection{}
	dag, err := patterns("dag_id_pattern", in.DagPattern, in.DagPrefix)
	if err != nil {
		return none, err
	}
	task, err := patterns("task_id_pattern", in.TaskPattern, in.TaskPrefix)
	if err != nil {
		return none, err
	}
	created, err := between("created_at", in.CreatedAtGte, in.CreatedAtGt, in.CreatedAtLte, in.CreatedAtLt)
	if err != nil {
		return none, err
	}
	states := TaskInstanceFilters{State: in.State}
	if err := states.normalise(); err != nil {
		return none, err
	}
	asked, rows, err := s.asked(ctx, in)
	if err != nil {
		return none, err
	}
	instances, err := s.askedInstances(ctx, asked, rows)
	if err != nil {
		return none, err
	}
	var all []HITLDetail
	for _, q := range asked {
		t, ok := instances[q.TaskKey]
		if !ok || !dag(t.DAG) || !task(t.Task) || !created(q.AskedAt) || in.TaskID != "" && t.Task != in.TaskID || in.MapIndex.Set && t.MapIndex != in.MapIndex.Value ||
			!oneOf(states.State, stateName(t.State)) || !contains(q.Text, in.Subject) || in.BodyText != "" {
			continue
		}
		d, err := s.questionResponse(ctx, t, q)
		if err != nil {
			return none, err
		}
		if in.Received != "" && (in.Received == "true") != d.ResponseReceived || !d.by(in.UserIDs) || !d.by(in.UserNames) {
			continue
		}
		all = append(all, d)
	}
	if err := sortBy(all, in.OrderBy, "created_at", questionFields); err != nil {
		return none, err
	}
	return HITLDetailCollection{append([]HITLDetail{}, cut(all, in.Page)...), len(all)}, nil
}

var questionFields = map[string]func(a, b HITLDetail) int{
	"ti_id":             func(a, b HITLDetail) int { return cmp.Compare(a.TaskInstance.ID, b.TaskInstance.ID) },
	"subject":           func(a, b HITLDetail) int { return cmp.Compare(a.Subject, b.Subject) },
	"responded_at":      func(a, b HITLDetail) int { return compareTimes(a.RespondedAt, b.RespondedAt) },
	"created_at":        func(a, b HITLDetail) int { return a.CreatedAt.Compare(b.CreatedAt) },
	"dag_id":            func(a, b HITLDetail) int { return cmp.Compare(a.TaskInstance.DagID, b.TaskInstance.DagID) },
	"run_id":            func(a, b HITLDetail) int { return cmp.Compare(a.TaskInstance.DagRunID, b.TaskInstance.DagRunID) },
	"task_display_name": func(a, b HITLDetail) int { return cmp.Compare(a.TaskInstance.TaskID, b.TaskInstance.TaskID) },
	"run_after":         func(a, b HITLDetail) int { return a.TaskInstance.RunAfter.Compare(b.TaskInstance.RunAfter) },
}

func contains(text, part string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(part))
}

func (d HITLDetail) by(users []string) bool {
	return len(users) == 0 || d.RespondedBy != nil && slices.Contains(users, d.RespondedBy.ID)
}

// askedInstances are the task instances of questions, of the runs given.
func (s *server) askedInstances(ctx context.Context, asked []engine.QuestionRow, rows []engine.RunRow) (map[engine.TaskKey]instance, error) {
	wanted, runs := map[engine.TaskKey]bool{}, map[int64]bool{}
	for _, q := range asked {
		wanted[q.TaskKey], runs[q.Run] = true, true
	}
	rows = slices.DeleteFunc(slices.Clone(rows), func(r engine.RunRow) bool { return !runs[r.Key] })
	found, err := s.instances(ctx, rows, &TaskInstanceFilters{}, func(t instance) bool { return wanted[t.TaskKey] })
	out := map[engine.TaskKey]instance{}
	for _, t := range found {
		out[t.TaskKey] = t
	}
	return out, err
}

func (s *server) question(ctx context.Context, in *MappedPath) (HITLDetail, error) {
	t, q, err := s.askedBy(ctx, in)
	if err != nil {
		return HITLDetail{}, err
	}
	return s.questionResponse(ctx, t, q)
}

// askedBy is a task instance and the latest question that it has asked.
func (s *server) askedBy(ctx context.Context, in *MappedPath) (instance, engine.QuestionRow, error) {
	t, err := s.instance(ctx, in.key(in.MapIndex))
	if err != nil {
		return t, engine.QuestionRow{}, err
	}
	asked, err := s.Store.Questions(ctx, []int64{t.run.Key}, engine.MaxQuestions)
	if err != nil {
		return t, engine.QuestionRow{}, err
	}
	for _, q := range asked {
		if q.TaskKey == t.TaskKey {
			return t, q, nil
		}
	}
	return t, engine.QuestionRow{}, fail(http.StatusNotFound, "Human-in-the-loop detail does not exist for Task Instance with id %s", instanceID(t.TaskKey))
}

// questionOfTry is the question that a try has asked, the latest if it asked several.
func (s *server) questionOfTry(ctx context.Context, in *struct {
	MappedPath
	Try int `path:"try_number"`
}) (HITLDetailHistory, error) {
	none, k := HITLDetailHistory{}, in.key(in.MapIndex)
	t, latest, err := s.askedBy(ctx, &in.MappedPath)
	if err != nil {
		return none, err
	}
	asked, err := s.Store.OldQuestions(ctx, t.TaskKey)
	if err != nil {
		return none, err
	}
	tries, err := s.listTries(ctx, k)
	if err != nil {
		return none, err
	}
	for _, q := range slices.Backward(append(asked, latest)) {
		// The first try that was not over when it was asked.
		i := slices.IndexFunc(tries.TaskInstances, func(t TaskInstanceHistoryResponse) bool { return t.EndDate == nil || !t.EndDate.Before(q.AskedAt) })
		if i >= 0 && tries.TaskInstances[i].TryNumber == in.Try {
			d, err := s.answeredQuestion(ctx, q, in.Try)
			return HITLDetailHistory{tries.TaskInstances[i], d}, err
		}
	}
	return none, fail(http.StatusNotFound, "The Human-in-the-loop detail with dag_id: `%s`, run_id: `%s`, task_id: `%s`, map_index: `%d` and try_number: `%d` was not found", k.DagID, k.DagRunID, k.task, k.mapIndex, in.Try)
}

// UpdateHITLDetailPayload is an answer.
type UpdateHITLDetailPayload struct {
	ChosenOptions []string       `json:"chosen_options" minItems:"1"`
	ParamsInput   map[string]any `json:"params_input,omitempty" nullable:"true"`
}

// A HITLDetailResponse is an answer that was taken.
type HITLDetailResponse struct {
	RespondedBy   HITLUser       `json:"responded_by"`
	RespondedAt   time.Time      `json:"responded_at"`
	ChosenOptions []string       `json:"chosen_options" nullable:"false"`
	ParamsInput   map[string]any `json:"params_input"`
}

func (s *server) answer(ctx context.Context, in *struct {
	MappedPath
	Body UpdateHITLDetailPayload
}) (HITLDetailResponse, error) {
	none, b := HITLDetailResponse{}, in.Body
	was, err := s.question(ctx, &in.MappedPath)
	if err != nil {
		return none, err
	}
	switch {
	case was.ResponseReceived:
		return none, fail(http.StatusConflict, "the question was answered already")
	case len(b.ChosenOptions) != 1:
		return none, invalid("one answer is given", b.ChosenOptions, "body", "chosen_options")
	case !slices.Contains(was.Options, b.ChosenOptions[0]):
		return none, invalid("is none of the answers "+strings.Join(was.Options, ", "), b.ChosenOptions[0], "body", "chosen_options", 0)
	case len(b.ParamsInput) > 0:
		return none, invalid("a question takes no params; leave it out", nil, "body", "params_input")
	}
	if err := s.Control.Answer(ctx, engine.TaskKey{Task: in.TaskID, MapIndex: in.MapIndex}, in.DagID, in.DagRunID, b.ChosenOptions[0], by); err != nil {
		return none, err
	}
	s.Pulse.Ring()
	now, err := s.question(ctx, &in.MappedPath)
	if err != nil {
		return none, err
	}
	r := HITLDetailResponse{RespondedBy: HITLUser{by, by}, ChosenOptions: b.ChosenOptions, ParamsInput: map[string]any{}}
	if now.RespondedAt != nil {
		r.RespondedAt = *now.RespondedAt
	}
	return r, nil
}
