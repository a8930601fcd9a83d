package warehouse_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tidemill/tidemill/storage/payment/goldref"
	"github.com/tidemill/tidemill/storage/warehouse"
)

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

func isFileChanged(err error) bool { return errors.Is(err, warehouse.ErrFileChanged) }

// crashTopic is the topic of the tests that cut a load off: one day with some thousands of rows.
func crashTopic() []goldref.Event { return topic(21, 3000, 1) }

const crashAt = 2100 // rows that the reader gives out before the cut

// checkRetry checks that a failed attempt left its account, and that the next one goes on behind its last mark.
func checkRetry(t *testing.T, db database, m *memory, reason string) {
	t.Helper()
	want := bronzeModel(crashTopic())
	there := db.count(`SELECT sum(rows_done)::bigint FROM metadata.lake_files`)
	if there < 1000 || there >= int64(len(want.Accepted)) {
		t.Fatalf("%d of %d rows were there before the retry", there, len(want.Accepted))
	}
	m.before = nil
	result, err := db.warehouse(m).Load(background, request(dayNumber(0), 2))
	if err != nil {
		t.Fatal(err)
	}
	if a := result.Attempt; a.Skipped != there || a.Read != int64(len(want.Accepted)) {
		t.Errorf("the retry: %+v, want %d skipped of %d", a, there, len(want.Accepted))
	}
	if n := db.count(`SELECT count(*) FROM bronze.transactions`); n != int64(len(want.Bronze)) {
		t.Errorf("bronze has %d rows, want %d", n, len(want.Bronze))
	}
	failed := db.text(`SELECT try_number, status, error_message LIKE '%` + reason + `%', rows_read = ` + fmt.Sprint(there) + `, finished_at IS NOT NULL FROM metadata.load_audit ORDER BY id`)
	compare(t, "load_audit", failed, []string{`[1, "FAILED", true, true, true]`, `[2, "SUCCESS", null, false, true]`})
}

func TestALoadWhoseConnectionIsCut(t *testing.T) {
	db, m := newDatabase(t), lakeOf(t, crashTopic())
	m.before = func(_ string, row int) error {
		if row >= crashAt && row < crashAt+chunk {
			return db.cut()
		}
		return nil
	}
	if _, err := db.warehouse(m).Load(background, request(dayNumber(0), 1)); err == nil {
		t.Fatal("a load that was cut off succeeded")
	}
	checkRetry(t, db, m, "")
}

// cut ends the sessions of loads, from the server.
func (d database) cut() error {
	_, err := d.pool.Exec(background, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE application_name = 'tidemill load' AND datname = current_database()`)
	return err
}

func TestALoadThatIsCancelled(t *testing.T) {
	db, m := newDatabase(t), lakeOf(t, crashTopic())
	ctx, cancel := context.WithCancelCause(background)
	m.before = func(_ string, row int) error {
		if row >= crashAt {
			cancel(errors.New("the worker drains"))
		}
		return nil
	}
	if _, err := db.warehouse(m).Load(ctx, request(dayNumber(0), 1)); !errors.Is(err, context.Canceled) {
		t.Fatalf("a load that was cancelled: %v", err)
	}
	checkRetry(t, db, m, "cancel")
}

const childEnv = "TIDEMILL_WAREHOUSE_TEST_CHILD"

// runChild is the process that TestALoadWhoseProcessIsKilled kills: it loads, and stops to read in the middle.
func runChild() bool {
	url := os.Getenv(childEnv)
	if url == "" {
		return false
	}
	pool, err := pgxpool.New(background, url)
	if err != nil {
		panic(err)
	}
	m := lakeOf(new(testing.T), crashTopic())
	m.before = func(_ string, row int) error {
		if row >= crashAt {
			fmt.Println("in the middle")
			_, err := io.ReadAll(os.Stdin)
			return err
		}
		return nil
	}
	_, err = warehouse.New(pool, m).Load(background, request(dayNumber(0), 1))
	panic(err)
}

func TestALoadWhoseProcessIsKilled(t *testing.T) {
	db, m := newDatabase(t), lakeOf(t, crashTopic())
	cmd := exec.Command(os.Args[0]) //nolint:gosec // this very test binary
	cmd.Env = append(os.Environ(), childEnv+"="+db.url)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close() }()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, len("in the middle"))
	if _, err := io.ReadFull(stdout, said); err != nil {
		t.Fatal(err)
	}
	if n := db.count(`SELECT count(*) FROM metadata.load_audit WHERE status = 'RUNNING'`); n != 1 {
		t.Errorf("%d loads run", n)
	}
	if n, err := db.warehouse(m).FailLost(background); n != 0 || err != nil {
		t.Errorf("a load that runs was declared lost: %d, %v", n, err)
	}
	// The marks of what it has read so far are on their way.
	waitFor(t, "the marks of the child", func() bool {
		return db.count(`SELECT coalesce(sum(rows_done), 0)::bigint FROM metadata.lake_files`) >= crashAt/1000*1000
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	checkRetry(t, db, m, "process lost")
}

// logged has the lines of a JSON log.
func logged(t *testing.T, log *bytes.Buffer) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for line := range strings.Lines(log.String()) {
		var l map[string]any
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	return lines
}

func criticalLog() (*bytes.Buffer, warehouse.Option) {
	var log bytes.Buffer
	return &log, warehouse.WithLogger(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{ReplaceAttr: warehouse.LevelName})))
}

func TestALoadWhoseAccountCannotBeWritten(t *testing.T) {
	refuse := `CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'disk full'; END $$;
		CREATE TRIGGER refuse BEFORE %s ON metadata.load_audit FOR EACH ROW EXECUTE FUNCTION public.refuse()`
	for name, c := range map[string]struct {
		on   string
		cut  bool
		want map[string]any
	}{
		"after a good load": {"UPDATE", false, map[string]any{"status": "SUCCESS", "error_message": nil}},
		"after a cut":       {"UPDATE", true, map[string]any{"status": "FAILED"}},
		"at its beginning":  {"INSERT", false, map[string]any{"status": "FAILED", "rows_read": 0.0}},
	} {
		t.Run(name, func(t *testing.T) {
			db, m := newDatabase(t), lakeOf(t, crashTopic())
			db.exec(fmt.Sprintf(refuse, c.on))
			if c.cut {
				m.before = func(_ string, row int) error {
					if row >= crashAt && row < crashAt+chunk {
						return db.cut()
					}
					return nil
				}
			}
			log, option := criticalLog()
			if _, err := db.warehouse(m, option).Load(background, request(dayNumber(0), 1)); err == nil {
				t.Error("a load without its account succeeded")
			}
			lines := logged(t, log)
			if len(lines) != 1 {
				t.Fatalf("%d lines, want one: %s", len(lines), log)
			}
			line := lines[0]
			for key, want := range c.want {
				if line[key] != want {
					t.Errorf("%s is %v, want %v", key, line[key], want)
				}
			}
			for _, key := range []string{"dag_id", "run_id", "task_id", "try_number", "logical_date", "day", "files", "rows_read", "rows_loaded", "duration_ms", "audit_error"} {
				if _, ok := line[key]; !ok {
					t.Errorf("the line does not tell %s", key)
				}
			}
			if line["level"] != "CRITICAL" || !strings.Contains(fmt.Sprint(line["audit_error"]), "disk full") {
				t.Errorf("the line: %v", line)
			}
			if strings.Contains(log.String(), "postgres://") {
				t.Error("the line has an address with its password")
			}
		})
	}
}
