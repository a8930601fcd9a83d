package warehouse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/storage/lake"
)

// ErrFileChanged says that a file of the lake is not the one that was loaded under its name.
var ErrFileChanged = errors.New("file of the lake has changed since it was loaded")

// progress is a file with its mark: rows before done are in bronze.
type progress struct {
	lake.File
	lake string
	id   int64
	done int64
}

// mark is what metadata.lake_files says of a file that a load has begun and whose rows are not all taken out again.
type mark struct {
	id         int64
	path       string
	topicID    string
	day        lake.Day
	generation int
	loaded     bool // to the end
	ours       bool // by an earlier attempt of the same task, at least in part
}

// todo is what a load has to do with the files that the lake lists.
type todo struct {
	repairs []repair    // days that were replayed since they were loaded
	files   []lake.File // of other days: not loaded, or not to the end, in the lake's order
	before  int         // files that an earlier try of the same task loaded to the end
	skipped int64       // their rows
	through int64       // the newest entry of the lake's log that has one
	days    generations
}

// plan compares the lake's files with the marks.
func (w *Warehouse) plan(ctx context.Context, conn *pgx.Conn, req Request) (todo, error) {
	marks, err := w.marks(ctx, conn, req) // first: whatever has a mark was in the lake by then
	if err != nil {
		return todo{}, fmt.Errorf("read the marks of progress: %w", err)
	}
	files, days, err := w.list(ctx, req.Day)
	if err != nil {
		return todo{}, err
	}
	t := todo{days: generationsOf(days), repairs: repairs(marks, files, generationsOf(days))}
	for _, d := range days {
		if d.Day <= req.Day {
			t.through = max(t.through, d.Replayed)
		}
	}
	repaired := map[lake.Day]*repair{}
	for i := range t.repairs {
		repaired[t.repairs[i].day] = &t.repairs[i]
	}
	byPath := make(map[string]mark, len(marks))
	for _, m := range marks {
		byPath[m.path] = m
	}
	for _, f := range files {
		t.through = max(t.through, f.Entry)
		switch m := byPath[f.Path]; {
		case !m.loaded && repaired[f.Day] != nil:
			repaired[f.Day].files = append(repaired[f.Day].files, f)
		case !m.loaded:
			t.files = append(t.files, f)
		case m.ours:
			t.before++
			t.skipped += f.Rows
		}
	}
	return t, nil
}

// marks reads the marks of the lake's files up to a request's day.
func (w *Warehouse) marks(ctx context.Context, conn *pgx.Conn, req Request) ([]mark, error) {
	rows, err := conn.Query(ctx, `
		SELECT f.id, f.path, f.topic_id, f.day, f.generation, f.rows_done = f.rows, EXISTS (
			SELECT FROM metadata.loads AS l JOIN metadata.load_audit AS a ON a.id = l.audit_id
			WHERE l.file_id = f.id AND a.dag_id = $3 AND a.run_id = $4 AND a.task_id = $5)
		FROM metadata.lake_files AS f WHERE f.lake = $1 AND f.day <= $2 AND f.retired_at IS NULL`,
		w.source.ID(), req.Day.Start(), req.DAGID, req.RunID, req.TaskID)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (mark, error) {
		var m mark
		var day time.Time
		err := row.Scan(&m.id, &m.path, &m.topicID, &day, &m.generation, &m.loaded, &m.ours)
		m.day = lake.DayOf(day)
		return m, err
	})
}

// claim waits until no other load has f, claims it for conn's session and reads its mark. The caller calls release,
// unless the session ends.
func (w *Warehouse) claim(ctx context.Context, conn *pgx.Conn, f lake.File) (p progress, release func(context.Context) error, err error) {
	const key = `hashtextextended('tidemill file ' || $1 || '/' || $2, 0)`
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock(`+key+`)`, w.source.ID(), f.Path); err != nil {
		return progress{}, nil, fmt.Errorf("claim %s: %w", f.Path, err)
	}
	p.File, p.lake = f, w.source.ID()
	var rows int64
	var checksum string
	var retired bool
	err = conn.QueryRow(ctx, `
		INSERT INTO metadata.lake_files AS f (lake, path, topic_id, day, generation, rows, late_rows, checksum, keeps_superseded)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, true)
		ON CONFLICT (lake, path) DO UPDATE SET lake = f.lake
		RETURNING id, rows_done, rows, checksum, retired_at IS NOT NULL`,
		w.source.ID(), f.Path, f.TopicID, f.Day.Start(), f.Generation, f.Rows, f.LateRows, f.Checksum).
		Scan(&p.id, &p.done, &rows, &checksum, &retired)
	if err != nil {
		return progress{}, nil, fmt.Errorf("read the mark of %s: %w", f.Path, err)
	}
	if rows != f.Rows || checksum != f.Checksum {
		return progress{}, nil, fmt.Errorf("%w: %s has %d rows and %s, it had %d and %s", ErrFileChanged, f.Path, f.Rows, f.Checksum, rows, checksum)
	}
	if retired {
		return progress{}, nil, fmt.Errorf("%s of %s: %w", f.Path, f.Day, errStale)
	}
	return p, func(ctx context.Context) error {
		if _, err := conn.Exec(ctx, `SELECT pg_advisory_unlock(`+key+`)`, w.source.ID(), f.Path); err != nil {
			return fmt.Errorf("give back %s: %w", f.Path, err)
		}
		return nil
	}, nil
}
