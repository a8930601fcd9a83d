package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/tidemill/tidemill/engine"
)

func (c *command) run() *cobra.Command {
	r := group("run", "Look at runs, clear and mark them")
	r.AddCommand(c.runList(), c.runShow(), c.runClear(), c.runMark(), c.runNote())
	return r
}

func (c *command) runList() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "list [DAG]", Short: "List runs, the newest first", Example: "  tidemill run list daily_transactions --limit 20",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("run list takes at most one DAG")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withClient(cmd.Context(), func(cl *client) error {
				if len(args) == 1 {
					if _, err := cl.status(cmd.Context(), args[0]); err != nil {
						return err
					}
				}
				rows, _, err := cl.store.Runs(cmd.Context(), engine.RunFilter{DAGs: args, Limit: limit})
				if err != nil {
					return err
				}
				out := make([]runJSON, len(rows))
				for i, r := range rows {
					out[i] = runOf(r)
				}
				return c.show(out, func(w io.Writer) {
					row(w, "DAG", "RUN", "STATE", "LOGICAL DATE", "STARTED", "TOOK", "FAILED TASKS")
					for _, r := range rows {
						row(w, r.DAG, r.RunID, string(r.State), r.Logical, r.StartedAt, duration(r.StartedAt, r.EndedAt), r.FailedTasks)
					}
				})
			})
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 100, "at most so many")
	return c.reads(cmd)
}

func (c *command) runShow() *cobra.Command {
	return c.reads(&cobra.Command{
		Use: "show DAG RUN", Short: "Show a run with its task instances, and why each that is not done does not run",
		Example: "  tidemill run show daily_transactions backfill__2024-01-05T02:00:00+00:00", Args: arguments("DAG", "RUN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withClient(cmd.Context(), func(cl *client) error {
				r, err := cl.run(cmd.Context(), args[0], args[1])
				if err != nil {
					return err
				}
				views, err := engine.View(cmd.Context(), cl.store, []engine.RunRow{r}, true)
				if err != nil {
					return err
				}
				out := runDetail(views[0])
				return c.show(out, func(w io.Writer) {
					fmt.Fprintf(w, "%s %s: %s\n\n", r.DAG, r.RunID, r.State)
					row(w, "TASK", "STATE", "TRY", "STARTED", "TOOK", "WHY")
					for _, t := range views[0].Tasks {
						name := taskName(t)
						if t.Runner != "" {
							name = "  " + name
						}
						why := t.Reason
						if why == "" {
							why = t.Error
						}
						row(w, name, string(t.State), t.Try, t.StartedAt, duration(t.StartedAt, t.EndedAt), why)
					}
				})
			})
		},
	})
}

func (c *command) runClear() *cobra.Command {
	var tasks string
	var s engine.Selection
	var dryRun bool
	cmd := &cobra.Command{
		Use: "clear DAG RUN", Short: "Make tasks of a run start anew", Args: arguments("DAG", "RUN"),
		Example: "  tidemill run clear daily_transactions RUN --task dbt_run --downstream\n  tidemill run clear daily_transactions RUN --only-failed --dry-run",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withClient(cmd.Context(), func(cl *client) error {
				chosen, err := instances(tasks)
				if err != nil {
					return err
				}
				s.Tasks, s.MapIndexes = chosen.Tasks, chosen.MapIndexes
				if _, err := cl.run(cmd.Context(), args[0], args[1]); err != nil {
					return err
				}
				keys, err := cl.control.Clear(cmd.Context(), args[0], args[1], s, dryRun, c.who())
				if err != nil {
					return err
				}
				if dryRun {
					return c.showKeys("would be cleared", keys)
				}
				return c.showKeys("cleared", keys)
			})
		},
	}
	cmd.Flags().StringVar(&tasks, "task", "", "only these tasks, a,b, or elements of a mapped one, a[0],a[1] (default: all)")
	cmd.Flags().BoolVar(&s.OnlyFailed, "only-failed", false, "only those that failed")
	cmd.Flags().BoolVar(&s.Upstream, "upstream", false, "and what they follow")
	cmd.Flags().BoolVar(&s.Downstream, "downstream", false, "and what follows them")
	cmd.Flags().BoolVar(&s.Latest, "latest", false, "a run that is pinned to its version of the DAG leaves it for the one in force")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only list them")
	return c.reads(cmd)
}

// showKeys lists the instances to which something was done.
func (c *command) showKeys(done string, keys []engine.TaskKey) error {
	out := keysOf(keys)
	return c.show(map[string]any{"task_instances": out, "total_entries": len(out)}, func(w io.Writer) {
		if len(out) == 0 {
			fmt.Fprintf(w, "no task instance %s\n", done)
			return
		}
		fmt.Fprintf(w, "%s %s:\n", count(len(out), "task instance"), done)
		for _, k := range out {
			row(w, "  "+instanceName(k.Task, k.MapIndex))
		}
	})
}

func (c *command) runMark() *cobra.Command {
	var tasks, output string
	cmd := &cobra.Command{
		Use: "mark DAG RUN success|failed", Short: "End a run, or tasks of it, by your word", Args: arguments("DAG", "RUN", "success|failed"),
		Example: "  tidemill run mark daily_transactions RUN --task check_data_freshness success\n  tidemill run mark daily_transactions RUN failed",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withClient(cmd.Context(), func(cl *client) error {
				if args[2] != string(engine.Success) && args[2] != string(engine.Failed) {
					return usage("%q: mark a run or a task success or failed", args[2])
				}
				if _, err := cl.run(cmd.Context(), args[0], args[1]); err != nil {
					return err
				}
				if tasks == "" {
					return cl.control.MarkRun(cmd.Context(), args[0], args[1], engine.RunState(args[2]), c.who())
				}
				chosen, err := instances(tasks)
				if err != nil {
					return err
				}
				req := engine.MarkRequest{Selection: chosen, State: engine.State(args[2]), By: c.who()}
				if output != "" {
					req.Output = []byte(output)
				}
				keys, err := cl.control.Mark(cmd.Context(), args[0], args[1], req)
				if err != nil {
					return err
				}
				return c.showKeys("marked "+args[2], keys)
			})
		},
	}
	cmd.Flags().StringVar(&tasks, "task", "", "these tasks, a,b, or elements of a mapped one, a[0],a[1] (default: the run)")
	cmd.Flags().StringVar(&output, "output", "", "what a task that is marked success yields, as JSON (default: its latest output)")
	return c.reads(cmd)
}

func (c *command) runNote() *cobra.Command {
	var task string
	cmd := &cobra.Command{
		Use: "note DAG RUN TEXT", Short: "Note something about a run or, with --task, a task of it; an empty text takes the note away", Args: arguments("DAG", "RUN", "TEXT"),
		Example: "  tidemill run note daily_transactions RUN 'the bank was late' --task check_data_freshness",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withClient(cmd.Context(), func(cl *client) error {
				if _, err := cl.run(cmd.Context(), args[0], args[1]); err != nil {
					return err
				}
				if task == "" {
					return cl.control.NoteRun(cmd.Context(), args[0], args[1], args[2], c.who())
				}
				id, element := instance(task)
				return cl.control.NoteTask(cmd.Context(), args[0], args[1], id, element, args[2], c.who())
			})
		},
	}
	cmd.Flags().StringVar(&task, "task", "", "the task, or an element of it such as load[2]")
	return cmd
}
