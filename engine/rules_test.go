package engine

import (
	"fmt"
	"slices"
	"testing"
)

var allRules = []TriggerRule{
	AllSuccess, AllFailed, AllDone, OneSuccess, OneFailed, OneDone, NoneFailed, NoneFailedMinOneSuccess,
	NoneSkipped, AllSkipped, AllDoneMinOneSuccess, AllDoneSetupSuccess, Always,
}

// upstream is one upstream of the task under test, or a setup that covers it from further up.
type upstreamCase struct {
	state State // Running stands for every unfinished one
	setup bool
	far   bool // covers the task without being a direct upstream
}

func count(ups []upstreamCase) Upstreams {
	var u Upstreams
	for _, up := range ups {
		if up.setup && up.state != Removed {
			u.Setups++
			switch up.state {
			case Success:
				u.SetupsSuccess++
			case Skipped:
				u.SetupsSkipped++
			case Failed, UpstreamFailed:
				u.SetupsBad++
			}
		}
		if up.far {
			continue
		}
		u.Total++
		switch up.state {
		case Success:
			u.Success++
		case Failed:
			u.Failed++
		case UpstreamFailed:
			u.UpstreamFailed++
		case Skipped:
			u.Skipped++
		case Removed:
			u.Removed++
		}
	}
	return u
}

// TestDecideTable is the table of the rules in words, one line a cell.
func TestDecideTable(t *testing.T) {
	const s, f, uf, k, rm, r = Success, Failed, UpstreamFailed, Skipped, Removed, Running
	type states = []State
	for _, c := range []struct {
		rule TriggerRule
		ups  states
		want Verdict
	}{
		{AllSuccess, states{}, VerdictRun},
		{AllSuccess, states{s, s}, VerdictRun},
		{AllSuccess, states{s, r}, VerdictWait},
		{AllSuccess, states{s, s, f, r, r}, VerdictUpstreamFailed},
		{AllSuccess, states{uf, r}, VerdictUpstreamFailed},
		{AllSuccess, states{k, f}, VerdictUpstreamFailed},
		{AllSuccess, states{k, s}, VerdictSkipped},
		{AllSuccess, states{k, r}, VerdictWait},
		{AllSuccess, states{s, rm}, VerdictRun},
		{AllSuccess, states{rm}, VerdictRun},

		{AllFailed, states{f, uf}, VerdictRun},
		{AllFailed, states{f, r}, VerdictWait},
		{AllFailed, states{s, r}, VerdictSkipped},
		{AllFailed, states{f, k}, VerdictSkipped},

		{AllDone, states{s, f, uf, k}, VerdictRun},
		{AllDone, states{f, r}, VerdictWait},

		{OneSuccess, states{s, r, f}, VerdictRun},
		{OneSuccess, states{f, r}, VerdictWait},
		{OneSuccess, states{k, k}, VerdictSkipped},
		{OneSuccess, states{k, k, rm}, VerdictSkipped},
		{OneSuccess, states{k, f}, VerdictUpstreamFailed},
		{OneSuccess, states{uf}, VerdictUpstreamFailed},

		{OneFailed, states{f, r}, VerdictRun},
		{OneFailed, states{uf, r}, VerdictRun},
		{OneFailed, states{s, r}, VerdictWait},
		{OneFailed, states{s, k}, VerdictSkipped},

		{OneDone, states{s, r}, VerdictRun},
		{OneDone, states{f, r}, VerdictRun},
		{OneDone, states{uf, r}, VerdictWait},
		{OneDone, states{uf, k}, VerdictSkipped},

		{NoneFailed, states{s, k}, VerdictRun},
		{NoneFailed, states{k, k}, VerdictRun},
		{NoneFailed, states{f, r}, VerdictUpstreamFailed},

		{NoneFailedMinOneSuccess, states{s, k}, VerdictRun},
		{NoneFailedMinOneSuccess, states{s, r}, VerdictWait},
		{NoneFailedMinOneSuccess, states{k, k}, VerdictSkipped},
		{NoneFailedMinOneSuccess, states{s, uf, r}, VerdictUpstreamFailed},

		{NoneSkipped, states{s, f, uf}, VerdictRun},
		{NoneSkipped, states{s, r}, VerdictWait},
		{NoneSkipped, states{k, r}, VerdictSkipped},

		{AllSkipped, states{k, k}, VerdictRun},
		{AllSkipped, states{k, rm}, VerdictRun},
		{AllSkipped, states{k, r}, VerdictWait},
		{AllSkipped, states{f, r}, VerdictSkipped},

		{AllDoneMinOneSuccess, states{s, f}, VerdictRun},
		{AllDoneMinOneSuccess, states{s, r}, VerdictWait},
		{AllDoneMinOneSuccess, states{s, k, r}, VerdictSkipped},
		{AllDoneMinOneSuccess, states{f, uf}, VerdictUpstreamFailed},

		{AllDoneSetupSuccess, states{f, s}, VerdictRun},
		{AllDoneSetupSuccess, states{f, r}, VerdictWait},

		{Always, states{r, r}, VerdictRun},
		{Always, states{f}, VerdictRun},
	} {
		var ups []upstreamCase
		for _, state := range c.ups {
			ups = append(ups, upstreamCase{state: state})
		}
		if got := c.rule.Decide(count(ups), false); got != c.want {
			t.Errorf("%s of %v: %s, want %s", c.rule, c.ups, got, c.want)
		}
	}
}

func TestDecideSetups(t *testing.T) {
	setup := func(states ...State) (ups []upstreamCase) {
		for _, s := range states {
			ups = append(ups, upstreamCase{state: s, setup: true})
		}
		return ups
	}
	work := func(s State) upstreamCase { return upstreamCase{state: s} }
	for _, c := range []struct {
		name     string
		rule     TriggerRule
		ups      []upstreamCase
		teardown bool
		want     Verdict
	}{
		{"every setup must succeed", AllDone, setup(Success, Failed), false, VerdictUpstreamFailed},
		{"a setup skipped", AllDone, setup(Success, Skipped), false, VerdictSkipped},
		{"one bad, one still running", Always, setup(Failed, Running), false, VerdictUpstreamFailed},
		{"one skipped, one still running", Always, setup(Skipped, Running), false, VerdictWait},
		{"always waits for its setups", Always, setup(Running), false, VerdictWait},
		{"one_success waits for its setups", OneSuccess, append(setup(Running), work(Success)), false, VerdictWait},
		{"removed setups are left out", Always, setup(Removed), false, VerdictRun},
		{"several setups, no teardown, all succeeded", AllDoneSetupSuccess, setup(Success, Success), false, VerdictRun},
		{"several setups, no teardown, one failed", AllDoneSetupSuccess, setup(Success, Failed), false, VerdictUpstreamFailed},
		{"a far setup skipped, work failed", AllSuccess, []upstreamCase{{Skipped, true, true}, work(Failed)}, false, VerdictUpstreamFailed},
		{"a far setup skipped, work may still fail", AllSuccess, []upstreamCase{{Skipped, true, true}, work(Running)}, false, VerdictWait},
		{"a far setup skipped, work ended", AllSuccess, []upstreamCase{{Skipped, true, true}, work(Success)}, false, VerdictSkipped},

		{"teardown: one of two setups succeeded", AllDoneSetupSuccess, append(setup(Success, Failed), work(Failed)), true, VerdictRun},
		{"teardown: waits for the work", AllDoneSetupSuccess, append(setup(Success), work(Running)), true, VerdictWait},
		{"teardown: waits for the setups", AllDoneSetupSuccess, setup(Failed, Running), true, VerdictWait},
		{"teardown: all setups skipped", AllDoneSetupSuccess, append(setup(Skipped), work(Running)), true, VerdictSkipped},
		{"teardown: no setup succeeded", AllDoneSetupSuccess, append(setup(Failed, Skipped), work(Running)), true, VerdictUpstreamFailed},
		{"teardown: no setups is all_done", AllDoneSetupSuccess, []upstreamCase{work(Failed), work(Skipped)}, true, VerdictRun},
		{"teardown: setups removed is all_done", AllDoneSetupSuccess, append(setup(Removed), work(Failed)), true, VerdictRun},
		{"teardown: another rule asks nothing of setups", AllDone, setup(Failed), true, VerdictRun},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.rule.Decide(count(c.ups), c.teardown); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// slowRule is the table read slowly and independently: predicates over the list of ended upstreams, removed ones left out.
// atOnce rules may run while some are unfinished.
type slowRule struct {
	runs      func(all []State) bool
	atOnce    bool
	otherwise func(all []State) Verdict
}

func is(want ...State) func(State) bool {
	return func(s State) bool { return slices.Contains(want, s) }
}

func all(ss []State, p func(State) bool) bool {
	return !slices.ContainsFunc(ss, func(s State) bool { return !p(s) })
}

var (
	bad     = is(Failed, UpstreamFailed)
	success = is(Success)
	skipped = is(Skipped)
)

func skip([]State) Verdict { return VerdictSkipped }

var slowRules = map[TriggerRule]slowRule{
	AllSuccess: {runs: func(ss []State) bool { return all(ss, success) }, otherwise: func(ss []State) Verdict {
		if slices.ContainsFunc(ss, bad) {
			return VerdictUpstreamFailed
		}
		return VerdictSkipped
	}},
	AllFailed: {runs: func(ss []State) bool { return all(ss, bad) }, otherwise: skip},
	AllDone:   {runs: func([]State) bool { return true }},
	OneSuccess: {runs: func(ss []State) bool { return slices.ContainsFunc(ss, success) }, atOnce: true, otherwise: func(ss []State) Verdict {
		if all(ss, skipped) {
			return VerdictSkipped
		}
		return VerdictUpstreamFailed
	}},
	OneFailed:  {runs: func(ss []State) bool { return slices.ContainsFunc(ss, bad) }, atOnce: true, otherwise: skip},
	OneDone:    {runs: func(ss []State) bool { return slices.ContainsFunc(ss, is(Success, Failed)) }, atOnce: true, otherwise: skip},
	NoneFailed: {runs: func(ss []State) bool { return all(ss, is(Success, Skipped)) }, otherwise: func([]State) Verdict { return VerdictUpstreamFailed }},
	NoneFailedMinOneSuccess: {runs: func(ss []State) bool {
		return all(ss, is(Success, Skipped)) && slices.ContainsFunc(ss, success)
	}, otherwise: func(ss []State) Verdict {
		if all(ss, skipped) {
			return VerdictSkipped
		}
		return VerdictUpstreamFailed
	}},
	NoneSkipped: {runs: func(ss []State) bool { return !slices.ContainsFunc(ss, skipped) }, otherwise: skip},
	AllSkipped:  {runs: func(ss []State) bool { return all(ss, skipped) }, otherwise: skip},
	AllDoneMinOneSuccess: {runs: func(ss []State) bool {
		return !slices.ContainsFunc(ss, skipped) && slices.ContainsFunc(ss, success)
	}, otherwise: func(ss []State) Verdict {
		if slices.ContainsFunc(ss, skipped) {
			return VerdictSkipped
		}
		return VerdictUpstreamFailed
	}},
	AllDoneSetupSuccess: {runs: func([]State) bool { return true }}, // the setups are slowDecide's
	Always:              {runs: func([]State) bool { return true }, atOnce: true},
}

// slowDecide is the verdict on upstreams that all ended.
func slowDecide(rule TriggerRule, ups []upstreamCase, teardown bool) Verdict {
	var direct, setups []State
	for _, up := range ups {
		if up.state == Removed {
			continue
		}
		if !up.far {
			direct = append(direct, up.state)
		}
		if up.setup {
			setups = append(setups, up.state)
		}
	}
	verdict := VerdictRun
	if slow := slowRules[rule]; len(direct) > 0 && !slow.runs(direct) {
		verdict = slow.otherwise(direct)
	}
	needs := func(runs bool, otherwise Verdict) {
		if !runs {
			verdict = max(verdict, otherwise) // upstream_failed before skipped before run
		}
	}
	switch {
	case len(setups) == 0:
	case !teardown:
		needs(!slices.ContainsFunc(setups, skipped), VerdictSkipped)
		needs(!slices.ContainsFunc(setups, bad), VerdictUpstreamFailed)
	case rule == AllDoneSetupSuccess:
		needs(!all(setups, skipped), VerdictSkipped)
		needs(slices.ContainsFunc(setups, success) || all(setups, skipped), VerdictUpstreamFailed)
	}
	return verdict
}

// endings calls f with every way in which the unfinished upstreams may end.
func endings(ups []upstreamCase, f func([]upstreamCase)) {
	i := slices.IndexFunc(ups, func(u upstreamCase) bool { return u.state == Running })
	if i < 0 {
		f(ups)
		return
	}
	ended := slices.Clone(ups)
	for _, s := range []State{Success, Failed, UpstreamFailed, Skipped, Removed} {
		ended[i].state = s
		endings(ended, f)
	}
}

// multisets calls f with every multiset of up to n upstreams of these kinds.
func multisets(kinds []upstreamCase, n int, ups []upstreamCase, f func([]upstreamCase)) {
	f(ups)
	if n == 0 {
		return
	}
	for i, kind := range kinds {
		multisets(kinds[i:], n-1, append(slices.Clone(ups), kind), f)
	}
}

// TestDecideExhaustively checks what Decide's comment promises, against the slow reading of the table, for every multiset
// of up to four plain upstreams, and of up to three plain ones and setups, near and far.
func TestDecideExhaustively(t *testing.T) {
	var plain, mixed []upstreamCase
	for _, s := range []State{Success, Failed, UpstreamFailed, Skipped, Removed, Running} {
		plain = append(plain, upstreamCase{state: s})
		mixed = append(mixed, upstreamCase{state: s}, upstreamCase{state: s, setup: true}, upstreamCase{state: s, setup: true, far: true})
	}
	for _, rule := range allRules {
		for _, teardown := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s,teardown=%v", rule, teardown), func(t *testing.T) {
				check := func(ups []upstreamCase) { checkDecision(t, rule, ups, teardown) }
				multisets(plain, 4, nil, check)
				multisets(mixed, 3, nil, check)
			})
		}
	}
}

func checkDecision(t *testing.T, rule TriggerRule, ups []upstreamCase, teardown bool) {
	t.Helper()
	got := rule.Decide(count(ups), teardown)
	possible := map[Verdict]bool{}
	endings(ups, func(ended []upstreamCase) { possible[slowDecide(rule, ended, teardown)] = true })

	finished := !slices.ContainsFunc(ups, func(u upstreamCase) bool { return u.state == Running })
	certain := VerdictWait
	if len(possible) == 1 {
		for v := range possible {
			certain = v
		}
	}
	want := certain
	if certain == VerdictRun && !finished && !runsAtOnce(rule, ups, teardown) {
		want = VerdictWait
	}
	if got != want {
		t.Errorf("%v: %s, want %s (may yet be %v)", ups, got, want, possible)
	}
}

// runsAtOnce tells whether a rule that may run before all upstreams ended does so here.
func runsAtOnce(rule TriggerRule, ups []upstreamCase, teardown bool) bool {
	var direct []State
	unfinished := func(u upstreamCase) bool { return u.state == Running }
	for _, up := range ups {
		if !up.far && up.state != Removed {
			direct = append(direct, up.state)
		}
		if up.setup && unfinished(up) && (!teardown || rule == AllDoneSetupSuccess) {
			return false
		}
	}
	return slowRules[rule].atOnce && slowRules[rule].runs(direct) || !slices.Contains(direct, Running)
}

func TestRuleValid(t *testing.T) {
	for _, rule := range allRules {
		if !rule.Valid() {
			t.Errorf("%s is not valid", rule)
		}
	}
	for _, rule := range []TriggerRule{"", "all", "ALL_SUCCESS"} {
		if rule.Valid() {
			t.Errorf("%q is valid", rule)
		}
	}
}

func TestDecideDoesNotAllocate(t *testing.T) {
	u := Upstreams{Success: 2, Total: 3, Setups: 1, SetupsSuccess: 1}
	if n := testing.AllocsPerRun(100, func() { AllDoneMinOneSuccess.Decide(u, false) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
