package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tidemill/tidemill/storage/lake"
	"github.com/tidemill/tidemill/storage/payment"
)

// deadLetterJSON is a dead letter for other programs. Key and value are in base64; null: none.
type deadLetterJSON struct {
	TopicID    string     `json:"topic_id"`
	Partition  int32      `json:"partition"`
	Offset     int64      `json:"offset"`
	Timestamp  *time.Time `json:"timestamp"` // null: beyond the years 0 to 9999
	IngestedAt *time.Time `json:"ingested_at"`
	Field      string     `json:"field"`
	Reason     string     `json:"reason"`
	Key        []byte     `json:"key"`
	Value      []byte     `json:"value"`
	Erased     bool       `json:"erased,omitempty"` // key and value are gone
}

func (c *command) lakeDeadLetters() *cobra.Command {
	g := group("dead-letters", "Look at records that broke the contract, and try them again")
	g.AddCommand(c.lakeDeadLettersList(), c.lakeDeadLettersRetry())
	return g
}

func (c *command) lakeDeadLettersList() *cobra.Command {
	var (
		day, reason string
		limit       int
		asTheyCame  bool
	)
	cmd := &cobra.Command{
		Use: "list", Short: "List dead letters, the newest first",
		Long: "List dead letters, the newest first. With --json keys and values are there too, in base64, with *** for e-mail and IP addresses, customer_email and " +
			"ip_address; --as-they-came leaves them as they are.",
		Example: "  tidemill lake dead-letters list --day 2024-01-31 --reason amount", Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			of, err := dayFlag(day)
			if err != nil {
				return err
			}
			if limit < 0 {
				return usage("--limit %d: give how many to list, 0 for all", limit)
			}
			l, err := c.openLake()
			if err != nil {
				return err
			}
			asked := limit
			if reason != "" {
				asked = 0 // the reason is looked at here
			}
			all, err := l.DeadLetters(cmd.Context(), of, asked)
			if err != nil {
				return fmt.Errorf("list dead letters: %w", err)
			}
			list := deadLettersFor(all, reason, limit, asTheyCame)
			return c.show(list, func(w io.Writer) {
				row(w, "TIMESTAMP", "PARTITION", "OFFSET", "FIELD", "REASON", "BYTES")
				for _, d := range list {
					row(w, d.Timestamp, d.Partition, d.Offset, d.Field, d.Reason, len(d.Value))
				}
			})
		},
	}
	cmd.Flags().StringVar(&day, "day", "", "only those of this day (default: all)")
	cmd.Flags().StringVar(&reason, "reason", "", "only those whose field or reason holds this text")
	cmd.Flags().IntVar(&limit, "limit", 100, "how many at most, 0 for all")
	cmd.Flags().BoolVar(&asTheyCame, "as-they-came", false, "show personal data")
	return c.reads(cmd)
}

// deadLettersFor are up to limit (0: all) of the dead letters whose field or reason holds a text.
// Personal data is masked in them unless asTheyCame.
func deadLettersFor(all []lake.DeadLetter, reason string, limit int, asTheyCame bool) []deadLetterJSON {
	list := []deadLetterJSON{}
	for _, d := range all {
		if limit > 0 && len(list) == limit {
			break
		}
		if !isFor(d, reason) {
			continue
		}
		if !asTheyCame {
			d.Key, d.Value, d.Reason = payment.MaskPersonal(d.Key), payment.MaskPersonal(d.Value), string(payment.MaskPersonal([]byte(d.Reason)))
		}
		list = append(list, deadLetterJSON{
			TopicID: d.TopicID, Partition: d.Partition, Offset: d.Offset, Timestamp: sayable(d.Timestamp),
			IngestedAt: sayable(d.IngestedAt), Field: d.Field, Reason: d.Reason, Key: d.Key, Value: d.Value, Erased: d.Erased != nil,
		})
	}
	return list
}

// isFor says whether a dead letter's field or reason holds a text.
func isFor(d lake.DeadLetter, reason string) bool {
	return strings.Contains(strings.ToLower(d.Field+" "+d.Reason), strings.ToLower(reason))
}

// sayable is a time in microseconds since 1970, or nil if JSON has no words for it: a record's timestamp may be anything.
func sayable(micros int64) *time.Time {
	t := time.UnixMicro(micros).UTC()
	if t.Year() < 0 || t.Year() > 9999 {
		return nil
	}
	return &t
}
