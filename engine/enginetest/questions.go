package enginetest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/tidemill/tidemill/engine"
)

// ask closes the questions that are over and sets the new ones.
func (r *run) ask(set []engine.QuestionRow, over []engine.TaskKey) {
	for _, k := range over {
		if q, ok := r.asked[k]; ok {
			q.Closed = true
			r.asked[k] = q
		}
	}
	for _, q := range set {
		if r.asked == nil {
			r.asked, r.askedOld = map[engine.TaskKey]engine.QuestionRow{}, map[engine.TaskKey][]engine.QuestionRow{}
		}
		if old, ok := r.asked[q.TaskKey]; ok {
			old.Closed = true
			r.askedOld[q.TaskKey] = append(r.askedOld[q.TaskKey], old)
		}
		q = copyQuestion(q)
		q.Closed = false
		r.asked[q.TaskKey] = q
	}
}

// asking tells whether a question of the run is open.
func (r *run) asking() bool {
	for _, q := range r.asked {
		if !q.Closed {
			return true
		}
	}
	return false
}

// OldQuestions implements engine.Reader.
func (s *Store) OldQuestions(ctx context.Context, key engine.TaskKey) ([]engine.QuestionRow, error) {
	return query(ctx, s, "OldQuestions", func(time.Time) ([]engine.QuestionRow, error) {
		var out []engine.QuestionRow
		if r := s.runs[key.Run]; r != nil {
			for _, q := range r.askedOld[key] {
				out = append(out, copyQuestion(q))
			}
		}
		return out, nil
	})
}

// Questions implements engine.Reader.
func (s *Store) Questions(ctx context.Context, runs []int64, limit int) ([]engine.QuestionRow, error) {
	return query(ctx, s, "Questions", func(time.Time) ([]engine.QuestionRow, error) {
		var out []engine.QuestionRow
		for key, r := range s.runs {
			if len(runs) > 0 && !slices.Contains(runs, key) {
				continue
			}
			for _, q := range r.asked {
				if len(runs) > 0 || !q.Closed {
					out = append(out, copyQuestion(q))
				}
			}
		}
		slices.SortFunc(out, func(a, b engine.QuestionRow) int {
			return cmp.Or(a.AskedAt.Compare(b.AskedAt), compareKeys(a.TaskKey, b.TaskKey))
		})
		return out[:min(len(out), limit)], nil
	})
}
