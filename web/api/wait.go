package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/tidemill/tidemill/engine"
)

func (s *server) waiting(a huma.API) {
	op := operation(http.MethodGet, "/dags/{dag_id}/dagRuns/{dag_run_id}/wait", "wait_dag_run_until_finished", "Wait until a run is over: a line of JSON with its state at each interval, the last with results")
	op.Responses["200"] = &huma.Response{Description: "Lines", Content: map[string]*huma.MediaType{"application/x-ndjson": {Schema: &huma.Schema{Type: huma.TypeString}}}}
	huma.Register(a, op, func(ctx context.Context, in *waitInput) (*huma.StreamResponse, error) {
		row, err := s.row(ctx, in.RunPath)
		if err != nil {
			return nil, s.failed(ctx, err)
		}
		return &huma.StreamResponse{Body: func(c huma.Context) { s.wait(c, in, row) }}, nil
	})
}

type waitInput struct {
	RunPath
	Interval float64  `query:"interval" required:"true" exclusiveMinimum:"0" doc:"Seconds between two lines"`
	Result   []string `query:"result,explode" maxItems:"100" doc:"Ids of tasks whose output is told at the end"`
}

// wait writes lines until the run is over, the client goes away or the server shuts down.
func (s *server) wait(c huma.Context, in *waitInput, row engine.RunRow) {
	r, w := humachi.Unwrap(c)
	ctx, stop := s.Gate.Context(r)
	defer stop()
	// Who asks for JSON rather than for lines, as the official client does, gets the last line only.
	whole := strings.HasPrefix(r.Header.Get("Accept"), "application/json")
	w.Header().Set("Content-Type", "application/x-ndjson")
	if whole {
		w.Header().Set("Content-Type", "application/json")
	}
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Time{}) // a test's writer has none
	tick := s.Clock.NewTicker(time.Duration(min(in.Interval, 3600)*float64(time.Second)), "wait")
	defer tick.Stop()
	for {
		line, err := s.waitLine(ctx, row, in.Result)
		if err != nil {
			if ctx.Err() == nil {
				s.Log.Error("wait for a run", "dag", row.DAG, "run", row.RunID, "error", err)
			}
			return
		}
		if !whole || row.State.Terminal() {
			if _, err := w.Write(append(line, '\n')); err != nil || row.State.Terminal() {
				return
			}
		}
		if err := rc.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if row, err = s.row(ctx, in.RunPath); err != nil {
			return
		}
	}
}

func (s *server) waitLine(ctx context.Context, row engine.RunRow, results []string) ([]byte, error) {
	line := map[string]any{"state": row.State}
	if row.State.Terminal() && len(results) > 0 {
		values := map[string]any{}
		for _, task := range results {
			v, err := s.result(ctx, row.Key, task)
			if err != nil {
				return nil, err
			}
			values[task] = v
		}
		line["results"] = values
	}
	return json.Marshal(line)
}

// result is the output of a task: a list for a mapped one, null when there is none.
func (s *server) result(ctx context.Context, run int64, task string) (any, error) {
	got, err := s.Store.Inputs(ctx, []engine.InputKey{{Run: run, Task: task, MapIndex: -1}, {Run: run, Task: task, MapIndex: engine.AllElements}})
	if err != nil {
		return nil, err
	}
	if len(got[0].Attempts) > 0 {
		return raw(got[0].Attempts[0].Output), nil
	}
	if len(got[1].Attempts) == 0 {
		return nil, nil
	}
	list := []json.RawMessage{}
	for _, a := range got[1].Attempts {
		list = append(list, raw(a.Output))
	}
	return list, nil
}
