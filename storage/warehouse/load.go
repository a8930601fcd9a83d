package warehouse

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
)

// Request says what to load, and for whom: the names go to metadata.load_audit.
type Request struct {
	DAGID, RunID, TaskID string
	// Try is the number of the attempt, from 1.
	Try int
	// LogicalDate is the run's; zero for a run that has none.
	LogicalDate time.Time
	// Day is the day that the run works on. Files of all days before it are loaded too.
	Day lake.Day
}

func (r Request) check() error {
	var errs []error
	for _, f := range []struct{ name, value string }{{"DAGID", r.DAGID}, {"RunID", r.RunID}, {"TaskID", r.TaskID}} {
		if f.value == "" {
			errs = append(errs, fmt.Errorf("%s is empty", f.name))
		}
	}
	if r.Try < 1 {
		errs = append(errs, fmt.Errorf("the try is %d: tries count from 1", r.Try))
	}
	if _, err := lake.ParseDay(string(r.Day)); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// LoadResult is what a load did, and what is there of its day now.
type LoadResult struct {
	AuditID int64 `json:"audit_id"`
	// Files is how many files the attempt was about, LateFiles how many of them are older than the lookback.
	Files     int `json:"files"`
	LateFiles int `json:"late_files"`
	// Through is the newest entry of the lake's log whose files the load has looked at: all of its days are loaded up to it.
	Through int64 `json:"through"`
	// Attempt counts this attempt, as its row in metadata.load_audit.
	Attempt Counts `json:"attempt"`
	// Day counts the day, whatever attempts its rows took.
	Day DayCounts `json:"day"`
}

// Load brings every file of the lake of a day up to and including req.Day into bronze that is not there yet, and
// accounts for it in metadata.load_audit. After an error, what was committed stays; the next Load goes on from there.
//
// It errs when the lake or the database does, when a file is not what its log says ([ErrFileChanged], lake.ErrCorrupt),
// and when the account of a load that did its work cannot be written. A row that the database refuses is no error: it
// goes to bronze.rejected.
func (w *Warehouse) Load(ctx context.Context, req Request) (LoadResult, error) {
	if err := req.check(); err != nil {
		return LoadResult{}, fmt.Errorf("load: %w", err)
	}
	a := &attempt{Request: req, started: w.now()}
	err := w.load(ctx, a)
	if aerr := w.finish(ctx, a, err); err == nil {
		err = aerr
	}
	if err != nil {
		return LoadResult{}, fmt.Errorf("load %s: %w", req.Day, advised(err))
	}
	day, err := w.Day(ctx, req.Day)
	if err != nil {
		return LoadResult{}, err
	}
	return LoadResult{AuditID: a.id, Files: a.files, LateFiles: a.lateFiles, Through: a.through, Attempt: a.counts, Day: day}, nil
}

func (w *Warehouse) load(ctx context.Context, a *attempt) error {
	conn, err := w.session(ctx, "tidemill load")
	if err != nil {
		return err
	}
	defer leave(ctx, conn)
	if err := w.begin(ctx, conn, a); err != nil {
		return err
	}
	if _, err := w.FailLost(ctx); err != nil {
		return err
	}
	for again := false; ; again = true {
		seen := a.days
		err := w.loadListed(ctx, conn, a, again)
		if err == nil {
			break
		}
		// A day was replayed, and another load has begun to repair it: look again, unless there was nothing new to see.
		if !errors.Is(err, errStale) || again && maps.Equal(seen, a.days) {
			return err
		}
	}
	// A session that was still ending when this load began has ended by now, if it had a file of ours.
	_, err = w.FailLost(ctx)
	return err
}

// loadListed looks at the lake, and brings what is missing of the files that it lists. again says that the attempt has looked
// before.
func (w *Warehouse) loadListed(ctx context.Context, conn *pgx.Conn, a *attempt, again bool) error {
	todo, err := w.plan(ctx, conn, a.Request)
	if err != nil {
		return err
	}
	a.through, a.days = todo.through, todo.days
	if !again {
		a.files = todo.before
		a.add(Counts{Read: todo.skipped, Skipped: todo.skipped})
	}
	a.files += len(todo.files)
	for _, f := range todo.files {
		if late(f.Day, a.Day, w.lookback) {
			a.lateFiles++
		}
	}
	if len(todo.repairs) > 0 {
		out, err := w.writer(ctx, conn)
		if err != nil {
			return err
		}
		if err := w.complete(ctx, out); err != nil {
			return err
		}
		for _, r := range todo.repairs {
			a.files += len(r.files)
			if err := w.repair(ctx, out, a, r); err != nil {
				return err
			}
		}
	}
	return w.loadFiles(ctx, conn, a, todo.files)
}

// loadFiles brings what is missing of each file, in order, over conn and as many connections more as the warehouse may use.
func (w *Warehouse) loadFiles(ctx context.Context, conn *pgx.Conn, a *attempt, files []lake.File) error {
	todo := make(chan lake.File, len(files))
	for _, f := range files {
		todo <- f
	}
	close(todo)
	g, ctx := errgroup.WithContext(ctx)
	for range min(w.connections, len(files)) - 1 {
		g.Go(func() error {
			conn, err := w.session(ctx, "tidemill load")
			if err != nil {
				return err
			}
			defer leave(ctx, conn)
			if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock_shared(`+auditLock+`)`, a.id); err != nil {
				return fmt.Errorf("join the load: %w", err)
			}
			return w.loadSome(ctx, conn, a, todo)
		})
	}
	g.Go(func() error { return w.loadSome(ctx, conn, a, todo) })
	return g.Wait()
}

// loadSome brings what is missing of files until there are no more, over one connection.
func (w *Warehouse) loadSome(ctx context.Context, conn *pgx.Conn, a *attempt, files <-chan lake.File) error {
	var out *writer
	for f := range files {
		if out == nil {
			var err error
			if out, err = w.writer(ctx, conn); err != nil {
				return err
			}
		}
		if err := w.loadFile(ctx, out, a, f, false); err != nil {
			return err
		}
	}
	return nil
}

// writer makes conn ready to write batches.
func (w *Warehouse) writer(ctx context.Context, conn *pgx.Conn) (*writer, error) {
	// Rows are looked up by index, also where the planner has seen the table empty.
	if _, err := conn.Exec(ctx, stagedTable+`; SET enable_seqscan = off; SET jit = off; SET plan_cache_mode = force_generic_plan`); err != nil {
		return nil, fmt.Errorf("make the temporary table: %w", err)
	}
	return &writer{conn: conn, lockLimit: limitText(w.lockLimit)}, nil
}

// leave closes a load's connection: its locks go with it. What an interrupted statement leaves is the server's to end; nobody
// waits for it here.
func leave(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// loadFile brings what is missing of one file. replaces says that its rows take the place of others.
func (w *Warehouse) loadFile(ctx context.Context, out *writer, a *attempt, f lake.File, replaces bool) error {
	p, release, err := w.claim(ctx, out.conn, f)
	if err != nil {
		return err
	}
	a.add(Counts{Read: p.done, Skipped: p.done})
	if p.done < f.Rows {
		err := inBatches(ctx, w.source, f, p.done, w.batch, func(first int64, rows []payment.Row) error {
			counts, err := out.write(ctx, &batch{auditID: a.id, file: p, first: first, rows: rows, generation: a.days[f.Day], replaces: replaces})
			a.add(counts)
			return err
		})
		if err != nil {
			return err
		}
	}
	return release(ctx)
}
