package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/tidemill/tidemill/migrations"
)

func (c *command) migrate() *cobra.Command {
	m := group("migrate", "Look at the schemas and bring them up to date")
	m.AddCommand(
		c.reads(&cobra.Command{
			Use: "status", Short: "List the migrations", Example: "  tidemill migrate status", Args: arguments(),
			RunE: func(cmd *cobra.Command, _ []string) error {
				out := map[migrations.Set][]migrations.Applied{}
				err := c.eachSet(func(url string, set migrations.Set) error {
					list, err := migrations.Status(cmd.Context(), url, set)
					out[set] = list
					return err
				})
				if err != nil {
					return err
				}
				return c.show(out, func(w io.Writer) {
					row(w, "SET", "MIGRATION", "APPLIED")
					for _, set := range []migrations.Set{migrations.Engine, migrations.Warehouse} {
						for _, m := range out[set] {
							row(w, string(set), m.Name, m.At)
						}
					}
				})
			},
		}),
		&cobra.Command{
			Use: "up", Short: "Apply what is missing", Example: "  tidemill migrate up", Args: arguments(),
			RunE: func(cmd *cobra.Command, _ []string) error {
				return c.eachSet(func(url string, set migrations.Set) error { return c.migrateUp(cmd.Context(), url, set) })
			},
		})
	return m
}

func (c *command) migrateUp(ctx context.Context, url string, set migrations.Set) error {
	n, err := migrations.Up(ctx, url, set)
	if err != nil {
		return fmt.Errorf("database %s: %w", redact(url), err)
	}
	fmt.Fprintf(c.out, "%s: %d migrations applied\n", set, n)
	return nil
}

func (c *command) eachSet(do func(url string, set migrations.Set) error) error {
	s, err := findServices(c.config)
	if err != nil {
		return err
	}
	for _, m := range c.schemas(s) {
		if err := do(m.url, m.set); err != nil {
			return err
		}
	}
	return nil
}
