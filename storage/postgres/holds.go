package postgres

import (
	"context"
	"fmt"

	"github.com/tidemill/tidemill/engine"
)

// releaseRuns lets runs that are held start, or takes the hold off those that have ended.
const releaseRuns = `UPDATE tidemill.runs SET hold = NULL WHERE id = ANY($1)`

// HeldRuns implements engine.Dispatcher.
func (s *Store) HeldRuns(ctx context.Context, dags []string, limit int) ([]engine.RunRow, error) {
	out, err := query(ctx, s.look, scanRunWithStates, runsWithStates+` WHERE r.hold IS NOT NULL AND r.state = 'queued' AND r.dag_id = ANY($1)
		ORDER BY r.id LIMIT $2`, dags, limit)
	if err != nil {
		return nil, fmt.Errorf("read held runs: %w", err)
	}
	return out, nil
}

// Release implements engine.Dispatcher. One that is not held stays as it is; engine.ErrNotFound when there is no such run.
func (s *Store) Release(ctx context.Context, run int64) error {
	return s.change(ctx, fmt.Sprintf("release run %d", run), releaseRuns, []int64{run})
}
