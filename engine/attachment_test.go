package engine

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/engine/secret"
)

// kept is the attachment that comes back of one that is kept in a task.
func kept(t *testing.T, a Attachment) Attachment {
	t.Helper()
	known := &secret.Redactor{}
	if _, err := known.Keep("password", "hunter2hunter2"); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	own := slog.New(known.Handler(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	Keep(context.WithValue(t.Context(), taskContextKey{}, &taskContext{log: own}), a)
	back, ok := ParseAttachment(log.Bytes())
	if !ok {
		t.Fatalf("no attachment: %s", log.Bytes())
	}
	return back
}

func TestAttachmentsAreBoundedAndMasked(t *testing.T) {
	if a := kept(t, Attachment{Node: "n", Name: "compiled.sql", Text: "select 'hunter2hunter2'\n\"é\""}); a.Text != "select '***'\n\"é\"" || a.Node != "n" || a.Name != "compiled.sql" {
		t.Errorf("a text comes back as %+v", a)
	}
	long := kept(t, Attachment{Name: "x", Text: strings.Repeat("é", MaxAttachment)})
	if len(long.Text) > MaxAttachment+40 || !strings.HasSuffix(long.Text, "(the rest is left out)") || strings.ContainsRune(long.Text, '�') {
		t.Errorf("a long text has %d bytes and ends in %q", len(long.Text), long.Text[len(long.Text)-40:])
	}
	cell, table := strings.Repeat("x", 1000), Table{Columns: []string{"a", "b"}}
	for range 1000 {
		table.Rows = append(table.Rows, []*string{&cell, nil})
	}
	got := kept(t, Attachment{Name: "rows", Table: &table}).Table
	if got == nil || len(got.Rows) < 200 || len(got.Rows) > 300 || got.Found != 1000 || *got.Rows[0][0] != cell || got.Rows[0][1] != nil {
		t.Errorf("a large table comes back as %d rows of %d", len(got.Rows), got.Found)
	}
	for _, line := range []string{"", "text", `{"msg":"x"}`, `{"msg":"an \"attachment\":\"x\""}`, `{"attachment":"x","table":"no"}`} {
		if a, ok := ParseAttachment([]byte(line)); ok {
			t.Errorf("%s is the attachment %+v", line, a)
		}
	}
}
