package lakecrash

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// mirror keeps copies of the log's entries in a folder, as the product does in PostgreSQL: an entry may come again.
type mirror struct {
	folder string
	steps  *steps
}

func (m mirror) config() *ingest.Mirror { return &ingest.Mirror{Last: m.last, Put: m.put} }

func (m mirror) path(n int64) string { return filepath.Join(m.folder, strconv.FormatInt(n, 10)) }

func (m mirror) last(context.Context) (int64, error) {
	for n := int64(1); ; n++ {
		if _, err := os.Stat(m.path(n)); errors.Is(err, os.ErrNotExist) {
			return n - 1, nil
		} else if err != nil {
			return 0, err
		}
	}
}

func (m mirror) put(_ context.Context, e lake.Entry) error {
	return m.steps.do("mirror", fmt.Sprintf("entry %d", e.N), func() error {
		return os.WriteFile(m.path(e.N), []byte(e.CommitID), 0o600)
	})
}

// agrees checks that the mirror holds nothing but entries of the log, from the first on without a hole.
func (m mirror) agrees(ctx context.Context, l *lake.Lake) error {
	last, err := m.last(ctx)
	if err != nil {
		return err
	}
	there, err := os.ReadDir(m.folder)
	if err != nil {
		return err
	}
	if int64(len(there)) != last {
		return fmt.Errorf("the mirror has %d entries, and not all up to its %d", len(there), last)
	}
	for n := int64(1); n <= last; n++ {
		e, err := l.Entry(ctx, n)
		if err != nil {
			return fmt.Errorf("the mirror has entry %d: %w", n, err)
		}
		text, err := os.ReadFile(m.path(n))
		if err != nil {
			return err
		}
		if len(text) > 0 && string(text) != e.CommitID { // one that was killed while it wrote leaves nothing
			return fmt.Errorf("the mirror has %s as entry %d, the log %s", text, n, e.CommitID)
		}
	}
	return nil
}
