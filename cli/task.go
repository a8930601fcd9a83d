package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/tidemill/tidemill/engine"
)

func (c *command) task() *cobra.Command {
	t := group("task", "Look at task instances")
	t.AddCommand(c.taskLog(), c.taskWhy(), c.taskAnswer())
	return t
}

// logPage is how many bytes of a log are read at once.
const logPage = 256 << 10

func (c *command) taskLog() *cobra.Command {
	var try, mapIndex int
	var follow bool
	cmd := &cobra.Command{
		Use: "log DAG RUN TASK", Short: "Print the log of a task's attempt, one JSON object a line", Args: arguments("DAG", "RUN", "TASK"),
		Example: "  tidemill task log daily_transactions RUN load_to_postgres --follow\n  tidemill task log sales RUN 'load[1]' --try 1",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return c.withClient(ctx, func(cl *client) error {
				r, err := cl.run(ctx, args[0], args[1])
				if err != nil {
					return err
				}
				key := engine.TaskKey{Run: r.Key, Task: args[2], MapIndex: mapIndex}
				if mapIndex < 0 {
					key.Task, key.MapIndex = instance(args[2])
				}
				tv, err := cl.task(ctx, key)
				if err != nil {
					return err
				}
				latest := tv.Try
				if tv.Runner != "" { // a virtual node's lines are in its runner's log
					key.Task = tv.Runner
					if tv, err = cl.task(ctx, key); err != nil {
						return err
					}
				}
				if try <= 0 {
					try = latest
				}
				if try > tv.Try {
					return noSuchTry(tv, try)
				}
				return c.printLog(ctx, cl, key, try, follow)
			})
		},
	}
	cmd.Flags().IntVar(&try, "try", 0, "number of the attempt (default: the latest)")
	cmd.Flags().IntVar(&mapIndex, "map-index", -1, "element of a mapped task, as in TASK[1]")
	cmd.Flags().BoolVar(&follow, "follow", false, "go on until the attempt has ended")
	return cmd
}

// noSuchTry refuses a try that an instance has not come to.
func noSuchTry(tv engine.TaskView, try int) error {
	has := "it has none yet"
	if tv.Try > 0 {
		has = fmt.Sprintf("it has %d", tv.Try)
	}
	return fmt.Errorf("there is no try %d of %s; %s", try, taskName(tv), has)
}

func (c *command) printLog(ctx context.Context, cl *client, key engine.TaskKey, try int, follow bool) error {
	after := int64(0)
	for ended := false; ; {
		chunks, err := cl.store.ReadLog(ctx, key, try, after, logPage)
		if err != nil {
			return err
		}
		for _, ch := range chunks {
			if _, err := c.out.Write(ch.Lines); err != nil {
				return err
			}
			after = ch.Seq
		}
		if len(chunks) > 0 {
			continue
		}
		if !follow || ended {
			return nil
		}
		tv, err := cl.task(ctx, key)
		if err != nil {
			return err
		}
		ended = tv.Try > try || tv.State.Terminal() || tv.State == engine.UpForRetry
		if !wait(ctx, pollEvery) {
			return nil
		}
	}
}
