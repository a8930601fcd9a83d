package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/tasks/compact"
)

func (c *command) lakeCompact() *cobra.Command {
	var (
		day    string
		target int
	)
	cmd := &cobra.Command{
		Use: "compact", Short: "Merge small files of closed days, while readers and the stream go on",
		Long: "Merge small files of closed days (all, or the one that is named, closed or not) into files of about the target's size. Rows, their order and " +
			"their offsets stay as they are; what is loaded is not loaded again. Replaced files are kept for an hour. The DAG lake_compaction does the same every day.",
		Example: "  tidemill lake compact --day 2024-01-31 --target-mb 64", Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			of, err := dayFlag(day)
			if err != nil {
				return err
			}
			if target < 1 || target > 1024 {
				return usage("--target-mb %d: give a size from 1 to 1024", target)
			}
			l, err := c.openLake()
			if err != nil {
				return err
			}
			days := []lake.Day{of}
			if of == "" {
				state, err := l.State(cmd.Context())
				if err != nil {
					return err
				}
				days = state.ClosedDays(compact.Margin)
			}
			did := []lake.Compacted{}
			w := lake.NewWriter[payment.Row](l, lake.OfContract(payment.ContractVersion))
			defer func() { err = errors.Join(err, w.Close()) }()
			if err := w.CompactDays(cmd.Context(), days, int64(target)<<20, func(d lake.Compacted) {
				did = append(did, d)
				fmt.Fprintf(cmd.ErrOrStderr(), "%s: %d files → %d, %d rows, %d ms\n", d.Day, d.Before, d.After, d.Rows, d.TookMS)
			}); err != nil {
				return fmt.Errorf("compact the lake: %w", err)
			}
			return c.show(did, func(w io.Writer) {
				fmt.Fprintf(w, "%d days compacted\n", len(did))
			})
		},
	}
	cmd.Flags().StringVar(&day, "day", "", "only this day, closed or not (default: all closed days)")
	cmd.Flags().IntVar(&target, "target-mb", lake.DefaultTarget>>20, "size of the files to make, in MiB")
	return c.reads(cmd)
}
