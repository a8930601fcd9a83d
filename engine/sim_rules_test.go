package engine_test

import (
	"encoding/json"
	"slices"

	"github.com/tidemill/tidemill/engine"
)

// What SEMANTICS says of trigger rules and verdicts, written anew and as plainly as can be: by trying out every end that is still open. It
// shares no code with the engine.

// A say is one part's word on a task: which of the three it can still come to.
type say uint8

const (
	canRun say = 1 << iota
	canSkip
	canUF
	nowRuns // it says run already, whatever still comes
)

// tableOf is the table of the trigger rules, for upstreams that have all ended.
func tableOf(rule engine.TriggerRule, success, failed, uf, skipped int) say {
	bad, all := failed+uf, success+failed+uf+skipped
	if all == 0 {
		return canRun
	}
	pick := func(cases ...any) say {
		for i := 0; i < len(cases); i += 2 {
			if cases[i].(bool) {
				return cases[i+1].(say)
			}
		}
		panic("a rule without an answer")
	}
	switch rule {
	case engine.AllSuccess:
		return pick(bad > 0, canUF, skipped > 0, canSkip, true, canRun)
	case engine.AllFailed:
		return pick(bad == all, canRun, true, canSkip)
	case engine.AllDone, engine.AllDoneSetupSuccess, engine.Always:
		return canRun
	case engine.OneSuccess:
		return pick(success > 0, canRun, skipped == all, canSkip, true, canUF)
	case engine.OneFailed:
		return pick(bad > 0, canRun, true, canSkip)
	case engine.OneDone:
		return pick(success+failed > 0, canRun, true, canSkip)
	case engine.NoneFailed:
		return pick(bad > 0, canUF, true, canRun)
	case engine.NoneFailedMinOneSuccess:
		return pick(bad > 0, canUF, success > 0, canRun, true, canSkip)
	case engine.NoneSkipped:
		return pick(skipped > 0, canSkip, true, canRun)
	case engine.AllSkipped:
		return pick(skipped == all, canRun, true, canSkip)
	case engine.AllDoneMinOneSuccess:
		return pick(skipped > 0, canSkip, success > 0, canRun, true, canUF)
	}
	panic("no such rule: " + rule)
}

// atOnce are the rules that run their task before all have ended.
func atOnce(rule engine.TriggerRule, success, failed, uf int) bool {
	switch rule {
	case engine.Always:
		return true
	case engine.OneSuccess:
		return success > 0
	case engine.OneFailed:
		return failed+uf > 0
	case engine.OneDone:
		return success+failed > 0
	}
	return false
}

type ruleCase struct {
	rule                           engine.TriggerRule
	success, failed, uf, skip, yet int
}

// A ruleBook remembers what it was asked.
type ruleBook map[ruleCase]say

// ask is a rule's word on these states.
func (known ruleBook) ask(rule engine.TriggerRule, states []engine.State) say {
	c := ruleCase{rule: rule}
	for _, s := range states {
		switch s {
		case engine.Success:
			c.success++
		case engine.Failed:
			c.failed++
		case engine.UpstreamFailed:
			c.uf++
		case engine.Skipped:
			c.skip++
		case engine.Removed:
		default:
			c.yet++
		}
	}
	if out, ok := known[c]; ok {
		return out
	}
	var out say
	for a := 0; a <= c.yet; a++ {
		for b := 0; a+b <= c.yet; b++ {
			for d := 0; a+b+d <= c.yet; d++ {
				out |= tableOf(rule, c.success+a, c.failed+b, c.uf+d, c.skip+c.yet-a-b-d)
			}
		}
	}
	if c.yet == 0 || atOnce(rule, c.success, c.failed, c.uf) {
		if out == canRun {
			out |= nowRuns
		}
	}
	known[c] = out
	return out
}

// setups is the word of the setups: of those that a task needs, or those that a teardown cleans up after.
func (known ruleBook) setups(of []engine.State, teardown bool) say {
	states := slices.DeleteFunc(slices.Clone(of), func(s engine.State) bool { return s == engine.Removed })
	if len(states) == 0 {
		return canRun | nowRuns
	}
	if !teardown {
		return known.ask(engine.AllSuccess, states)
	}
	out := known.ask(engine.OneSuccess, states)
	if slices.ContainsFunc(states, func(s engine.State) bool { return !s.Terminal() }) {
		out &^= nowRuns
	}
	return out
}

// joined is what the parts say together: upstream_failed as soon as one is sure of it; skipped when one is sure of it and none can fail any
// more; run when all run. 0: nothing yet.
func joined(parts []say) engine.State {
	skip, fail, run := false, false, true
	for _, p := range parts {
		switch p &^ nowRuns {
		case canUF:
			return engine.UpstreamFailed
		case canSkip:
			skip = true
		}
		fail = fail || p&canUF != 0
		run = run && p&nowRuns != 0
	}
	switch {
	case skip && !fail:
		return engine.Skipped
	case run:
		return engine.Queued
	}
	return ""
}

// A book is a run as the naive rules read it.
type book struct {
	spec   *engine.Spec
	index  map[string]int
	states engine.RunStates
	rules  ruleBook
	output func(task string, mapIndex int) []byte // of the latest success
}

func (b *book) task(id string) *engine.TaskStates { return &b.states.Tasks[b.index[id]] }

// wholeOf is the state of a task as a whole.
func wholeOf(t *engine.TaskStates) engine.State {
	has := map[engine.State]bool{}
	for _, in := range t.Instances {
		if !in.State.Terminal() {
			return in.State
		}
		has[in.State] = true
	}
	for _, s := range []engine.State{engine.Failed, engine.UpstreamFailed, engine.Success, engine.Skipped} {
		if has[s] {
			return s
		}
	}
	return engine.Removed
}

// seenBy are the states that an edge of an instance counts.
func (b *book) seenBy(t *engine.TaskSpec, mapIndex int, e engine.EdgeSpec) []engine.State {
	up := b.task(e.Task)
	if e.Kind == engine.ValueEdge && e.Task == t.MapOver && t.MapCross == "" && mapIndex >= 0 && up.Mapped {
		if mapIndex >= len(up.Instances) {
			return nil
		}
		return []engine.State{up.Instances[mapIndex].State}
	}
	var out []engine.State
	for _, in := range up.Instances {
		s := in.State
		if s == engine.Success && e.Port != "" && b.went(e.Task) != e.Port {
			s = engine.Skipped
		}
		out = append(out, s)
	}
	return out
}

// went is the way that a task which chooses has taken.
func (b *book) went(task string) string {
	var v struct {
		Taken string `json:"taken"`
	}
	if json.Unmarshal(b.output(task, -1), &v) != nil {
		return ""
	}
	return v.Taken
}

// outcome is one state for what an Optional or First edge follows.
func outcome(states []engine.State) engine.State {
	has := map[engine.State]bool{}
	for _, s := range states {
		if !s.Terminal() {
			return s
		}
		has[s] = true
	}
	for _, s := range []engine.State{engine.Failed, engine.UpstreamFailed, engine.Skipped, engine.Success} {
		if has[s] {
			return s
		}
	}
	return engine.Removed
}

// due is what is to become of an instance that waits for its upstreams: Queued for run, Skipped, UpstreamFailed, or "" for nothing yet.
func (b *book) due(t *engine.TaskSpec, mapIndex int) engine.State {
	ruled := t.Rule != engine.AllSuccess && !t.Teardown
	var value, settled, optional, first, order []engine.State
	for _, e := range t.Upstream {
		seen := b.seenBy(t, mapIndex, e)
		switch e.Kind {
		case engine.ValueEdge:
			value = append(value, seen...)
		case engine.SettledEdge:
			settled = append(settled, seen...)
			if ruled {
				order = append(order, seen...)
			}
		case engine.OptionalEdge:
			if ruled {
				order = append(order, seen...)
			} else {
				optional = append(optional, outcome(seen))
			}
		case engine.FirstEdge:
			first = append(first, outcome(seen))
		default:
			order = append(order, seen...)
		}
	}
	var setups []engine.State
	for _, s := range t.Setups {
		setups = append(setups, wholeOf(b.task(s)))
	}
	rule := t.Rule
	if t.Teardown {
		rule = engine.AllDone
	}
	parts := []say{
		b.rules.ask(engine.AllSuccess, value), b.rules.ask(engine.AllDone, settled), b.rules.ask(engine.NoneFailed, optional),
		b.rules.ask(engine.NoneFailedMinOneSuccess, first), b.rules.ask(rule, order), b.rules.setups(setups, t.Teardown),
	}
	return joined(parts)
}

// elements is how many instances a mapped task is to have; ok is false while its lists are not known. −1: a list has left nothing.
func (b *book) elements(t *engine.TaskSpec) (n int, ok bool) {
	over := b.task(t.MapOver)
	if t.MapCross == "" && over.Mapped {
		return len(over.Instances), true
	}
	n = 1
	for _, id := range []string{t.MapOver, t.MapCross} {
		if id == "" {
			continue
		}
		from := b.task(id)
		switch {
		case wholeOf(from) != engine.Success:
			return 0, false
		case from.Mapped:
			n *= len(from.Instances)
		default:
			var list []json.RawMessage
			if err := json.Unmarshal(b.output(id, -1), &list); err != nil {
				return -1, true
			}
			n *= len(list)
		}
	}
	return n, true
}

// verdict is how a run ends in which everything has: failed when an effective leaf is.
func (b *book) verdict() (engine.RunState, int) {
	failed := 0
	for i := range b.states.Tasks {
		if wholeOf(&b.states.Tasks[i]) == engine.Failed {
			failed++
		}
	}
	if b.spec.FailOnAnyTask && failed > 0 {
		return engine.RunFailed, failed
	}
	removed := func(t *engine.TaskSpec) bool { return wholeOf(b.task(t.ID)) == engine.Removed }
	passed := func(t *engine.TaskSpec) bool { return removed(t) || t.Teardown && !t.FailRun }
	leaves := b.leaves(passed)
	if len(leaves) == 0 {
		leaves = b.leaves(removed)
	}
	for _, t := range leaves {
		if wholeOf(b.task(t.ID)).Bad() {
			return engine.RunFailed, failed
		}
	}
	return engine.RunSuccess, failed
}

// leaves are the tasks that are not passed over and that none follows which is not.
func (b *book) leaves(passed func(*engine.TaskSpec) bool) []*engine.TaskSpec {
	var out []*engine.TaskSpec
	for i := range b.spec.Tasks {
		t := &b.spec.Tasks[i]
		followed := slices.ContainsFunc(b.spec.Tasks, func(d engine.TaskSpec) bool {
			return !passed(&d) && slices.ContainsFunc(d.Upstream, func(e engine.EdgeSpec) bool { return e.Task == t.ID })
		})
		if !passed(t) && !followed {
			out = append(out, t)
		}
	}
	return out
}
