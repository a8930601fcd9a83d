package engine

import (
	"context"
	"time"
)

// pruneBatch is how many runs are deleted in one transaction.
const pruneBatch = 50

// Prune deletes runs that ended before a time, with their attempts, logs and outputs, in batches that hold up nobody, until there are none
// left or ctx ends. It returns how many went; told is called after each batch with the sum so far. What it keeps is said at
// [Registry].PruneRuns.
func (c *Control) Prune(ctx context.Context, before time.Time, told func(n int)) (int, error) {
	sum := 0
	for {
		n, err := c.store.PruneRuns(ctx, before, pruneBatch)
		sum += n
		if told != nil && n > 0 {
			told(sum)
		}
		if err != nil || n < pruneBatch {
			return sum, err
		}
	}
}
