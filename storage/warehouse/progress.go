package warehouse

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/storage/lake"
)

// ErrFileChanged says that a file of the lake is not the one that was loaded under its name.
var ErrFileChanged = errors.New("file of the lake has changed since it was loaded")

// progress is a file with its mark: rows before done are in bronze.
type progress struct {
	lake.File
	id   int64
	done int64
}

// todo is what a load has to do with the files that the lake lists.
type todo struct {
	files   []lake.File // not loaded, or not to the end, in the lake's order
	before  int         // files that an earlier try of the same task loaded to the end
	skipped int64       // their rows
	through int64       // the newest entry of the lake's log that has one
}

// plan compares the lake's files with the marks.
func (w *Warehouse) plan(ctx context.Context, conn *pgx.Conn, req Request) (todo, error) {
	files, err := w.source.Files(ctx, req.Day)
	if err != nil {
		return todo{}, fmt.Errorf("list the files of the lake up to %s: %w", req.Day, err)
	}
	rows, err := conn.Query(ctx, `
		SELECT f.path, EXISTS (
			SELECT FROM metadata.loads AS l JOIN metadata.load_audit AS a ON a.id = l.audit_id
			WHERE l.file_id = f.id AND a.dag_id = $3 AND a.run_id = $4 AND a.task_id = $5)
		FROM metadata.lake_files AS f WHERE f.lake = $1 AND f.day <= $2 AND f.rows_done = f.rows`,
		w.source.ID(), req.Day.Start(), req.DAGID, req.RunID, req.TaskID)
	if err != nil {
		return todo{}, fmt.Errorf("read the marks of progress: %w", err)
	}
	byThisTask := map[string]bool{} // of each file that is loaded
	var path string
	var ours bool
	if _, err := pgx.ForEachRow(rows, []any{&path, &ours}, func() error {
		byThisTask[path] = ours
		return nil
	}); err != nil {
		return todo{}, fmt.Errorf("read the marks of progress: %w", err)
	}
	var t todo
	for _, f := range files {
		t.through = max(t.through, f.Entry)
		switch ours, loaded := byThisTask[f.Path]; {
		case !loaded:
			t.files = append(t.files, f)
		case ours:
			t.before++
			t.skipped += f.Rows
		}
	}
	return t, nil
}

// claim waits until no other load has f, claims it for conn's session and reads its mark. The caller calls release,
// unless the session ends.
func (w *Warehouse) claim(ctx context.Context, conn *pgx.Conn, f lake.File) (p progress, release func(context.Context) error, err error) {
	const key = `hashtextextended('tidemill file ' || $1 || '/' || $2, 0)`
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock(`+key+`)`, w.source.ID(), f.Path); err != nil {
		return progress{}, nil, fmt.Errorf("claim %s: %w", f.Path, err)
	}
	p.File = f
	var rows int64
	var checksum string
	err = conn.QueryRow(ctx, `
		INSERT INTO metadata.lake_files AS f (lake, path, topic_id, day, generation, rows, late_rows, checksum)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (lake, path) DO UPDATE SET lake = f.lake
		RETURNING id, rows_done, rows, checksum`,
		w.source.ID(), f.Path, f.TopicID, f.Day.Start(), f.Generation, f.Rows, f.LateRows, f.Checksum).
		Scan(&p.id, &p.done, &rows, &checksum)
	if err != nil {
		return progress{}, nil, fmt.Errorf("read the mark of %s: %w", f.Path, err)
	}
	if rows != f.Rows || checksum != f.Checksum {
		return progress{}, nil, fmt.Errorf("%w: %s has %d rows and %s, it had %d and %s", ErrFileChanged, f.Path, f.Rows, f.Checksum, rows, checksum)
	}
	return p, func(ctx context.Context) error {
		if _, err := conn.Exec(ctx, `SELECT pg_advisory_unlock(`+key+`)`, w.source.ID(), f.Path); err != nil {
			return fmt.Errorf("give back %s: %w", f.Path, err)
		}
		return nil
	}, nil
}
