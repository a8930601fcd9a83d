package ui

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tidemill/tidemill/engine"
)

func instance(task, runner string, index int, s engine.State, ended int) engine.TaskView {
	t := engine.TaskView{TaskKey: engine.TaskKey{Run: 1, Task: task, MapIndex: index}, Runner: runner, State: s}
	if ended > 0 {
		at := time.Unix(int64(ended), 0)
		t.EndedAt = &at
	}
	return t
}

func names(all []engine.TaskView) string {
	var out []string
	for _, t := range all {
		out = append(out, nameOf(t))
	}
	return strings.Join(out, " ")
}

func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		all  []engine.TaskView
		want string
	}{
		"none":                       {[]engine.TaskView{instance("a", "", -1, engine.Success, 1)}, ""},
		"the first to fail first":    {[]engine.TaskView{instance("a", "", -1, engine.Failed, 0), instance("b", "", -1, engine.Failed, 9), instance("c", "", -1, engine.Failed, 3)}, "c b a"},
		"not what failed through it": {[]engine.TaskView{instance("a", "", -1, engine.Failed, 1), instance("b", "", -1, engine.UpstreamFailed, 1), instance("c", "", -1, engine.UpForRetry, 1)}, "a"},
		"the node, not its runner":   {[]engine.TaskView{instance("dbt", "", -1, engine.Failed, 2), instance("dbt_m", "dbt", -1, engine.Failed, 1), instance("dbt_n", "dbt", -1, engine.Skipped, 1)}, "dbt_m"},
		"a runner without nodes":     {[]engine.TaskView{instance("dbt", "", -1, engine.Failed, 2), instance("dbt_m", "dbt", -1, engine.Success, 1)}, "dbt"},
		"elements":                   {[]engine.TaskView{instance("a", "", 0, engine.Success, 2), instance("a", "", 1, engine.Failed, 2)}, "a [1]"},
	} {
		if got := names(failures(c.all)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestShown(t *testing.T) {
	all := []engine.TaskView{instance("list", "", -1, engine.Success, 1)}
	for i := range 100 {
		s := engine.Success
		if i == 70 {
			s = engine.Failed
		}
		all = append(all, instance("each", "", i, s, 2))
	}
	for i := range 50 {
		all = append(all, instance(fmt.Sprintf("dbt_%d", i), "dbt", -1, engine.Failed, 2))
	}
	all = append(all, instance("end", "", -1, engine.None, 0))
	for query, c := range map[string]struct {
		n     int
		has   string
		folds string
	}{
		"":             {1 + 2 + foldAbove + 1, "each [0] each [70] dbt_0", "each: 100 in all, 1 failed, 99 success dbt: 50 in all, 50 failed"},
		"all=each":     {1 + 100 + foldAbove + 1, "each [69] each [70] each [71]", "dbt: 50 in all, 50 failed"},
		"all=each,dbt": {152, "dbt_49 end", ""},
		"state=failed": {51, "each [70] dbt_0", ""},
		"state=queued": {0, "", ""},
	} {
		list, folds := shown(all, &url.URL{Path: "/x", RawQuery: query})
		var said []string
		for _, v := range list {
			if f, ok := folds[v.TaskKey]; ok {
				said = append(said, f.Text)
			}
		}
		if len(list) != c.n || !strings.Contains(names(list), c.has) || strings.Join(said, " ") != c.folds {
			t.Errorf("?%s: %d of %q, folds %q", query, len(list), names(list), said)
		}
	}
	_, folds := shown(all, &url.URL{Path: "/x", RawQuery: "all=each"})
	for _, f := range folds {
		if f.URL != "/x?all=each%2Cdbt" || f.Left != 10 {
			t.Errorf("the link to the rest: %+v", f)
		}
	}
}
