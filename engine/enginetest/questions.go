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
			r.asked = map[engine.TaskKey]engine.QuestionRow{}
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
