package ui

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/tidemill/tidemill/engine"
)

// How many failures the page of a run leads with, and from how many elements or virtual nodes of one task on only those are
// listed that ask for attention.
const (
	failuresShown = 5
	foldAbove     = 40
)

// A fold is what a list leaves out of one task's elements or nodes.
type fold struct {
	Text string // how many there are, by state
	Left int    // how many are not listed
	URL  string // where all are
}

// failures are the instances that failed by themselves, the first to fail first. A runner whose nodes tell more is left to
// them, unless none of them failed.
func failures(all []engine.TaskView) []engine.TaskView {
	told := map[string]bool{} // runners of which a node failed
	for _, t := range all {
		told[t.Runner] = told[t.Runner] || t.State == engine.Failed
	}
	var out []engine.TaskView
	for _, t := range all {
		if t.State == engine.Failed && (t.Runner != "" || !told[t.Task]) {
			out = append(out, t)
		}
	}
	slices.SortStableFunc(out, func(a, b engine.TaskView) int {
		switch {
		case a.EndedAt == nil || b.EndedAt == nil:
			return cmp.Compare(ordinal(a.EndedAt == nil), ordinal(b.EndedAt == nil))
		default:
			return a.EndedAt.Compare(*b.EndedAt)
		}
	})
	return out
}

func ordinal(last bool) int {
	if last {
		return 1
	}
	return 0
}

// folded keeps of a long list of elements, or of virtual nodes, those that ask for attention, in their order: at least the
// first, at most foldAbove. What is left out is said with the last that is kept, by its place in kept.
func folded(list []engine.TaskView) (kept []engine.TaskView, left int) {
	if len(list) <= foldAbove {
		return list, 0
	}
	keep := map[engine.TaskKey]bool{list[0].TaskKey: true}
	for _, s := range severity {
		for _, t := range list {
			if t.State == s && s != engine.Success && s != engine.None && len(keep) < foldAbove {
				keep[t.TaskKey] = true
			}
		}
	}
	for _, t := range list {
		if keep[t.TaskKey] {
			kept = append(kept, t)
		}
	}
	return kept, len(list) - len(kept)
}

// shown picks what the list of a run shows: the instances in one state when the address asks for it, else all but what is
// folded away. folds are by the key of the last instance that is shown of a folded task.
func shown(all []engine.TaskView, u *url.URL) (list []engine.TaskView, folds map[engine.TaskKey]fold) {
	folds = map[engine.TaskKey]fold{}
	if want := engine.State(u.Query().Get("state")); want != "" {
		for _, t := range all {
			if t.State == want {
				list = append(list, t)
			}
		}
		return list, folds
	}
	open := strings.Split(u.Query().Get("all"), ",")
	for i := 0; i < len(all); {
		n := i + 1
		for n < len(all) && together(all[i], all[n]) {
			n++
		}
		part, left := all[i:n], 0
		name := cmp.Or(part[0].Runner, part[0].Task)
		if !slices.Contains(open, name) {
			part, left = folded(part)
		}
		list = append(list, part...)
		if left > 0 {
			folds[part[len(part)-1].TaskKey] = fold{Text: fmt.Sprintf("%s: %d in all, %s", name, n-i, tally(all[i:n])), Left: left, URL: with(u, "all", strings.Trim(u.Query().Get("all")+","+name, ","))}
		}
		i = n
	}
	return list, folds
}

// together says whether two instances are of one list: elements of a mapped task, or nodes of a runner.
func together(a, b engine.TaskView) bool {
	if a.Runner != "" || b.Runner != "" {
		return a.Runner == b.Runner
	}
	return a.Task == b.Task
}
