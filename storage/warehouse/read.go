package warehouse

import (
	"context"
	"fmt"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
)

// inBatches reads f from its row number skip on and gives it to use in batches of size rows, each with the place of its
// first row. It reads one batch ahead while use is at work. It returns use's first error, or the source's.
func inBatches(ctx context.Context, source Source, f lake.File, skip int64, size int, use func(first int64, rows []payment.Row) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	free := make(chan []payment.Row, 2)
	free <- make([]payment.Row, 0, size)
	free <- make([]payment.Row, 0, size)
	full := make(chan []payment.Row)
	read := make(chan error, 1)
	go func() {
		defer close(full)
		read <- fill(ctx, source, f, skip, size, free, full)
	}()

	var failed error
	at := skip
	for rows := range full { // to its end, so that the reader ends before we do
		if failed == nil {
			if failed = use(at, rows); failed != nil {
				cancel()
			}
		}
		at += int64(len(rows))
		free <- rows[:0]
	}
	err := <-read
	switch {
	case failed != nil:
		return failed
	case err != nil:
		return fmt.Errorf("read %s: %w", f.Path, err)
	case at != f.Rows:
		return fmt.Errorf("read %s: it has %d rows, the log says %d", f.Path, at, f.Rows)
	}
	return nil
}

// fill reads f and passes full batches on, taking an empty one for each.
func fill(ctx context.Context, source Source, f lake.File, skip int64, size int, free <-chan []payment.Row, full chan<- []payment.Row) error {
	batch := <-free
	err := source.Rows(ctx, f, func(rows []payment.Row) error {
		skipped := min(skip, int64(len(rows)))
		skip -= skipped
		for rows = rows[skipped:]; len(rows) > 0; {
			n := min(len(rows), size-len(batch))
			batch = append(batch, rows[:n]...)
			rows = rows[n:]
			if len(batch) < size {
				return nil
			}
			select {
			case full <- batch:
			case <-ctx.Done():
				return ctx.Err()
			}
			select {
			case batch = <-free:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	if err != nil || len(batch) == 0 {
		return err
	}
	select {
	case full <- batch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
