package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/tidemill/tidemill/engine"
)

// taskWhy tells why a task instance does not run, or how it ended.
func (c *command) taskWhy() *cobra.Command {
	return c.reads(&cobra.Command{
		Use: "why DAG RUN TASK", Short: "Say why a task does not run: which upstream, limit, pool, pause, worker or time it waits for", Args: arguments("DAG", "RUN", "TASK"),
		Example: "  tidemill task why daily_transactions RUN load_to_postgres",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withClient(cmd.Context(), func(cl *client) error {
				r, err := cl.store.RunByID(cmd.Context(), args[0], args[1])
				if err != nil {
					return err
				}
				task, element := instance(args[2])
				tv, err := cl.task(cmd.Context(), engine.TaskKey{Run: r.Key, Task: task, MapIndex: element})
				if err != nil {
					return err
				}
				return c.show(taskOf(tv), func(w io.Writer) {
					why := tv.Reason
					switch {
					case why != "":
					case tv.State == engine.Running:
						why = "it runs on " + tv.Worker
					case tv.Error != "":
						why = tv.Error
					default:
						why = "it is over"
					}
					fmt.Fprintf(w, "%s is %s: %s\n", taskName(tv), tv.State, why)
				})
			})
		},
	})
}

func (c *command) taskAnswer() *cobra.Command {
	return &cobra.Command{
		Use: "answer DAG RUN TASK CHOICE", Short: "Answer the question of an Approve task", Args: arguments("DAG", "RUN", "TASK", "CHOICE"),
		Example: "  tidemill task answer release RUN confirm ship",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withClient(cmd.Context(), func(cl *client) error {
				task, element := instance(args[2])
				return cl.control.Answer(cmd.Context(), engine.TaskKey{Task: task, MapIndex: element}, args[0], args[1], args[3], "cli")
			})
		},
	}
}
