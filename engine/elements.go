package engine

import (
	"context"
	"fmt"
	"time"
)

// cutElements leaves out of the inputs elements that a mapped task no longer has: it was cleared and its list is shorter now, while
// history still knows them.
func (r *Runtime) cutElements(ctx context.Context, keys []InputKey, got []Input) error {
	runs := map[int64]bool{}
	for _, k := range keys {
		if k.MapIndex == AllElements {
			runs[k.Run] = true
		}
	}
	if len(runs) == 0 {
		return nil
	}
	counts, err := r.elementCounts(ctx, sortedKeys(runs))
	for err != nil && ctx.Err() == nil {
		r.log.Warn("count elements; trying again", "error", err)
		if !r.pause(ctx, time.Second) {
			return ctx.Err()
		}
		counts, err = r.elementCounts(ctx, sortedKeys(runs))
	}
	if err != nil {
		return err
	}
	for i, k := range keys {
		if k.MapIndex != AllElements {
			continue
		}
		n := counts[InputKey{Run: k.Run, Task: k.Task}]
		kept := got[i].Attempts[:0:0]
		for _, a := range got[i].Attempts {
			if a.MapIndex < n {
				kept = append(kept, a)
			}
		}
		got[i].Attempts = kept
	}
	return nil
}

// elementCounts is how many elements each mapped task of the runs has now.
func (r *Runtime) elementCounts(ctx context.Context, runs []int64) (map[InputKey]int, error) {
	rows, err := r.store.RunsByKey(ctx, runs)
	if err != nil {
		return nil, err
	}
	counts := map[InputKey]int{}
	for _, row := range rows {
		d, ok := r.catalog.DAG(row.DAG)
		if !ok {
			return nil, fmt.Errorf("DAG %q: %w", row.DAG, ErrNotFound)
		}
		err := r.versions.retry(ctx, func() error {
			v, err := r.versions.of(d, row)
			if err != nil {
				return err
			}
			s, err := DecodeRunStates(row.States)
			if err != nil {
				return fmt.Errorf("run %s of %s: %w", row.RunID, row.DAG, err)
			}
			for i, id := range v.tasks {
				if i < len(s.Tasks) && s.Tasks[i].Mapped {
					counts[InputKey{Run: row.Key, Task: id}] = len(s.Tasks[i].Instances)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return counts, nil
}
