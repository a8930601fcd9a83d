package enginetest

import (
	"bytes"
	"slices"

	"github.com/tidemill/tidemill/engine"
)

func copyOf[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

func copyRun(r engine.RunRow) engine.RunRow {
	c := copyRunHead(r)
	c.States = bytes.Clone(r.States)
	return c
}

// copyRunHead copies a run without its states.
func copyRunHead(r engine.RunRow) engine.RunRow {
	r.States = nil
	r.Logical, r.Start, r.End = copyOf(r.Logical), copyOf(r.Start), copyOf(r.End)
	r.StartedAt, r.EndedAt = copyOf(r.StartedAt), copyOf(r.EndedAt)
	r.Params = bytes.Clone(r.Params)
	r.OnlyTasks = slices.Clone(r.OnlyTasks)
	r.Hold = copyHold(r.Hold)
	return r
}

func copyHold(h *engine.Hold) *engine.Hold {
	c := copyOf(h)
	if c != nil {
		c.Limit = copyOf(c.Limit)
	}
	return c
}

func copyQuestion(q engine.QuestionRow) engine.QuestionRow {
	q.Answers, q.DueAt = slices.Clone(q.Answers), copyOf(q.DueAt)
	return q
}

func copyAsset(e engine.AssetEvent) engine.AssetEvent {
	e.Extra = bytes.Clone(e.Extra)
	return e
}

func copyAssetSpec(a *engine.AssetSpec) *engine.AssetSpec {
	c := copyOf(a)
	if c != nil {
		c.All, c.Any = copyAssetSpecs(c.All), copyAssetSpecs(c.Any)
	}
	return c
}

func copyAssetSpecs(as []engine.AssetSpec) []engine.AssetSpec {
	as = slices.Clone(as)
	for i := range as {
		as[i] = *copyAssetSpec(&as[i])
	}
	return as
}

func copyAttempt(a engine.Attempt) engine.Attempt {
	a.QueuedAt, a.StartedAt = copyOf(a.QueuedAt), copyOf(a.StartedAt)
	a.Output, a.Inputs = bytes.Clone(a.Output), bytes.Clone(a.Inputs)
	return a
}

func copyVirtual(v engine.VirtualState) engine.VirtualState {
	v.StartedAt, v.EndedAt = copyOf(v.StartedAt), copyOf(v.EndedAt)
	v.Details = bytes.Clone(v.Details)
	v.Upstream = slices.Clone(v.Upstream)
	return v
}

func copyWorkerInfo(w engine.WorkerInfo) engine.WorkerInfo {
	w.Queues, w.DAGs, w.Streams, w.Versions = slices.Clone(w.Queues), slices.Clone(w.DAGs), slices.Clone(w.Streams), slices.Clone(w.Versions)
	return w
}

func copySpec(s engine.Spec) engine.Spec {
	s.Tags, s.Owners = slices.Clone(s.Tags), slices.Clone(s.Owners)
	s.StartDate, s.EndDate = copyOf(s.StartDate), copyOf(s.EndDate)
	s.Params = bytes.Clone(s.Params)
	s.Groups = slices.Clone(s.Groups)
	s.Assets, s.Watermark = copyAssetSpec(s.Assets), copyOf(s.Watermark)
	s.Tasks = slices.Clone(s.Tasks)
	for i := range s.Tasks {
		t := &s.Tasks[i]
		t.Upstream = slices.Clone(t.Upstream)
		t.Virtual = slices.Clone(t.Virtual)
		t.Ports, t.Answers, t.Setups, t.Updates = slices.Clone(t.Ports), slices.Clone(t.Answers), slices.Clone(t.Setups), slices.Clone(t.Updates)
		for j := range t.Virtual {
			t.Virtual[j].Upstream = slices.Clone(t.Virtual[j].Upstream)
		}
	}
	return s
}
