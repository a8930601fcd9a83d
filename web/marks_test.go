package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestAMarkSaysWhoMadeIt marks a task and a run, and clears what was marked.
func TestAMarkSaysWhoMadeIt(t *testing.T) {
	base, _ := shown(t)
	act := func(run string, values url.Values) {
		t.Helper()
		values.Set("confirm", "1")
		if body, r := form(t, base, run+"/act", values); r.StatusCode != http.StatusSeeOther {
			t.Fatal(r.Status, body)
		}
	}
	says := func(when, path, text string, want bool) {
		t.Helper()
		if body, _ := get(t, base+path); strings.Contains(body, text) != want {
			t.Errorf("%s, %s: %q is there: %t, want %t", when, path, text, !want, want)
		}
	}
	const failed, success = "Marked failed by <strong>ui</strong>", "Marked success by <strong>ui</strong>"
	says("at first", dailyRun, failed, false)
	act(dailyRun, url.Values{"action": {"failed"}})
	says("marked", dailyRun, failed, true)
	says("marked", dailyRun+"/graph", failed, true)
	says("marked", dailyRun+"/tasks/dbt_run", failed, true)
	if _, r := form(t, base, dailyRun+"/note", url.Values{"note": {"by me"}}); r.StatusCode != http.StatusSeeOther {
		t.Fatal(r.Status)
	}
	says("noted", dailyRun, failed, true)
	act(dailyRun, url.Values{"action": {"clear"}, "pick": {"dbt_run"}})
	says("cleared", dailyRun, failed, false)
	says("cleared", dailyRun+"/tasks/dbt_run", failed, false)
	says("at first", failedRun, failed, false)
	says("at first", failedRun+"/tasks/dbt_run", failed, false)
	act(failedRun, url.Values{"action": {"success"}, "pick": {"dbt_run"}, "output": {"{}"}})
	says("marked", failedRun+"/tasks/dbt_run", success, true)
	says("marked", failedRun, "marked success by ui", true)
}

// TestAnAnsweredQuestionKeepsItsText answers a question and looks at the page of its task.
func TestAnAnsweredQuestionKeepsItsText(t *testing.T) {
	base, _ := features(t)
	run := scoresDAG + "/runs/" + url.PathEscape(scoresID(7))
	if _, r := form(t, base, run+"/answer", url.Values{"task": {"release"}, "map_index": {"-1"}, "choice": {"publish"}}); r.StatusCode != http.StatusSeeOther {
		t.Fatal(r.Status)
	}
	for _, day := range []int{6, 7} {
		body, _ := get(t, base+scoresDAG+scoresRun(day)+"/tasks/release")
		_, said, _ := strings.Cut(body, `class="notice answered"`)
		said, _, _ = strings.Cut(said, "</div>")
		if !strings.Contains(said, "117 of 41,622 payments") || !strings.Contains(said, "Answered <strong>publish</strong>") || strings.Contains(body, "Marked") {
			t.Errorf("day %d: %s", day, said)
		}
	}
}
