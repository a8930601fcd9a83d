package ui

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/tidemill/tidemill/engine"
)

// note sets the note of a run, or of a task instance of it.
func (s *server) note(ctx context.Context, r *http.Request) error {
	dag, run, task := param(r, "dag"), param(r, "run"), r.PostFormValue("task")
	text := strings.TrimSpace(strings.ReplaceAll(r.PostFormValue("note"), "\r\n", "\n"))
	if strings.Contains(text, hidden) {
		return &engine.InvalidError{Field: "note", Message: "holds " + hidden + ", which stands for what is not shown here: write that out, or leave it away"}
	}
	if task == "" {
		return s.Control.NoteRun(ctx, dag, run, text, by)
	}
	index, err := mapIndex(r)
	if err != nil {
		return err
	}
	return s.Control.NoteTask(ctx, dag, run, task, index, text, by)
}

func mapIndex(r *http.Request) (int, error) {
	text := r.PostFormValue("map_index")
	if text == "" {
		return -1, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, &engine.InvalidError{Field: "map_index", Message: "is a whole number"}
	}
	return n, nil
}

// answer answers a question.
func (s *server) answer(ctx context.Context, r *http.Request) error {
	index, err := mapIndex(r)
	if err != nil {
		return err
	}
	return s.Control.Answer(ctx, engine.TaskKey{Task: r.PostFormValue("task"), MapIndex: index}, param(r, "dag"), param(r, "run"), r.PostFormValue("choice"), by)
}

// How many open questions are shown, and of how many of the newest runs how many answered ones.
const (
	questionsShown = 200
	answersOfRuns  = 200
	answersShown   = 20
)

// questionsData is what the page of questions shows.
type questionsData struct {
	Open     []questionLine
	Answered []questionLine
}

// A questionLine is a question with where it was asked, and how it was answered.
type questionLine struct {
	engine.QuestionRow
	DAG, RunID string
	Next       string
	Refused    string // why it cannot be answered here; "": it can
	Given      *engine.Answer[string]
}

func (s *server) questionsPage(ctx context.Context, _ *http.Request) (*page, error) {
	var d questionsData
	open, err := s.Store.Questions(ctx, nil, questionsShown)
	if err != nil {
		return nil, err
	}
	keys := make([]int64, len(open))
	for i, q := range open {
		keys[i] = q.Run
	}
	rows, err := s.Store.RunsByKey(ctx, keys)
	if err != nil {
		return nil, err
	}
	runs := map[int64]engine.RunRow{}
	for _, r := range rows {
		runs[r.Key] = r
	}
	for _, q := range open {
		if r, ok := runs[q.Run]; ok {
			refused, err := s.refused(ctx, r.DAG)
			if err != nil {
				return nil, err
			}
			d.Open = append(d.Open, questionLine{QuestionRow: q, DAG: r.DAG, RunID: r.RunID, Next: "/questions", Refused: refused})
		}
	}
	d.Answered, err = s.answered(ctx)
	return &page{Title: "Questions", Name: "questions", Nav: "questions", Data: d}, err
}

// answered are the latest questions of the newest runs that were answered.
func (s *server) answered(ctx context.Context) ([]questionLine, error) {
	rows, _, err := s.Store.Runs(ctx, engine.RunFilter{Limit: answersOfRuns})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	var keys []int64
	runs := map[int64]engine.RunRow{}
	for _, r := range rows {
		keys = append(keys, r.Key)
		runs[r.Key] = r
	}
	asked, err := s.Store.Questions(ctx, keys, engine.MaxQuestions)
	if err != nil {
		return nil, err
	}
	var out []questionLine
	for i := len(asked) - 1; i >= 0 && len(out) < answersShown; i-- {
		q := asked[i]
		if !q.Closed {
			continue
		}
		a, err := s.Store.Attempt(ctx, q.TaskKey, -1)
		if err != nil || a.State != engine.Success {
			continue // it was not answered: cleared, marked or timed out
		}
		if given := answerIn(a.Output); given != nil {
			out = append(out, questionLine{QuestionRow: q, DAG: runs[q.Run].DAG, RunID: runs[q.Run].RunID, Given: given})
		}
	}
	return out, nil
}

// answerIn reads the output of a question; nil when it is none.
func answerIn(output []byte) *engine.Answer[string] {
	var a engine.Answer[string]
	if json.Unmarshal(output, &a) != nil || a.Choice == "" {
		return nil
	}
	return &a
}
