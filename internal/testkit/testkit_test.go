package testkit_test

import (
	"context"
	"os/exec"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/tidemill/tidemill/internal/testkit"
	"github.com/tidemill/tidemill/migrations"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// value runs a query for one value.
func value[T any](t *testing.T, url, sql string, args ...any) (v T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

const countSchemas = `SELECT count(*) FROM pg_namespace WHERE nspname IN ('tidemill', 'bronze', 'staging', 'gold', 'metadata')`

func TestPostgresIsEmptyAndOnesOwn(t *testing.T) {
	t.Parallel()
	a, b := testkit.Postgres(t), testkit.Postgres(t)
	value[int](t, a, "WITH made AS (SELECT 1) SELECT 1")
	if n := value[int](t, b, "SELECT count(*) FROM pg_class WHERE relname = 'mine'"); n != 0 {
		t.Error("two databases share a table")
	}
	if n := value[int](t, b, countSchemas); n != 0 {
		t.Errorf("%d of our schemas in an empty database", n)
	}
}

func TestPostgresIsDropped(t *testing.T) {
	t.Parallel()
	other := testkit.Postgres(t)
	var name string
	t.Run("use", func(t *testing.T) {
		url := testkit.Postgres(t)
		name = value[string](t, url, "SELECT current_database()")
	})
	if value[bool](t, other, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name) {
		t.Error("the database is there after its test")
	}
}

func TestMigrated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		sets []migrations.Set
		want int
	}{
		{"all", nil, 5},
		{"engine", []migrations.Set{migrations.Engine}, 1},
		{"warehouse", []migrations.Set{migrations.Warehouse}, 4},
		{"both", []migrations.Set{migrations.Warehouse, migrations.Engine}, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if n := value[int](t, testkit.Migrated(t, c.sets...), countSchemas); n != c.want {
				t.Errorf("%d schemas, want %d", n, c.want)
			}
		})
	}
}

func TestOnlyDurableWaitsForTheDisk(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{testkit.Durable(t): "on", testkit.Postgres(t): "off"} {
		if got := value[string](t, url, "SHOW fsync"); got != want {
			t.Errorf("fsync is %s, want %s", got, want)
		}
	}
}

func TestDBT(t *testing.T) {
	t.Parallel()
	env := testkit.DBT(t)
	out, err := exec.Command(env.Python(), "-c", "import dbt.adapters.postgres, dbt.version; print(dbt.version.installed.to_version_string())").CombinedOutput()
	if err != nil || string(out) != "=1.11.16\n" {
		t.Errorf("dbt's version: %q, %v", out, err)
	}
	if again := testkit.DBT(t); again != env {
		t.Errorf("another environment: %v, then %v", env, again)
	}
}

func TestBroker(t *testing.T) {
	t.Parallel()
	c, err := kgo.NewClient(kgo.SeedBrokers(testkit.Broker(t)...), kgo.ConsumeTopics("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := kadm.NewClient(c).CreateTopic(t.Context(), -1, -1, nil, "x"); err != nil {
		t.Fatal(err)
	}
	if err := c.ProduceSync(t.Context(), &kgo.Record{Topic: "x", Value: []byte("v")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	got := c.PollFetches(t.Context()).Records()
	if len(got) != 1 || string(got[0].Value) != "v" {
		t.Errorf("read %v", got)
	}
}

func BenchmarkMigrated(b *testing.B) {
	testkit.Migrated(b) // the template
	for b.Loop() {
		b.Run("one", func(b *testing.B) { testkit.Migrated(b) })
	}
}
