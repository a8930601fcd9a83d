package engine

import (
	"context"
	"time"
)

// pruneBatch is how many runs are deleted in one transaction, and smallBatch how many events of assets or entries of the audit log.
const (
	pruneBatch = 50
	smallBatch = 1000
)

// Prune deletes runs that ended before a time, with their attempts, logs and outputs, and then the events of assets and the entries of the
// audit log from before it, in batches that hold up nobody, until there are none left or ctx ends. It returns how many runs went; told is
// called after each batch of them with the sum so far. What it keeps is said at [Registry].PruneRuns and PruneAssetEvents. The first batch
// that deletes something leaves an entry in the audit log; by is who did it.
func (c *Control) Prune(ctx context.Context, before time.Time, by string, told func(n int)) (int, error) {
	acts := []AuditEntry{c.act(ActPrune, by, map[string]any{"before": before})}
	sum, err := pruneAll(ctx, c.store.PruneRuns, before, pruneBatch, &acts, told)
	for _, prune := range []pruner{c.store.PruneAssetEvents, c.store.PruneAudit} {
		if err == nil {
			_, err = pruneAll(ctx, prune, before, smallBatch, &acts, nil)
		}
	}
	return sum, err
}

// A pruner deletes a batch.
type pruner func(ctx context.Context, before time.Time, limit int, acts ...AuditEntry) (int, error)

// pruneAll deletes batches until there is nothing left, and empties acts when they are stored.
func pruneAll(ctx context.Context, prune pruner, before time.Time, batch int, acts *[]AuditEntry, told func(n int)) (int, error) {
	for sum := 0; ; {
		n, err := prune(ctx, before, batch, *acts...)
		if n > 0 {
			sum += n
			*acts = nil
			if told != nil {
				told(sum)
			}
		}
		if err != nil || n < batch {
			return sum, err
		}
	}
}
