package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/tidemill/tidemill/engine"
)

func (c *command) backfill() *cobra.Command {
	b := group("backfill", "Run a DAG for every logical date of a range")
	b.AddCommand(c.backfillCreate(), c.backfillList(), c.backfillShow(),
		c.backfillDo("pause", "Start no further run of a backfill", func(ctx context.Context, cl *client, id int64) error {
			return cl.control.PauseBackfill(ctx, id, true, c.who())
		}),
		c.backfillDo("resume", "Let a paused backfill go on", func(ctx context.Context, cl *client, id int64) error {
			return cl.control.PauseBackfill(ctx, id, false, c.who())
		}),
		c.backfillCancel())
	return b
}

func (c *command) backfillCreate() *cobra.Command {
	var from, to, reprocess, params, tasks string
	var max int
	var backwards, dryRun, wait bool
	cmd := &cobra.Command{
		Use: "create DAG", Short: "Make a backfill", Args: arguments("DAG"),
		Example: "  tidemill backfill create daily_transactions --from 2024-01-01 --to 2024-01-07 --dry-run\n  tidemill backfill create daily_transactions --from 2024-01-01 --to 2024-01-07 --reprocess failed --wait",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return c.withClient(ctx, func(cl *client) error {
				d, ok := cl.control.Catalog().DAG(args[0])
				if !ok {
					return fmt.Errorf("DAG %q: %w", args[0], engine.ErrNotFound)
				}
				first, last, err := engine.ParseRange(from, to, d.Zone())
				if err != nil {
					return err
				}
				plan, err := cl.control.Backfill(ctx, engine.BackfillRequest{
					DAG: args[0], Params: []byte(params), Tasks: splitList(tasks), By: c.who(),
					BackfillOrder: engine.BackfillOrder{BackfillRange: engine.BackfillRange{From: first, To: last}, MaxActiveRuns: max, Backwards: backwards, Reprocess: engine.Reprocess(reprocess)},
				}, dryRun)
				if err != nil {
					return err
				}
				if dryRun {
					return c.showSteps(plan)
				}
				return c.afterBackfill(ctx, cl, plan, wait)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&from, "from", "", "first logical date; a bare date is its whole day in the DAG's zone")
	f.StringVar(&to, "to", "", "last logical date, included")
	f.StringVar(&reprocess, "reprocess", "none", "what to do with finished runs: none, failed or completed")
	f.IntVar(&max, "max-active-runs", engine.DefaultBackfillRuns, "runs at once")
	f.BoolVar(&backwards, "backwards", false, "the latest date first")
	f.StringVar(&tasks, "tasks", "", "only these tasks, a,b")
	f.StringVar(&params, "params", "", "params of the runs, a JSON object")
	f.BoolVar(&dryRun, "dry-run", false, "only list what would be done")
	f.BoolVar(&wait, "wait", false, "wait until it is over; a failed run ends this with 1")
	return c.reads(cmd)
}

func (c *command) showSteps(plan engine.BackfillPlan) error {
	steps := stepsOf(plan.Steps)
	return c.show(map[string]any{"backfills": steps, "total_entries": len(steps)}, func(w io.Writer) {
		row(w, "LOGICAL DATE", "ACTION", "REASON")
		for _, s := range steps {
			row(w, s.Logical, s.Action, s.Reason)
		}
	})
}

func (c *command) afterBackfill(ctx context.Context, cl *client, plan engine.BackfillPlan, await bool) error {
	b, err := cl.store.Backfill(ctx, plan.ID)
	for await && err == nil && b.CompletedAt == nil {
		if !wait(ctx, pollEvery) {
			return ctx.Err()
		}
		b, err = cl.store.Backfill(ctx, plan.ID)
	}
	if err != nil {
		return err
	}
	if err := c.showBackfills(backfillOf(b), []engine.BackfillRow{b}); err != nil {
		return err
	}
	if n := b.Counts[engine.RunFailed]; await && n > 0 {
		return fmt.Errorf("%d runs of backfill %d failed", n, b.ID)
	}
	return nil
}

func (c *command) showBackfills(v any, rows []engine.BackfillRow) error {
	return c.show(v, func(w io.Writer) {
		row(w, "ID", "DAG", "FROM", "TO", "RUNS", "PAUSED", "COMPLETED")
		for _, b := range rows {
			counts := ""
			for _, s := range []engine.RunState{engine.RunQueued, engine.RunRunning, engine.RunSuccess, engine.RunFailed} {
				if n := b.Counts[s]; n > 0 {
					counts += fmt.Sprintf("%d %s ", n, s)
				}
			}
			row(w, b.ID, b.DAG, b.From, b.To, counts, b.Paused, b.CompletedAt)
		}
	})
}

func (c *command) backfillList() *cobra.Command {
	return c.reads(&cobra.Command{
		Use: "list", Short: "List backfills, the newest first", Example: "  tidemill backfill list", Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withClient(cmd.Context(), func(cl *client) error {
				rows, _, err := cl.store.Backfills(cmd.Context(), engine.BackfillFilter{Limit: 1000})
				if err != nil {
					return err
				}
				out := make([]backfillJSON, len(rows))
				for i, b := range rows {
					out[i] = backfillOf(b)
				}
				return c.showBackfills(out, rows)
			})
		},
	})
}

func backfillID(arg string) (int64, error) {
	id, err := strconv.ParseInt(arg, 10, 64)
	if err != nil || id < 1 {
		return 0, usage("backfill %q: give its number, as in `tidemill backfill list`", arg)
	}
	return id, nil
}

func (c *command) backfillShow() *cobra.Command {
	return c.reads(&cobra.Command{
		Use: "show N", Short: "Show a backfill", Example: "  tidemill backfill show 3", Args: arguments("N"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := backfillID(args[0])
			if err != nil {
				return err
			}
			return c.withClient(cmd.Context(), func(cl *client) error {
				b, err := cl.store.Backfill(cmd.Context(), id)
				if err != nil {
					return err
				}
				return c.showBackfills(backfillOf(b), []engine.BackfillRow{b})
			})
		},
	})
}

func (c *command) backfillDo(use, short string, do func(context.Context, *client, int64) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " N", Short: short, Example: "  tidemill backfill " + use + " 3", Args: arguments("N"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := backfillID(args[0])
			if err != nil {
				return err
			}
			return c.withClient(cmd.Context(), func(cl *client) error { return do(cmd.Context(), cl, id) })
		},
	}
}

func (c *command) backfillCancel() *cobra.Command {
	var running bool
	cmd := c.backfillDo("cancel", "End a backfill: its queued runs fail", func(ctx context.Context, cl *client, id int64) error {
		return cl.control.CancelBackfill(ctx, id, running, c.who())
	})
	cmd.Flags().BoolVar(&running, "running", false, "cancel what runs as well")
	return cmd
}
