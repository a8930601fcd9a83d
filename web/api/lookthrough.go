package api

import (
	"context"
	"fmt"

	"github.com/tidemill/tidemill/engine"
)

// How many runs are read at most to look through them here, for what the store cannot look up: by themselves, and with their task instances.
const (
	mostRuns          = 100_000
	mostWithInstances = 10_000
)

// lookThrough returns the runs that fit, to look through them. More than most are refused; where is the field that asks for it.
func (s *server) lookThrough(ctx context.Context, f engine.RunFilter, most int, where ...any) ([]engine.RunRow, error) {
	f.Limit = most
	rows, total, err := s.Store.Runs(ctx, f)
	if err == nil && total > most {
		return nil, invalid(fmt.Sprintf("%d runs would have to be looked through, at most %d are: narrow it by the DAG, the state or a range of logical dates", total, most), nil, where...)
	}
	return rows, err
}
