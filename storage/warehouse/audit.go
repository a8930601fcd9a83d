package warehouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// accountLimit bounds the write of an attempt's end, which goes on when the attempt itself was cancelled.
const accountLimit = 10 * time.Second

// attempt is a load under way, and what metadata.load_audit says of it.
type attempt struct {
	Request
	started   time.Time
	id        int64 // 0 before its row is there
	files     int
	lateFiles int
	through   int64
	days      generations // of the lake, when the load looked at it

	mu     sync.Mutex
	counts Counts
}

// add counts what one connection has done.
func (a *attempt) add(c Counts) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counts.add(c)
}

// auditLock is the advisory lock that each session of an attempt shares as long as it lives: a RUNNING row whose lock is free
// belongs to nobody.
const auditLock = `hashtextextended('tidemill load_audit ' || $1::bigint, 0)`

// account runs what reads or writes metadata.load_audit in a transaction that waits only so long for a lock: whoever
// holds one for longer, as a VACUUM FULL or a forgotten session does, must not hold up a load without a word.
func (w *Warehouse) account(ctx context.Context, db interface {
	Begin(context.Context) (pgx.Tx, error)
}, do func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, setLockLimit, limitText(w.lockLimit)); err != nil {
			return err
		}
		return do(tx)
	})
}

const setLockLimit = `SELECT set_config('lock_timeout', $1, true)`

func limitText(d time.Duration) string { return strconv.FormatInt(max(1, d.Milliseconds()), 10) + "ms" }

// begin writes the attempt's row, RUNNING, and takes its lock for conn's session.
func (w *Warehouse) begin(ctx context.Context, conn *pgx.Conn, a *attempt) error {
	var id int64
	err := w.account(ctx, conn, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `
			INSERT INTO metadata.load_audit (dag_id, run_id, task_id, try_number, logical_date, day, status)
			VALUES ($1, $2, $3, $4, $5, $6, 'RUNNING') RETURNING id`,
			a.DAGID, a.RunID, a.TaskID, a.Try, a.logicalDate(), a.Day.Start()).Scan(&id); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `SELECT pg_advisory_lock_shared(`+auditLock+`)`, id) // before anybody can see the row
		return err
	})
	if err != nil {
		return fmt.Errorf("begin the account of the load: %w", err)
	}
	a.id = id
	return nil
}

// finish writes the attempt's end: SUCCESS when cause is nil, else FAILED. When that fails, it logs one critical line
// with what the row would say.
func (w *Warehouse) finish(ctx context.Context, a *attempt, cause error) error {
	status, message := "SUCCESS", (*string)(nil)
	if cause != nil {
		status = "FAILED"
		text := strings.ToValidUTF8(strings.ReplaceAll(advised(cause).Error(), "\x00", ""), "\uFFFD")
		message = &text
	}
	took := w.now().Sub(a.started)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), accountLimit)
	defer cancel()
	err := w.writeEnd(ctx, a, status, message, took)
	if err == nil {
		return nil
	}
	facts := []slog.Attr{
		slog.Int64("id", a.id), slog.String("dag_id", a.DAGID), slog.String("run_id", a.RunID), slog.String("task_id", a.TaskID),
		slog.Int("try_number", a.Try), slog.Any("logical_date", a.logicalDate()), slog.String("day", string(a.Day)),
		slog.String("status", status), slog.Int("files", a.files), slog.Int("late_files", a.lateFiles),
		slog.Int64("rows_read", a.counts.Read), slog.Int64("rows_loaded", a.counts.Loaded),
		slog.Int64("rows_duplicate", a.counts.Duplicate), slog.Int64("rows_conflicting", a.counts.Conflicting),
		slog.Int64("rows_replaced", a.counts.Replaced), slog.Int64("rows_skipped", a.counts.Skipped),
		slog.Int64("rows_rejected", a.counts.Rejected), slog.Int64("rows_removed", a.counts.Removed), slog.Int64("duration_ms", took.Milliseconds()),
	}
	if message != nil {
		facts = append(facts, slog.String("error_message", *message))
	}
	facts = append(facts, slog.String("audit_error", advised(err).Error()))
	w.log.LogAttrs(ctx, LevelCritical, "the end of a load could not be written to metadata.load_audit", facts...)
	return fmt.Errorf("end the account of the load: %w", err)
}

// committedCounts is what an attempt has committed, by its rows of metadata.loads.
const committedCounts = `coalesce(sum(rows_loaded), 0)::bigint AS loaded, coalesce(sum(rows_duplicate), 0)::bigint AS duplicate,
	coalesce(sum(rows_conflicting), 0)::bigint AS conflicting, coalesce(sum(rows_replaced), 0)::bigint AS replaced,
	coalesce(sum(rows_rejected), 0)::bigint AS rejected, coalesce(sum(rows_removed), 0)::bigint AS removed`

func (w *Warehouse) writeEnd(ctx context.Context, a *attempt, status string, message *string, took time.Duration) error {
	return w.account(ctx, w.pool, func(tx pgx.Tx) error { return a.writeEnd(ctx, tx, status, message, took) })
}

func (a *attempt) writeEnd(ctx context.Context, tx pgx.Tx, status string, message *string, took time.Duration) error {
	if a.id == 0 { // not even its beginning was written
		_, err := tx.Exec(ctx, `
			INSERT INTO metadata.load_audit (dag_id, run_id, task_id, try_number, logical_date, day, status, duration_ms, error_message, finished_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now())`,
			a.DAGID, a.RunID, a.TaskID, a.Try, a.logicalDate(), a.Day.Start(), status, took.Milliseconds(), message)
		return err
	}
	// The session may still be ending, and commit what we have no answer of: only then it is certain what was done. That
	// takes what it takes, within ctx.
	limit := ""
	if err := tx.QueryRow(ctx, `SELECT current_setting('lock_timeout'), set_config('lock_timeout', '0', true), pg_advisory_xact_lock(`+auditLock+`)::text`, a.id).
		Scan(&limit, nil, nil); err != nil {
		return fmt.Errorf("wait for the end of the load's session: %w", err)
	}
	if _, err := tx.Exec(ctx, setLockLimit, limit); err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, `
		UPDATE metadata.load_audit SET status = $2, files = $3, late_files = $4, rows_skipped = $5, duration_ms = $6,
			error_message = $7, finished_at = now(), rows_loaded = loaded, rows_duplicate = duplicate,
			rows_conflicting = conflicting, rows_replaced = replaced, rows_rejected = rejected, rows_removed = removed,
			rows_read = loaded + duplicate + conflicting + replaced + rejected + $5
		FROM (SELECT `+committedCounts+` FROM metadata.loads WHERE audit_id = $1) AS done
		WHERE id = $1`, a.id, status, a.files, a.lateFiles, a.counts.Skipped, took.Milliseconds(), message)
	if err == nil && tag.RowsAffected() == 0 {
		err = errors.New("its row is gone")
	}
	return err
}

func (a *attempt) logicalDate() *time.Time {
	if a.LogicalDate.IsZero() {
		return nil
	}
	return &a.LogicalDate
}

// FailLost ends the RUNNING rows of metadata.load_audit whose process or session is gone: FAILED, "process lost", with
// what they had committed. It returns how many there were. Load calls it; a process that starts may.
func (w *Warehouse) FailLost(ctx context.Context) (int, error) {
	var lost int
	err := w.account(ctx, w.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
		WITH running AS MATERIALIZED (
			SELECT id FROM metadata.load_audit WHERE status = 'RUNNING' FOR UPDATE SKIP LOCKED
		), lost AS MATERIALIZED (
			SELECT id FROM running WHERE pg_try_advisory_xact_lock(`+strings.ReplaceAll(auditLock, "$1::bigint", "id")+`)
		), done AS (
			SELECT lost.id, count(DISTINCT file_id) AS files, `+committedCounts+`
			FROM lost LEFT JOIN metadata.loads ON loads.audit_id = lost.id GROUP BY lost.id
		)
		UPDATE metadata.load_audit AS a SET status = 'FAILED', error_message = 'process lost', finished_at = now(),
			files = done.files, rows_loaded = loaded, rows_duplicate = duplicate, rows_conflicting = conflicting,
			rows_replaced = replaced, rows_rejected = rejected, rows_removed = removed,
			rows_read = loaded + duplicate + conflicting + replaced + rejected
		FROM done WHERE a.id = done.id`)
		lost = int(tag.RowsAffected())
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("end the accounts of lost loads: %w", err)
	}
	return lost, nil
}
