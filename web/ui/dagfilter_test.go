package ui

import (
	"fmt"
	"net/url"
	"slices"
	"testing"

	"github.com/tidemill/tidemill/engine"
)

func candidates() []candidate {
	dag := func(id, doc string, paused bool, last engine.RunState, owner string, tags ...string) candidate {
		return candidate{engine.DAGStatus{ID: id, Paused: paused, Spec: engine.Spec{Doc: doc, Owners: []string{owner}, Tags: tags}}, last}
	}
	return []candidate{
		dag("fx_rates", "Rates of the day", false, engine.RunSuccess, "treasury", "gold"),
		dag("ledger", "Books of the day", true, engine.RunFailed, "finance", "gold", "payments"),
		dag("scores", "Fraud, by files", false, engine.RunFailed, "risk", "payments"),
		dag("spare", "", false, "", "risk"),
	}
}

func TestDAGsAreFiltered(t *testing.T) {
	for query, want := range map[string]string{
		"":                          "[fx_rates ledger scores spare]",
		"q=DAY":                     "[fx_rates ledger]",
		"q=+day+books+":             "[ledger]",
		"q=fx":                      "[fx_rates]",
		"q=%":                       "[]",
		"tag=payments":              "[ledger scores]",
		"tag=pay":                   "[]",
		"owner=risk":                "[scores spare]",
		"paused=true":               "[ledger]",
		"paused=false&last=failed":  "[scores]",
		"last=running":              "[]",
		"tag=gold&last=failed&q=of": "[ledger]",
		"page=9":                    "[fx_rates ledger scores spare]",
		"page=-1&paused=&last=":     "[fx_rates ledger scores spare]",
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			q = url.Values{"q": {"%"}}
		}
		l, shown := dagFilterOf(q).list(candidates())
		if got := fmt.Sprint(idsOf(shown)); got != want || l.Fit != len(shown) || l.All != 4 {
			t.Errorf("%s: %s, %d of %d; want %s", query, got, l.Fit, l.All, want)
		}
	}
}

// TestChoicesCountWhatTheyWouldShow asks that following a link shows as many DAGs as it says.
func TestChoicesCountWhatTheyWouldShow(t *testing.T) {
	for _, f := range []dagFilter{{Page: 1}, {Text: "day", Page: 1}, {Tag: "gold", Last: "failed", Page: 1}, {Paused: "false", Owner: "risk", Page: 1}} {
		l, _ := f.list(candidates())
		if len(l.Paused) != 3 || len(l.Last) != 3 || len(l.Tags) != 2 || len(l.Owners) != 3 {
			t.Fatalf("%+v: choices are missing: %+v", f, l)
		}
		for _, c := range slices.Concat(l.Paused, l.Last) {
			u, err := url.Parse(c.URL)
			if err != nil {
				t.Fatal(err)
			}
			if there, _ := dagFilterOf(u.Query()).list(candidates()); there.Fit != c.N {
				t.Errorf("%+v: %s shows %d, not %d", f, c.URL, there.Fit, c.N)
			}
		}
		for _, c := range l.Tags {
			with := f
			with.Tag = c.Value
			if there, _ := with.list(candidates()); there.Fit != c.N {
				t.Errorf("%+v: tag %s shows %d, not %d", f, c.Value, there.Fit, c.N)
			}
		}
	}
}

func TestTheListIsPaged(t *testing.T) {
	all := make([]candidate, 120)
	for i := range all {
		all[i].ID = fmt.Sprintf("d%03d", i)
	}
	for page, want := range map[int]struct {
		from, to      int
		before, after string
	}{1: {1, 50, "", "/?page=2&q=d"}, 2: {51, 100, "/?q=d", "/?page=3&q=d"}, 3: {101, 120, "/?page=2&q=d", ""}, 7: {101, 120, "/?page=2&q=d", ""}} {
		l, shown := dagFilter{Text: "d", Page: page}.list(all)
		if l.From != want.from || l.To != want.to || l.Before != want.before || l.After != want.after || shown[0].ID != all[want.from-1].ID {
			t.Errorf("page %d: %d to %d, %q, %q; want %+v", page, l.From, l.To, l.Before, l.After, want)
		}
	}
}

func TestTheGridsPagesAreLinked(t *testing.T) {
	for query, want := range map[string]string{
		"":                        "1–25 older:/dags/d?skip=25 newer: first: more:/dags/d?runs=50",
		"runs=200":                "1–200 older:/dags/d?runs=200&skip=200 newer: first: more:",
		"runs=200&skip=200":       "201–400 older:/dags/d?runs=200&skip=400 newer:/dags/d?runs=200 first: more:",
		"runs=200&skip=400":       "401–500 older: newer:/dags/d?runs=200&skip=200 first:/dags/d?runs=200 more:",
		"skip=10&toggle=group%3A": "11–35 older:/dags/d?skip=35&toggle=group%3A newer:/dags/d?toggle=group%3A first: more:/dags/d?runs=50&skip=10&toggle=group%3A",
		"runs=201&skip=-3":        "1–25 older:/dags/d?runs=201&skip=25 newer: first: more:/dags/d?runs=50&skip=-3",
		"skip=9000":               "9001–9000 older: newer:/dags/d?skip=475 first:/dags/d more:",
	} {
		u, err := url.Parse("/dags/d?" + query)
		if err != nil {
			t.Fatal(err)
		}
		n, skip := stretch(u.Query())
		g := gridData{Total: 500, Columns: make([]gridColumn, max(0, min(n, 500-skip)))}
		g.page(u, n, skip)
		if got := fmt.Sprintf("%d–%d older:%s newer:%s first:%s more:%s", g.Newest, g.Oldest, g.Older, g.Newer, g.First, g.More); got != want {
			t.Errorf("%s: %s; want %s", query, got, want)
		}
	}
}
