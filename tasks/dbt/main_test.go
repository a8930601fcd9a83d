package dbt_test

import (
	"context"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/tasks/dbt"
)

// site is a copy of the tiny project on a database of the test's own.
type site struct {
	database string
	project  dbt.Project
}

func newSite(t *testing.T) site {
	t.Helper()
	database := testkit.Postgres(t)
	at, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := at.User.Password()
	dir := t.TempDir()
	copyDir(t, "testdata/tiny", dir)
	return site{database: database, project: dbt.Project{
		Dir: dir, Python: testkit.DBT(t).Python(),
		Env: []string{
			"DBT_PG_HOST=" + at.Hostname(), "DBT_PG_PORT=" + at.Port(), "DBT_PG_USER=" + at.User.Username(),
			"DBT_ENV_SECRET_PG_PASSWORD=" + password, "DBT_PG_DATABASE=" + at.Path[1:],
		},
	}}
}

func (s site) connect(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, s.database) }

func (s site) runner(t testing.TB, o dbt.Options) *dbt.Runner {
	t.Helper()
	if o.Guard == nil {
		o.Guard = dbt.Postgres{Connect: s.connect}
	}
	r, err := dbt.NewRunner(s.project, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// value asks the test's database for one value.
func (s site) value(t testing.TB, sql string, args ...any) string {
	t.Helper()
	conn, err := s.connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background()) //nolint:errcheck // only read
	var v string
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}
