package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/api"
)

// attachmentJSON is what a try keeps beside its log, as the API tells it.
type attachmentJSON struct {
	Name  string        `json:"name"`
	Text  *string       `json:"text"`
	Table *engine.Table `json:"table"`
}

type taskDetail struct {
	taskJSON
	Message     string           `json:"message,omitempty"`
	Details     json.RawMessage  `json:"details,omitempty"`
	Attachments []attachmentJSON `json:"attachments"`
}

func (c *command) taskShow() *cobra.Command {
	var try, mapIndex int
	var only string
	cmd := &cobra.Command{
		Use: "show DAG RUN TASK", Short: "Show a task instance with what its try keeps: of a dbt node its compiled SQL and the rows that a test has found", Args: arguments("DAG", "RUN", "TASK"),
		Example: "  tidemill task show daily_transactions RUN dbt_test_gold_is_published\n  tidemill task show daily_transactions RUN dbt_run_fct_transactions --only compiled.sql",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return c.withClient(ctx, func(cl *client) error {
				tv, _, err := cl.taskOf(ctx, args, mapIndex, &try)
				if err != nil {
					return err
				}
				kept, err := api.Attachments(ctx, cl.store, tv, try)
				if err != nil {
					return err
				}
				if only != "" {
					return c.showOnly(kept, only)
				}
				out := taskDetail{taskJSON: taskOf(tv), Message: tv.Message, Attachments: []attachmentJSON{}}
				out.Try = try
				if json.Valid(tv.Details) {
					out.Details = tv.Details
				}
				for _, a := range kept {
					out.Attachments = append(out.Attachments, attachmentOf(a))
				}
				return c.show(out, func(w io.Writer) { printTask(w, tv, try, kept) })
			})
		},
	}
	cmd.Flags().IntVar(&try, "try", 0, "number of the attempt (default: the latest)")
	cmd.Flags().IntVar(&mapIndex, "map-index", -1, "element of a mapped task, as in TASK[1]")
	cmd.Flags().StringVar(&only, "only", "", "print this alone: compiled.sql, failing_rows")
	return c.reads(cmd)
}

func attachmentOf(a engine.Attachment) attachmentJSON {
	if a.Table != nil {
		return attachmentJSON{Name: a.Name, Table: a.Table}
	}
	return attachmentJSON{Name: a.Name, Text: &a.Text}
}

// showOnly prints one attachment, a text as it is.
func (c *command) showOnly(kept []engine.Attachment, name string) error {
	has := ""
	for _, a := range kept {
		if a.Name == name && a.Table == nil && !c.json {
			_, err := io.WriteString(c.out, a.Text+"\n")
			return err
		}
		if a.Name == name {
			return c.show(attachmentOf(a), func(w io.Writer) { printAttachment(w, a) })
		}
		has += " " + a.Name
	}
	if has == "" {
		has = " nothing"
	}
	return fmt.Errorf("this try keeps no %s; it keeps%s", name, has)
}

func printTask(w io.Writer, tv engine.TaskView, try int, kept []engine.Attachment) {
	fmt.Fprintf(w, "%s of %s %s: %s\n\n", taskName(tv), tv.DAG, tv.RunID, tv.State)
	row(w, "TRY", "STARTED", "TOOK", "WORKER")
	row(w, try, tv.StartedAt, duration(tv.StartedAt, tv.EndedAt), tv.Worker)
	for _, text := range []string{tv.Error, tv.Message, tv.Reason} {
		if text != "" {
			fmt.Fprintf(w, "\n%s\n", text)
			break
		}
	}
	var details bytes.Buffer
	if len(tv.Details) > 0 && json.Indent(&details, tv.Details, "", "  ") == nil {
		fmt.Fprintf(w, "\n%s\n", details.Bytes())
	}
	for _, a := range kept {
		fmt.Fprintf(w, "\n%s:\n", a.Name)
		printAttachment(w, a)
	}
}

// The table writer makes columns of tabs, and rows of line ends.
var (
	noTabs = strings.NewReplacer("\t", "    ")
	inCell = strings.NewReplacer("\t", " ", "\n", "⏎", "\r", "")
)

func printAttachment(w io.Writer, a engine.Attachment) {
	if a.Table == nil {
		fmt.Fprintln(w, noTabs.Replace(a.Text))
		return
	}
	head := make([]any, len(a.Table.Columns))
	for i, c := range a.Table.Columns {
		head[i] = c
	}
	row(w, head...)
	for _, r := range a.Table.Rows {
		cells := make([]any, len(r))
		for i, v := range r {
			cells[i] = "null"
			if v != nil {
				cells[i] = inCell.Replace(*v)
			}
		}
		row(w, cells...)
	}
	if n := int64(len(a.Table.Rows)); a.Table.Found > n {
		fmt.Fprintf(w, "the first %d of %d\n", n, a.Table.Found)
	}
}
