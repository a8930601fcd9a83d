package cli

import (
	"bytes"
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/api"
)

func (c *command) task() *cobra.Command {
	t := group("task", "Look at task instances")
	t.AddCommand(c.taskLog(), c.taskShow(), c.taskWhy(), c.taskAnswer())
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
				node, of, err := cl.taskOf(ctx, args, mapIndex, &try)
				if err != nil {
					return err
				}
				return c.printLog(ctx, cl, node, of, try, follow)
			})
		},
	}
	cmd.Flags().IntVar(&try, "try", 0, "number of the attempt (default: the latest)")
	cmd.Flags().IntVar(&mapIndex, "map-index", -1, "element of a mapped task, as in TASK[1]")
	cmd.Flags().BoolVar(&follow, "follow", false, "go on until the attempt has ended")
	return cmd
}

// taskOf finds the task instance that DAG RUN TASK names, and the one in whose log its lines are: of a virtual node its runner, else itself. A try
// of 0 becomes the latest; one that there is not is an error.
func (cl *client) taskOf(ctx context.Context, args []string, mapIndex int, try *int) (tv, of engine.TaskView, err error) {
	r, err := cl.run(ctx, args[0], args[1])
	if err != nil {
		return tv, of, err
	}
	key := engine.TaskKey{Run: r.Key, Task: args[2], MapIndex: mapIndex}
	if mapIndex < 0 {
		key.Task, key.MapIndex = instance(args[2])
	}
	if tv, err = cl.task(ctx, key); err != nil {
		return tv, of, err
	}
	if of = tv; tv.Runner != "" {
		key.Task = tv.Runner
		if of, err = cl.task(ctx, key); err != nil {
			return tv, of, err
		}
	}
	if *try <= 0 {
		*try = tv.Try
	}
	if *try > of.Try {
		return tv, of, noSuchTry(of, *try)
	}
	return tv, of, nil
}

// noSuchTry refuses a try that an instance has not come to.
func noSuchTry(tv engine.TaskView, try int) error {
	has := "it has none yet"
	if tv.Try > 0 {
		has = fmt.Sprintf("it has %d", tv.Try)
	}
	return fmt.Errorf("there is no try %d of %s; %s", try, taskName(tv), has)
}

// printLog prints the log of a try of a task instance; of a virtual node the lines that are about it. What the try keeps beside its lines is
// left out: task show has it.
func (c *command) printLog(ctx context.Context, cl *client, node, of engine.TaskView, try int, follow bool) error {
	after := int64(0)
	for ended := false; ; {
		chunks, err := cl.store.ReadLog(ctx, of.TaskKey, try, after, logPage)
		if err != nil {
			return err
		}
		for _, ch := range chunks {
			var lines [][]byte
			for l := range bytes.Lines(ch.Lines) {
				if _, ok := engine.ParseAttachment(l); !ok {
					lines = append(lines, l)
				}
			}
			if node.Runner != "" {
				lines = api.OfNode(lines, node)
			}
			if _, err := c.out.Write(bytes.Join(lines, nil)); err != nil {
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
		tv, err := cl.task(ctx, of.TaskKey)
		if err != nil {
			return err
		}
		ended = tv.Try > try || tv.State.Terminal() || tv.State == engine.UpForRetry
		if !wait(ctx, pollEvery) {
			return nil
		}
	}
}
