package postgres_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/tidemill/tidemill/internal/embedded/postgres"
)

func stop(t *testing.T, s *postgres.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func exec(t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func TestStartKeepsDataOverRestarts(t *testing.T) {
	dir := t.TempDir()
	s, err := postgres.Start(t.Context(), postgres.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	url := s.URL()
	exec(t, url, "CREATE TABLE kept AS SELECT 1 AS n")
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
	s, err = postgres.Start(t.Context(), postgres.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, s)
	if s.URL() != url {
		t.Errorf("address changed from %s to %s", url, s.URL())
	}
	exec(t, s.URL(), "SELECT n FROM kept")
}
