package api

import (
	"context"
	"slices"

	"github.com/tidemill/tidemill/engine"
)

// readAtLeast is how many runs are asked for at once, however few are looked for.
const readAtLeast = 200

// NewestRuns returns the newest runs of each of these DAGs, at most n of each, newest first; a DAG without runs is left out. It asks for those
// of all DAGs together, then for those of the DAGs that others with more runs have crowded out: in a few reads where DAGs run about
// equally often, at worst in one for each DAG.
func NewestRuns(ctx context.Context, store engine.Reader, dags []string, n int) (map[string][]engine.RunRow, error) {
	out := map[string][]engine.RunRow{}
	for left := slices.Clone(dags); len(left) > 0; {
		limit := max(n*len(left), readAtLeast)
		rows, total, err := store.Runs(ctx, engine.RunFilter{DAGs: left, Limit: limit})
		if err != nil {
			return nil, err
		}
		found := map[string][]engine.RunRow{}
		for _, r := range rows {
			if len(found[r.DAG]) < n {
				found[r.DAG] = append(found[r.DAG], r)
			}
		}
		all := total <= limit || len(rows) < limit
		left = slices.DeleteFunc(left, func(id string) bool {
			done := all || len(found[id]) == n
			if done && len(found[id]) > 0 {
				out[id] = found[id]
			}
			return done
		})
	}
	return out, nil
}
