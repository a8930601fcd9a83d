package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/tidemill/tidemill/storage/lake"
)

func (c *command) lake() *cobra.Command {
	l := group("lake", "Look at the bronze lake and prove it whole")
	l.AddCommand(c.lakeStatus(), c.lakeDays(), c.lakeFiles(), c.lakeAudit(), c.lakeVerify(), c.lakeRead(), c.lakeDeadLetters(), c.lakeCompact(), c.lakeReplay(), c.lakeErase())
	return l
}

func (c *command) openLake() (*lake.Lake, error) {
	l, err := lake.Open(c.config.Lake, c.config.Topic)
	if err != nil {
		return nil, fmt.Errorf("open the lake %s: %w", c.config.Lake, err)
	}
	return l, nil
}

func (c *command) lakeStatus() *cobra.Command {
	return c.reads(&cobra.Command{
		Use: "status", Short: "The lake at a glance", Example: "  tidemill lake status", Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := c.openLake()
			if err != nil {
				return err
			}
			s, err := l.Status(cmd.Context())
			if err != nil {
				return err
			}
			return c.show(s, func(w io.Writer) {
				row(w, "lake", s.Root)
				row(w, "topic", s.Topic)
				row(w, "commits", s.Entries)
				row(w, "days", s.Days)
				row(w, "files", s.Files)
				row(w, "bytes", s.Bytes)
				row(w, "rows", s.Rows)
				row(w, "dead letters", s.DeadLetters)
				row(w, "tombstones", s.Tombstones)
				row(w, "gaps", s.GapOffsets)
				row(w, "watermark", s.Watermark)
				row(w, "last commit", s.LastCommit)
			})
		},
	})
}

func (c *command) lakeDays() *cobra.Command {
	var asOf int64
	cmd := &cobra.Command{
		Use: "days", Short: "What the lake has of each day", Example: "  tidemill lake days --as-of 1200 --json", Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := c.openLake()
			if err != nil {
				return err
			}
			s, err := stateAsOf(cmd, l, asOf)
			if err != nil {
				return fmt.Errorf("list the lake's days: %w", err)
			}
			days := s.DayStats()
			return c.show(days, func(w io.Writer) {
				row(w, "DAY", "FILES", "ROWS", "BYTES", "DEAD LETTERS")
				for _, d := range days {
					row(w, string(d.Day), d.Files, d.Rows, d.Bytes, d.DeadLetterCount())
				}
			})
		},
	}
	asOfFlag(cmd, &asOf)
	return c.reads(cmd)
}
