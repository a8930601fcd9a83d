package dbt

import (
	"context"
	"io"
	"os"

	"github.com/tidemill/tidemill/engine"
)

// What a node's try keeps beside its log lines.
const (
	AttachedSQL  = "compiled.sql" // the SQL that dbt made of the node's file
	AttachedRows = "failing_rows" // the first rows that a test has found
)

// attachments keeps each node's SQL and failing rows once with the log of the task's try. It is used by one goroutine at a time.
type attachments struct {
	ctx    context.Context
	redact func(string) string
	sql    map[string]bool
	rows   map[string]bool
}

func newAttachments(ctx context.Context, redact func(string) string) *attachments {
	return &attachments{ctx: ctx, redact: redact, sql: map[string]bool{}, rows: map[string]bool{}}
}

func (a *attachments) keep(n NodeEvent) {
	if n.CompiledPath != "" && !a.sql[n.UniqueID] {
		if sql := compiledSQL(n.CompiledPath); sql != "" {
			a.sql[n.UniqueID] = true
			engine.Keep(a.ctx, engine.Attachment{Node: n.UniqueID, Name: AttachedSQL, Text: a.redact(sql)})
		}
	}
	if n.FailingRows != nil && !a.rows[n.UniqueID] {
		a.rows[n.UniqueID] = true
		engine.Keep(a.ctx, engine.Attachment{Node: n.UniqueID, Name: AttachedRows, Table: n.FailingRows})
	}
}

// compiledSQL reads a node's compiled SQL; "" where there is none, or it is longer than what is kept of it.
func compiledSQL(path string) string {
	f, err := os.Open(path) //nolint:gosec // below our own target path
	if err != nil {
		return "" // a node that has none, or whose run was pruned
	}
	defer f.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(f, engine.MaxAttachment+1))
	if err != nil || len(text) > engine.MaxAttachment {
		return ""
	}
	return string(text)
}
