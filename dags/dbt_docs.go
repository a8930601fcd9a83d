package dags

import (
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/tasks/dbt"
)

// DBTDocs builds the documentation of the dbt project: every Sunday, and when somebody asks for it.
func DBTDocs(p Platform) *engine.DAG[engine.NoParams] {
	d := engine.New[engine.NoParams]("dbt_docs",
		engine.Doc("The documentation of the dbt project, at /dbt/."),
		engine.Tags("gold"),
		engine.Schedule("0 4 * * 0", "UTC"))

	dbt.Docs(d.Run(), p.DBT)
	return d
}
