package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/layout"
)

func (c *command) dag() *cobra.Command {
	dag := group("dag", "Look at DAGs, trigger and pause them")
	dag.AddCommand(c.dagList(), c.dagShow(), c.dagGraph(), c.dagTrigger(), c.dagTest(), c.dagPause("pause", true), c.dagPause("unpause", false))
	return dag
}

func (c *command) dagList() *cobra.Command {
	return c.reads(&cobra.Command{
		Use: "list", Short: "List the DAGs", Example: "  tidemill dag list --json", Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withClient(cmd.Context(), func(cl *client) error {
				all, err := cl.store.DAGStatuses(cmd.Context())
				if err != nil {
					return err
				}
				out := make([]dagJSON, len(all))
				for i, s := range all {
					out[i] = dagOf(s, false)
				}
				return c.show(out, func(w io.Writer) {
					row(w, "DAG", "SCHEDULE", "ZONE", "PAUSED", "LAST SCHEDULED")
					for _, d := range out {
						row(w, d.ID, d.Schedule, d.Zone, d.Paused, d.LastScheduled)
					}
				})
			})
		},
	})
}

func (c *command) dagShow() *cobra.Command {
	return c.reads(&cobra.Command{
		Use: "show DAG", Short: "Show a DAG with its tasks", Example: "  tidemill dag show daily_transactions", Args: arguments("DAG"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withClient(cmd.Context(), func(cl *client) error {
				s, err := cl.status(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				d := dagOf(s, true)
				return c.show(d, func(w io.Writer) {
					fmt.Fprintf(w, "%s  %s\nschedule %s (%s), catchup %v, paused %v, version %s\n\n", d.ID, d.Doc, cell(d.Schedule), cell(d.Zone), d.Catchup, d.Paused, d.Version)
					row(w, "TASK", "RULE", "RETRIES", "AFTER")
					for _, t := range d.Tasks {
						row(w, t.ID, t.Rule, t.Retries, strings.Join(t.Upstream, ", "))
						for _, v := range t.Virtual {
							row(w, "  "+v)
						}
					}
				})
			})
		},
	})
}

func (c *command) dagGraph() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "graph DAG", Short: "Draw a DAG", Example: "  tidemill dag graph daily_transactions --format svg > dag.svg", Args: arguments("DAG"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withClient(cmd.Context(), func(cl *client) error {
				s, err := cl.status(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return draw(c.out, layout.Of(s.Spec), format)
			})
		},
	}
	cmd.Flags().StringVar(&format, "format", "mermaid", "svg, dot, mermaid or json")
	return cmd
}

// draw writes a DAG's picture in one of the formats.
func draw(w io.Writer, g *layout.Graph, format string) error {
	switch format {
	case "svg":
		return layout.RenderSVG(w, g, layout.Options{Standalone: true})
	case "dot":
		return layout.RenderDOT(w, g)
	case "mermaid":
		return layout.RenderMermaid(w, g)
	case "json":
		return layout.RenderJSON(w, g)
	}
	return usage("--format %q: give svg, dot, mermaid or json", format)
}

func (c *command) dagTrigger() *cobra.Command {
	var params, logical, note, id string
	var wait bool
	cmd := &cobra.Command{
		Use: "trigger DAG", Short: "Make a manual run", Args: arguments("DAG"),
		Example: "  tidemill dag trigger daily_transactions --params '{\"day\": \"2024-01-05\"}' --wait",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return c.withClient(ctx, func(cl *client) error {
				req := engine.TriggerRequest{DAG: args[0], RunID: id, Params: []byte(params), Note: note, By: c.who()}
				if logical != "" {
					at, _, err := engine.ParseDate("logical_date", logical, time.UTC)
					if err != nil {
						return err
					}
					req.Logical = &at
				}
				r, err := cl.trigger(ctx, req, c.err)
				if err != nil {
					return err
				}
				if wait {
					if r, err = cl.await(ctx, r.Key); err != nil {
						return err
					}
				}
				if err := c.show(runOf(r), func(w io.Writer) { row(w, r.DAG, r.RunID, string(r.State)) }); err != nil {
					return err
				}
				if r.State == engine.RunFailed {
					return fmt.Errorf("run %s of %s failed", r.RunID, r.DAG)
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&params, "params", "", "the run's params, a JSON object")
	cmd.Flags().StringVar(&logical, "logical-date", "", "logical date of the run (default: none)")
	cmd.Flags().StringVar(&id, "run-id", "", "id of the run (default: made from the time)")
	cmd.Flags().StringVar(&note, "note", "", "a note for people")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the run is over; a failed one ends this with 1")
	return c.reads(cmd)
}

// registrationTime is how long a trigger waits for a process to register a DAG that this program has.
const registrationTime = 10 * time.Second

// trigger makes a run. A DAG that this program has and that is not registered is waited for: a process that has just started is about to
// register it.
func (cl *client) trigger(ctx context.Context, req engine.TriggerRequest, say io.Writer) (engine.RunRow, error) {
	short, cancel := context.WithTimeout(ctx, registrationTime)
	defer cancel()
	for told := false; ; told = true {
		r, err := cl.control.Trigger(ctx, req)
		if _, known := cl.control.Catalog().DAG(req.DAG); !known || !errors.Is(err, engine.ErrNotFound) {
			return r, err
		}
		if !told {
			fmt.Fprintf(say, "%s is not registered yet: waiting for a process that is starting\n", req.DAG)
		}
		if !wait(short, pollEvery) {
			return r, fmt.Errorf("DAG %q is part of this program and no process has registered it: start `tidemill serve` with it: %w", req.DAG, engine.ErrNotFound)
		}
	}
}

// await waits until a run is over.
func (cl *client) await(ctx context.Context, key int64) (engine.RunRow, error) {
	for {
		rows, err := cl.store.RunsByKey(ctx, []int64{key})
		if err != nil {
			return engine.RunRow{}, err
		}
		if len(rows) == 1 && rows[0].State.Terminal() {
			return rows[0], nil
		}
		if !wait(ctx, pollEvery) {
			return engine.RunRow{}, ctx.Err()
		}
	}
}

func (c *command) dagPause(use string, paused bool) *cobra.Command {
	short := "Let a DAG start no run and no task; what runs goes on"
	if !paused {
		short = "Let a paused DAG go on"
	}
	return &cobra.Command{
		Use: use + " DAG", Short: short, Example: "  tidemill dag " + use + " daily_transactions", Args: arguments("DAG"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withClient(cmd.Context(), func(cl *client) error { return cl.control.SetPaused(cmd.Context(), args[0], paused, c.who()) })
		},
	}
}
