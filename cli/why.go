package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

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
				r, err := cl.run(cmd.Context(), args[0], args[1])
				if err != nil {
					return err
				}
				task, element := instance(args[2])
				tv, err := cl.task(cmd.Context(), engine.TaskKey{Run: r.Key, Task: task, MapIndex: element})
				if element < 0 && errors.Is(err, engine.ErrNotFound) {
					if all, ok := cl.elements(cmd.Context(), r, task); ok {
						return c.whyElements(task, all)
					}
				}
				if err != nil {
					return err
				}
				return c.show(taskOf(tv), func(w io.Writer) {
					fmt.Fprintf(w, "%s is %s: %s\n", taskName(tv), tv.State, whyOf(tv))
				})
			})
		},
	})
}

// whyOf says in words why an instance stands as it does.
func whyOf(tv engine.TaskView) string {
	switch {
	case tv.Reason != "":
		return tv.Reason
	case tv.State == engine.Running:
		return "it runs on " + tv.Worker
	case tv.Error != "":
		return tv.Error
	}
	return "it is over"
}

// elements are the instances of a mapped task; false when it has none.
func (cl *client) elements(ctx context.Context, r engine.RunRow, task string) ([]engine.TaskView, bool) {
	views, err := engine.View(ctx, cl.store, []engine.RunRow{r}, true)
	if err != nil {
		return nil, false
	}
	var all []engine.TaskView
	for _, tv := range views[0].Tasks {
		if tv.Task == task && tv.MapIndex >= 0 {
			all = append(all, tv)
		}
	}
	return all, len(all) > 0
}

// whyElements sums up the elements of a mapped task: how many stand alike for the same reason, and which is the first of them.
func (c *command) whyElements(task string, all []engine.TaskView) error {
	type group struct {
		state, why string
		first, n   int
	}
	var groups []group
	var shown []any
	for _, tv := range all {
		shown = append(shown, taskOf(tv))
		why := whyOf(tv)
		i := slices.IndexFunc(groups, func(g group) bool { return g.state == string(tv.State) && g.why == why })
		if i < 0 {
			groups = append(groups, group{string(tv.State), why, tv.MapIndex, 1})
			continue
		}
		groups[i].n++
	}
	return c.show(shown, func(w io.Writer) {
		fmt.Fprintf(w, "%s has %s\n", task, count(len(all), "element"))
		for _, g := range groups {
			which := instanceName(task, g.first)
			if g.n > 1 {
				which += " and " + strconv.Itoa(g.n-1) + " more"
			}
			row(w, "  "+which, g.state, g.why)
		}
	})
}

func (c *command) taskAnswer() *cobra.Command {
	return &cobra.Command{
		Use: "answer DAG RUN TASK CHOICE", Short: "Answer the question of an Approve task", Args: arguments("DAG", "RUN", "TASK", "CHOICE"),
		Example: "  tidemill task answer release RUN confirm ship",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withClient(cmd.Context(), func(cl *client) error {
				if _, err := cl.run(cmd.Context(), args[0], args[1]); err != nil {
					return err
				}
				task, element := instance(args[2])
				return cl.control.Answer(cmd.Context(), engine.TaskKey{Task: task, MapIndex: element}, args[0], args[1], args[3], c.who())
			})
		},
	}
}
