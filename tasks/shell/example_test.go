package shell_test

import (
	"context"
	"fmt"

	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/tasks/shell"
)

// One command prints what the next task reads, typed; another one works on it.
func Example() {
	type Table struct {
		Name string `json:"name"`
		Rows int    `json:"rows"`
	}
	d := engine.New[engine.NoParams]("export")
	table := engine.After(d.Run(), "count", shell.TaskJSON[Table](func(engine.Run[engine.NoParams]) shell.Command {
		return shell.Command{Script: `echo '{"name": "sales", "rows": 42}'`}
	}))
	engine.After(table, "pack", shell.Task(func(t Table) shell.Command {
		return shell.Command{
			Script: `echo "packing $1"`, Args: []string{t.Name},
			SecretEnv: map[string]string{"PASSPHRASE": "…"},
			Codes:     map[int]shell.Meaning{3: shell.Permanent},
		}
	}), engine.Retry{Max: 2})

	o, err := enginetest.Once(context.Background(), d, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	var packed shell.Result
	if err := o.Output("pack", &packed); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(o.Run.State, " ", packed.Stdout)
	// Output: success packing sales
}
