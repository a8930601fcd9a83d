package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/tidemill/tidemill/dags"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/storage/postgres"
)

// pollEvery is how often a command that waits looks again.
const pollEvery = 300 * time.Millisecond

// A client is what commands work with that look at DAGs and runs, or act on them, beside the processes that run them.
type client struct {
	store   *postgres.Store
	control *engine.Control
}

// withClient connects, does something and closes.
func (c *command) withClient(ctx context.Context, do func(*client) error) error {
	s, err := findServices(c.config)
	if err != nil {
		return err
	}
	log := c.logger()
	catalog, _, err := c.program.compile(dags.Platform{Log: log, BronzeMonths: c.config.bronzeMonths()})
	if err != nil {
		return err
	}
	store, err := postgres.Open(ctx, s.DatabaseURL, postgres.Options{AppName: "tidemill cli", MaxConns: 3, Log: log})
	if err != nil {
		return fmt.Errorf("%w (is it migrated? `tidemill migrate up`)", err)
	}
	defer store.Close()
	c.program.learnSettings(ctx)
	err = do(&client{store: store, control: engine.NewControl(store, catalog, build()).WithSecrets(c.program.secrets())})
	if werr := store.Wake(ctx); werr != nil {
		log.Debug("wake others", "error", werr)
	}
	return badInput(err)
}

// badInput makes a usage error of what the engine refuses because of its input.
func badInput(err error) error {
	var invalid *engine.InvalidError
	if errors.As(err, &invalid) {
		return &UsageError{err}
	}
	return err
}

// show writes v as JSON where that was asked for, else as people read it.
func (c *command) show(v any, people func(w io.Writer)) error {
	if c.json {
		e := json.NewEncoder(c.out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(v)
	}
	w := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
	people(w)
	return w.Flush()
}

// reads gives a command the flag --json.
func (c *command) reads(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().BoolVar(&c.json, "json", false, "one JSON document on stdout")
	return cmd
}

// row writes the columns of a line.
func row(w io.Writer, columns ...any) {
	text := make([]string, len(columns))
	for i, v := range columns {
		text[i] = cell(v)
	}
	fmt.Fprintln(w, strings.TrimRight(strings.Join(text, "\t"), "\t"))
}

func cell(v any) string {
	switch v := v.(type) {
	case time.Time:
		if v.IsZero() {
			return "-"
		}
		return v.UTC().Format("2006-01-02T15:04:05Z")
	case *time.Time:
		if v == nil {
			return "-"
		}
		return cell(*v)
	case string:
		if v == "" {
			return "-"
		}
		return v
	}
	return fmt.Sprint(v)
}

// duration is the time between two moments, for people.
func duration(from, to *time.Time) string {
	if from == nil || to == nil {
		return "-"
	}
	return to.Sub(*from).Round(time.Millisecond).String()
}

// count is a number of things, for people.
func count(n int, thing string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(thing, "s"):
		thing += "es"
	default:
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}
