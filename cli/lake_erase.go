package cli

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
)

// erasedJSON is what `lake erase` did.
type erasedJSON struct {
	lake.Erased
	ReadableUntil *time.Time `json:"readable_until"` // the replaced files, for who knows where they are; null: not any more, or nothing was replaced
}

func (c *command) lakeErase() *cobra.Command {
	var (
		customer    string
		dryRun, now bool
	)
	cmd := &cobra.Command{
		Use: "erase", Short: "Take what is personal of a customer out of the lake, while readers and the stream go on",
		Long: "Take a customer out of the rows and dead letters that there are. Rows stay, with id, state, times, amount, currency, merchant, method, country, fraud, hash and offsets; " +
			"customer_id becomes \"" + payment.Erased + "\"; customer_email, ip_address, device_type, city and extra become null. A dead letter that names the customer loses key and value; their " +
			"hash stays. The days that change are of a new generation, which the next load brings to bronze and Gold.\n\n" +
			"The log keeps a salted hash of the customer's id, and no replay or retry brings the customer back; who has a list of ids can find out which was erased. " +
			"Records that come to the lake later are not covered: run it again. What fails halfway is finished by running it again.\n\n" +
			"Replaced files stay readable below _swap and by --as-of for " + lake.KeepReplaced.String() + ", and go when the next compaction or replay collects them (the DAG lake_compaction does every day); " +
			"--now removes them at once, and readers that listed files before have to list anew. Backups of the lake, and Kafka, which keeps its records as long as the topic's retention says, are not touched.",
		Example: "  tidemill lake erase --customer c00525 --dry-run\n  tidemill lake erase --customer c00525 --now", Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if customer == "" || customer == payment.Erased {
				return usage("--customer %q: give the customer's id", customer)
			}
			l, err := c.openLake()
			if err != nil {
				return err
			}
			w := lake.NewWriter[payment.Row](l, lake.OfContract(payment.ContractVersion))
			defer func() { err = errors.Join(err, w.Close()) }()
			done, err := w.Erase(cmd.Context(), lake.Erasure{Person: customer, DryRun: dryRun, Tell: func(d lake.ErasedDay) {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s: generation %d, %d rows in %d files, %d dead letters, %d ms\n", d.Day, d.Generation, d.Rows, d.Files, d.DeadLetters, d.TookMS)
			}})
			if err != nil {
				return fmt.Errorf("erase a customer (%d days are done; run it again): %w", len(done.Days), err)
			}
			out := erasedJSON{Erased: done}
			switch {
			case dryRun:
			case now:
				if err := c.removeReplaced(cmd, l); err != nil {
					return err
				}
			default:
				if len(done.Days) > 0 {
					until := time.Now().Add(lake.KeepReplaced).UTC().Truncate(time.Second)
					out.ReadableUntil = &until
				}
				if _, err := l.CollectReplaced(cmd.Context(), lake.KeepReplaced); err != nil {
					return err
				}
			}
			return c.show(out, func(w io.Writer) { showErased(w, out, dryRun) })
		},
	}
	cmd.Flags().StringVar(&customer, "customer", "", "the customer's id, as customer_id has it")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "change nothing, and say what would be done")
	cmd.Flags().BoolVar(&now, "now", false, "remove replaced files at once, those of earlier replacements too")
	return c.reads(cmd)
}

// removeReplaced removes what was taken out of the lake lately, of any day: an earlier erasure may have left it.
func (c *command) removeReplaced(cmd *cobra.Command, l *lake.Lake) error {
	days, err := l.Days(cmd.Context())
	if err != nil {
		return err
	}
	all := make([]lake.Day, len(days))
	for i, d := range days {
		all[i] = d.Day
	}
	if _, err := l.EmptyReplaced(cmd.Context(), all); err != nil {
		return fmt.Errorf("the customer is erased, but not yet from replaced files (run it again): %w", err)
	}
	return nil
}

func showErased(w io.Writer, e erasedJSON, dryRun bool) {
	var rows, letters int64
	for _, d := range e.Days {
		rows, letters = rows+d.Rows, letters+d.DeadLetters
	}
	did := "erased from"
	if dryRun {
		did = "would be erased from"
	}
	fmt.Fprintf(w, "%s %d rows and %d dead letters of %d days\n", did, rows, letters, len(e.Days))
	if e.ReadableUntil != nil {
		fmt.Fprintf(w, "replaced files are readable until %s or until they are collected after it; --now removes them at once\n", cell(*e.ReadableUntil))
	}
}
