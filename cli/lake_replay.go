package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
	"github.com/tidemill/tidemill/tasks/ingest"
)

func (c *command) lakeReplay() *cobra.Command {
	var from, to, source string
	cmd := &cobra.Command{
		Use: "replay", Short: "Make rows of past days anew, while readers and the stream go on",
		Long: "Make the rows and dead letters of days anew by the decoder of today, of Kafka's records or, where Kafka no longer has them, of the lake's own rows, and put " +
			"them in place of those that there are. Each day is replaced whole and its generation raised; replaced files are kept for an hour. " +
			"Bronze and Gold follow by the next run of daily_transactions that covers the days.",
		Example: "  tidemill lake replay --from 2024-01-05 --to 2024-01-07\n  tidemill lake replay --from 2024-01-05 --to 2024-01-05 --source lake", Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			first, err := replayDay("from", from)
			if err != nil {
				return err
			}
			last, err := replayDay("to", to)
			if err != nil {
				return err
			}
			if last < first {
				return usage("--from %s lies after --to %s", first, last)
			}
			l, err := c.openLake()
			if err != nil {
				return err
			}
			decoder, done, err := c.replaySource(cmd.Context(), source)
			if err != nil {
				return err
			}
			did, err := replayDays(cmd.Context(), l, first, last, decoder, func(r lake.Replayed) {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s: generation %d, %d rows, %d dead letters; %d dead letters became rows, %d rows dead letters, %d ms\n",
					r.Day, r.Generation, r.Rows, r.DeadLetters, r.ToRows, r.ToDeadLetter, r.TookMS)
			})
			if err := errors.Join(err, done()); err != nil {
				return fmt.Errorf("replay the lake (%d days are done): %w", len(did), err)
			}
			return c.show(did, func(w io.Writer) { fmt.Fprintf(w, "%d days replayed\n", len(did)) })
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "the first day, such as 2024-01-05")
	cmd.Flags().StringVar(&to, "to", "", "the last day")
	cmd.Flags().StringVar(&source, "source", "kafka", "what the rows are made of: kafka, or lake")
	return c.reads(cmd)
}

func replayDay(flag, text string) (lake.Day, error) {
	day, err := lake.ParseDay(text)
	if err != nil {
		return "", usage("--%s %q: give a date as 2024-01-31", flag, text)
	}
	return day, nil
}

// replaySource is what makes rows, and what ends it.
func (c *command) replaySource(ctx context.Context, source string) (lake.Decoder[payment.Row], func() error, error) {
	none := func() error { return nil }
	switch source {
	case "lake":
		return ingest.PaymentsOfLake(c.config.transform()), none, nil
	case "kafka":
	default:
		return lake.Decoder[payment.Row]{}, nil, usage("--source %q: give kafka or lake", source)
	}
	brokers := c.brokers()
	if len(brokers) == 0 {
		return lake.Decoder[payment.Row]{}, nil, errNoBrokers(c.config)
	}
	client, err := c.config.client()
	if err != nil {
		return lake.Decoder[payment.Row]{}, nil, err
	}
	r, err := ingest.NewReplay(ctx, brokers, saramaConfig(client), c.config.Topic, c.config.transform())
	if err != nil {
		return lake.Decoder[payment.Row]{}, nil, err
	}
	return r.Decoder(), r.Close, nil
}

// replayDays replays those of the days from first to last that have records, and tells of each.
func replayDays(ctx context.Context, l *lake.Lake, first, last lake.Day, decoder lake.Decoder[payment.Row], tell func(lake.Replayed)) (did []lake.Replayed, err error) {
	days, err := l.Days(ctx)
	if err != nil {
		return nil, err
	}
	w := lake.NewWriter[payment.Row](l, lake.OfContract(payment.ContractVersion))
	defer func() { err = errors.Join(err, w.Close()) }()
	did = []lake.Replayed{}
	for _, d := range days {
		if d.Day < first || d.Day > last {
			continue
		}
		r, err := w.Replay(ctx, d.Day, decoder)
		if err != nil {
			return did, err
		}
		if r.Entry > 0 {
			did = append(did, r)
			tell(r)
		}
	}
	_, err = l.CollectReplaced(ctx, lake.KeepReplaced)
	return did, err
}
