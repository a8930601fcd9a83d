package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

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

// deadLetterJSON is a dead letter for other programs. Key and value are in base64, as they came; null: none.
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
}

func (c *command) lakeDeadLetters() *cobra.Command {
	g := group("dead-letters", "Look at records that broke the contract")
	g.AddCommand(c.lakeDeadLettersList())
	return g
}

func (c *command) lakeDeadLettersList() *cobra.Command {
	var (
		day, reason string
		limit       int
	)
	cmd := &cobra.Command{
		Use: "list", Short: "List dead letters, the newest first", Example: "  tidemill lake dead-letters list --day 2024-01-31 --reason amount", Args: arguments(),
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
			list := deadLettersFor(all, reason, limit)
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
	return c.reads(cmd)
}

// deadLettersFor are up to limit (0: all) of the dead letters whose field or reason holds a text.
func deadLettersFor(all []lake.DeadLetter, reason string, limit int) []deadLetterJSON {
	list := []deadLetterJSON{}
	for _, d := range all {
		if limit > 0 && len(list) == limit {
			break
		}
		if !strings.Contains(strings.ToLower(d.Field+" "+d.Reason), strings.ToLower(reason)) {
			continue
		}
		list = append(list, deadLetterJSON{
			TopicID: d.TopicID, Partition: d.Partition, Offset: d.Offset, Timestamp: sayable(d.Timestamp),
			IngestedAt: sayable(d.IngestedAt), Field: d.Field, Reason: d.Reason, Key: d.Key, Value: d.Value,
		})
	}
	return list
}

// sayable is a time in microseconds since 1970, or nil if JSON has no words for it: a record's timestamp may be anything.
func sayable(micros int64) *time.Time {
	t := time.UnixMicro(micros).UTC()
	if t.Year() < 0 || t.Year() > 9999 {
		return nil
	}
	return &t
}
