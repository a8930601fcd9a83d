package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/tidemill/tidemill/engine"
)

// logPart is about how much of a log is answered at once, in bytes.
const logPart = 1 << 20

func (s *server) logs(a huma.API) {
	op := operation(http.MethodGet, instancesPath+"/{task_id}/logs/{try_number}", "get_log", "The log of one try, also while it runs")
	op.Responses["200"] = &huma.Response{Description: "By Accept: structured lines with a token for what follows, or the lines as they are kept, or plain text", Content: map[string]*huma.MediaType{
		"application/json":     {Schema: huma.SchemaFromType(a.OpenAPI().Components.Schemas, typeOf[TaskInstancesLogResponse]())},
		"application/x-ndjson": {Schema: &huma.Schema{Type: huma.TypeString}},
		"text/plain":           {Schema: &huma.Schema{Type: huma.TypeString}},
	}}
	huma.Register(a, op, func(ctx context.Context, in *logInput) (*huma.StreamResponse, error) {
		send, err := s.log(ctx, in)
		if err != nil {
			return nil, s.failed(ctx, err)
		}
		return &huma.StreamResponse{Body: send}, nil
	})
}

// A TaskInstancesLogResponse is a part of a log.
type TaskInstancesLogResponse struct {
	Content           []map[string]any `json:"content" nullable:"false" doc:"Lines: event, timestamp, level and what else was logged"`
	ContinuationToken *string          `json:"continuation_token" doc:"Asks for what follows; null when the try is over and all was told"`
}

type logInput struct {
	TaskPath
	Try         int    `path:"try_number" minimum:"0"`
	MapIndex    int    `query:"map_index" default:"-1"`
	FullContent bool   `query:"full_content" doc:"All of it at once"`
	Token       string `query:"token"`
	Accept      string `header:"Accept"`
}

func (s *server) log(ctx context.Context, in *logInput) (func(huma.Context), error) {
	t, err := s.instance(ctx, in.key(in.MapIndex))
	if err != nil {
		return nil, err
	}
	key, tries := t.TaskKey, t.Try
	if t.Runner != "" { // a virtual node's lines are in its runner's log
		key.Task = t.Runner
		runner, err := s.instance(ctx, instanceKey{in.RunPath, t.Runner, in.MapIndex})
		if err != nil {
			return nil, err
		}
		tries = runner.Try
	}
	if in.Try > tries {
		return nil, fail(http.StatusNotFound, "There is no try_number: `%d` of the Task Instance with dag_id: `%s`, run_id: `%s`, task_id: `%s` and map_index: `%d`; it has %d", in.Try, in.DagID, in.DagRunID, in.TaskID, in.MapIndex, tries)
	}
	after, err := position(in.Token)
	if err != nil {
		return nil, err
	}
	// Whether the try is over is asked before its log is read: what it wrote last is then there.
	open := t.Try == in.Try && !t.State.Terminal() || t.Try < in.Try
	format := wanted(in.Accept)
	limit := logPart
	if in.FullContent || format != "application/json" {
		limit = 0
	}
	lines, last, more, err := s.readLog(ctx, key, in.Try, after, limit)
	if err != nil {
		return nil, err
	}
	if t.Runner != "" {
		lines = OfNode(lines, t.TaskView)
	}
	if format != "application/json" {
		return plainLog(format, lines), nil
	}
	page := TaskInstancesLogResponse{Content: make([]map[string]any, 0, len(lines))}
	for _, l := range lines {
		page.Content = append(page.Content, structured(l))
	}
	if open || more {
		token := base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(last, 10)))
		page.ContinuationToken = &token
	}
	return func(c huma.Context) {
		c.SetHeader("Content-Type", "application/json")
		_ = json.NewEncoder(c.BodyWriter()).Encode(page) // a client that is gone needs no answer
	}, nil
}

func position(token string) (int64, error) {
	if token == "" {
		return 0, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		var n int64
		if n, err = strconv.ParseInt(string(b), 10, 64); err == nil && n >= 0 {
			return n, nil
		}
	}
	return 0, fail(http.StatusBadRequest, "Bad Signature. Please sign your token: use the continuation_token of an earlier answer")
}

// readLog reads lines after a position, at least one chunk and up to about limit bytes; limit 0: all.
func (s *server) readLog(ctx context.Context, key engine.TaskKey, try int, after int64, limit int) (lines [][]byte, last int64, more bool, err error) {
	size, last := 0, after
	for {
		chunks, err := s.Store.ReadLog(ctx, key, try, last, logPart)
		if err != nil {
			return nil, 0, false, fmt.Errorf("read the log of %s, try %d: %w", key.Task, try, err)
		}
		for _, c := range chunks {
			last = c.Seq
			size += len(c.Lines)
			for l := range bytes.Lines(c.Lines) {
				if _, ok := engine.ParseAttachment(l); !ok {
					lines = append(lines, bytes.TrimSpace(l))
				}
			}
		}
		if len(chunks) == 0 || limit > 0 && size >= limit {
			return lines, last, len(chunks) > 0, nil
		}
	}
}

// OfNode picks the lines of a runner's log that are about one of its virtual nodes: those whose attribute "node" is its task
// id or one of the texts in its details, such as dbt's unique id.
func OfNode(lines [][]byte, node engine.TaskView) [][]byte {
	names := namesOf(node)
	var out [][]byte
	for _, l := range lines {
		var about struct {
			Node string `json:"node"`
		}
		if json.Unmarshal(l, &about) == nil && names[about.Node] {
			out = append(out, l)
		}
	}
	return out
}

// namesOf are the names by which a log tells what it is about: of a virtual node its task id and the texts in its details, of a task "".
func namesOf(t engine.TaskView) map[string]bool {
	if t.Runner == "" {
		return map[string]bool{"": true}
	}
	names := map[string]bool{t.Task: true}
	var details map[string]any
	if json.Unmarshal(t.Details, &details) == nil {
		for _, v := range details {
			if name, ok := v.(string); ok && name != "" {
				names[name] = true
			}
		}
	}
	return names
}

// structured is a line as Airflow tells it: event and timestamp for msg and time.
func structured(line []byte) map[string]any {
	m := map[string]any{}
	if json.Unmarshal(line, &m) != nil {
		return map[string]any{"event": string(line)}
	}
	rename(m, "msg", "event")
	rename(m, "time", "timestamp")
	if level, ok := m["level"].(string); ok {
		m["level"] = strings.ToLower(level)
	}
	if _, ok := m["event"].(string); !ok {
		m["event"] = string(line)
	}
	if at, ok := m["timestamp"].(string); ok {
		if _, err := time.Parse(time.RFC3339Nano, at); err != nil {
			delete(m, "timestamp")
		}
	}
	return m
}

func rename(m map[string]any, from, to string) {
	if v, ok := m[from]; ok {
		delete(m, from)
		m[to] = v
	}
}

// wanted is the format that an Accept header prefers among those that there are.
func wanted(accept string) string {
	for _, part := range strings.Split(accept, ",") {
		switch media, _, _ := mime.ParseMediaType(strings.TrimSpace(part)); media {
		case "application/json", "*/*", "application/*":
			return "application/json"
		case "application/x-ndjson":
			return "application/x-ndjson"
		case "text/plain", "text/*":
			return "text/plain"
		}
	}
	return "application/json"
}

func plainLog(format string, lines [][]byte) func(huma.Context) {
	return func(c huma.Context) {
		c.SetHeader("Content-Type", format+"; charset=utf-8")
		var b bytes.Buffer
		for _, l := range lines {
			if format == "text/plain" {
				b.WriteString(PlainLine(l))
			} else if raw, err := json.Marshal(structured(l)); err == nil {
				b.Write(raw)
			}
			b.WriteByte('\n')
		}
		_, _ = c.BodyWriter().Write(b.Bytes()) // a client that is gone needs no answer
	}
}
