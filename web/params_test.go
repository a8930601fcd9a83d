package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tidemill/tidemill/engine/enginetest"
	"github.com/tidemill/tidemill/web"
	"github.com/tidemill/tidemill/web/internal/showcase"
)

// A refusal tells every field with its bound, where the body has it.
func TestParamsThatTheAPIRefuses(t *testing.T) {
	base := hard(t)
	const dag = "/dags/every_param"
	for _, c := range []struct{ path, body, want string }{
		{dag + "/dagRuns", `{"logical_date":null,"conf":{"whole":0}}`, "[body conf whole] is 0; it must be at least 1"},
		{dag + "/dagRuns", `{"logical_date":null,"conf":{"whole":"x"}}`, "[body conf whole] is a JSON string; it must fit int"},
		{dag + "/dagRuns", `{"logical_date":null,"conf":{"number":2,"choice":"z"}}`,
			`[body conf number] is 2; it must be at most 1|[body conf choice] is "z"; it must be one of "fast", "thorough"`},
		{dag + "/dagRuns", `{"logical_date":null,"conf":{"list":["a","B"]}}`, `[body conf list 1] is "B"; it must match ^[a-z]+$`},
		{dag + "/dagRuns", `{"logical_date":null,"conf":{"hole":1}}`, "[body conf hole] this DAG has no such param; it has text, whole"},
		{dag + "/dagRuns", `{"logical_date":null,"conf":{"whole":1,"whole":2}}`, "[body conf whole] is given twice"},
		{dag + "/dagRuns", `{"logical_date":null,"conf":[]}`, "[body conf] expected object"},
		{"/backfills", `{"dag_id":"every_param","from_date":"2026-03-01","to_date":"2026-03-02","dag_run_conf":{"whole":0}}`, "[body dag_run_conf whole] is 0; it must be at least 1"},
		{"/backfills/dry_run", `{"dag_id":"every_param","from_date":"2026-03-01","to_date":"2026-03-02","dag_run_conf":{"inner":{"a":true}}}`, "[body dag_run_conf inner a] is a JSON bool; it must fit int"},
	} {
		status, answer := call(t, http.MethodPost, base+"/api/v2"+c.path, c.body)
		var got []string
		problems, _ := answer["detail"].([]any)
		for _, p := range problems {
			got = append(got, fmt.Sprint(dig(p, "loc"), " ", dig(p, "msg")))
		}
		if status != http.StatusUnprocessableEntity || !strings.HasPrefix(strings.Join(got, "|"), c.want) {
			t.Errorf("%s: %d %q, want %q", c.body, status, got, c.want)
		}
	}
	status, answer := call(t, http.MethodPost, base+"/api/v2"+dag+"/dagRuns", `{"logical_date":null,"conf":{"whole":9007199254740993,"level":null}}`)
	conf, _ := json.Marshal(answer["conf"])
	if status != http.StatusOK || !strings.Contains(string(conf), `"choice":"fast"`) || !strings.Contains(string(conf), `"level":null`) {
		t.Errorf("a run that gets its defaults: %d %s", status, conf)
	}
	text, _ := get(t, base+"/api/v2"+dag+"/dagRuns")
	if !strings.Contains(text, `"whole":9007199254740993`) {
		t.Errorf("a large number is not kept: %s", text)
	}
	_, answer = call(t, http.MethodGet, base+"/api/v2"+dag+"/details", "")
	for path, want := range map[string]any{"params.choice.value": "fast", "params.whole.schema.minimum": 1.0, "params.number.schema.maximum": 1.0, "params.choice.schema.enum.1": "thorough", "params.text.schema.pattern": nil} {
		if got := dig(answer, path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
}

// The form has an input of its own kind for each param, with its default and its bounds.
func TestFormsBySchema(t *testing.T) {
	base := hard(t)
	for _, page := range []string{"/trigger", "/backfill"} {
		body, _ := get(t, base+"/dags/every_param"+page)
		at := 0
		for _, want := range []string{ // in the order of the Go fields
			`<input name="param.text" value="" maxlength="200" autocomplete="off">`,
			`<input type="number" name="param.whole" value="7" step="1" min="1" autocomplete="off">`,
			`<input type="number" name="param.number" value="0.25" step="any" min="0" max="1" autocomplete="off">`,
			`<input type="checkbox" name="param.yes" value="true" checked>`,
			`<select name="param.choice"><option selected>fast</option><option>thorough</option></select>`,
			`name="param.code" value="" pattern="[\s\S]*(?:^[A-Z]{3}[0-9]+$)[\s\S]*"`, "Three capitals and a number. A text: matches ^[A-Z]{3}[0-9]&#43;$",
			`<input type="datetime-local" step="1" name="param.at" value="2026-03-01T02:00:00">`,
			"spellcheck=\"false\">a\nb</textarea>", "Several, one a line: at most 5 elements, matches ^[a-z]&#43;$",
			`<textarea name="param.inner"`, "&#34;a&#34;: 1", `name="param.level" value="" step="1" min="1"`,
			`<select name="param.sure"><option value="">not set</option>`, `<select name="param.kind"><option value="">not set</option><option>a</option>`,
			`<textarea name="params"`,
		} {
			i := strings.Index(body[at:], want)
			if i < 0 {
				t.Errorf("%s: %s is missing after %.60q", page, want, body[at:])
				continue
			}
			at += i
		}
	}
}

// What the server refuses stands at its field, and what was typed is kept.
func TestFormsThatAreRefused(t *testing.T) {
	base := hard(t)
	trigger, backfill := base+"/dags/every_param/trigger", base+"/dags/every_param/backfill"
	typed := url.Values{"param.whole": {"0"}, "param.number": {"0.5"}, "param.choice": {"thorough"}, "param.list": {"x\nB"}, "param.text": {"<b>"}, "param.code": {"abc"}, "param.inner": {`{"a":"x"}`}}
	ranged := url.Values{"from": {"2026-03-01"}, "to": {"2026-03-02"}, "limit": {"1"}, "reprocess": {"none"}}
	for k, v := range typed {
		ranged[k] = v
	}
	for page, values := range map[string]url.Values{trigger: typed, backfill: ranged} {
		values.Set("param.inner", `{"a":1}`)
		body, r := form(t, page, "", values)
		if r.StatusCode != http.StatusUnprocessableEntity {
			t.Fatalf("%s: %s", page, r.Status)
		}
		for _, want := range []string{
			`id="wrong.whole" role="alert">is 0; it must be at least 1</span>`, `id="wrong.list" role="alert">element 2 is &#34;B&#34;; it must match`, `id="wrong.code" role="alert">is &#34;abc&#34;; it must match`,
			`name="param.whole" value="0" step="1" min="1" autocomplete="off" aria-invalid="true" aria-describedby="wrong.whole">`,
			`value="0.5"`, `<option selected>thorough</option>`, "x\nB</textarea>", `value="&lt;b&gt;"`, `name="param.yes" value="true">`, "see below",
		} {
			if !strings.Contains(body, want) {
				t.Errorf("%s: %s is missing", page, want)
			}
		}
	}
	for _, c := range []struct{ page, name, value, want string }{
		{trigger, "run_id", "a/b", `placeholder="made from the time"><span class="wrong" role="alert">use at most 250 characters`},
		{trigger, "logical", "soon", `placeholder="none"><span class="wrong" role="alert">&#34;soon&#34; is no date`},
		{trigger, "params", `{"whole":0}`, `params whole: is 0; it must be at least 1`},
		{trigger, "params", `{"whole"`, `one JSON object is expected`},
		{backfill, "to", "2026-02-01", `<span class="wrong" role="alert">2026-03-01T00:00:00Z is after`},
		{backfill, "limit", "0", `<span class="wrong" role="alert">is 0; give at least 1`},
		{backfill, "tasks", "nope", `<span class="wrong" role="alert">DAG every_param has no task &#34;nope&#34;`},
	} {
		values := url.Values{"from": {"2026-03-01"}, "to": {"2026-03-02"}, "limit": {"1"}, "reprocess": {"none"}}
		values.Set(c.name, c.value)
		body, r := form(t, c.page, "", values)
		if r.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, c.want) {
			i := strings.Index(body, `role="alert"`)
			t.Errorf("%s=%s: %s, %s is missing; there is %.300s", c.name, c.value, r.Status, c.want, body[max(i, 0):])
		}
	}
}

// What the form gives is what the run has: what is left as it was has its default, what is cleared is empty.
func TestFormsThatAreTaken(t *testing.T) {
	clock := showcase.NewClock()
	store := enginetest.NewStore(clock)
	control, err := showcase.FillHard(t.Context(), store, clock.Set)
	if err != nil {
		t.Fatal(err)
	}
	base := serve(t, web.Config{Control: control, Store: store, Clock: clock})
	for i, c := range []struct {
		typed url.Values
		want  string
	}{
		{url.Values{"param.whole": {"9007199254740993"}, "param.yes": {"true"}, "param.list": {"c, d"}, "param.sure": {"false"}, "param.at": {"2026-01-02T03:04"}, "param.number": {""}, "param.choice": {"thorough"}, "param.numbers": {"1\n2"}},
			`{"at":"2026-01-02T03:04:00Z","choice":"thorough","inner":{"a":1},"list":["c","d"],"number":0.25,"numbers":[1,2],"sure":false,"whole":9007199254740993,"yes":true}`},
		{url.Values{"param.list": {""}, "param.map": {`{"a":"b"}`}, "param.level": {"3"}},
			`{"at":"2026-03-01T02:00:00Z","choice":"fast","inner":{"a":1},"level":3,"list":[],"map":{"a":"b"},"number":0.25,"whole":7,"yes":false}`},
		{url.Values{"params": {`{"whole":2,"yes":true}`}, "param.whole": {"no"}},
			`{"at":"2026-03-01T02:00:00Z","choice":"fast","inner":{"a":1},"list":["a","b"],"number":0.25,"whole":2,"yes":true}`},
	} {
		id := fmt.Sprint("form", i)
		c.typed.Set("run_id", id)
		body, r := form(t, base+"/dags/every_param/trigger", "", c.typed)
		if r.StatusCode != http.StatusSeeOther {
			j := strings.Index(body, `role="alert"`)
			t.Errorf("%v: %s %.300s", c.typed, r.Status, body[max(j, 0):])
			continue
		}
		row, err := store.RunByID(t.Context(), "every_param", id)
		if err != nil || string(row.Params) != c.want {
			t.Errorf("%v gives\n%s (%v), want\n%s", c.typed, row.Params, err, c.want)
		}
	}
}
