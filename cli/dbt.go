package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/jackc/pgx/v5"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/internal/embedded/pyenv"
	"github.com/tidemill/tidemill/tasks/dbt"
	"github.com/tidemill/tidemill/web/ui"
)

// A dbtProject is a dbt project of the program's own with the DAGs that run it.
type dbtProject struct {
	project dbt.Project
	build   func(*dbt.Runner) []engine.AnyDAG
}

// DBT adds DAGs that run a dbt project on the program's warehouse (TIDEMILL_WAREHOUSE_URL; default: its database). build makes them of the
// project's runner; it is called with nil where only the definitions are looked at.
//
// What p leaves empty is filled in: dbt itself, installed into the home folder at the first start; the folder of parsed projects, below the home
// folder; and, before p.Env, the warehouse's address as variables that profiles.yml can read: TIDEMILL_DBT_HOST, _PORT, _USER, _PASSWORD, _DBNAME
// and _SSLMODE. The documentation that a task of dbt.Docs builds, in one of those DAGs, is served at /dbt/.
func DBT(p dbt.Project, build func(*dbt.Runner) []engine.AnyDAG) Option {
	return func(pr *program) { pr.projects = append(pr.projects, dbtProject{p, build}) }
}

// runners are those of the program's dbt projects. The caller closes them, after an error too.
func (p *program) runners(ctx context.Context, c *Config, warehouseURL string, say func(string), log *slog.Logger) (all []*dbt.Runner, err error) {
	for _, pr := range p.projects {
		project := pr.project
		if project.Python == "" && project.DBT == "" {
			env, err := pyenv.Ensure(ctx, withProgress(c.venv(), say))
			if err != nil {
				return all, err
			}
			project.Python, project.DBT = env.Python(), env.DBT()
		}
		if project.TargetPath == "" {
			project.TargetPath = filepath.Join(c.Home, "dbt", filepath.Base(project.Dir))
		}
		address, err := dbtEnv(warehouseURL)
		if err != nil {
			return all, err
		}
		project.Env = append(address, project.Env...)
		r, err := dbt.NewRunner(project, dbt.Options{Logger: log, Guard: guardOf(warehouseURL)})
		if err != nil {
			return all, &UsageError{fmt.Errorf("the dbt project of cli.DBT: %w", err)}
		}
		all = append(all, r)
	}
	return all, nil
}

func guardOf(warehouseURL string) dbt.Postgres {
	return dbt.Postgres{Connect: func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, warehouseURL) }}
}

func closeRunners(all []*dbt.Runner) error {
	var errs []error
	for _, r := range all {
		errs = append(errs, r.Close())
	}
	return errors.Join(errs...)
}

// projectDAGs are the DAGs of the program's dbt projects. runners may be fewer: the rest is only looked at.
func (p *program) projectDAGs(runners []*dbt.Runner) []engine.AnyDAG {
	var all []engine.AnyDAG
	for i, pr := range p.projects {
		var r *dbt.Runner
		if i < len(runners) {
			r = runners[i]
		}
		all = append(all, pr.build(r)...)
	}
	return all
}

// projectDocs is the documentation that is served: that of the program's first dbt project with a DAG that builds it; nil: there is none.
func projectDocs(catalog *engine.Catalog, runners []*dbt.Runner) *ui.ProjectDocs {
	for _, id := range catalog.IDs() {
		d, _ := catalog.DAG(id)
		for _, t := range d.Spec.Tasks {
			if t.ID == "dbt_docs" && len(runners) > 0 {
				return &ui.ProjectDocs{Path: runners[0].DocsPath(), DAG: id}
			}
		}
	}
	return nil
}
