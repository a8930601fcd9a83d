package engine

// Upstreams counts the upstream instances of a task by where they stand.
type Upstreams struct {
	Success, Failed, UpstreamFailed, Skipped, Removed int
	Total                                             int // all of them, unfinished and removed ones included

	// Setups are the setups whose work the task uses, direct upstreams or not, without removed ones; those that are
	// direct upstreams are in the counts above as well. SetupsBad ended failed or upstream_failed.
	Setups, SetupsSuccess, SetupsSkipped, SetupsBad int
}

// A Verdict is what the upstreams of a task decide for it.
type Verdict int

// The verdicts.
const (
	VerdictWait           Verdict = iota // nothing is certain yet
	VerdictRun                           // the task may run
	VerdictSkipped                       // the task becomes skipped
	VerdictUpstreamFailed                // the task becomes upstream_failed
)

// String names the verdict.
func (v Verdict) String() string {
	switch v {
	case VerdictRun:
		return "run"
	case VerdictSkipped:
		return "skipped"
	case VerdictUpstreamFailed:
		return "upstream_failed"
	}
	return "wait"
}

// Valid tells whether r is one of the rules.
func (r TriggerRule) Valid() bool {
	switch r {
	case AllSuccess, AllFailed, AllDone, OneSuccess, OneFailed, OneDone, NoneFailed, NoneFailedMinOneSuccess,
		NoneSkipped, AllSkipped, AllDoneMinOneSuccess, AllDoneSetupSuccess, Always:
		return true
	}
	return false
}

// Decide says what a task with this rule does, given how its upstreams stand. Removed upstreams are left out; with no
// upstream left the task runs. A task that is no teardown also needs every one of its setups to succeed, whatever its
// rule; where setups and rule disagree, upstream_failed comes before skipped and skipped before run.
//
// A decision never depends on the order in which upstreams end:
//   - VerdictSkipped and VerdictUpstreamFailed are given as soon as they are certain, that is exactly when every way in
//     which the unfinished upstreams may end (or be removed) leads to them. So all_success with a failed upstream is
//     upstream_failed at once, while with a skipped one it waits for the rest: one that fails turns skipped into
//     upstream_failed.
//   - VerdictRun is given when all upstreams ended, except by the rules that run at once (one_success, one_failed, one_done,
//     always); however the rest ends, it stays VerdictRun.
//   - When nothing is unfinished the verdict is not VerdictWait.
//
// A rule that is not Valid counts as AllSuccess.
func (r TriggerRule) Decide(u Upstreams, teardown bool) Verdict {
	verdict, _ := r.withSetups(u, teardown)
	return verdict
}

// withSetups is Decide, and says of VerdictWait whether it may yet become VerdictUpstreamFailed.
func (r TriggerRule) withSetups(u Upstreams, teardown bool) (verdict Verdict, mayFail bool) {
	verdict, mayFail = r.decide(u, teardown)
	if teardown {
		return verdict, verdict == VerdictWait && u.SetupsSuccess+u.SetupsSkipped+u.SetupsBad < u.Setups
	}
	if u.Setups == 0 || verdict == VerdictUpstreamFailed {
		return verdict, mayFail
	}
	switch {
	case u.SetupsBad > 0:
		return VerdictUpstreamFailed, false
	case u.SetupsSuccess+u.SetupsSkipped < u.Setups:
		return VerdictWait, true
	case u.SetupsSkipped > 0 && !mayFail:
		return VerdictSkipped, false
	}
	return verdict, mayFail
}

// decide is the rule by itself. mayFail says that the verdict is VerdictWait and may yet become VerdictUpstreamFailed.
func (r TriggerRule) decide(u Upstreams, teardown bool) (verdict Verdict, mayFail bool) {
	total := u.Total - u.Removed
	bad := u.Failed + u.UpstreamFailed
	done := u.Success + bad + u.Skipped
	if r == AllDoneSetupSuccess && teardown && u.Setups > 0 {
		return decideSetupSuccess(u, done == total), false
	}
	if total == 0 {
		return VerdictRun, false
	}
	// Each case below names what is certain early; what remains is decided when all are done.
	early, end := VerdictWait, VerdictRun
	switch r {
	case AllFailed:
		if u.Success+u.Skipped > 0 {
			early = VerdictSkipped
		}
	case AllDone, AllDoneSetupSuccess:
	case OneSuccess:
		mayFail = true
		switch {
		case u.Success > 0:
			early = VerdictRun
		case u.Skipped == total:
			end = VerdictSkipped
		default:
			end = VerdictUpstreamFailed
		}
	case OneFailed:
		end = VerdictSkipped
		if bad > 0 {
			early = VerdictRun
		}
	case OneDone:
		end = VerdictSkipped
		if u.Success+u.Failed > 0 {
			early = VerdictRun
		}
	case NoneFailed:
		mayFail = true
		if bad > 0 {
			early = VerdictUpstreamFailed
		}
	case NoneFailedMinOneSuccess:
		mayFail = true
		if bad > 0 {
			early = VerdictUpstreamFailed
		}
		if u.Success == 0 {
			end = VerdictSkipped
		}
	case NoneSkipped:
		if u.Skipped > 0 {
			early = VerdictSkipped
		}
	case AllSkipped:
		if u.Success+bad > 0 {
			early = VerdictSkipped
		}
	case AllDoneMinOneSuccess:
		mayFail = u.Success == 0
		if u.Skipped > 0 {
			early = VerdictSkipped
		}
		if u.Success == 0 {
			end = VerdictUpstreamFailed
		}
	case Always:
		early = VerdictRun
	default: // AllSuccess
		mayFail = true
		if bad > 0 {
			early = VerdictUpstreamFailed
		}
		if u.Skipped > 0 {
			end = VerdictSkipped
		}
	}
	switch {
	case early != VerdictWait:
		return early, false
	case done < total:
		return VerdictWait, mayFail
	}
	return end, false
}

// decideSetupSuccess is all_done_setup_success for a teardown with setups.
func decideSetupSuccess(u Upstreams, allDone bool) Verdict {
	switch {
	case u.SetupsSuccess+u.SetupsSkipped+u.SetupsBad < u.Setups:
		return VerdictWait
	case u.SetupsSkipped == u.Setups:
		return VerdictSkipped
	case u.SetupsSuccess == 0:
		return VerdictUpstreamFailed
	case allDone:
		return VerdictRun
	}
	return VerdictWait
}
