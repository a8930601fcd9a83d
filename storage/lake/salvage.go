package lake

import (
	"context"
	"fmt"
	"reflect"

	"github.com/parquet-go/parquet-go"
)

// Salvage reads what a file holds now as Rows does, but without asking whether
// that is what was committed: for an audit that has found it is not. It errs
// where it can read no more; what it gave to yield until then stands.
func Salvage[R any](ctx context.Context, l *Lake, f File, yield func(rows []R) error) error {
	cols, err := columnsOf(reflect.TypeFor[R]())
	if err != nil {
		return fmt.Errorf("salvage %s: %w", f.Path, err)
	}
	disk, err := l.openCommitted(ctx, f.Path)
	if err != nil {
		return fmt.Errorf("salvage rows: %w", err)
	}
	defer func() { _ = disk.Close() }() // opened for reading: nothing can be lost
	return guard(func() error {
		file, err := parquet.OpenFile(disk, disk.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
		if err != nil {
			return err
		}
		return readParquet(ctx, disk, cols, file.NumRows(), slice{0, file.NumRows()}, yield)
	})
}
