package ui

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tidemill/tidemill/engine"
)

// A dagFilter says which DAGs the list shows, and which page of them. The address keeps it.
type dagFilter struct {
	Text   string // part of the id or of what is said of it; several words: all of them
	Tag    string
	Owner  string
	Paused string // "", true or false
	Last   string // state of the last run; "": any
	Page   int    // from 1
}

// A candidate is a DAG as the filter looks at it.
type candidate struct {
	engine.DAGStatus
	last engine.RunState // "": it has not run yet
}

// A choice is something that the list can be narrowed to, and how many it would show.
type choice struct {
	Value, Label string
	N            int
	URL          string
	Chosen       bool
}

func dagFilterOf(q url.Values) dagFilter {
	f := dagFilter{Text: strings.TrimSpace(q.Get("q")), Tag: q.Get("tag"), Owner: q.Get("owner"), Paused: q.Get("paused"), Last: q.Get("last"), Page: 1}
	if n, err := strconv.Atoi(q.Get("page")); err == nil && n > 0 {
		f.Page = n
	}
	return f
}

// URL is where the list is filtered so.
func (f dagFilter) URL() string {
	q := url.Values{}
	for name, value := range map[string]string{"q": f.Text, "tag": f.Tag, "owner": f.Owner, "paused": f.Paused, "last": f.Last} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if f.Page > 1 {
		q.Set("page", strconv.Itoa(f.Page))
	}
	if len(q) == 0 {
		return "/"
	}
	return "/?" + q.Encode()
}

// On tells whether something is filtered out.
func (f dagFilter) On() bool { return f != dagFilter{Page: f.Page} }

// fits tells whether a DAG is one of those that are looked for.
func (f dagFilter) fits(c candidate) bool {
	text := strings.ToLower(c.ID + "\n" + c.Spec.Doc)
	for _, word := range strings.Fields(strings.ToLower(f.Text)) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return (f.Tag == "" || slices.Contains(c.Spec.Tags, f.Tag)) &&
		(f.Owner == "" || slices.Contains(c.Spec.Owners, f.Owner)) &&
		(f.Paused == "" || f.Paused == strconv.FormatBool(c.Paused)) &&
		(f.Last == "" || f.Last == string(c.last))
}

// list is the list without its lines, and the DAGs of its page. A page beyond the last one is the last one.
func (f dagFilter) list(all []candidate) (dagList, []engine.DAGStatus) {
	var fit []engine.DAGStatus
	for _, c := range all {
		if f.fits(c) {
			fit = append(fit, c.DAGStatus)
		}
	}
	pages := max(1, (len(fit)+dagsShown-1)/dagsShown)
	f.Page = min(f.Page, pages)
	from := (f.Page - 1) * dagsShown
	to := min(from+dagsShown, len(fit))
	l := dagList{Filter: f, All: len(all), Fit: len(fit), From: from + 1, To: to, Tags: f.tags(all), Owners: f.owners(all)}
	l.Paused = f.choices(all, []choice{{Label: "All"}, {Value: "false", Label: "Active"}, {Value: "true", Label: "Paused"}}, func(f *dagFilter, v string) { f.Paused = v }, f.Paused)
	l.Last = f.choices(all, []choice{{Label: "Any last run"}, {Value: string(engine.RunFailed), Label: "Failed"}, {Value: string(engine.RunRunning), Label: "Running"}}, func(f *dagFilter, v string) { f.Last = v }, f.Last)
	if f.Page > 1 {
		before := f
		before.Page--
		l.Before = before.URL()
	}
	if f.Page < pages {
		after := f
		after.Page++
		l.After = after.URL()
	}
	return l, fit[from:to]
}

// choices counts what each value of one part of the filter would show, the other parts staying as they are.
func (f dagFilter) choices(all []candidate, values []choice, set func(*dagFilter, string), now string) []choice {
	for i := range values {
		with := f
		with.Page = 1
		set(&with, values[i].Value)
		values[i].URL, values[i].Chosen = with.URL(), values[i].Value == now
		for _, c := range all {
			if with.fits(c) {
				values[i].N++
			}
		}
	}
	return values
}

func (f dagFilter) tags(all []candidate) []choice {
	return f.named(all, f.Tag, func(f *dagFilter, v string) { f.Tag = v }, func(c candidate) []string { return c.Spec.Tags })
}

func (f dagFilter) owners(all []candidate) []choice {
	return f.named(all, f.Owner, func(f *dagFilter, v string) { f.Owner = v }, func(c candidate) []string { return c.Spec.Owners })
}

// named are the choices among names that DAGs have, in the order of the names: all that there are, and the one that is chosen.
func (f dagFilter) named(all []candidate, now string, set func(*dagFilter, string), of func(candidate) []string) []choice {
	without, n := f, map[string]int{}
	set(&without, "")
	if now != "" {
		n[now] = 0
	}
	for _, c := range all {
		for _, name := range of(c) {
			n[name] += 0
			if without.fits(c) {
				n[name]++
			}
		}
	}
	var out []choice
	for name, count := range n {
		out = append(out, choice{Value: name, Label: name, N: count, Chosen: name == now})
	}
	slices.SortFunc(out, func(a, b choice) int { return strings.Compare(a.Value, b.Value) })
	return out
}
