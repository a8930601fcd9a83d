package engine_test

import (
	"slices"
	"strings"

	"github.com/tidemill/tidemill/engine"
)

// rules checks that all that was decided could be, and that nothing is left undecided that can be.
func (v *view) rules() {
	b := &v.a.book
	for i := range b.spec.Tasks {
		t, st := &b.spec.Tasks[i], &b.states.Tasks[i]
		if t.MapOver != "" && !st.Mapped {
			v.unmapped(t, st)
			continue
		}
		waits := slices.ContainsFunc(st.Instances, func(in engine.Instance) bool { return in.State == engine.Restarting })
		for j, in := range st.Instances {
			k := v.a.key(t.ID, st, j)
			old := v.was.at[k].State
			fresh := in.State != old && (old == engine.None || old == "") || v.user && in.Try != v.was.at[k].Try
			if in.State != engine.None && (!fresh || v.ordered(k)) {
				continue
			}
			due := b.due(t, k.MapIndex)
			if in.State == engine.None {
				if due != "" && !(waits && st.Mapped) {
					v.wrong("%s waits; it is due to be %s", name(k), due)
				}
				continue
			}
			became := in.State
			switch became {
			case engine.Scheduled:
				became = engine.Queued
			case engine.Skipped, engine.UpstreamFailed, engine.Queued:
			default:
				continue // by more than one step, or by a person's word
			}
			if due != became {
				v.wrong("%s has become %s; its rule says %q", name(k), in.State, due)
			}
		}
	}
}

// ordered tells whether a person or the run's timeout has decided an instance, and no rule.
func (v *view) ordered(k engine.TaskKey) bool {
	return slices.ContainsFunc(v.c.Attempts, func(r engine.Attempt) bool {
		return r.TaskKey == k && (r.By != "" || strings.HasPrefix(r.Error, "its run was ended"))
	})
}

// unmapped checks a mapped task that has no elements yet.
func (v *view) unmapped(t *engine.TaskSpec, st *engine.TaskStates) {
	in := st.Instances[0]
	k := v.a.key(t.ID, st, 0)
	if in.State != engine.None && (v.was.at[k].State != engine.None || v.ordered(k)) {
		return
	}
	due := v.a.book.due(t, -1)
	n, ok := v.a.book.elements(t)
	if byElement := t.MapCross == "" && v.a.book.task(t.MapOver).Mapped; !byElement {
		ok = ok && due == engine.Queued // its list is not looked at before its rule holds
	}
	want := engine.None
	switch {
	case due == engine.Skipped || due == engine.UpstreamFailed:
		want = due
	case ok && n == 0:
		want = engine.Skipped
	case ok && (n < 0 || n > mapLimit(t)):
		want = engine.Failed
	case ok:
		v.wrong("%s waits; it is due to have %d elements", name(k), n)
	}
	if in.State != want {
		v.wrong("%s is %s as a whole; it is due to be %s", name(k), in.State, want)
	}
}

func mapLimit(t *engine.TaskSpec) int {
	if t.MapLimit > 0 {
		return t.MapLimit
	}
	return engine.DefaultMapLimit
}
