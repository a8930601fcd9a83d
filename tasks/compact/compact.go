// Package compact is the task that keeps a lake's closed days in few files.
package compact

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/storage/lake"
)

// Margin is by how much the topic must have passed a day's end for the day to be closed: stragglers of a day come in its first hours,
// and each of them would have the day rewritten.
const Margin = 3 * time.Hour

// Task merges the small files of closed days of a lake whose rows are of type R.
type Task[R any] struct {
	Lake     *lake.Lake
	Contract int   // version of the contract that the rows keep, as the stream's; 0: none
	Target   int64 // bytes of a file; 0: lake.DefaultTarget
}

// Result is what a run did.
type Result struct {
	Days []lake.Compacted `json:"days"` // those in which there was something to merge
}

// Run compacts every closed day. It may run beside the stream, readers, and itself.
func (t Task[R]) Run(ctx context.Context, _ engine.Run[engine.NoParams]) (r Result, err error) {
	state, err := t.Lake.State(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("look which days are closed: %w", err)
	}
	target := t.Target
	if target == 0 {
		target = lake.DefaultTarget
	}
	r.Days = []lake.Compacted{}
	w := lake.NewWriter[R](t.Lake, lake.OfContract(t.Contract))
	defer func() { err = errors.Join(err, w.Close()) }()
	return r, w.CompactDays(ctx, state.ClosedDays(Margin), target, func(c lake.Compacted) { r.Days = append(r.Days, c) })
}
