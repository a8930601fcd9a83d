package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
)

// retriedJSON is what became of a day's dead letters.
type retriedJSON struct {
	lake.Retried
	StillBroken map[string]int64 `json:"still_broken"` // those that stay, by field
	Stuck       stuck            `json:"stuck"`
}

// stuck counts the dead letters that stay whatever the contract becomes.
type stuck struct {
	Framing   int64 `json:"framing"`   // a schema registry's, which is not configured to be stripped
	Timestamp int64 `json:"timestamp"` // judged by when the record was read, once for all
	Erased    int64 `json:"erased"`    // their bytes are gone
}

func (s *stuck) add(o stuck) {
	s.Framing, s.Timestamp, s.Erased = s.Framing+o.Framing, s.Timestamp+o.Timestamp, s.Erased+o.Erased
}

func (c *command) lakeDeadLettersRetry() *cobra.Command {
	var (
		day, from, to, reason string
		dryRun                bool
	)
	cmd := &cobra.Command{
		Use: "retry", Short: "Try dead letters again, by the decoder and the contract of today",
		Long: "Ask the decoder of today about dead letters, of all days unless some are named. Those that keep the contract by now become rows of their day, at their old " +
			"offsets, which the next load takes as new; the others stay, with the reason that they have now. Nothing of a dead letter's bytes was ever cut. Readers and the " +
			"stream go on. Doing it again changes nothing.",
		Example: "  tidemill lake dead-letters retry --day 2024-01-31 --reason amount --dry-run\n  tidemill lake dead-letters retry --from 2024-01-01 --to 2024-01-31", Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			first, last, err := daysOf(day, from, to)
			if err != nil {
				return err
			}
			l, err := c.openLake()
			if err != nil {
				return err
			}
			retry := lake.Retry[payment.Row]{Transform: c.config.transform(), DryRun: dryRun, Of: func(d lake.DeadLetter) bool { return isFor(d, reason) }}
			did, err := c.retryDays(cmd.Context(), l, first, last, retry, cmd.ErrOrStderr())
			if err != nil {
				return fmt.Errorf("retry dead letters (%d days are done): %w", len(did), err)
			}
			return c.show(did, func(w io.Writer) { showRetried(w, did, dryRun) })
		},
	}
	cmd.Flags().StringVar(&day, "day", "", "only those of this day (default: all)")
	cmd.Flags().StringVar(&from, "from", "", "only those of this day and later ones")
	cmd.Flags().StringVar(&to, "to", "", "only those of this day and earlier ones")
	cmd.Flags().StringVar(&reason, "reason", "", "only those whose field or reason holds this text")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "change nothing, and say what would become of them")
	return c.reads(cmd)
}

// daysOf are the first and the last day that the flags name; "" is no bound.
func daysOf(day, from, to string) (first, last lake.Day, err error) {
	if day != "" && from+to != "" {
		return "", "", usage("--day %s: give it, or --from and --to", day)
	}
	if day != "" {
		from, to = day, day
	}
	for _, d := range []struct {
		flag, text string
		into       *lake.Day
	}{{"from", from, &first}, {"to", to, &last}} {
		if d.text == "" {
			continue
		}
		flag := d.flag
		if day != "" {
			flag = "day"
		}
		if *d.into, err = replayDay(flag, d.text); err != nil {
			return "", "", err
		}
	}
	if last != "" && last < first {
		return "", "", usage("--from %s lies after --to %s", first, last)
	}
	return first, last, nil
}

// retryDays tries the dead letters of days again that have some, and tells of each.
func (c *command) retryDays(ctx context.Context, l *lake.Lake, first, last lake.Day, retry lake.Retry[payment.Row], tell io.Writer) (did []retriedJSON, err error) {
	days, err := l.Days(ctx)
	if err != nil {
		return nil, err
	}
	w := lake.NewWriter[payment.Row](l, lake.OfContract(payment.ContractVersion))
	defer func() { err = errors.Join(err, w.Close()) }()
	did = []retriedJSON{}
	for _, d := range days {
		if d.Day < first || last != "" && d.Day > last || d.DeadLetterCount() == 0 {
			continue
		}
		r, err := w.RetryDeadLetters(ctx, d.Day, retry)
		if err != nil {
			return did, err
		}
		if r.Tried == 0 {
			continue
		}
		out := c.retried(r)
		did = append(did, out)
		fmt.Fprintf(tell, "%s: %d tried, %d rows now, %d stay, %d of them for a new reason, %d ms\n", r.Day, r.Tried, r.ToRows, len(r.Still), r.NewReason, r.TookMS)
	}
	if !retry.DryRun {
		_, err = l.CollectReplaced(ctx, lake.KeepReplaced)
	}
	return did, err
}

// retried sums up what stays.
func (c *command) retried(r lake.Retried) retriedJSON {
	out := retriedJSON{Retried: r, StillBroken: map[string]int64{}}
	for _, d := range r.Still {
		out.StillBroken[d.Field]++
		_, _, framed := payment.Framing(d.Value)
		switch {
		case d.Erased != nil:
			out.Stuck.Erased++
		case d.Field == lake.FieldTimestamp:
			out.Stuck.Timestamp++
		case framed && c.config.SchemaFraming != "strip":
			out.Stuck.Framing++
		}
	}
	return out
}

func showRetried(w io.Writer, did []retriedJSON, dryRun bool) {
	var tried, rows int64
	var all stuck
	still := map[string]int64{}
	for _, r := range did {
		tried, rows = tried+r.Tried, rows+r.ToRows
		all.add(r.Stuck)
		for field, n := range r.StillBroken {
			still[field] += n
		}
	}
	become := "became"
	if dryRun {
		become = "would become"
	}
	fmt.Fprintf(w, "%d of %d dead letters %s rows\n", rows, tried, become)
	if len(still) > 0 {
		row(w, "FIELD", "STILL BROKEN")
		for _, f := range slices.Sorted(maps.Keys(still)) {
			row(w, f, still[f])
		}
	}
	for _, s := range []struct {
		n    int64
		what string
	}{
		{all.Framing, "have a schema registry's framing, and stay until TIDEMILL_KAFKA_SCHEMA_FRAMING is strip"},
		{all.Timestamp, "have a timestamp that no day takes, judged by when they were read: they stay"},
		{all.Erased, "were erased: there is nothing left to try"},
	} {
		if s.n > 0 {
			fmt.Fprintf(w, "%d %s\n", s.n, s.what)
		}
	}
}
