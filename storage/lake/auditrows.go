package lake

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"
)

// found is what a file of rows was found to hold.
type found struct {
	file     File
	offsets  map[int32][]int64 // by partition, as they come
	problems []string
	err      error // it could not be read to its end
}

// rows checks files of rows. Several are read at a time, as many as there are
// processors; what is found is taken in in their order.
func (a *auditor) rows(ctx context.Context, files []File) error {
	reading, stop := context.WithCancel(ctx)
	var readers sync.WaitGroup
	defer readers.Wait()
	defer stop()
	results := make(chan chan found, runtime.GOMAXPROCS(0)-1)
	readers.Go(func() {
		defer close(results)
		for _, f := range files {
			result := make(chan found, 1)
			select {
			case results <- result:
			case <-reading.Done():
				return
			}
			readers.Go(func() { result <- a.lake.find(reading, f) })
		}
	})
	for result := range results {
		if err := a.found(ctx, <-result); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// find reads the offsets of a file.
func (l *Lake) find(ctx context.Context, f File) found {
	r := found{file: f, offsets: map[int32][]int64{}}
	first, end := f.Day.Start().UnixMicro(), f.Day.End().UnixMicro()
	r.err = Rows(ctx, l, f, func(rows []offsetColumns) error {
		for _, row := range rows {
			r.offsets[row.Partition] = append(r.offsets[row.Partition], row.Offset)
			if row.Timestamp < first || row.Timestamp >= end {
				r.problems = append(r.problems, fmt.Sprintf("%s: offset %d of partition %d has timestamp %s, of another day",
					f.Path, row.Offset, row.Partition, microTime(row.Timestamp).Format(time.RFC3339Nano)))
			}
		}
		return nil
	})
	return r
}

// found takes in what a file holds.
func (a *auditor) found(ctx context.Context, r found) error {
	f := r.file
	a.report.Files++
	a.report.Rows += f.Rows
	for _, partition := range slices.Sorted(maps.Keys(r.offsets)) {
		for _, at := range r.offsets[partition] {
			a.take(f.Path, PartitionKey{f.TopicID, partition}, at)
		}
	}
	a.report.Problems = append(a.report.Problems, r.problems...)
	if ok, err := a.readable(ctx, r.err); !ok {
		return err
	}
	for _, p := range f.Parts {
		if n := int64(len(r.offsets[p.Partition])); n != p.Rows {
			a.problem("%s: %d rows of partition %d, the log says %d", f.Path, n, p.Partition, p.Rows)
		}
	}
	return nil
}
