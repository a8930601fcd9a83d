package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/migrations"
	"github.com/tidemill/tidemill/storage/postgres"
)

// pgbouncer starts a PgBouncer that lends the connections of the database at target for a transaction, each time another, and returns
// the database's address through it. Where there is no PgBouncer the test ends; with TIDEMILL_PGBOUNCER=required, as in CI, it fails.
func pgbouncer(t *testing.T, target string) (string, bool) {
	t.Helper()
	path := findPgBouncer()
	if path == "" {
		if os.Getenv("TIDEMILL_PGBOUNCER") == "required" {
			t.Fatal("there is no PgBouncer, and TIDEMILL_PGBOUNCER=required: install pgbouncer")
		}
		t.Log("there is no PgBouncer: nothing is tried through one")
		return "", false
	}
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	dir := testkit.Home(t)
	port := freePort(t)
	config := fmt.Sprintf(`[databases]
* = host=%s port=%s user=%s password=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 12
max_client_conn = 500
server_round_robin = 1
log_connections = 0
log_disconnections = 0
`, u.Hostname(), u.Port(), u.User.Username(), password, port)
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil { //nolint:gosec // its user is another, and the database a test's
		t.Fatal(err)
	}
	cmd := exec.Command(path, file)
	if os.Geteuid() == 0 { // it refuses to run as root
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
		if t.Failed() {
			t.Logf("pgbouncer: %s", &said)
		}
	})
	u.Host = net.JoinHostPort("127.0.0.1", port)
	u.User = url.User(u.User.Username())
	eventually(t, "PgBouncer answers", func() bool {
		conn, err := pgx.Connect(t.Context(), u.String())
		if err != nil {
			return false
		}
		return conn.Close(t.Context()) == nil
	})
	return u.String(), true
}

func findPgBouncer() string {
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // only its number is wanted
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// The whole contract of a store holds through a pooler.
func TestConformanceThroughPgBouncer(t *testing.T) {
	direct := testkit.Migrated(t, migrations.Engine)
	through, ok := pgbouncer(t, direct)
	if !ok {
		return
	}
	enginetest.Conformance(t, func(t *testing.T) engine.Store {
		empty(t, direct)
		return openAt(t, through, postgres.Options{})
	})
}

// Several processes migrate an empty database through a pooler at once; one does it.
func TestMigrationsThroughPgBouncer(t *testing.T) {
	through, ok := pgbouncer(t, testkit.Postgres(t))
	if !ok {
		return
	}
	const processes = 3
	done := make(chan error, processes)
	var applied atomic.Int64
	for range processes {
		go func() {
			n, err := migrations.Up(t.Context(), through, migrations.Engine)
			applied.Add(int64(n))
			done <- err
		}()
	}
	for range processes {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	list, err := migrations.Status(t.Context(), through, migrations.Engine)
	if err != nil {
		t.Fatal(err)
	}
	if n := applied.Load(); n != int64(len(list)) || n == 0 {
		t.Errorf("%d migrations were applied, want %d, each once", n, len(list))
	}
	openAt(t, through, postgres.Options{})
}

// Two processes behind a pooler run DAGs: chains, a wide one, tasks with transactions of their own that collide, and wake-ups.
func TestRunsThroughPgBouncer(t *testing.T) {
	direct := testkit.Migrated(t, migrations.Engine)
	through, ok := pgbouncer(t, direct)
	if !ok {
		return
	}
	execute(t, direct, `CREATE TABLE lines (run bigint, task text, try int)`)
	conn, err := pgx.Connect(t.Context(), direct)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background()) //nolint:errcheck // nothing is pending
	first := txRuntime(t, openAt(t, through, postgres.Options{MaxConns: 16}), ledger(20, writeLine))
	txRuntime(t, openAt(t, through, postgres.Options{MaxConns: 16}), ledger(20, writeLine))
	const runs = 5
	for range runs {
		if row := triggerAndWait(t, first); row.State != engine.RunSuccess {
			t.Fatalf("the run is %s", row.State)
		}
	}
	if n := count(t, conn, `SELECT count(*) FROM lines`); n != 20*runs {
		t.Errorf("%d lines, want %d", n, 20*runs)
	}
}

// A process behind a pooler is woken by others, behind it and not, and wakes them.
func TestWakeThroughPgBouncer(t *testing.T) {
	direct := testkit.Migrated(t, migrations.Engine)
	through, ok := pgbouncer(t, direct)
	if !ok {
		return
	}
	behind, before := openAt(t, through, postgres.Options{}), openAt(t, direct, postgres.Options{})
	for _, c := range []struct {
		name     string
		from, to *postgres.Store
	}{{"out", behind, before}, {"in", before, behind}, {"within", openAt(t, through, postgres.Options{}), behind}} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			woken, err := c.to.Woken(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.from.Wake(t.Context()); err != nil {
				t.Fatal(err)
			}
			select {
			case <-woken:
			case <-time.After(20 * time.Second):
				t.Fatal("not woken")
			}
			cancel()
			for range woken { // closed when its context ends
			}
		})
	}
}

// A process that freezes behind a pooler in the middle of a transaction gives up its locks as it would without: the settings are there.
func TestFrozenBehindPgBouncerGivesUpItsLocks(t *testing.T) {
	r := newRig(t, postgres.Options{AppName: "alive"})
	through, ok := pgbouncer(t, r.url)
	if !ok {
		return
	}
	frozen := rigOn(t, openAt(t, through, postgres.Options{AppName: "frozen"}), r.url)
	run := r.runs(1)[0]
	r.enqueue(run, "a")
	lease := frozen.claim(1)
	inside, thaw := make(chan struct{}), make(chan struct{})
	var once atomic.Bool
	woken := make(chan []bool, 1)
	go func() {
		held, err := frozen.tryTransition([]int64{run}, lease, func(engine.RunRow, *engine.RunChange) {
			if once.CompareAndSwap(false, true) {
				close(inside)
				<-thaw
			}
		})
		if err != nil {
			t.Error(err)
		}
		woken <- held
	}()
	<-inside
	settings := value[string](t, r.url, `SELECT string_agg(application_name, ',') FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'`)
	if !strings.HasPrefix(settings, "frozen-") {
		t.Errorf("the session that works for the frozen process is called %q", settings)
	}
	r.ok(r.Bury(t.Context(), []int64{frozen.worker}))
	if held := r.transition([]int64{run}, lease, nothing); !held[0] {
		t.Error("the orphan's lease was not held any more")
	}
	close(thaw)
	if held := <-woken; held[0] {
		t.Error("the frozen process ended the task too")
	}
}

// Settings of a transaction are those of a session without a pooler: a lock is not waited for without end.
func TestLockTimeoutThroughPgBouncer(t *testing.T) {
	r := newRig(t, postgres.Options{})
	through, ok := pgbouncer(t, r.url)
	if !ok {
		return
	}
	behind := rigOn(t, openAt(t, through, postgres.Options{}), r.url)
	run := r.runs(1)[0]
	conn, err := pgx.Connect(t.Context(), r.url)
	r.ok(err)
	defer conn.Close(context.Background()) //nolint:errcheck // nothing is pending
	tx, err := conn.Begin(t.Context())
	r.ok(err)
	_, err = tx.Exec(t.Context(), `SELECT FROM tidemill.runs WHERE id = $1 FOR UPDATE`, run)
	r.ok(err)
	done := make(chan error, 1)
	go func() {
		_, err := behind.tryTransition([]int64{run}, nil, nothing)
		done <- err
	}()
	eventually(t, "the wait for the lock has been given up once", func() bool { return behind.Stats().LockWaits > 0 })
	r.ok(tx.Rollback(t.Context()))
	r.ok(<-done)
	for range 30 { // the settings are gone with the transaction: nobody else finds them
		if got := value[string](t, through+"&default_query_exec_mode=exec", `SELECT current_setting('lock_timeout')`); got != "0" {
			t.Fatalf("lock_timeout of another's session is %s", got)
		}
	}
}
