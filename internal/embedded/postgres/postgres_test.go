package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/tidemill/tidemill/internal/embedded/postgres"
)

func TestRestartKeepsDataAndAddress(t *testing.T) {
	dir := home(t)
	s := start(t, postgres.Options{Dir: dir})
	url := s.URL()
	run(t, url, "CREATE TABLE kept AS SELECT 1 AS n")
	if found, ok := postgres.FindRunning(dir); !ok || found != url {
		t.Errorf("FindRunning: %q, %v", found, ok)
	}
	if _, err := postgres.Start(t.Context(), postgres.Options{Dir: dir}); !errors.Is(err, postgres.ErrBusy) {
		t.Errorf("second owner: %v, want ErrBusy", err)
	}
	stop(t, s)
	if _, ok := postgres.FindRunning(dir); ok {
		t.Error("FindRunning after Stop")
	}
	s = start(t, postgres.Options{Dir: dir})
	if s.URL() != url {
		t.Errorf("address changed from %s to %s", url, s.URL())
	}
	if n := value[int](t, s.URL(), "SELECT n FROM kept"); n != 1 {
		t.Errorf("kept %d", n)
	}
}

func TestServerIsForLoopbackDurableAndUTC(t *testing.T) {
	dir := home(t)
	s := start(t, postgres.Options{Dir: dir})
	for sql, want := range map[string]string{
		"SHOW listen_addresses":                 "127.0.0.1",
		"SHOW unix_socket_directories":          "",
		"SHOW max_connections":                  "200",
		"SHOW shared_buffers":                   "256MB",
		"SHOW fsync":                            "on",
		"SHOW synchronous_commit":               "on",
		"SHOW full_page_writes":                 "on",
		"SHOW client_connection_check_interval": "2s",
		"SHOW timezone":                         "UTC",
		"SHOW server_encoding":                  "UTF8",
		"SELECT datcollate FROM pg_database WHERE datname = current_database()": "C",
		"SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules":   "scram-sha-256",
	} {
		if got := value[string](t, s.URL(), sql); got != want {
			t.Errorf("%s: %q, want %q", sql, got, want)
		}
	}
	for _, name := range []string{"password", "server", "postgres.log"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "data")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("data: %v, %v", info.Mode(), err)
	}
	config, err := pgx.ParseConfig(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	config.Password = "wrong"
	if conn, err := pgx.ConnectConfig(t.Context(), config); err == nil {
		_ = conn.Close(t.Context())
		t.Error("a wrong password opens the database")
	}
}

func TestStartAfterOwnerWasKilled(t *testing.T) {
	dir := home(t)
	url, kill := owner(t, dir)
	run(t, url, "CREATE TABLE kept AS SELECT 1 AS n")
	conn := connect(t, url) // a client that lives on
	if _, err := conn.Exec(t.Context(), "BEGIN; INSERT INTO kept VALUES (2)"); err != nil {
		t.Fatal(err)
	}
	kill()
	s := start(t, postgres.Options{Dir: dir})
	if n := value[int](t, s.URL(), "SELECT count(*) FROM kept"); n != 1 {
		t.Errorf("%d rows, want the committed one", n)
	}
}

// On a system whose kernel does not end the server with its owner it runs on; a stopped process cannot be ended either.
func TestStartStopsServerThatOutlivedItsOwner(t *testing.T) {
	dir := home(t)
	url, kill := owner(t, dir)
	run(t, url, "CREATE TABLE kept AS SELECT 1 AS n")
	pid := postmaster(t, dir)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	kill()
	stopping := func(string) { // Start has found it
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			t.Error(err)
		}
	}
	s := start(t, postgres.Options{Dir: dir, Progress: stopping})
	if n := value[int](t, s.URL(), "SELECT n FROM kept"); n != 1 {
		t.Errorf("kept %d", n)
	}
	if now := postmaster(t, dir); now == pid {
		t.Error("the server is not ours")
	}
}

func TestStartAfterServerWasKilled(t *testing.T) {
	dir := home(t)
	s := start(t, postgres.Options{Dir: dir})
	run(t, s.URL(), "CREATE TABLE kept AS SELECT 1 AS n")
	conn := connect(t, s.URL())
	busy := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "SELECT pg_sleep(60)") // its backend survives the postmaster for a while
		busy <- err
	}()
	if err := syscall.Kill(postmaster(t, dir), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.Exited()
	stop(t, s)
	s = start(t, postgres.Options{Dir: dir})
	if n := value[int](t, s.URL(), "SELECT n FROM kept"); n != 1 {
		t.Errorf("kept %d", n)
	}
	_ = conn.PgConn().Conn().Close()
	<-busy
}

func TestStalePidFileIsNoServer(t *testing.T) {
	dir := home(t)
	s := start(t, postgres.Options{Dir: dir})
	url := s.URL()
	stop(t, s)
	for name, text := range map[string]string{
		// As after a reboot: the process id belongs to someone else, who lives.
		"another process": fmt.Sprintf("%d\n%s\n1\n5432\n\n127.0.0.1\n1 1\nready   \n", os.Getpid(), filepath.Join(dir, "data")),
		"empty":           "", // as after a power cut
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(dir, "data", "postmaster.pid"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if found, ok := postgres.FindRunning(dir); ok {
				t.Errorf("FindRunning: %s", found)
			}
			if s := start(t, postgres.Options{Dir: dir}); s.URL() != url {
				t.Errorf("address changed from %s to %s", url, s.URL())
			}
		})
	}
}

func TestTakenPortIsLeftToItsOwner(t *testing.T) {
	dir := home(t)
	s := start(t, postgres.Options{Dir: dir})
	config, err := pgx.ParseConfig(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	stop(t, s)
	other, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", config.Port))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := postgres.Start(t.Context(), postgres.Options{Dir: dir, Port: int(config.Port)}); err == nil || !strings.Contains(err.Error(), "Address already in use") {
		t.Errorf("Start on the taken port: %v", err)
	}
	if n := value[int](t, start(t, postgres.Options{Dir: dir}).URL(), "SELECT 1"); n != 1 {
		t.Error("no server on another port")
	}
}

func TestDataOfAnotherMajorVersionIsRefused(t *testing.T) {
	dir := home(t)
	stop(t, start(t, postgres.Options{Dir: dir}))
	version := filepath.Join(dir, "data", "PG_VERSION")
	if err := os.WriteFile(version, []byte("12\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := postgres.Start(t.Context(), postgres.Options{Dir: dir})
	var wrong *postgres.VersionError
	if !errors.As(err, &wrong) || wrong.Has != 12 || wrong.Found.Major < 15 {
		t.Fatalf("got %v, want a VersionError", err)
	}
	for _, part := range []string{"PostgreSQL 12", wrong.Found.Version, "install PostgreSQL 12", "pg_upgrade"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, err)
		}
	}
	if _, err := postgres.Check(t.Context(), postgres.Options{Dir: dir}); !errors.As(err, &wrong) {
		t.Errorf("Check: %v, want a VersionError", err)
	}
	if text, err := os.ReadFile(version); err != nil || string(text) != "12\n" {
		t.Errorf("the data folder was touched: %q, %v", text, err)
	}
}

func TestFolderThatTheServersUserCannotReach(t *testing.T) {
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o700); err != nil { // as /root is
		t.Fatal(err)
	}
	dir := filepath.Join(closed, "home", "postgres")
	s := start(t, postgres.Options{Dir: dir})
	data, err := filepath.EvalSymlinks(filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	if root := os.Geteuid() == 0; root == strings.HasPrefix(data, closed) {
		t.Errorf("as root %v the data is in %s", root, data)
	} else if root {
		t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(data)) })
	}
	run(t, s.URL(), "CREATE TABLE kept AS SELECT 1 AS n")
	stop(t, s)
	s = start(t, postgres.Options{Dir: dir})
	if n := value[int](t, s.URL(), "SELECT n FROM kept"); n != 1 {
		t.Errorf("kept %d", n)
	}
	stop(t, s)
}

func TestFetchedPrograms(t *testing.T) {
	dir := home(t)
	plan, err := postgres.Check(t.Context(), postgres.Options{Dir: dir, Source: postgres.Fetched})
	if err != nil || !plan.Fetch {
		t.Errorf("Check before: %+v, %v", plan, err)
	}
	var told []string
	s := start(t, postgres.Options{Dir: dir, Source: postgres.Fetched, Progress: func(s string) { told = append(told, s) }})
	if !strings.HasPrefix(s.Version(), "18.") {
		t.Errorf("version %s", s.Version())
	}
	if len(told) == 0 || !strings.Contains(told[0], "fetching PostgreSQL") {
		t.Errorf("told %q", told)
	}
	run(t, s.URL(), "CREATE TABLE kept AS SELECT 1 AS n")
	stop(t, s)
	// The next start takes what fits the data, be there another version on the system or not.
	s = start(t, postgres.Options{Dir: dir})
	if n := value[int](t, s.URL(), "SELECT n FROM kept"); n != 1 || !strings.HasPrefix(s.Version(), "18.") {
		t.Errorf("kept %d with version %s", n, s.Version())
	}
}

func TestCheckTellsWhatRuns(t *testing.T) {
	dir := home(t)
	plan, err := postgres.Check(t.Context(), postgres.Options{Dir: dir})
	if err != nil || plan.Running || plan.Data != "" {
		t.Errorf("before: %+v, %v", plan, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 0 {
		t.Errorf("Check left %v, %v", entries, err)
	}
	start(t, postgres.Options{Dir: dir})
	plan, err = postgres.Check(t.Context(), postgres.Options{Dir: dir})
	if err != nil || !plan.Running || plan.Data == "" || plan.User == "root" {
		t.Errorf("after: %+v, %v", plan, err)
	}
}

func BenchmarkWarmStart(b *testing.B) {
	dir := home(b)
	for b.Loop() {
		s, err := postgres.Start(b.Context(), postgres.Options{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Stop(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
