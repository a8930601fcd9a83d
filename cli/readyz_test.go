package cli

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/jackc/pgx/v5"

	server "github.com/tidemill/tidemill/internal/embedded/postgres"
	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/migrations"
)

// A process is ready once its DAGs are registered, and as long as the database answers; it is alive all the while.
func TestReadyWhenRegisteredAndWhileTheDatabaseAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	options := server.Options{Dir: filepath.Join(testkit.Home(t), "postgres"), Port: port}
	up := func() *server.Server {
		t.Helper()
		s, err := server.Start(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	db := up()
	stop := func() {
		if err := db.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() { stop() })
	if _, err := migrations.Up(t.Context(), db.URL(), migrations.Engine); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), db.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background()) //nolint:errcheck // gone with the server
	do := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	do("BEGIN")
	do("LOCK TABLE tidemill.dags IN EXCLUSIVE MODE") // nobody registers

	c := &cage{TB: t, database: db.URL(), log: &syncBuffer{}}
	env := map[string]string{"TIDEMILL_HOME": testkit.Home(t), "TIDEMILL_DATABASE_URL": c.database, "TIDEMILL_LISTEN": "127.0.0.1:0", "TIDEMILL_LOG_FORMAT": "json"}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, []string{"serve"}, io.Discard, c.log, func(name string) string { return env[name] }, ownProgram())
	}()
	t.Cleanup(func() {
		cancel()
		if code := <-done; code != exitDone {
			t.Errorf("serve ended %d: %s", code, c.log)
		}
	})
	address := regexp.MustCompile(`"address":"([^"]+)"`)
	c.wait("serve to listen", func() bool {
		if m := address.FindStringSubmatch(c.log.String()); m != nil {
			c.base = m[1]
		}
		return c.base != ""
	})
	is := func(want int) func() bool {
		return func() bool {
			if status, _ := c.ask("GET", "/healthz", ""); status != http.StatusOK {
				t.Fatalf("it is not alive: %d", status)
			}
			status, _ := c.ask("GET", "/readyz", "")
			return status == want
		}
	}
	c.wait("the registration to be held up", func() bool {
		if is(http.StatusOK)() {
			t.Fatal("it is ready before its DAGs are registered")
		}
		var waiting bool
		if err := conn.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'tidemill.dags'::regclass)`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
		return waiting
	})
	if !is(http.StatusServiceUnavailable)() {
		t.Error("it does not say that it is not ready")
	}
	do("COMMIT")
	c.wait("it to be ready", is(http.StatusOK))
	stop()
	c.wait("it to miss the database", is(http.StatusServiceUnavailable))
	db = up()
	c.wait("it to be ready again", is(http.StatusOK))
}
