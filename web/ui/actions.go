package ui

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/tidemill/tidemill/engine"
	"github.com/tidemill/tidemill/web/api"
)

// actions adds what people can do. Each is a posted form, answered with a redirect to where it was posted from.
func (s *server) actions(r chi.Router) {
	r.Post("/dags/{dag}/pause", s.do(func(ctx context.Context, r *http.Request) error {
		return s.Control.SetPaused(ctx, param(r, "dag"), r.PostFormValue("paused") == "true", by)
	}))
	r.Post("/streams/{stream}/pause", s.do(func(ctx context.Context, r *http.Request) error {
		return s.Control.PauseStream(ctx, param(r, "stream"), r.PostFormValue("paused") == "true", by)
	}))
	r.Post("/backfills/{id}/pause", s.do(func(ctx context.Context, r *http.Request) error {
		id, err := backfillID(r)
		if err != nil {
			return err
		}
		return s.Control.PauseBackfill(ctx, id, r.PostFormValue("paused") == "true", by)
	}))
	r.Post("/backfills/{id}/cancel", s.cancelBackfill)
	r.Post("/dags/{dag}/trigger", s.trigger)
	r.Post("/dags/{dag}/backfill", s.backfill)
	r.Post("/dags/{dag}/runs/{run}/act", s.act)
	r.Post("/dags/{dag}/runs/{run}/note", s.do(s.note))
	r.Post("/dags/{dag}/runs/{run}/answer", s.do(s.answer))
	r.Post("/pools", s.do(s.setPool))
	r.Post("/pools/{pool}/delete", s.do(func(ctx context.Context, r *http.Request) error {
		return s.Control.DeletePool(ctx, param(r, "pool"), by)
	}))
	r.Post("/assets", s.do(s.updateAsset))
}

func backfillID(r *http.Request) (int64, error) {
	id, err := strconv.ParseInt(param(r, "id"), 10, 64)
	if err != nil {
		return 0, notFound("backfill %q", param(r, "id"))
	}
	return id, nil
}

// do makes a handler that does something and goes back.
func (s *server) do(f func(context.Context, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := f(r.Context(), r); err != nil {
			s.fail(w, r, err)
			return
		}
		s.Pulse.Ring()
		http.Redirect(w, r, back(r), http.StatusSeeOther)
	}
}

// back is the page that a form says it was posted from: a path on this server, never another site.
func back(r *http.Request) string {
	next := r.PostFormValue("next")
	u, err := url.Parse(next)
	if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.Contains(next, "\\") {
		return "/"
	}
	return next
}

// An order is what a person wants done to task instances of a run.
type order struct {
	Action                           string // clear, success or failed
	Picks                            []string
	Upstream, Downstream, OnlyFailed bool
	Latest                           bool // onto the newest version of the DAG
	Output                           string
}

func orderOf(r *http.Request) (order, error) {
	o := order{Action: r.PostFormValue("action"), Picks: r.PostForm["pick"], Upstream: r.PostFormValue("upstream") != "",
		Downstream: r.PostFormValue("downstream") != "", OnlyFailed: r.PostFormValue("only_failed") != "",
		Latest: r.PostFormValue("latest") != "", Output: strings.TrimSpace(r.PostFormValue("output"))}
	switch o.Action {
	case "clear", "success", "failed":
		return o, nil
	}
	return o, &engine.InvalidError{Field: "action", Message: "is one of clear, success, failed"}
}

// previewData is what the page says that an order would do.
type previewData struct {
	order
	Run     runHead
	Verb    string
	Tasks   []engine.TaskView
	Running int
	Whole   bool   // the run itself is marked
	Problem string // why it cannot be done
	Output  bool   // an output may be given
	Given   string
	Next    string
}

var verbs = map[string]string{"clear": "Clear", "success": "Mark as success", "failed": "Mark as failed"}

// act shows what an order would do, and does it when it is confirmed.
func (s *server) act(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	v, err := s.runView(ctx, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	o, err := orderOf(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	d := previewData{order: o, Run: headOf(v, ""), Verb: verbs[o.Action], Next: back(r), Whole: o.Action != "clear" && len(o.Picks) == 0}
	if r.PostFormValue("confirm") != "" {
		if _, err = s.carryOut(ctx, v, o, false); err == nil {
			s.Pulse.Ring()
			http.Redirect(w, r, d.Next, http.StatusSeeOther)
			return
		}
	}
	status := 0
	if err == nil {
		var keys []engine.TaskKey
		keys, err = s.carryOut(ctx, v, o, true)
		d.Tasks = byKey(v, keys)
	}
	if err != nil {
		var detail any
		status, detail = api.StatusOf(err)
		if status >= 500 {
			s.fail(w, r, err)
			return
		}
		d.Problem = textOf(detail)
	}
	for _, t := range d.Tasks {
		if t.State == engine.Running {
			d.Running++
		}
	}
	d.Given = o.Output
	d.Output = o.Action == "success" && len(o.Picks) == 1
	s.render(w, r, &page{Title: d.Verb, Name: "preview", Nav: "dags", Static: true, Status: status, Data: d})
}

func byKey(v engine.RunView, keys []engine.TaskKey) []engine.TaskView {
	picked := map[engine.TaskKey]bool{}
	for _, k := range keys {
		picked[k] = true
	}
	var out []engine.TaskView
	for _, t := range v.Tasks {
		if picked[t.TaskKey] {
			out = append(out, t)
		}
	}
	return out
}

// carryOut does an order, or with dryRun only finds which instances it is about.
func (s *server) carryOut(ctx context.Context, v engine.RunView, o order, dryRun bool) ([]engine.TaskKey, error) {
	dag, run := v.Run.DAG, v.Run.RunID
	if o.Action != "clear" && len(o.Picks) == 0 {
		if !dryRun {
			return nil, s.Control.MarkRun(ctx, dag, run, engine.RunState(o.Action), by)
		}
		var open []engine.TaskKey
		for _, t := range v.Tasks {
			if !t.State.Terminal() {
				open = append(open, t.TaskKey)
			}
		}
		return open, nil
	}
	selections, err := o.selections()
	if err != nil {
		return nil, err
	}
	var all []engine.TaskKey
	for _, sel := range selections {
		var keys []engine.TaskKey
		if o.Action == "clear" {
			keys, err = s.Control.Clear(ctx, dag, run, sel, dryRun, by)
		} else {
			keys, err = s.Control.Mark(ctx, dag, run, engine.MarkRequest{Selection: sel, State: engine.State(o.Action), Output: o.output(), By: by, DryRun: dryRun})
		}
		if err != nil {
			return nil, err
		}
		all = append(all, keys...)
	}
	return all, nil
}

func (o order) output() []byte {
	if o.Output == "" {
		return nil
	}
	return []byte(o.Output)
}

// selections are what was picked: whole tasks in one, and each element of a mapped task in one of its own.
func (o order) selections() ([]engine.Selection, error) {
	base := engine.Selection{Upstream: o.Upstream, Downstream: o.Downstream, OnlyFailed: o.OnlyFailed, Latest: o.Latest}
	if len(o.Picks) == 0 {
		return []engine.Selection{base}, nil
	}
	whole, out := base, []engine.Selection(nil)
	for _, p := range o.Picks {
		task, index, mapped := strings.Cut(strings.TrimSuffix(p, "]"), "[")
		if !mapped {
			whole.Tasks = append(whole.Tasks, task)
			continue
		}
		n, err := strconv.Atoi(index)
		if err != nil {
			return nil, &engine.InvalidError{Field: "pick", Message: fmt.Sprintf("%q names no task", p)}
		}
		one := base
		one.Tasks, one.MapIndexes = []string{task}, []int{n}
		out = append(out, one)
	}
	if len(whole.Tasks) > 0 {
		out = append(out, whole)
	}
	return out, nil
}
