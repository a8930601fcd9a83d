package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (c *command) history() *cobra.Command {
	h := group("history", "Keep the run history in bounds")
	h.AddCommand(c.historyPrune())
	return h
}

func (c *command) historyPrune() *cobra.Command {
	var older string
	cmd := &cobra.Command{
		Use: "prune", Short: "Delete runs that ended long ago, with their attempts, logs and outputs", Args: arguments(),
		Long: "Delete runs that ended long ago, with their attempts, logs and outputs, and what is as old of the events of assets and of the audit\n" +
			"log, in small batches beside what runs. Of each DAG the newest run and the newest scheduled one stay, and runs of which an alert is\n" +
			"still to be delivered. Without it history is kept for ever.",
		Example: "  tidemill history prune --older-than 90d",
		RunE: func(cmd *cobra.Command, _ []string) error {
			age, err := ageOf(older)
			if err != nil {
				return err
			}
			return c.withClient(cmd.Context(), func(cl *client) error {
				now, err := cl.store.Now(cmd.Context())
				if err != nil {
					return err
				}
				n, err := cl.control.Prune(cmd.Context(), now.Add(-age), c.who(), func(n int) { fmt.Fprintf(c.err, "%d runs deleted so far\n", n) })
				if err != nil {
					return err
				}
				fmt.Fprintf(c.out, "%d runs deleted that ended before %s\n", n, now.Add(-age).UTC().Format(time.RFC3339))
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&older, "older-than", "", "age since the end of a run: 90d, 12h")
	return cmd
}

// ageOf reads an age: whole days such as 90d, or what time.ParseDuration reads.
func ageOf(text string) (time.Duration, error) {
	var age time.Duration
	var err error
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		age = time.Duration(n) * 24 * time.Hour
		if n > 100_000 {
			err = strconv.ErrRange
		}
	} else {
		age, err = time.ParseDuration(text)
	}
	if err != nil || age <= 0 {
		return 0, usage("--older-than %q: give an age above 0, such as 90d or 12h", text)
	}
	return age, nil
}
