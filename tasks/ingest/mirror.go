package ingest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/tidemill/tidemill/storage/lake"
)

// mirrorCursor brings a mirror up to the log, entry by entry.
type mirrorCursor struct {
	target *Mirror
	asked  bool  // Last was asked
	last   int64 // entry that the mirror has
}

// advance puts the entries up to head that the mirror has not, as far as the log
// keeps them.
func (m *mirrorCursor) advance(ctx context.Context, l *lake.Lake, head int64) error {
	if m.target == nil {
		return nil
	}
	if !m.asked {
		last, err := m.target.Last(ctx)
		if err != nil {
			return fmt.Errorf("ask the mirror for its last entry: %w", err)
		}
		m.last, m.asked = last, true
	}
	for m.last < head {
		e, err := l.Entry(ctx, m.last+1)
		if errors.Is(err, lake.ErrNotKept) || errors.Is(err, fs.ErrNotExist) { // the log begins later
			oldest, oerr := l.Oldest(ctx)
			if oerr == nil && oldest.Head > m.last {
				m.last = oldest.Head
				continue
			}
			err = errors.Join(err, oerr)
		}
		if err != nil {
			return err
		}
		if err := m.target.Put(ctx, e); err != nil {
			return fmt.Errorf("put entry %d into the mirror: %w", e.N, err)
		}
		m.last = e.N
	}
	return nil
}
