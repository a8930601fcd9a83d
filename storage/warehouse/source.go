package warehouse

import (
	"context"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
)

// Source is the lake that a warehouse loads from. [FromLake] makes one of a [lake.Lake].
type Source interface {
	// ID names the lake in the warehouse: ID and a file's path name that file for ever.
	ID() string
	// Files lists the live files of days up to and including upTo, by day, then path.
	Files(ctx context.Context, upTo lake.Day) ([]lake.File, error)
	// Rows gives a file's rows to yield, in order, in chunks that are used again after yield returns; what the rows
	// point to is not. It stops at yield's first error and returns it as it is.
	Rows(ctx context.Context, f lake.File, yield func([]payment.Row) error) error
	// Days sums up each day that has rows, dead letters or tombstones.
	Days(ctx context.Context) ([]lake.DayStat, error)
}

// Salvager is a Source that can read a file which is not what was committed.
type Salvager interface {
	// Salvage gives the rows that a file has now to yield, as Rows does, whatever the log says of it. It errs where it can
	// read no more.
	Salvage(ctx context.Context, f lake.File, yield func([]payment.Row) error) error
}

// FromLake is l as a Source. Its ID is the topic: the names of a topic's files are unique wherever the lake lies, so
// that a lake that was moved is not loaded anew.
func FromLake(l *lake.Lake) Source { return lakeSource{l} }

type lakeSource struct{ *lake.Lake }

func (s lakeSource) ID() string { return s.Topic() }

// Files lists files as they were committed first: one that a compaction merged is still known by the name that it was loaded by.
func (s lakeSource) Files(ctx context.Context, upTo lake.Day) ([]lake.File, error) {
	return s.Originals(ctx, upTo)
}

func (s lakeSource) Rows(ctx context.Context, f lake.File, yield func([]payment.Row) error) error {
	return lake.Rows(ctx, s.Lake, f, yield)
}

func (s lakeSource) Salvage(ctx context.Context, f lake.File, yield func([]payment.Row) error) error {
	return lake.Salvage(ctx, s.Lake, f, yield)
}
