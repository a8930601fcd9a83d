package engine

import (
	"context"
	"time"
)

// pruneBatch is how many runs are deleted in one transaction, and assetBatch how many events of assets.
const (
	pruneBatch = 50
	assetBatch = 1000
)

// Prune deletes runs that ended before a time, with their attempts, logs and outputs, and then the events of assets from before it, in
// batches that hold up nobody, until there are none left or ctx ends. It returns how many runs went; told is called after each batch of them
// with the sum so far. What it keeps is said at [Registry].PruneRuns and PruneAssetEvents.
func (c *Control) Prune(ctx context.Context, before time.Time, told func(n int)) (int, error) {
	sum := 0
	for {
		n, err := c.store.PruneRuns(ctx, before, pruneBatch)
		sum += n
		if told != nil && n > 0 {
			told(sum)
		}
		if err != nil {
			return sum, err
		}
		if n < pruneBatch {
			return sum, c.pruneAssets(ctx, before)
		}
	}
}

func (c *Control) pruneAssets(ctx context.Context, before time.Time) error {
	for {
		n, err := c.store.PruneAssetEvents(ctx, before, assetBatch)
		if err != nil || n < assetBatch {
			return err
		}
	}
}
