package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tidemill/tidemill/storage/lake/verify"
)

func (c *command) lakeVerify() *cobra.Command {
	return c.reads(&cobra.Command{
		Use: "verify", Short: "Read every file with a library that did not write it, and compare; ends 1 where it differs",
		Example: "  tidemill lake verify", Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := c.openLake()
			if err != nil {
				return err
			}
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find this program, which is to read the files: %w", err)
			}
			report, err := verify.Lake(cmd.Context(), l, func(ctx context.Context) *exec.Cmd {
				return exec.CommandContext(ctx, self, "lake", lakeReadName) //nolint:gosec // this very program
			})
			if err != nil {
				return err
			}
			err = c.show(report, func(w io.Writer) { showVerified(w, report) })
			if err == nil && !report.Agrees() {
				err = errors.New("the second reader sees something else")
			}
			return err
		},
	})
}

// lakeReadName is the command of the child that lakeVerify starts.
const lakeReadName = "read"

func (c *command) lakeRead() *cobra.Command {
	return &cobra.Command{
		Use: lakeReadName, Short: "The reading half of verify", Hidden: true, Args: arguments(),
		RunE: func(*cobra.Command, []string) error { return verify.Serve(os.Stdin, c.out) },
	}
}

func showVerified(w io.Writer, r verify.Report) {
	row(w, "files", r.Files)
	row(w, "rows", r.Rows)
	for _, name := range slices.Sorted(maps.Keys(r.Sums)) {
		row(w, "sum of "+name, r.Sums[name])
	}
	for _, d := range r.Differences {
		if d.Column != "" {
			d.File += ", column " + d.Column
		}
		fmt.Fprintf(w, "DIFFERS %s: %s\n", d.File, d.What)
	}
	if r.Agrees() {
		fmt.Fprintln(w, "it agrees: every column of every file, with the log and with our own reader")
	}
}
