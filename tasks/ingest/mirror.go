package ingest

import (
	"context"
	"fmt"

	"github.com/tidemill/tidemill/storage/lake"
)

// mirrorCursor brings a mirror up to the log, entry by entry.
type mirrorCursor struct {
	target *Mirror
	asked  bool  // Last was asked
	last   int64 // entry that the mirror has
}

// advance puts the entries up to head that the mirror has not.
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
