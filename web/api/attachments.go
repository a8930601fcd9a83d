package api

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/tidemill/tidemill/engine"
)

func (s *server) attachments(a huma.API) {
	route(s, a, http.MethodGet, instancesPath+"/{task_id}/attachments/{try_number}", "get_attachments",
		"What one try keeps beside its log: of a dbt node its compiled SQL and the first rows that a test has found", s.getAttachments)
}

// An AttachmentResponse is a text or a table that a try keeps beside its log.
type AttachmentResponse struct {
	Name  string         `json:"name" doc:"Such as compiled.sql or failing_rows"`
	Text  *string        `json:"text" doc:"null for a table"`
	Table *TableResponse `json:"table" doc:"null for a text"`
}

// A TableResponse is the first rows of a table, as text.
type TableResponse struct {
	Columns []string    `json:"columns" nullable:"false"`
	Rows    [][]*string `json:"rows" nullable:"false" doc:"Values as text, null for null"`
	Found   int64       `json:"found" doc:"How many rows there are in all; 0: not known"`
}

// AttachmentCollectionResponse lists attachments.
type AttachmentCollectionResponse struct {
	Attachments  []AttachmentResponse `json:"attachments" nullable:"false"`
	TotalEntries int                  `json:"total_entries"`
}

type attachmentsInput struct {
	TaskPath
	Try      int `path:"try_number" minimum:"0"`
	MapIndex int `query:"map_index" default:"-1"`
}

func (s *server) getAttachments(ctx context.Context, in *attachmentsInput) (AttachmentCollectionResponse, error) {
	out := AttachmentCollectionResponse{Attachments: []AttachmentResponse{}}
	t, err := s.instance(ctx, in.key(in.MapIndex))
	if err != nil {
		return out, err
	}
	found, err := Attachments(ctx, s.Store, t.TaskView, in.Try)
	for _, a := range found {
		r := AttachmentResponse{Name: a.Name}
		if a.Table != nil {
			r.Table = &TableResponse{a.Table.Columns, a.Table.Rows, a.Table.Found}
		} else {
			r.Text = &a.Text
		}
		out.Attachments = append(out.Attachments, r)
	}
	out.TotalEntries = len(out.Attachments)
	return out, err
}

// Attachments are what a try of a task instance has kept beside its log; of a virtual node what its runner's try has kept of it. Each name
// is there once.
func Attachments(ctx context.Context, s engine.Store, t engine.TaskView, try int) ([]engine.Attachment, error) {
	key := t.TaskKey
	if t.Runner != "" {
		key.Task = t.Runner
	}
	var found []engine.Attachment
	for after := int64(0); ; {
		chunks, err := s.ReadLog(ctx, key, try, after, logPart)
		if err != nil {
			return nil, fmt.Errorf("read the log of %s, try %d: %w", key.Task, try, err)
		}
		if len(chunks) == 0 {
			return AttachedTo(found, t), nil
		}
		for _, c := range chunks {
			after = c.Seq
			for l := range bytes.Lines(c.Lines) {
				if a, ok := engine.ParseAttachment(l); ok {
					found = append(found, a)
				}
			}
		}
	}
}

// AttachedTo picks the attachments that are about a task instance; of two with one name the later.
func AttachedTo(all []engine.Attachment, t engine.TaskView) []engine.Attachment {
	names, at := namesOf(t), map[string]int{}
	var out []engine.Attachment
	for _, a := range all {
		if !names[a.Node] {
			continue
		}
		if i, ok := at[a.Name]; ok {
			out[i] = a
			continue
		}
		at[a.Name] = len(out)
		out = append(out, a)
	}
	return out
}
