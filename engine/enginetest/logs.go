package enginetest

import (
	"bytes"
	"context"
	"time"

	"github.com/tidemill/tidemill/engine"
)

type logKey struct {
	engine.TaskKey
	try int
}

// AppendLog implements engine.LogStore.
func (s *Store) AppendLog(ctx context.Context, chunks []engine.LogChunk) error {
	return exec(ctx, s, "AppendLog", func(time.Time) error {
		for _, c := range chunks {
			c.Seq = s.nextWrite()
			c.Lines = bytes.Clone(c.Lines)
			k := logKey{c.TaskKey, c.Try}
			s.logs[k] = append(s.logs[k], c)
		}
		return nil
	})
}

// ReadLog implements engine.LogStore. It returns at least one chunk when there is one, however large.
func (s *Store) ReadLog(ctx context.Context, key engine.TaskKey, try int, after int64, limit int) ([]engine.LogChunk, error) {
	return query(ctx, s, "ReadLog", func(time.Time) ([]engine.LogChunk, error) {
		var out []engine.LogChunk
		size := 0
		for _, c := range s.logs[logKey{key, try}] {
			if c.Seq <= after {
				continue
			}
			if size += len(c.Lines); size > limit && len(out) > 0 {
				break
			}
			c.Lines = bytes.Clone(c.Lines)
			out = append(out, c)
		}
		return out, nil
	})
}
