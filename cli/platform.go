package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/tidemill/tidemill/dags"
	dbtproject "github.com/tidemill/tidemill/dbt"
	"github.com/tidemill/tidemill/internal/embedded/pyenv"
	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/storage/warehouse"
	"github.com/tidemill/tidemill/tasks/daily"
	"github.com/tidemill/tidemill/tasks/dbt"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// loadConnections is over how many connections a load brings files into the warehouse at once.
const loadConnections = 4

// platform is the pipeline's ground with what has to be closed after it.
type platform struct {
	dags.Platform
	lake *lake.Lake
	pool *pgxpool.Pool
}

// venv is where the private Python environment is.
func (c *Config) venv() pyenv.Options {
	return pyenv.Options{Dir: filepath.Join(c.Home, "python"), Lock: string(dbtproject.Requirements)}
}

// newPlatform makes the ground of the pipeline. It connects to nothing: a command that only looks at definitions can make it too. The
// caller closes it.
func newPlatform(ctx context.Context, c *Config, s *services, python pyenv.Env, log *slog.Logger) (*platform, error) {
	client, err := c.client()
	if err != nil {
		return nil, err
	}
	l, err := lake.Open(c.Lake, c.Topic, lake.WithLog(log))
	if err != nil {
		return nil, fmt.Errorf("open the lake %s: %w", c.Lake, err)
	}
	poolConfig, err := pgxpool.ParseConfig(s.WarehouseURL)
	if err != nil {
		return nil, usage("TIDEMILL_WAREHOUSE_URL cannot be used: %v", pgconnReason(err))
	}
	poolConfig.ConnConfig.RuntimeParams["application_name"] = "tidemill warehouse"
	poolConfig.MaxConns = 16
	pool, err := pgxpool.NewWithConfig(ctx, poolConfig)
	if err != nil {
		return nil, fmt.Errorf("open the warehouse %s: %w", redact(s.WarehouseURL), err)
	}
	p := &platform{lake: l, pool: pool}
	p.Log, p.BronzeMonths = log, c.bronzeMonths()
	p.Tasks = daily.Tasks{Lake: l, Warehouse: warehouse.New(pool, warehouse.FromLake(l), warehouse.WithLogger(log), warehouse.WithConnections(loadConnections)), Now: time.Now}
	p.Ingest = ingest.Config[payment.Row]{
		Contract: payment.ContractVersion,
		Brokers:  s.Brokers, Topic: c.Topic, Group: c.Group, Lake: l, Transform: c.transform(), WaitForTopic: true,
		FlushAge: 5 * time.Second, Log: log, Sarama: saramaConfig(client),
	}
	if p.DBT, err = newRunner(c, s.WarehouseURL, python, log); err != nil {
		pool.Close()
		return nil, err
	}
	return p, nil
}

func (p *platform) close() error {
	err := p.DBT.Close()
	p.pool.Close()
	return err
}

// newRunner unpacks the dbt project into the home folder and makes a runner of it.
func newRunner(c *Config, warehouseURL string, python pyenv.Env, log *slog.Logger) (*dbt.Runner, error) {
	dir := filepath.Join(c.Home, "dbt", "project")
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, fmt.Errorf("make %s: %w", filepath.Dir(dir), err)
	}
	if err := dbtproject.Extract(dir); err != nil {
		return nil, fmt.Errorf("unpack the dbt project into %s: %w", dir, err)
	}
	env, err := dbtEnv(warehouseURL)
	if err != nil {
		return nil, err
	}
	return dbt.NewRunner(dbt.Project{
		Dir: dir, TargetPath: filepath.Join(c.Home, "dbt", "target"), Python: python.Python(), DBT: python.DBT(), Env: env, ApplicationName: "tidemill dbt",
	}, dbt.Options{Logger: log, Guard: guardOf(warehouseURL)})
}

// dbtEnv is the warehouse's address as the dbt project's profiles.yml reads it.
func dbtEnv(address string) ([]string, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, usage("TIDEMILL_WAREHOUSE_URL cannot be used: %v", pgconnReason(err))
	}
	env := []string{
		"TIDEMILL_DBT_HOST=" + config.Host, fmt.Sprintf("TIDEMILL_DBT_PORT=%d", config.Port), "TIDEMILL_DBT_USER=" + config.User,
		"TIDEMILL_DBT_PASSWORD=" + config.Password, "TIDEMILL_DBT_DBNAME=" + config.Database, "TIDEMILL_DBT_APPLICATION_NAME=tidemill dbt",
		"PGOPTIONS=-c client_connection_check_interval=1s",
	}
	if u, err := url.Parse(address); err == nil {
		if mode := u.Query().Get("sslmode"); mode != "" {
			env = append(env, "TIDEMILL_DBT_SSLMODE="+mode)
		}
	}
	return env, nil
}

// pgconnReason is why an address cannot be parsed, without the address.
func pgconnReason(err error) string {
	for {
		inner, ok := err.(interface{ Unwrap() error })
		if !ok || inner.Unwrap() == nil {
			return err.Error()
		}
		err = inner.Unwrap()
	}
}
