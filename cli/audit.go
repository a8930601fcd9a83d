package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/warehouse"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// dayAuditJSON is what `audit --json` tells.
type dayAuditJSON struct {
	warehouse.DayAudit
	// Ended says that the stream has passed the end of the day: nothing more is on its way.
	Ended bool               `json:"ended"`
	Kafka *ingest.KafkaAudit `json:"kafka,omitempty"` // with --deep
}

func (a dayAuditJSON) clean() bool { return a.Clean() && (a.Kafka == nil || a.Kafka.Clean()) }

func (c *command) audit() *cobra.Command {
	var (
		day  string
		deep bool
	)
	cmd := &cobra.Command{
		Use:   "audit --day D",
		Short: "Follow a day from the topic to Gold; ends 1 where a record is lost, doubled or changed",
		Long: `Compares, offset by offset and column by column, what the commit log, the lake's files, bronze and Gold have of a UTC day, and adds up the
books: topic = lake = bronze + duplicates + rejected, and bronze = payments in Gold + superseded records, in records and in amounts per
currency. It names each offset that is wrong, and where. What is not loaded or not built yet fails it too, and is told apart.`,
		Example: "  tidemill audit --day 2024-01-05\n  tidemill audit --day 2024-01-05 --deep --json",
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			of, err := dayFlag(day)
			if err != nil {
				return err
			}
			if of == "" {
				return usage("--day is missing: give a date as 2024-01-31")
			}
			a, err := c.auditDay(cmd.Context(), of, deep)
			if err != nil {
				return err
			}
			if err := c.show(a, func(w io.Writer) { showDayAudit(w, a) }); err != nil {
				return err
			}
			switch {
			case !a.Sound() || a.Kafka != nil && !a.Kafka.Clean():
				return fmt.Errorf("the audit of %s found what is wrong", of)
			case !a.clean():
				return fmt.Errorf("%d records of %s are not loaded, %d of replaced files not taken out and %d not built yet: run daily_transactions for the day",
					a.Unloaded.Records, of, a.Unremoved.Records, a.Unbuilt.Records)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&day, "day", "", "the UTC day of the records' timestamps, as 2024-01-31")
	cmd.Flags().BoolVar(&deep, "deep", false, "compare with what Kafka itself still has of the day's commits")
	return c.reads(cmd)
}

func (c *command) auditDay(ctx context.Context, day lake.Day, deep bool) (a dayAuditJSON, err error) {
	s, err := findServices(c.config)
	if err != nil {
		return a, err
	}
	l, err := c.openLake()
	if err != nil {
		return a, err
	}
	pool, err := pgxpool.New(ctx, s.WarehouseURL)
	if err != nil {
		return a, usage("TIDEMILL_WAREHOUSE_URL cannot be used: %v", pgconnReason(err))
	}
	defer pool.Close()
	mark, err := l.Watermark(ctx)
	if err != nil {
		return a, err
	}
	a.Ended = !mark.Before(day.End())
	if a.DayAudit, err = warehouse.New(pool, warehouse.FromLake(l)).AuditDay(ctx, warehouse.AuditRequest{Day: day}); err != nil || !deep {
		return a, err
	}
	if len(s.Brokers) == 0 {
		return a, errNoBrokers(c.config)
	}
	client, err := c.config.client()
	if err != nil {
		return a, err
	}
	k, err := ingest.CompareDayWithKafka(ctx, s.Brokers, saramaConfig(client), l, c.config.transform(), day)
	switch {
	case errors.Is(err, lake.ErrCorrupt) && !a.Sound():
		a.Add(warehouse.Problem{Where: warehouse.InTopic, What: fmt.Sprintf("not compared with Kafka: %v", err)})
		return a, nil
	case err != nil:
		return a, err
	}
	a.Kafka = &k
	return a, nil
}

func showDayAudit(w io.Writer, a dayAuditJSON) {
	books := []struct {
		name string
		of   warehouse.Tally
	}{
		{"lake", a.Lake}, {"= bronze", a.Bronze}, {"+ duplicates", a.Duplicates}, {"+ rejected", a.Rejected}, {"+ dropped with its month", a.Expired}, {"+ not loaded yet", a.Unloaded},
		{"not taken out yet", a.Unremoved}, {"bronze", a.Bronze}, {"= payments in Gold", a.Gold}, {"+ superseded", a.Superseded}, {"+ not built yet", a.Unbuilt},
	}
	all := map[string]bool{}
	for _, b := range books {
		for currency := range b.of.Amounts() {
			all[currency] = true
		}
	}
	currencies := slices.Sorted(maps.Keys(all))
	line := func(name any, records int64, amounts map[string]string) {
		cells := []any{name, records}
		for _, currency := range currencies {
			sum := amounts[currency]
			if sum == "" && amounts != nil {
				sum = "0.00"
			}
			cells = append(cells, sum)
		}
		row(w, cells...)
	}
	head := []any{string(a.Day), "RECORDS"}
	for _, currency := range currencies {
		head = append(head, currency)
	}
	row(w, head...)
	line("topic", a.Topic.Records(), nil)
	line("- dead letters", a.Topic.DeadLetters, nil)
	line("- tombstones", a.Topic.Tombstones, nil)
	for _, b := range books {
		if rare := b.name == "not taken out yet" || b.name == "+ dropped with its month"; rare && b.of.Records == 0 {
			continue
		}
		line(b.name, b.of.Records, b.of.Amounts())
	}
	for _, p := range a.Problems {
		fmt.Fprintln(w, "PROBLEM", p)
	}
	more(w, a.Wrong, len(a.Problems))
	if k := a.Kafka; k != nil {
		fmt.Fprintf(w, "compared with Kafka: %d offsets; %d are no longer there to compare\n", k.Compared, k.Gone)
		for _, p := range k.Problems {
			fmt.Fprintln(w, "PROBLEM topic:", p)
		}
		more(w, k.Wrong, len(k.Problems))
	}
	if !a.Ended {
		fmt.Fprintln(w, "the stream has not passed the end of the day: more may come")
	}
	if a.clean() {
		fmt.Fprintln(w, "clean: each record of the day is where it belongs")
	}
}

// more says how many problems are not told.
func more(w io.Writer, wrong int64, told int) {
	if n := wrong - int64(told); n > 0 {
		fmt.Fprintf(w, "PROBLEM and %d more\n", n)
	}
}
