package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

func (c *command) stream() *cobra.Command {
	s := group("stream", "Look at streams, pause and resume them")
	s.AddCommand(c.streamList(), c.streamPause("pause", true), c.streamPause("resume", false))
	return s
}

func (c *command) streamList() *cobra.Command {
	return c.reads(&cobra.Command{
		Use: "list", Short: "List the streams and how far they are", Example: "  tidemill stream list --json", Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.withClient(cmd.Context(), func(cl *client) error {
				all, err := cl.store.Streams(cmd.Context())
				if err != nil {
					return err
				}
				out := make([]streamJSON, len(all))
				for i, s := range all {
					out[i] = streamOf(s)
				}
				return c.show(out, func(w io.Writer) {
					row(w, "STREAM", "REPLICA", "STATE", "WORKER", "RESTARTS", "PROGRESS")
					for _, s := range out {
						for _, r := range s.Replicas {
							row(w, s.Name, r.Replica, r.State, r.Worker, r.Restarts, string(r.Progress))
							if r.Error != "" {
								fmt.Fprintln(w, "  "+r.Error)
							}
						}
					}
				})
			})
		},
	})
}

func (c *command) streamPause(use string, paused bool) *cobra.Command {
	short := "Drain a stream and keep it stopped"
	if !paused {
		short = "Start a paused stream"
	}
	return &cobra.Command{
		Use: use + " NAME", Short: short, Example: "  tidemill stream " + use + " bronze_ingest", Args: arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withClient(cmd.Context(), func(cl *client) error { return cl.store.SetStreamPaused(cmd.Context(), args[0], paused) })
		},
	}
}
