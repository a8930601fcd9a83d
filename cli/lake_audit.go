package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tidemill/tidemill/internal/embedded/broker"
	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/tasks/ingest"
)

// auditJSON is what `lake audit --json` tells.
type auditJSON struct {
	lake.AuditReport
	Kafka *ingest.KafkaAudit `json:"kafka,omitempty"` // with --deep
}

func (a auditJSON) clean() bool { return a.Clean() && (a.Kafka == nil || a.Kafka.Clean()) }

func (c *command) lakeAudit() *cobra.Command {
	var deep bool
	cmd := &cobra.Command{
		Use: "audit", Short: "Prove that every offset is accounted for; ends 1 where it is not", Example: "  tidemill lake audit --deep", Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := c.openLake()
			if err != nil {
				return err
			}
			var a auditJSON
			if a.AuditReport, err = l.Audit(cmd.Context()); err != nil {
				return err
			}
			if deep {
				if err := c.compareWithKafka(cmd.Context(), l, &a); err != nil {
					return err
				}
			}
			err = c.show(a, func(w io.Writer) { showAudit(w, a) })
			if err == nil && !a.clean() {
				err = errors.New("the audit found holes")
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&deep, "deep", false, "compare every offset with what Kafka itself still has")
	return c.reads(cmd)
}

// compareWithKafka adds what Kafka says. A file that cannot be read, which the audit has named, leaves nothing to compare.
func (c *command) compareWithKafka(ctx context.Context, l *lake.Lake, a *auditJSON) error {
	brokers := c.brokers()
	if len(brokers) == 0 {
		return errNoBrokers(c.config)
	}
	client, err := c.config.client()
	if err != nil {
		return err
	}
	k, err := ingest.CompareWithKafka(ctx, brokers, saramaConfig(client), l, c.config.transform())
	switch {
	case errors.Is(err, lake.ErrCorrupt) && !a.Clean():
		a.Problems = append(a.Problems, fmt.Sprintf("not compared with Kafka: %v", err))
	case err != nil:
		return err
	default:
		a.Kafka = &k
	}
	return nil
}

// brokers are those that are configured, or that another process runs in the home folder; none if there are none.
func (c *command) brokers() []string {
	if named := splitList(c.config.Brokers); len(named) > 0 {
		return named
	}
	found, _ := broker.FindRunning(c.config.brokerDir())
	return found
}

func showAudit(w io.Writer, a auditJSON) {
	row(w, "PARTITION", "FROM", "TO", "ROWS", "DEAD LETTERS", "TOMBSTONES", "GAPS")
	for _, p := range a.Partitions {
		row(w, p.Partition, p.Start, p.End, p.Rows, p.DeadLetters, p.Tombstones, p.GapOffsets)
	}
	for _, p := range a.Problems {
		fmt.Fprintln(w, "PROBLEM", p)
	}
	if k := a.Kafka; k != nil {
		fmt.Fprintf(w, "compared with Kafka: %d offsets; %d are no longer there to compare, %d are not in the lake yet\n", k.Compared, k.Gone, k.Behind)
		for _, p := range k.Problems {
			fmt.Fprintln(w, "PROBLEM", p)
		}
		more(w, k.Wrong, len(k.Problems))
	}
	if a.clean() {
		fmt.Fprintln(w, "clean: every offset is accounted for once")
	}
}
