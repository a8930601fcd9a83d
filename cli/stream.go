package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

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
							row(w, s.Name, r.Replica, r.State, r.Worker, r.Restarts, progressOf(r.Progress))
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
			return c.withClient(cmd.Context(), func(cl *client) error { return cl.control.PauseStream(cmd.Context(), args[0], paused, c.who()) })
		},
	}
}

// progressOf is what people want to know of a stream's progress, in one line: its plain members, in their order, without its lists
// and objects. --json has all of it.
func progressOf(progress json.RawMessage) string {
	d := json.NewDecoder(bytes.NewReader(progress))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return string(progress)
	}
	var parts []string
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return string(progress)
		}
		var value any
		if err := d.Decode(&value); err != nil {
			return string(progress)
		}
		if text, ok := plain(fmt.Sprint(name), value); ok {
			parts = append(parts, strings.ReplaceAll(fmt.Sprint(name), "_", " ")+" "+text)
		}
	}
	return strings.Join(parts, ", ")
}

// plain is a member of a progress as people read it, if it is no list, object or null. Numbers of nanoseconds are those of members
// that are called a duration.
func plain(name string, value any) (string, bool) {
	switch v := value.(type) {
	case string:
		if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return cell(at), true
		}
		return v, true
	case json.Number:
		if n, err := v.Int64(); err == nil && strings.HasSuffix(name, "duration") {
			return time.Duration(n).Round(time.Millisecond).String(), true
		}
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}
