package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tidemill/tidemill/storage/lake"
)

// dayFlag reads the flag --day; "" is every day.
func dayFlag(text string) (lake.Day, error) {
	if text == "" {
		return "", nil
	}
	day, err := lake.ParseDay(text)
	if err != nil {
		return "", usage("--day %q: give a date as 2024-01-31", text)
	}
	return day, nil
}

func (c *command) lakeFiles() *cobra.Command {
	var (
		day  string
		asOf int64
	)
	cmd := &cobra.Command{
		Use: "files", Short: "The exact list of files that a reader reads", Example: "  tidemill lake files --day 2024-01-31 --json", Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			of, err := dayFlag(day)
			if err != nil {
				return err
			}
			l, err := c.openLake()
			if err != nil {
				return err
			}
			s, err := stateAsOf(cmd, l, asOf)
			if err != nil {
				return fmt.Errorf("list the lake's files: %w", err)
			}
			listed, err := s.FilesOf(of)
			if err != nil {
				return fmt.Errorf("list the lake's files: %w", err)
			}
			files := append([]lake.File{}, listed...)
			for i := range files {
				if files[i].Path, err = l.Where(cmd.Context(), files[i]); err != nil {
					return fmt.Errorf("list the lake's files: %w", err)
				}
			}
			return c.show(files, func(w io.Writer) {
				row(w, "DAY", "ROWS", "BYTES", "FILE")
				for _, f := range files {
					row(w, string(f.Day), f.Rows, f.Bytes, l.Abs(f))
				}
			})
		},
	}
	cmd.Flags().StringVar(&day, "day", "", "only this day's (default: all)")
	asOfFlag(cmd, &asOf)
	return c.reads(cmd)
}

func asOfFlag(cmd *cobra.Command, asOf *int64) {
	cmd.Flags().Int64Var(asOf, "as-of", 0, "as the lake was at this entry of its log, while it is kept (default: now)")
}

// stateAsOf is the lake's state at the entry that the flag names, or now.
func stateAsOf(cmd *cobra.Command, l *lake.Lake, asOf int64) (*lake.State, error) {
	if !cmd.Flags().Changed("as-of") {
		return l.State(cmd.Context())
	}
	if asOf < 0 {
		return nil, usage("--as-of %d: entries are numbered from 1; 0 is the lake before the first", asOf)
	}
	s, err := l.StateAt(cmd.Context(), asOf)
	if err != nil {
		return nil, fmt.Errorf("the lake as it was at entry %d: %w", asOf, err)
	}
	return s, nil
}
