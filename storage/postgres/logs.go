package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
)

// maxChunks bounds how many chunks of a log are looked at in one read.
const maxChunks = 1000

// AppendLog implements engine.LogStore.
func (s *Store) AppendLog(ctx context.Context, chunks []engine.LogChunk) error {
	if len(chunks) == 0 {
		return nil
	}
	var keys keyColumns
	var tries []int32
	var lines [][]byte
	for _, c := range chunks {
		keys.add(c.TaskKey)
		tries = append(tries, int32(c.Try)) //nolint:gosec // tries stay small
		if c.Lines == nil {
			c.Lines = []byte{}
		}
		lines = append(lines, c.Lines)
	}
	_, err := s.look.Exec(ctx, `INSERT INTO tidemill.task_logs (run_id, task_id, map_index, try, lines)
		SELECT c.run_id, c.task_id, c.map_index, c.try, c.lines
		FROM unnest($1::bigint[], $2::text[], $3::int[], $4::int[], $5::bytea[]) WITH ORDINALITY AS c(run_id, task_id, map_index, try, lines, n)
		ORDER BY c.n`, keys.runs, keys.tasks, keys.indexes, tries, lines)
	if err != nil {
		return fmt.Errorf("append %d chunks of logs: %w", len(chunks), refused(err))
	}
	return nil
}

// ReadLog implements engine.LogStore. It returns at least one chunk when there is one, however large.
func (s *Store) ReadLog(ctx context.Context, key engine.TaskKey, try int, after int64, limit int) ([]engine.LogChunk, error) {
	out, err := query(ctx, s.look, func(row pgx.CollectableRow) (engine.LogChunk, error) {
		c := engine.LogChunk{TaskKey: key, Try: try}
		return c, row.Scan(&c.Seq, &c.Lines)
	}, `SELECT c.seq, c.lines FROM (
			SELECT l.seq, l.lines, sum(length(l.lines)) OVER (ORDER BY l.seq) AS upto, row_number() OVER (ORDER BY l.seq) AS n
			FROM (SELECT seq, lines FROM tidemill.task_logs
				WHERE run_id = $1 AND task_id = $2 AND map_index = $3 AND try = $4 AND seq > $5 ORDER BY seq LIMIT $7) l) c
		WHERE c.upto <= $6 OR c.n = 1 ORDER BY c.seq`, key.Run, key.Task, key.MapIndex, try, after, limit, maxChunks)
	if err != nil {
		return nil, fmt.Errorf("read log of task %q of run %d, try %d: %w", key.Task, key.Run, try, err)
	}
	return out, nil
}
