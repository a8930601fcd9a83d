package cli

import (
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/tidemill/tidemill/engine"
)

func (c *command) pool() *cobra.Command {
	p := group("pool", "Look at pools of slots that tasks share, make and change them")
	p.AddCommand(c.poolList(), c.poolSet(), c.poolDelete())
	return p
}

type poolJSON struct {
	Name        string `json:"name"`
	Slots       int    `json:"slots"`
	Description string `json:"description"`
	Running     int    `json:"running_slots"`
	Queued      int    `json:"queued_slots"`
}

func (c *command) poolList() *cobra.Command {
	return c.reads(&cobra.Command{
		Use: "list", Short: "List the pools and what is taken of them", Example: "  tidemill pool list", Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withClient(cmd.Context(), func(cl *client) error {
				rows, err := cl.store.Pools(cmd.Context())
				if err != nil {
					return err
				}
				out := make([]poolJSON, len(rows))
				for i, p := range rows {
					out[i] = poolJSON{p.Name, p.Slots, p.Description, p.Running, p.Queued}
				}
				return c.show(out, func(w io.Writer) {
					row(w, "POOL", "SLOTS", "RUNNING", "QUEUED", "DESCRIPTION")
					for _, p := range out {
						row(w, p.Name, p.Slots, p.Running, p.Queued, p.Description)
					}
				})
			})
		},
	})
}

func (c *command) poolSet() *cobra.Command {
	var description string
	cmd := &cobra.Command{
		Use: "set NAME SLOTS", Short: "Make a pool, or change its number of slots", Example: "  tidemill pool set warehouse 4 --description 'connections'", Args: arguments("NAME", "SLOTS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			slots, err := strconv.Atoi(args[1])
			if err != nil {
				return usage("pool set: %q is no number of slots", args[1])
			}
			return c.withClient(cmd.Context(), func(cl *client) error {
				return cl.control.SetPool(cmd.Context(), engine.Pool{Name: args[0], Slots: slots, Description: description}, c.who())
			})
		},
	}
	cmd.Flags().StringVar(&description, "description", "", "what it is for")
	return cmd
}

func (c *command) poolDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Short: "Take a pool away; tasks that name it wait", Example: "  tidemill pool delete warehouse", Args: arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withClient(cmd.Context(), func(cl *client) error { return cl.control.DeletePool(cmd.Context(), args[0], c.who()) })
		},
	}
}

func (c *command) asset() *cobra.Command {
	a := group("asset", "Look at updates of assets, and note one")
	a.AddCommand(c.assetEvents(), c.assetUpdate())
	return a
}

type assetEventJSON struct {
	ID       int64     `json:"id"`
	Asset    string    `json:"asset"`
	At       time.Time `json:"timestamp"`
	DAG      string    `json:"source_dag_id,omitempty"`
	Run      string    `json:"source_run_id,omitempty"`
	Task     string    `json:"source_task_id,omitempty"`
	MapIndex int       `json:"source_map_index"`
}

func (c *command) assetEvents() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "events [ASSET]", Short: "List updates, the newest first", Example: "  tidemill asset events gold.fct_transactions",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage("asset events takes at most one asset")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			name := ""
			if len(args) == 1 {
				name = args[0]
			}
			return c.withClient(cmd.Context(), func(cl *client) error {
				events, err := cl.store.AssetEvents(cmd.Context(), name, limit)
				if err != nil {
					return err
				}
				out := make([]assetEventJSON, len(events))
				for i, e := range events {
					out[i] = assetEventJSON{e.ID, e.Asset, e.At, e.DAG, e.RunID, e.Task, e.MapIndex}
				}
				return c.show(out, func(w io.Writer) {
					row(w, "ASSET", "AT", "DAG", "RUN", "TASK")
					for _, e := range out {
						row(w, e.Asset, e.At, e.DAG, e.Run, e.Task)
					}
				})
			})
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 100, "at most so many")
	return c.reads(cmd)
}

func (c *command) assetUpdate() *cobra.Command {
	var extra string
	cmd := &cobra.Command{
		Use: "update ASSET", Short: "Note that an asset was updated outside any DAG: those scheduled by it run", Args: arguments("ASSET"),
		Example: "  tidemill asset update s3://bucket/orders --extra '{\"rows\": 3}'",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withClient(cmd.Context(), func(cl *client) error {
				return cl.control.UpdateAsset(cmd.Context(), engine.Asset(args[0]), []byte(extra), c.who())
			})
		},
	}
	cmd.Flags().StringVar(&extra, "extra", "", "facts about the update, a JSON object")
	return cmd
}
